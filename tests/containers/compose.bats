#!/usr/bin/env bats
# compose/, as a user has it: each variant by the command in its first lines, from a checkout, in real
# containers. `down -v` loses every volume, and the data is there after the next `up`.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers set and read

load helpers
load compose

setup_file() {
    "$BATS_TEST_DIRNAME/images.sh" redis:8
}

setup() {
    world
}

teardown() {
    remove_project
    s3_gone
    end_world
}

# comes_back: up, filled, a backup, one key more, down -v, up
comes_back() {
    local before

    up
    fill
    redkeep_does backup --json | true_of '.id | length > 0'
    cli SET late "written after the last backup" >/dev/null
    before=$(fingerprint)
    down_and_lost
    up
    diff <(echo "$before") <(fingerprint)
    [[ $(cli GET late) == "written after the last backup" ]]
}

@test "snapshots alone: down -v, up, and the data is back" {
    checkout rdb
    comes_back
    [[ $(cli CONFIG GET appendonly) == *no ]]
    run -1 compose exec -T redis test -e /data/appendonlydir
}

@test "the append-only file alone: down -v, up, and the data is back" {
    checkout aof
    comes_back
    [[ $(cli CONFIG GET save) == save && $(cli CONFIG GET aof-use-rdb-preamble) == *no ]]
}

@test "both: down -v, up, and the data is back" {
    checkout hybrid
    comes_back
    [[ $(cli CONFIG GET appendonly) == *yes && $(cli CONFIG GET save) == *3600* ]]
}

@test "TLS alone: down -v, up, and the data is back" {
    checkout tls
    comes_back
    run -1 compose exec -T redis test -e /run/redis/redis.sock
    tls=()
    run cli PING
    [[ $output != *PONG* ]] # who speaks no TLS is not let in
}

@test "one container: down -v, up, and the data is back" {
    checkout single
    comes_back
    [[ $(cli MODULE LIST) == *standin* ]] # those of the image, as without redkeep
    [[ $(compose exec -T redis cat /proc/sys/net/core/somaxconn) == 1024 ]]
    run --separate-stderr redkeep_does check --only memory-limit --json
    true_of '.checks[0].value | contains("768.0 MiB")' <<<"$output" # the sidecar sees the server's limits
    [[ $(cli CONFIG GET appendonly) == *yes && $(cli CONFIG GET save) == *3600* ]]
    has_no_rights redis
    secrets_stay_secret
}

@test "an S3 server: down -v, up, and the data is back" {
    checkout s3
    s3_elsewhere
    comes_back
    has_no_rights s3
    secrets_stay_secret
    [[ $(redkeep_does list --json | jq '.backups | length') -gt 1 ]]
    [[ ! -e backups/$COMPOSE_PROJECT_NAME ]] # all of it went there
}

# now_as VARIANT: down, with the volume kept, and as another one
now_as() {
    compose down >/dev/null 2>&1
    command=$(head_of "$1.yaml")
    compose_options=(-f compose.yaml -f "$1.yaml")
    up
}

@test "from one variant to another, and what would be lost is not lost" {
    checkout rdb
    up
    cli SET snapshot 1 >/dev/null
    now_as aof # where a server finds no append-only file it starts empty
    [[ $(cli GET snapshot) == 1 ]]
    cli SET logged 2 >/dev/null
    run ! now_as rdb # and where it is not told to read one, it reads the older dump
    [[ $output == *"exit 6"* && $output == *aof-ignored* ]]
    now_as aof
    cli CONFIG SET appendonly no >/dev/null
    cli SAVE >/dev/null
    now_as rdb
    [[ $(cli GET snapshot) == 1 && $(cli GET logged) == 2 ]]
    down_and_lost
    up
    [[ $(cli GET snapshot) == 1 && $(cli GET logged) == 2 ]]
}
