#!/usr/bin/env bats
# Backups that look right and are not: what must be noticed before it is stored, or said.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
}

teardown() {
    end_world
}

base=appendonlydir/appendonly.aof.1.base.rdb

# warned TEXT: the last run has logged that at level warn
warned() {
    jq -se --arg text "$1" 'any(.[]; .level == "warn" and (.msg | contains($text)))' \
        <<<"$stderr" >/dev/null || {
        echo "no warning of: $1"
        show
        return 1
    }
}

no_objects() {
    [[ -z $(find "$dir/repository" -type f) ]]
}

# many KEYS
many() {
    cli EVAL "for i = 1, ARGV[1] do redis.call('SET', 'key:' .. i, i) end" 0 "$1" >/dev/null
}

@test "append-only files that are being turned on are waited for" {
    server_start --appendonly yes
    cli SET first x >/dev/null
    cli CONFIG SET appendonly no >/dev/null
    many 300
    saves_slowly 3000
    cli CONFIG SET appendonly yes >/dev/null
    backup --backup-include aof
    json '.proven == true and ([.files[].name] | index("appendonlydir/appendonly.aof.2.base.rdb"))'
    server_kill
    lose_volume
    restore
    server_start --appendonly yes
    [[ $(cli DBSIZE) == 301 ]]
}

@test "the same behind a save that runs already" {
    server_start --appendonly yes
    cli CONFIG SET appendonly no >/dev/null
    many 300
    saves_slowly 3000
    cli BGSAVE >/dev/null
    cli CONFIG SET appendonly yes >/dev/null
    backup --backup-include aof
    server_kill
    lose_volume
    restore
    server_start --appendonly yes
    [[ $(cli DBSIZE) == 300 ]]
}

@test "an append-only base that was cut off is not stored" {
    filled_server --appendonly yes --save ''
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    truncate -s -100 "$data"/appendonlydir/*.base.rdb
    refused 6 corrupt backup --backup-include aof
    says "cut off" "BGREWRITEAOF"
    no_objects
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    backup --backup-include aof
}

@test "an append-only base that was not looked through is not proven" {
    server_start --appendonly yes
    printf '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n' >>"$data/$base"
    backup --backup-include aof
    json '.proven == false and (.unproven_why | contains("commands behind it"))'
    warned "is not proven"
}

@test "connections that are dropped, and a script that blocks, do not end a long save" {
    server_start
    many 3000
    saves_slowly 1000
    cli CONFIG SET busy-reply-threshold 100 >/dev/null
    launch backup --json
    hold_save
    cli CLIENT KILL TYPE normal SKIPME yes >/dev/null
    cli EVAL 'local t = redis.call("TIME")
        while redis.call("TIME")[1] - t[1] < 2 do end' 0 >/dev/null
    is_saving
    let_save_go
    ended 0
    json '.proven == true and .keys == 3000'
    info_is rdb_saves 1
}

@test "parts that could not be read back cannot be asked for" {
    server_start
    refused 2 config backup --part-size 2GiB
    says "part-size" "1GiB"
    no_objects
}

@test "backups of one second are in the order in which they were made" {
    local i last=
    server_start
    for i in 1 2 3 4 5 6; do
        cli SET key "$i" >/dev/null
        backup
        [[ $id > $last ]]
        last=$id
    done
    does 0 list --json
    json --arg last "$last" '.backups[-1].id == $last'
}

@test "an ACL file outside the directory is named" {
    echo 'user default on nopass ~* &* +@all' >"$dir/elsewhere.acl"
    server_start --aclfile "$dir/elsewhere.acl"
    backup
    json '[.files[].kind] == ["rdb"]'
    grep -q "elsewhere.acl.*not included" <<<"$stderr"
}

@test "a newest backup from the future is told" {
    server_start
    backup
    mv "$(object_dir "$id")" "$(object_dir 29990101T000000Z-000000)"
    backup
    warned "29990101T000000Z-000000 is later than the clock of this host"
}

@test "a manifest cannot write to the terminal of whoever lists it" {
    local manifest
    server_start
    backup
    manifest=$(object_dir "$id")/backup.json
    sed -i 's/"version": "[^"]*"/"version": "7.0\\u001b[2J"/' "$manifest"
    resign "$manifest"
    does 0 list
    [[ $output != *$'\e'* && $stderr != *$'\e'* ]]
    warned "cannot be read"
}

@test "a repository that cannot be written to costs the server no save" {
    server_start --appendonly no
    cli SET key value >/dev/null
    tmpfs "$dir/frozen" size=1m
    mkdir "$dir/frozen/repository"
    mount -o remount,ro "$dir/frozen"
    refused 5 store backup --repository "file://$dir/frozen/repository"
    says 'Read-only file system'
    [[ $(info rdb_saves) == 0 ]]
    does 0 list --repository "file://$dir/frozen/repository"
}
