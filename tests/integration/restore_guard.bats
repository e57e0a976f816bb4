#!/usr/bin/env bats
# A server that runs, or starts, while a restore works on its directory; what cannot be moved out of
# the way; and what a restore that was interrupted leaves to the next one.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    in_memory
    for_own_server
}

teardown() {
    end_world
}

# a_backup [NAME]: of one key, which holds that; $id
a_backup() {
    server_start --appendonly no --save ''
    cli SET generation "${1:-1}" >/dev/null
    backup
    server_kill
    lose_volume
}

# killed_at CALL N ARGUMENT...: a restore that dies when it makes that call
killed_at() {
    local call=$1 n=$2
    shift 2
    ASAN_OPTIONS=detect_leaks=0 run strace -qq -o /dev/null -e trace="$call" \
        -e inject="$call:signal=KILL:when=$n" "$redkeep" restore "$@"
    [[ $status == 137 ]]
}

is_committed() {
    compgen -G "$data/.redkeep-restore.re*" >/dev/null
}

# untouched RC KIND ARGUMENT...: refused, and the server that runs keeps its directory
untouched() {
    local was
    was=$(picture "$data")
    refused "$@" || return 1
    diff <(echo "$was") <(picture "$data")
}

@test "an interrupted restore is not finished under a server that runs" {
    a_backup
    killed_at renameat2 1
    is_committed
    server_start --appendonly yes --save ''
    for how in "" --if-empty --force --dry-run "--force --dry-run"; do
        # shellcheck disable=SC2086 # an option, or none
        untouched 4 holds-data restore $how
        says "$data" running HINT
    done
    cli SET live yes >/dev/null
    server_stop
    does 0 restore --if-empty --json
    json '.restored == false and .reason == "volume-holds-data"'
    [[ $stderr == *'"level":"warn"'*dropped* ]]
    server_start --appendonly yes
    [[ $(cli GET live) == yes ]]
}

@test "an interrupted replacement is not finished under a server that runs" {
    a_backup
    echo old >"$data/dump.rdb"
    killed_at renameat 2 --force # the first is the commit
    is_committed
    mv "$data/dump.rdb" "$dir/old.rdb"
    server_start --appendonly yes --save ''
    cli SET live yes >/dev/null
    for how in "" --if-empty --force; do
        # shellcheck disable=SC2086 # an option, or none
        untouched 4 holds-data restore $how
    done
    [[ -d $data/appendonlydir ]]
}

# held_restore ARGUMENT...: one that rests when all is fetched, before its commit (the first link is
# a trial). Who delays it is stopped then, so that it rests until `let_restore_go`.
held_restore() {
    ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=linkat \
        -e inject=linkat:delay_enter=3000000 "$redkeep" restore --json "$@" </dev/null \
        >"$dir/job.out" 2>"$dir/job.err" 3>&- &
    job=$!
    echo "$job" >>"$pids"
    until_true test -e "$data/.redkeep-restore.partial/dump.rdb"
    kill -s STOP "$job"
    [[ ! -e $data/appendonlydir ]]
}

let_restore_go() {
    kill -s CONT "$job"
}

@test "a server that starts during the restore keeps its directory" {
    a_backup
    for how in --if-empty --force; do
        lose_volume
        held_restore "$how"
        server_start --appendonly yes
        cli SET live yes >/dev/null
        let_restore_go
        ended 4
        json '.restored == false and .backup == null'
        says running HINT
        [[ ! -e $data/dump.rdb ]]
        no_leftovers
        server_kill
        server_start --appendonly yes
        [[ $(cli GET live) == yes && $(cli EXISTS generation) == 0 ]]
        server_kill
    done
}

@test "what a server wrote during the restore, and was gone, is data" {
    a_backup
    held_restore --if-empty
    server_start --appendonly no
    cli SET live yes >/dev/null
    server_stop
    let_restore_go
    ended 4
    json '.restored == false and .reason == "volume-holds-data"'
    says "$data" dump.rdb HINT
    no_leftovers
    server_start --appendonly no
    [[ $(cli GET live) == yes ]]
}

