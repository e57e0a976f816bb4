#!/usr/bin/env bats
# The main job with the real thing: data of every type, a backup, the volume lost, a restore, and a
# server that serves every key again.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup_file() {
    s3_up
}

teardown_file() {
    s3_down
}

setup() {
    world
}

teardown() {
    end_world
}

# comes_back APPENDONLY [SERVER-OPTION...]: a new volume, a restore, a server with that setting; all
# is as it was, and stays so over a restart
comes_back() {
    local appendonly=$1
    shift
    lose_volume
    restore
    server_start --appendonly "$appendonly" "$@"
    diff <(echo "$before") <(fingerprint)
    cli SET written-after restore >/dev/null
    server_stop
    server_start --appendonly "$appendonly" "$@"
    [[ $(cli GET written-after) == restore ]]
    cli DEL written-after >/dev/null
    diff <(echo "$before") <(fingerprint)
    server_kill
}

# loses_and_finds INCLUDE "APPENDONLY..." SERVER-OPTION...
loses_and_finds() {
    local include=$1 restarts=$2 appendonly
    shift 2
    filled_server "$@"
    before=$(fingerprint)
    backup --backup-include "$include"
    json '.proven == true and .size_bytes > 0 and .stored_bytes > 0'
    server_kill
    for appendonly in $restarts; do comes_back "$appendonly"; done
}

@test "a dump from a server without AOF comes back, from a directory" {
    loses_and_finds rdb,acl "no yes" --appendonly no
    does 0 verify --all --json
    json '.results | length == 1 and all(.ok)'
}

@test "a dump from a server without AOF comes back, from S3" {
    in_s3
    loses_and_finds rdb,acl "no yes" --appendonly no
    does 0 verify --all --json
    json '.results | length == 1 and all(.ok)'
}

@test "a dump from a server with AOF comes back, from a directory" {
    loses_and_finds rdb "yes no" --appendonly yes --aof-use-rdb-preamble yes
}

@test "a dump from a server with AOF comes back, from S3" {
    in_s3
    loses_and_finds rdb yes --appendonly yes --aof-use-rdb-preamble yes
}

@test "dump and AOF of a server come back, from a directory" {
    loses_and_finds rdb,aof "yes no" --appendonly yes --aof-use-rdb-preamble yes
}

@test "dump and AOF of a server come back, from S3" {
    in_s3
    loses_and_finds rdb,aof yes --appendonly yes --aof-use-rdb-preamble yes
}

@test "the AOF alone comes back, from a directory" {
    loses_and_finds aof yes --appendonly yes --aof-use-rdb-preamble yes
}

@test "the AOF alone comes back, from S3" {
    in_s3
    loses_and_finds aof yes --appendonly yes --aof-use-rdb-preamble yes
}

@test "an AOF without RDB preamble comes back, with and without its dump, from a directory" {
    loses_and_finds rdb,aof "yes no" --appendonly yes --aof-use-rdb-preamble no
    lose_volume
    REDKEEP_REPOSITORY=file://$dir/second
    mkdir "$dir/second"
    loses_and_finds aof yes --appendonly yes --aof-use-rdb-preamble no
}

@test "an AOF without RDB preamble comes back, with and without its dump, from S3" {
    in_s3
    loses_and_finds rdb,aof yes --appendonly yes --aof-use-rdb-preamble no
    lose_volume
    REDKEEP_REPOSITORY=s3://$bucket/$prefix/second
    loses_and_finds aof yes --appendonly yes --aof-use-rdb-preamble no
}

@test "an AOF that was rewritten and goes on comes back" {
    server_start --appendonly yes --aof-use-rdb-preamble no
    fill
    cli CONFIG SET aof-use-rdb-preamble yes >/dev/null
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    cli -n 5 RPUSH after rewrite >/dev/null
    before=$(fingerprint)
    backup --backup-include aof
    json '[.files[].kind] | contains(["aof-base", "aof-incr", "aof-manifest"])'
    server_kill
    comes_back yes
}

