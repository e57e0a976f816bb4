#!/usr/bin/env bats
# What all of compose/ promises: the order at the start and at the end, that nothing starts on a guess, and
# what no container has. In real containers; each variant for itself is in compose.bats.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers set and read

load helpers
load compose

setup_file() {
    "$BATS_TEST_DIRNAME/images.sh" redis:8 "$(image_of prom)"
}

setup() {
    world
}

teardown() {
    remove_project
    end_world
}

@test "every file is one that Compose accepts, and says in its first lines how it is used" {
    for file in "$top"/compose/*.yaml "$top"/compose/s3.env; do
        [[ $file != */prometheus.yaml ]] || continue
        [[ $(head_of "$file" | wc -l) == 1 ]]
        variant=$(basename "${file%.*}")
        rm -rf "$dir/checkout"
        checkout "$variant"
        compose config --quiet
        compose --profile '*' config --quiet
    done
}

@test "every image of another maker is pinned to a version, and the program is found by its name" {
    for variant in compose single; do
        rm -rf "$dir/checkout"
        checkout "$variant"
        compose --profile '*' config --format json >"$dir/config.json"
        jq -r '.services[] | .image // (.build.dockerfile_inline | scan("FROM (\\S+)")[])' "$dir/config.json" |
            sort -u | grep -v -x -F -e redkeep -e "${REDKEEP_IMAGE:-redkeep}" >"$dir/images"
        grep -q '^redis:' "$dir/images"
        run -1 grep -v -E ':v?[0-9]+(\.[0-9]+)*$' "$dir/images"
    done
    checkout compose # releases of versitygw have it in different directories
    [[ $(compose --profile s3 config --format json | jq -r '.services.s3.entrypoint[-1]') == *'exec versitygw '* ]]
}

@test "the PID namespace of the server cannot be the sidecar's, as docs/host.md says" {
    checkout compose
    printf 'services:\n  redkeep:\n    pid: service:redis\n' >pid.yaml
    run ! docker compose -f compose.yaml -f pid.yaml config --quiet
    [[ $output == *"dependency cycle"* ]]
    sed -i 's/service:redis/host/' pid.yaml
    docker compose -f compose.yaml -f pid.yaml config --quiet
}

