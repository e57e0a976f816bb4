#!/usr/bin/env bats
# The command line itself: help, version, configuration, exit codes. Needs no server.

bats_require_minimum_version 1.5.0

setup() {
    redkeep=${REDKEEP_BIN:-build/redkeep}
    dir=$BATS_TEST_TMPDIR
    # what the tests say is all there is
    while IFS= read -r name; do unset "$name"; done < <(compgen -e REDKEEP_)
}

@test "--help and --version answer on stdout with 0" {
    run -0 --separate-stderr "$redkeep" --help
    [[ $output == *"usage: redkeep COMMAND"* && -z $stderr ]]
    run -0 --separate-stderr "$redkeep" --version
    [[ $output == "redkeep "[0-9]* && -z $stderr ]]
}

@test "no command, or an option in its place, is a usage error" {
    run -2 --separate-stderr "$redkeep"
    [[ -z $output && $stderr == *"usage: redkeep COMMAND"* ]]
    run -2 "$redkeep" --json config
    [[ $output == *"options follow the command"* ]]
}

@test "an unknown command names the nearest" {
    run -2 "$redkeep" confg
    [[ $output == *"unknown command confg, the nearest is config"* ]]
}

@test "every command has its own help, whatever the settings are" {
    export REDKEEP_PART_SIZE=nonsense
    for command in $("$redkeep" --help | awk '/^commands:/ {on = 1; next} on && !NF {exit} on {print $1}'); do
        run -0 --separate-stderr "$redkeep" "$command" --help
        [[ $output == "usage: redkeep $command"* && $output == *--repository* && -z $stderr ]]
    done
}

@test "config shows where each setting came from" {
    printf 'data-dir /from/file\ninstance blue\n' >"$dir/redkeep.conf"
    export REDKEEP_CONFIG=$dir/redkeep.conf REDKEEP_INSTANCE=green
    run -0 --separate-stderr "$redkeep" config --json --part-size 8MiB
    jq -e --arg file "$dir/redkeep.conf" '.settings
        | .["data-dir"] == {value: "/from/file", origin: "file \($file):1"}
        and .instance == {value: "green", origin: "environment REDKEEP_INSTANCE"}
        and .["part-size"] == {value: 8388608, origin: "flag --part-size"}
        and .repository == {value: null, origin: "default"}' <<<"$output"
    run -0 "$redkeep" config --part-size 8MiB
    [[ $output == *"part-size"*"8MiB"*"flag --part-size"* ]]
}

@test "config masks secrets, wherever they come from" {
    printf 's3cret\n' >"$dir/password"
    export REDKEEP_REDIS_PASSWORD_FILE=$dir/password REDKEEP_REDIS_URL=redis://u:s3cret@h
    run -0 "$redkeep" config
    [[ $output != *s3cret* && $output == *"redis://u:***@h"* ]]
    run -0 "$redkeep" config --json
    [[ $output != *s3cret* ]]
}

@test "config refuses the repository that every command would refuse" {
    for url in ftp://host/x s3:bucket file://relative /backups; do
        REDKEEP_REPOSITORY=$url run -2 "$redkeep" config
        [[ $output == *repository* ]]
    done
    for url in s3://bucket/prefix file:///nowhere; do # whether it is there is another question
        REDKEEP_REPOSITORY=$url run -0 "$redkeep" config
    done
}

@test "a misspelt setting is refused with the nearest, in all four places" {
    run -2 "$redkeep" config --data-dri /x
    [[ $output == *"the nearest is --data-dir"* ]]
    REDKEEP_DATADIR=/x run -2 "$redkeep" config
    [[ $output == *"the nearest is REDKEEP_DATA_DIR"* ]]
    REDKEEP_DATADIR_FILE=/x run -2 "$redkeep" config
    [[ $output == *"the nearest is REDKEEP_DATA_DIR"* ]]
    echo 'data-dri /x' >"$dir/redkeep.conf"
    run -2 "$redkeep" config --config "$dir/redkeep.conf"
    [[ $output == *"line 1: unknown setting data-dri, the nearest is data-dir"* ]]
}

@test "what Kubernetes injects for a Service called redkeep is passed over" {
    export REDKEEP_SERVICE_HOST=10.0.0.1 REDKEEP_SERVICE_PORT=9742 REDKEEP_PORT=tcp://10.0.0.1:9742
    export REDKEEP_PORT_9742_TCP_PROTO=tcp
    run -0 "$redkeep" config
}

@test "a secret has no flag, and is not repeated in the message" {
    run -2 "$redkeep" config --redis-password s3cret
    [[ $output != *s3cret* && $output == *REDKEEP_REDIS_PASSWORD_FILE* ]]
    run -2 "$redkeep" config --redis-url redis://:s3cret@h
    [[ $output != *s3cret* ]]
}

@test "logs are JSON where stderr is no terminal" {
    run -2 --separate-stderr "$redkeep" config superfluous
    jq -e '.level == "error" and .kind == "config" and (.time | length > 0)' <<<"$stderr"
}

@test "a full disk below the answer is a failure" {
    run -1 bash -c "'$redkeep' config >/dev/full"
    [[ $output == *"cannot write the answer"* ]]
}