@test "a value of 512 MB comes back" {
    server_start --appendonly no --rdbcompression no
    cli SETRANGE huge 536870911 x >/dev/null
    cli SETRANGE huge 123456789 middle >/dev/null
    before=$(fingerprint)
    backup
    json '.keys == 1 and .size_bytes > 536870912'
    server_kill
    lose_volume
    restore
    server_start --appendonly yes --rdbcompression no
    [[ $(cli STRLEN huge) == 536870912 ]]
    diff <(echo "$before") <(fingerprint)
}

@test "values that do not compress come back from S3 in many parts" {
    in_s3
    server_start --appendonly no
    for n in 1 2 3 4; do
        head -c 9000000 /dev/urandom | cli -x SET "random:$n" >/dev/null
    done
    before=$(fingerprint)
    backup --part-size 5MiB
    json '.object.part_size == 5242880 and (.object.part_sha256 | length) == 7'
    [[ $(open_uploads) == 0 ]]
    does 0 verify
    server_kill
    comes_back yes
}

@test "0 keys come back as 0 keys" {
    server_start --appendonly yes
    before=$(fingerprint)
    backup
    json '.keys == 0 and .databases == [] and .proven'
    server_kill
    comes_back yes
    comes_back no
}

@test "functions without a key come back" {
    server_start --appendonly no
    fill
    cli FLUSHALL >/dev/null
    before=$(fingerprint)
    [[ $before == *price* ]]
    backup
    server_kill
    comes_back no
    comes_back yes
}

@test "files that are called otherwise come back under those names" {
    named=(--dbfilename db.rdb --appendfilename log.aof --appenddirname logs)
    filled_server --appendonly yes "${named[@]}"
    before=$(fingerprint)
    backup --backup-include rdb,aof
    json '.settings == {appendonly: "yes", dbfilename: "db.rdb", appendfilename: "log.aof",
        appenddirname: "logs"}'
    server_kill
    comes_back yes "${named[@]}"
    [[ -f $data/db.rdb && -f $data/logs/log.aof.manifest && ! -e $data/appendonlydir ]]
    comes_back no "${named[@]}"
    # laid out for a server that calls them by the usual names
    lose_volume
    restore --dbfilename dump.rdb --appendfilename appendonly.aof --appenddirname appendonlydir
    [[ -f $data/dump.rdb && ! -e $data/db.rdb && -d $data/appendonlydir && ! -e $data/logs ]]
}

@test "users come back with the data" {
    touch "$data/users.acl"
    server_start --appendonly no --aclfile "$data/users.acl"
    fill
    cli ACL SETUSER anna on '>wonderland' '~*' +@all >/dev/null
    cli ACL SAVE >/dev/null
    before=$(fingerprint)
    backup
    json '[.files[].kind] == ["rdb", "acl"]'
    server_kill
    lose_volume
    restore
    server_start --appendonly no --aclfile "$data/users.acl"
    [[ $(cli --no-auth-warning --user anna --pass wonderland PING) == PONG ]]
    diff <(echo "$before") <(fingerprint)
}