@test "five minutes: the README's commands, as they stand there" {
    checkout compose
    sed -n '/^```sh$/,/^```$/p' README.md | sed '1d; $d; /^cd compose$/d' >"$dir/commands"
    [[ $(wc -l <"$dir/commands") == 6 ]]
    run --separate-stderr bash -euo pipefail "$dir/commands"
    [[ $status == 0 && ${output//$'\r'/} == $'OK\nhello' ]]
}

@test "where there is no image of redkeep yet, one build makes it for all that use it" {
    checkout compose
    cp -r "$top"/{Makefile,Dockerfile,.dockerignore,sidecar,entrypoint} "$dir/checkout/"
    mkdir -p "$dir/checkout/tests"
    cp "$top/tests/house.mk" "$dir/checkout/tests/"
    export REDKEEP_IMAGE=redkeep:$COMPOSE_PROJECT_NAME # nobody has it
    run -1 docker image inspect "$REDKEEP_IMAGE"
    [[ $(compose config --format json | jq '[.services[] | select(.build)] | length') == 1 ]]
    up one_build
    made=$(docker image inspect --format '{{.Id}}' "$REDKEEP_IMAGE")
    [[ $(of prepare '{{.Image}}') == "$made" && $(of redkeep '{{.Image}}') == "$made" ]]
    [[ $(cli SET key value) == OK ]]
}

@test "the server ends first, and what it had then outlives the volume" {
    checkout compose
    up
    cli SET late 1 >/dev/null
    compose stop >/dev/null 2>&1
    (($(ended redis) < $(ended redkeep)))
    [[ $(of redis '{{.State.ExitCode}}') == 0 && $(of redkeep '{{.State.ExitCode}}') == 0 ]]
    logged redkeep "what the server wrote at its end is stored"
    down_and_lost
    up
    logged prepare "restored "
    [[ $(cli GET late) == 1 ]]
}

@test "server and volume lost at once: the last backup is back" {
    checkout compose
    up
    fill
    before=$(fingerprint)
    redkeep_does backup >/dev/null
    cli SET late 1 >/dev/null
    compose kill >/dev/null 2>&1 # nobody ends as it should
    down_and_lost
    up
    diff <(echo "$before") <(fingerprint)
    [[ $(cli EXISTS late) == 0 ]]
}

@test "up again changes nothing, and no container has a right, a secret to see, or a file to write" {
    checkout compose
    up
    cli SET key value >/dev/null
    before=$(id redis)$(id redkeep)
    up # the prepare step runs again, beside the server
    [[ $(id redis)$(id redkeep) == "$before" ]]
    [[ $(of prepare '{{.State.ExitCode}}') == 0 ]]
    [[ $(cli GET key) == value ]]
    has_no_rights redis
    has_no_rights redkeep
    [[ $(of prepare '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}') == "true [ALL]" ]]
    secrets_stay_secret
    for service in setup prepare redkeep redis; do
        [[ $(of "$service" '{{.HostConfig.NanoCpus}}') -ge 1000000000 ]]
    done
    run ! compose exec -T redis sh -c 'echo >/file'
    [[ $output == *"Read-only file system"* ]]
    [[ $(compose exec -T redis cat /proc/sys/net/core/somaxconn) == 1024 ]]
    for service in redis redkeep; do
        [[ $(of "$service" '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}') =~ ^[1-9][0-9]+\ 64$ ]]
    done
    [[ $(stat -c '%a %u' secrets/redis/password secrets/redkeep/redis-password backups | sort -u) == \
        $'600 999\n700 999' ]]
    run --separate-stderr redkeep_does check --json # the sidecar may do what the checks need
    true_of '.checks | length > 10' <<<"$output"
}

@test "ready is who has loaded" {
    checkout rdb
    echo "rdbcompression no" >>redis.conf
    up
    cli DEBUG POPULATE 20000 key 1100 >/dev/null
    down_and_lost
    # it takes a quarter of an hour, until it is told otherwise; and it listens after each key
    printf 'key-load-delay 50000\nloading-process-events-interval-bytes 1024\n' >>redis.conf
    compose up --detach >/dev/null 2>&1
    until_true is_loading
    run -1 --separate-stderr redkeep_does ready --json
    true_of '.state == "loading" and (.ready | not)' <<<"$output"
    is_health redis starting
    is_health redkeep starting
    until_true says_loading
    cli CONFIG SET key-load-delay 0 >/dev/null
    up # comes to its end when both are healthy
    redkeep_does ready
    [[ $(cli DBSIZE) == 20000 ]]
}

says_loading() {
    [[ $(http /readyz) == *loading* ]]
}

is_loading() {
    [[ $(redkeep_does ready) == loading* ]]
}

# http PATH: what the sidecar answers at the published port, failure or not
http() {
    local port

    port=$(compose port redkeep 9742)
    "$top/tests/support/docker.sh" inside "$DOCKER_DIR" curl -s "http://$port$1"
}

@test "a repository that cannot be asked: no server, and one with its volume starts all the same" {
    checkout compose
    export REDKEEP_REPOSITORY=s3://bucket AWS_ENDPOINT_URL_S3=http://127.0.0.1:1
    mkdir -p secrets/redkeep
    printf '[default]\naws_access_key_id = a\naws_secret_access_key = b\n' >secrets/redkeep/aws-credentials
    run ! compose up --wait
    [[ $output == *'"prepare" didn'"'"'t complete successfully: exit 5'* ]]
    [[ $(of redis '{{.State.Status}}') == created ]]
    [[ $(of redkeep '{{.State.Status}}') == created ]]
    unset AWS_ENDPOINT_URL_S3
    export REDKEEP_REPOSITORY=file:///backups/nowhere
    run ! compose up --wait
    [[ $output == *"exit 5"* && $(of redis '{{.State.Status}}') == created ]]

    unset REDKEEP_REPOSITORY
    up
    cli SET key value >/dev/null
    compose down >/dev/null 2>&1
    export REDKEEP_REPOSITORY=file:///backups/nowhere
    up # the volume is there, and nothing is asked
    [[ $(cli GET key) == value ]]
}

@test "a volume whose data is damaged: no server" {
    checkout aof
    up
    cli SET key value >/dev/null
    compose stop >/dev/null 2>&1
    volume=$(docker volume inspect --format '{{.Mountpoint}}' "${COMPOSE_PROJECT_NAME}_data")
    printf '*1\r\n$4\r\nPING\r\nno command\r\n*1\r\n$4\r\nPING\r\n' >>"$volume"/appendonlydir/*.incr.aof
    run ! compose up --wait
    [[ $output == *"exit 6"* && $(of redis '{{.State.Status}}') == exited ]]
    logged prepare bad-aof-bytes
}

@test "Prometheus sees the sidecar, and has the rules" {
    checkout compose
    command=$(sed -n 's/^  # \(docker compose --profile monitoring .*\)$/\1/p' compose.yaml)
    compose_options=(--profile monitoring)
    up
    has_no_rights prometheus
    is_health prometheus healthy
    until_true sees_the_sidecar
    prometheus rules | true_of '[.data.groups[].rules[].name] | length > 5'
}

# prometheus QUERY
prometheus() {
    local port

    port=$(compose port prometheus 9090)
    "$top/tests/support/docker.sh" inside "$DOCKER_DIR" curl -sf "http://$port/api/v1/$1"
}

sees_the_sidecar() {
    prometheus 'query?query=redkeep_up' >/dev/null &&
        prometheus targets | true_of '[.data.activeTargets[].health] == ["up"]'
}