@test "a server that does not say its directory counts as running on data-dir" {
    a_backup
    for how in forbidden password wrong-password; do
        case $how in
        forbidden) options=(--rename-command CONFIG '') ;;
        *) options=(--requirepass s3cret) cli_auth=(--no-auth-warning -a s3cret) ;;
        esac
        server_start --appendonly no --save '' "${options[@]}"
        [[ $how != wrong-password ]] || local -x REDKEEP_REDIS_PASSWORD=guess
        untouched 4 holds-data restore
        says "$data" running "$socket" HINT
        untouched 4 holds-data restore --if-empty --if-backup-exists
        untouched 4 holds-data restore --target "$data"
        does 0 restore --target "$dir/elsewhere"
        rm -r "$dir/elsewhere"
        server_kill
    done
}

@test "a server that says another directory is in nobody's way, nor is one that is gone" {
    a_backup
    mkdir "$dir/other"
    data=$dir/other server_start --appendonly no --save ''
    does 0 restore
    server_kill
    lose_volume
    # a socket that nobody listens on
    perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0]))' \
        "$socket"
    restore
    lose_volume
    REDKEEP_REDIS_URL=redis://127.0.0.1:$(free_port) restore
    lose_volume
    REDKEEP_REDIS_URL=redis://no-such-host.invalid restore
}

@test "a server that hangs is one that runs" {
    a_backup
    server_start --appendonly no --save ''
    kill -STOP "$server"
    untouched 4 holds-data restore
    says running HINT
    kill -CONT "$server"
}

@test "an ACL file that is mounted stays, and the restore goes on" {
    server_start --appendonly no --save ''
    cli SET generation 1 >/dev/null
    touch "$dir/users.acl"
    echo 'user default on nopass ~* &* +@all' >"$data/users.acl"
    server_kill
    server_start --appendonly no --save '' --aclfile "$data/users.acl"
    cli SET generation 1 >/dev/null
    backup
    server_kill
    echo 'user default on nopass ~* &* +@all' >"$dir/users.acl"
    echo old >"$data/dump.rdb"
    mount --bind "$dir/users.acl" "$data/users.acl"
    does 0 restore --force --json
    json '.restored'
    [[ -z $(compgen -G "$data/.redkeep*") ]]
    grep -q -x old "$data"/before-restore-*/dump.rdb
    server_start --appendonly yes
    [[ $(cli GET generation) == 1 ]]
    server_kill
    umount "$data/users.acl"
}

@test "data that is mounted in the way is refused, and nothing is changed" {
    a_backup
    mkdir "$data/appendonlydir" "$dir/aof"
    mount --bind "$dir/aof" "$data/appendonlydir"
    untouched 1 failed restore
    says "$data" appendonlydir mounted HINT
    echo old >"$data/dump.rdb"
    touch "$dir/aof/appendonly.aof.1.incr.aof"
    untouched 1 failed restore --force
    says appendonlydir mounted HINT
    no_leftovers
    umount "$data/appendonlydir"
    : >"$dir/dump"
    mount --bind "$dir/dump" "$data/dump.rdb"
    untouched 1 failed restore --force
    says dump.rdb mounted HINT
    no_leftovers
    umount "$data/dump.rdb"
}

@test "an interrupted restore of another backup is finished, and said not to be the one asked for" {
    a_backup old
    older=$id
    between=$(date -u +%Y-%m-%dT%H:%M:%S.999Z) # manifests know whole seconds
    until_true is_behind "$between"
    a_backup new
    newer=$id
    for how in "--backup $older" "--at $between"; do
        killed_at renameat2 1
        # shellcheck disable=SC2086 # an option and its value
        refused 4 holds-data restore $how --json
        says "$newer" HINT
        json '.restored == false and .backup == null'
        # shellcheck disable=SC2086
        does 0 restore $how --force --json
        json '.backup == $id' --arg id "$older"
        lose_volume
    done
    killed_at renameat2 1 --backup "$older"
    does 0 restore --dry-run --json
    json '.reason == "dry-run" and .backup == $id and .restored == false' --arg id "$older"
    is_committed
    restore --backup "$older"
}

