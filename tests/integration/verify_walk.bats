#!/usr/bin/env bats
# `redkeep verify` walks what a real server wrote: every type in each of its encodings.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
}

teardown() {
    end_world
}

# walked SERVER-OPTION...: the keys of a backup of that server are those that it counted
walked() {
    server_start --appendonly no "$@"
    fill 300
    backup
    counted=$(jq .keys <<<"$output")
    [[ $counted -gt 600 ]]
    does 0 verify --json
    json ".results[0] | .ok and .walked and .keys == $counted"
    server_kill
    lose_volume
}

@test "dumps of every encoding are walked, and hold what the server counted" {
    walked
    walked --hash-max-listpack-entries 0 --zset-max-listpack-entries 0 --set-max-intset-entries 0 \
        --list-max-listpack-size 1 --rdbcompression no
    walked --hash-max-listpack-entries 9999 --zset-max-listpack-entries 9999 \
        --set-max-intset-entries 9999 --list-max-listpack-size -5 --list-compress-depth 1 \
        --stream-node-max-entries 3 --rdbchecksum no
    walked --maxmemory 1gb --maxmemory-policy allkeys-lru --hash-max-listpack-value 3
    walked --maxmemory 1gb --maxmemory-policy allkeys-lfu --zset-max-listpack-value 1
    walked --databases 64
}

@test "a server without keys is walked" {
    server_start --appendonly no
    backup
    does 0 verify --json
    json '.results[0] | .ok and .walked and .keys == 0 and .why == null'
}

@test "an append-only base is walked, commands are not" {
    server_start --appendonly yes --aof-use-rdb-preamble yes
    fill 100
    backup --backup-include aof
    does 0 verify --json
    json '.results[0] | .ok and .walked and .keys == null and .why == null'
    backup --backup-include rdb,aof
    does 0 verify --json
    json '.results[0] | .ok and .walked and .keys > 300'
    server_kill
    lose_volume
    server_start --appendonly yes --aof-use-rdb-preamble no
    fill 100
    backup --backup-include aof
    does 0 verify
    [[ $output == *'  ok (not walked: it holds no RDB)  '* ]]
}

@test "keys that have expired and are still there are in both counts" {
    server_start --appendonly no
    cli DEBUG SET-ACTIVE-EXPIRE 0 >/dev/null
    for n in 1 2 3; do cli SET "gone:$n" x PX 1 >/dev/null; done
    cli SET stays x >/dev/null
    backup
    json '.keys == 4'
    does 0 verify --json
    json '.results[0] | .ok and .walked and .keys == 4'
}

@test "a dump that does not hold what the server counted is not ok" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    cli -n 3 SET b 1 >/dev/null
    backup
    manifest=$(object_dir "$id")/backup.json
    sed -i '/"databases"/,/]/s/"keys": 1\b/"keys": 2/' "$manifest"
    resign "$manifest"
    refused 6 corrupt verify --json
    json '.results[0] | (.ok or .walked | not) and (.why | contains("holds 1 keys in database 0"))'
}
