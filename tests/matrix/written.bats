#!/usr/bin/env bats
# What one server, FROM, writes: backed up by every way, looked into by every command, and kept for
# loads.bats as $MATRIX_WRITTEN/FROM/LAYOUT/{repository,volume,contents,knows}.
# shellcheck disable=SC2030,SC2031,SC2154 # matrix.bash and helpers.bash set and read

load matrix

setup() {
    world
    as "$FROM"
    mkdir "$dir/drills"
    export REDKEEP_DRILL_DIR=$dir/drills
}

teardown() {
    end_world
}

# writes LAYOUT: backed up, verified, drilled, offline too, and nothing that a guard would find
writes() {
    filled "$1"
    does 0 ready --json
    json '.ready and .state == "ready"'
    contents >"$dir/contents"
    backup --backup-include "${include[$1]}"
    json '.proven and .server.name == $name and .server.version == $version' \
        --arg name "${FROM%-*}" --arg version "${FROM#*-}"
    does 0 verify --all --json
    json '.results | length == 1 and all(.ok)'
    REDKEEP_DRILL_SERVER=$MATRIX_SERVERS/$FROM/redis-server does 0 verify --drill --json
    json '.results[0] | .ok and .drilled and .keys > 0'
    # whatever the checks say of this machine: of the server, nothing is unknown but what it has
    # not done since its start
    run --separate-stderr "$redkeep" check --json
    json '.checks | map(select(.scope == "server")) | length > 10 and all(.status != "unknown" or
        .id == "last-save" or .id == "fork-time")'

    # killed, as by a node that dies, then stopped as it should be: neither leaves anything to mend
    server_kill
    looked_into "$1"
    # shellcheck disable=SC2086 # several options
    server_start ${options[$1]}
    diff "$dir/contents" <(contents)
    server_stop
    looked_into "$1"
    cp -a "$data" "$dir/stopped"

    mkdir "$dir/offline"
    REDKEEP_REPOSITORY=file://$dir/offline backup --offline --backup-include "${include[$1]}"
    # files of commands alone do not say who wrote them
    json '.server.version == $version' \
        --arg version "$([[ $1 == commands ]] || echo "${FROM#*-}")"
    [[ $(picture "$data") == "$(picture "$dir/stopped")" ]]
    keep "$1"
}

# looked_into LAYOUT: the guard of such a server has nothing to say of the volume
looked_into() {
    does 0 guard --json --appendonly "$(appendonly_of "$1")"
    json '.findings | all(.loses | not)'
}

# keep LAYOUT
keep() {
    local kept=$MATRIX_WRITTEN/$FROM/$1

    rm -rf "$kept"
    mkdir -p "$kept"
    mv "$dir/repository" "$dir/contents" "$dir/knows" "$kept/"
    mv "$dir/stopped" "$kept/volume"
}

@test "with appendonly no" {
    writes rdb
}

@test "with appendonly yes" {
    writes aof
}

@test "with appendonly yes, and commands as the base" {
    writes commands
}

@test "vector sets, where it has them" {
    server_start
    has=$(cli --eval "$BATS_TEST_DIRNAME/vectors.lua")
    server_kill
    lose_volume
    [[ $has == none ]] || writes vectors
}