is_new_second() {
    [[ $(date -u +%Y%m%dT%H%M%SZ) > ${1%-*} ]]
}

is_behind() {
    [[ $(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) > $1 ]]
}

@test "no backup of this instance, but of others, is said loudly" {
    a_backup
    does 0 restore --if-backup-exists --instance db-1 --json
    json '.reason == "no-backup" and .other_instances == ["db-0"]'
    [[ $stderr == *'"level":"warn"'*db-0* ]]
    does 0 restore --if-backup-exists --instance db-1
    [[ $output == *db-0* ]]
    rm -r "$dir/repository/db-0"
    does 0 restore --if-backup-exists --json
    json '.other_instances == []'
    [[ $stderr != *'"level":"warn"'* ]]
}

@test "a server that reads no append-only directory gets none" {
    a_backup
    repository=$dir/memory/repository/db-0/backups/$id
    jq 'del(.digest) | .rdb_version = 9 | .rdb_magic = "REDIS"' "$repository/backup.json" >"$dir/forged"
    unsigned=$(jq --indent 2 . "$dir/forged" | sed '$d' | sed '$s/$/,/')
    digest=$(printf '%s\n' "$unsigned" | sha256sum | cut -c 1-64)
    printf '%s\n  "digest": "sha256:%s"\n}\n' "$unsigned" "$digest" >"$repository/backup.json"
    refused 2 config restore --server-version 6.2.14
    says 7.0 6.2.14 appendonly HINT
    [[ -z $(ls -A "$data") ]]
    does 0 restore --server-version 6.2.14 --appendonly no
    [[ -f $data/dump.rdb && ! -e $data/appendonlydir ]]
}

@test "a step back is a warning, and the answer names it" {
    a_backup old
    older=$id
    until_true is_new_second "$older"
    a_backup new
    flip "$dir/memory/repository/db-0/backups/$id/data.tar.zst" 40
    does 0 restore --log-level warn
    [[ $stderr == *"$id"*older* && $output == *"passed over $id: "* ]]
    lose_volume
    refused 6 corrupt restore --backup "$id"
    [[ $stderr != *older* ]]
}

# ---- what the answer says ----

@test "an ACL file that is there stays, and is not reported as restored" {
    export REDKEEP_ACLFILE=users.acl
    touch "$data/users.acl"
    a_backup
    echo 'user mine on' >"$data/users.acl"
    does 0 restore --json
    json '.files | index("users.acl") == null and index("dump.rdb") != null'
    [[ $(jq -r 'select(.level == "warn") | .msg' <<<"$stderr") == *'users.acl is there already and stays'* ]]
    [[ $(cat "$data/users.acl") == 'user mine on' ]]
}

@test "a backup that was never proven is restored with a word of warning" {
    server_start --appendonly no --rdbchecksum no
    cli SET key value >/dev/null
    backup
    server_kill
    lose_volume
    does 0 restore
    [[ $(jq -r 'select(.level == "warn") | .msg' <<<"$stderr") == *'was never proven'*'rdbchecksum no'* ]]
}

@test "a target directory that was made goes again when nothing comes of it" {
    does 3 restore --target "$dir/new"
    [[ ! -e $dir/new ]]
    a_backup
    does 0 restore --target "$dir/new" --restore-owner 4711:4712
    [[ $(stat -c %u:%g "$dir/new") == 4711:4712 ]]
    [[ $(stat -c %u:%g "$dir/new/dump.rdb") == 4711:4712 ]]
}

@test "a backup of no data is a mistake in the settings" {
    refused 2 config backup --backup-include acl,cluster
    says 'backup-include names neither rdb nor aof'
}