@test "restored files belong to the owner of the directory, or to restore-owner" {
    (umask 0077 && server_start --appendonly yes && echo "$server" >"$dir/server")
    server=$(cat "$dir/server")
    fill
    backup --backup-include rdb,aof
    server_kill
    lose_volume
    chown 999:998 "$data"
    restore
    [[ $(find "$data" -mindepth 1 -printf '%U:%G\n' | sort -u) == 999:998 ]]
    [[ $(stat -c %a "$data/dump.rdb" "$data"/appendonlydir/*.rdb | sort -u) == 600 ]]
    [[ $(stat -c %a "$data/appendonlydir") == 700 ]]
    lose_volume
    restore --restore-owner 1001:1002
    [[ $(find "$data" -mindepth 1 -printf '%U:%G\n' | sort -u) == 1001:1002 ]]
    lose_volume
    chown 999:998 "$data"
    does 0 restore --backup "$(jq -r .backup <<<"$output")" --target "$dir/elsewhere"
    [[ -f $dir/elsewhere/dump.rdb && -z $(ls -A "$data") ]]
}

@test "an older backup, and the newest before a moment, can be chosen" {
    server_start --appendonly no
    cli SET generation 1 >/dev/null
    backup
    first=$id
    until_true is_later_than "$first"
    moment=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    until_true is_later_than "$(date -u +%Y%m%dT%H%M%SZ-000000)"
    cli SET generation 2 >/dev/null
    backup
    second=$id
    server_kill
    does 0 list --json
    json '[.backups[].id] == [$a, $b]' --arg a "$first" --arg b "$second"
    for choice in "--backup $first:1" "--at $moment:1" "--backup $second:2" "--backup latest:2"; do
        lose_volume
        # shellcheck disable=SC2086 # an option and its value
        restore ${choice%:*}
        server_start --appendonly yes
        [[ $(cli GET generation) == "${choice##*:}" ]]
        server_kill
    done
    lose_volume
    refused 3 not-found restore --at 2001-01-01T00:00:00Z
    says 2001-01-01
    [[ -z $(ls -A "$data") ]]
}

# is_later_than ID: the second of that id is over
is_later_than() {
    [[ $(date -u +%Y%m%dT%H%M%SZ) > ${1%-*} ]]
}

@test "temporary keys of an S3 store do as well" {
    in_s3
    session=$("$rgw_script" session "$BATS_FILE_TMPDIR/rgw")
    AWS_ACCESS_KEY_ID=$(sed -n 's/^ACCESS_KEY=//p' <<<"$session")
    AWS_SECRET_ACCESS_KEY=$(sed -n 's/^SECRET_KEY=//p' <<<"$session")
    AWS_SESSION_TOKEN=$(sed -n 's/^SESSION_TOKEN=//p' <<<"$session")
    export AWS_SESSION_TOKEN
    loses_and_finds rdb yes --appendonly yes
}

@test "a restored copy and the first empty start of a server do not keep a restore away" {
    server_start --appendonly no
    fill
    before=$(fingerprint)
    backup
    server_kill
    lose_volume
    server_start --appendonly yes --save ''
    [[ $(cli DBSIZE) == 0 ]]
    server_stop
    [[ -f $data/appendonlydir/appendonly.aof.manifest ]]
    mkdir "$data/lost+found"
    restore --if-empty
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
}

@test "a dry run says what would be done, and does nothing" {
    server_start --appendonly no
    fill
    backup
    server_kill
    lose_volume
    was=$(picture "$data")
    does 0 restore --dry-run --json
    json '.restored == false and .backup == $id and (.files | index("dump.rdb") != null)' \
        --arg id "$id"
    [[ $(picture "$data") == "$was" ]]
    does 0 restore --dry-run --target "$dir/not-there"
    [[ ! -e $dir/not-there ]]
    for how in "" --dry-run; do
        # shellcheck disable=SC2086 # an option, or none
        refused 1 failed restore $how --target "$dir/not/there/yet"
        says "$dir/not is not there" "mkdir -p $dir/not/there"
    done
}

@test "list --latest reads only the newest" {
    local first second
    server_start
    cli SET a 1 >/dev/null
    backup
    first=$id
    backup
    second=$id
    does 0 list --json --latest 1
    json '.total == 2 and [.backups[].id] == [$second]' --arg second "$second"
    json '.backups[0] | .keys == 1 and .expires == 0 and .save_seconds >= 0 and .pack_seconds >= 0'
    does 0 list --json --latest 7
    json '[.backups[].id] == [$first, $second]' --arg first "$first" --arg second "$second"
    does 0 list --latest 1
    [[ $output == *"the newest 1 of 2 backups"* && $output != *"$first"* ]]
    refused 2 config list --latest 0
    refused 2 config list --latest some
}
