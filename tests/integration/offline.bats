#!/usr/bin/env bats
# Backups of what a server that has ended left on its volume: what is restored of them serves every
# key that the server had.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
}

teardown() {
    end_world
}

base=appendonlydir/appendonly.aof.1.base.rdb
incr=appendonlydir/appendonly.aof.1.incr.aof

# stored_files NAME...: the answer lists these, in any order
stored_files() {
    json '([.files[].name] | sort) == ($ARGS.positional | sort)' --args "$@"
}

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

# offline ARGUMENT...: a backup of the volume alone, that has to be stored and whole; $id
offline() {
    backup --offline "$@" || return 1
    local answer=$output log=$stderr
    does 0 verify "$id" || return 1
    output=$answer stderr=$log
}

# The clocks of servers show seconds.
clock_ticks() {
    local now
    now=$(cli TIME | head -n 1)
    until_true later_than "$now"
}

later_than() {
    [[ $(cli TIME | head -n 1) -gt $1 ]]
}

# comes_back OPTION...: into an empty volume; a server with these options has what it had, $before
comes_back() {
    lose_volume
    restore
    server_start "$@"
    [[ $(fingerprint) == "$before" ]] || {
        diff <(fingerprint) <(echo "$before")
        return 1
    }
}

is_older_than() {
    [[ $(date +%s) -gt $(($(stat -c %Y "$1") + $2)) ]]
}

@test "its data is of its end, whenever it is stored: a moment between the two gets it" {
    server_start --save 3600 1 --appendonly no
    cli SET early 1 >/dev/null
    backup
    clock_ticks
    cli SET late 1 >/dev/null
    before=$(fingerprint)
    cli SHUTDOWN SAVE >/dev/null
    until_true is_older_than "$data/dump.rdb" 2
    offline
    does 0 list --json
    json '.backups[-1].id[0:15] > (.backups[-1].created_at | gsub("[-:]"; ""))'
    moment=$(jq -r '.backups[-1].created_at' <<<"$output")
    lose_volume
    does 0 restore --at "$moment"
    server_start --appendonly no
    [[ $(fingerprint) == "$before" ]]
}

@test "what SHUTDOWN saved" {
    filled_server --save 3600 1
    backup
    cli SET the_last_word yes >/dev/null
    before=$(fingerprint)
    ended_at=$(cli TIME | head -n 1)
    server_stop
    offline
    stored_files dump.rdb
    json --argjson at "$ended_at" '.proven and .keys == null and .settings.appendonly == "no" and
        .server.version == $version and .server.name == $name and .server.run_id == null and
        (.forked_at | fromdate) >= $at and (.asked_at >= .forked_at)' \
        --arg version "$(own_version)" --arg name "$(own_name)"
    comes_back --appendonly no
    server_stop
    comes_back --appendonly yes
}

@test "append-only files alone are up to date, with a base and an increment" {
    filled_server --save '' --appendonly yes
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    cli SET the_last_word yes >/dev/null
    cli SAVE >/dev/null # a dump that is older from now on
    clock_ticks
    cli SET behind_the_dump yes >/dev/null
    before=$(fingerprint)
    server_stop
    offline
    stored_files appendonlydir/appendonly.aof.{2.base.rdb,2.incr.aof,manifest}
    json '.proven and .settings.appendonly == "yes" and .rdb_magic == $magic' \
        --arg magic "$(head -qc 9 "$data"/appendonlydir/*.base.rdb | tr -d 0-9)"
    comes_back --appendonly yes
}

@test "append-only files and a dump that SHUTDOWN saved" {
    filled_server --save 3600 1 --appendonly yes
    cli SET the_last_word yes >/dev/null
    before=$(fingerprint)
    server_stop
    offline
    stored_files dump.rdb "$base" "$incr" appendonlydir/appendonly.aof.manifest
    json .proven
    comes_back --appendonly yes
    server_stop
    comes_back --appendonly no
}

@test "the last backup knows how the server ran, and what its files are called" {
    filled_server --save '' --appendonly yes --appenddirname logs --appendfilename all.log \
        --dbfilename other.rdb
    backup
    clock_ticks
    cli SET the_last_word yes >/dev/null
    before=$(fingerprint)
    server_stop
    offline
    stored_files logs/all.log.{1.base.rdb,1.incr.aof,manifest}
    comes_back --save '' --appendonly yes --appenddirname logs --appendfilename all.log \
        --dbfilename other.rdb
}

@test "nothing new is not stored again" {
    filled_server --save 3600 1
    server_stop
    offline --if-new
    does 0 backup --offline --if-new --json
    json --arg id "$id" '. == {id: null, reason: "nothing-new", newest: $id}'
    does 0 backup --offline --if-new
    [[ $output == "nothing new: backup $id holds the same" ]]
    does 0 list --json
    json '.backups | length == 1'
    offline # it is asked for
    server_start --save 3600 1
    clock_ticks
    server_stop # saves the same keys once more, and that is another moment
    offline --if-new
    does 0 list --json
    json '.backups | length == 3'
}

@test "a dump that an ordinary backup stored is nothing new" {
    server_start --save ''
    fill
    backup
    stored=$id
    server_stop
    does 0 backup --offline --if-new --json
    json --arg id "$stored" '.reason == "nothing-new" and .newest == $id'
}

@test "append-only files to which nothing came are nothing new" {
    filled_server --save '' --appendonly yes
    backup --backup-include aof
    server_stop
    does 0 backup --offline --if-new --json
    json --arg id "$id" '.reason == "nothing-new" and .newest == $id'
    server_start --save '' --appendonly yes
    cli SET one more >/dev/null
    before=$(fingerprint)
    server_stop
    offline --if-new
    comes_back --appendonly yes
}

@test "an increment of the same length that holds something else is new" {
    server_start --save '' --appendonly yes
    cli SET counter 10 >/dev/null
    backup --backup-include aof
    server_stop
    printf 'X' | dd of="$data/$incr" bs=1 seek=$(($(stat -c %s "$data/$incr") - 4)) conv=notrunc status=none
    offline --if-new
}

@test "a server that still runs keeps it away" {
    server_start
    fill
    refused 7 server backup --offline
    says 'takes connections' 'without --offline'
    no_objects
    kill -STOP "$server" # nor does one that says nothing
    refused 7 server backup --offline
    kill -CONT "$server"
    no_objects
}

@test "so does another redkeep on the same volume" {
    filled_server --save 3600 1
    server_stop
    exec {lock}<"$data"
    flock "$lock"
    refused 8 busy backup --offline
    no_objects
    exec {lock}<&-
    offline
}

@test "a torn dump is no backup" {
    filled_server --save 3600 1
    server_stop
    cp "$data/dump.rdb" "$dir/whole.rdb"
    truncate -s -20 "$data/dump.rdb"
    refused 6 corrupt backup --offline
    no_objects
    cp "$dir/whole.rdb" "$data/dump.rdb"
    flip "$data/dump.rdb" 1000
    refused 6 corrupt backup --offline --if-new
    says 'its own checksum'
    no_objects
    : >"$data/dump.rdb"
    refused 6 corrupt backup --offline
    no_objects
}

@test "a torn dump beside append-only files is left out" {
    local how
    filled_server --save 3600 1 --appendonly yes
    before=$(fingerprint)
    server_stop
    cp -p "$data/dump.rdb" "$dir/whole.rdb"
    for how in 'truncate -s -20' 'flip_in'; do
        cp -p "$dir/whole.rdb" "$data/dump.rdb"
        $how "$data/dump.rdb"
        offline
        warned 'the dump is left out'
        stored_files "$base" "$incr" appendonlydir/appendonly.aof.manifest
    done
    comes_back --appendonly yes
}

flip_in() {
    flip "$1" 1000
}

@test "append-only files of a server that was killed end with a whole command" {
    filled_server --save '' --appendonly yes
    before=$(fingerprint)
    cli SET gone "$(printf 'x%.0s' {1..1000})" >/dev/null
    server_kill
    truncate -s -100 "$data/$incr" # as a power loss leaves it
    offline
    json '.proven'
    [[ $(jq '.files[] | select(.kind == "aof-incr") | .size' <<<"$output") -lt $(stat -c %s "$data/$incr") ]]
    comes_back --appendonly yes
}

@test "a transaction that was torn goes as a whole" {
    filled_server --save '' --appendonly yes
    before=$(fingerprint)
    printf 'MULTI\nSET one 1\nSET two 2\nEXEC\n' | cli >/dev/null
    server_kill
    truncate -s -10 "$data/$incr"
    offline
    comes_back --appendonly yes
    server_stop
    server_start --appendonly yes
    [[ $(fingerprint) == "$before" ]]
}

@test "append-only files that no server would load are no backup" {
    filled_server --save '' --appendonly yes
    server_stop
    flip "$data/$incr" 0
    refused 6 corrupt backup --offline
    says redis-check-aof
    [[ $message != *BGREWRITEAOF* ]]
    no_objects
    rm "$data/$base"
    refused 6 corrupt backup --offline
    no_objects
}

@test "a server that was killed between its saves" {
    server_start --save ''
    fill
    before=$(fingerprint)
    cli SAVE >/dev/null
    cli SET gone yes >/dev/null
    server_kill
    offline
    comes_back --appendonly no
}

@test "a volume without data" {
    refused 3 not-found backup --offline
    says 'no data' data-dir
    does 0 backup --offline --if-new --json
    json '. == {id: null, reason: "no-data"}'
    does 0 backup --offline --if-new
    [[ $output == "nothing to back up: $data holds no data" ]]
    server_start --save '' --appendonly yes # what its first start writes is no data
    server_stop
    does 0 backup --offline --if-new --json
    json '.reason == "no-data"'
    no_objects
}

@test "the files of a first empty start do not hide the dump that was passed over" {
    filled_server --save 3600 1
    before=$(fingerprint)
    server_stop
    server_start --save '' --appendonly yes
    [[ $(cli DBSIZE) == 0 ]]
    server_stop
    offline
    stored_files dump.rdb
    comes_back --appendonly yes
}

@test "append-only files that were turned on since the last backup" {
    server_start --save ''
    fill
    backup
    json '.settings.appendonly == "no"'
    clock_ticks
    cli CONFIG SET appendonly yes >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    cli SET the_last_word yes >/dev/null
    before=$(fingerprint)
    server_stop
    offline --if-new
    json '.settings.appendonly == "yes"'
    comes_back --appendonly yes
}

@test "append-only files that were turned off are not what it loads" {
    filled_server --save '' --appendonly yes
    cli CONFIG SET appendonly no >/dev/null
    cli SET the_last_word yes >/dev/null
    backup
    json '.settings.appendonly == "no"'
    cli SET after yes >/dev/null
    before=$(fingerprint)
    cli SAVE >/dev/null
    server_stop
    offline --if-new
    stored_files dump.rdb
    comes_back --appendonly no
}

@test "the setting says how the server ran" {
    filled_server --save 3600 1 --appendonly yes
    server_stop
    offline --appendonly no
    stored_files dump.rdb
    offline --appendonly yes --backup-include acl,aof
    stored_files "$base" "$incr" appendonlydir/appendonly.aof.manifest
}

@test "a restore that was interrupted is finished first" {
    filled_server --save 3600 1
    server_stop
    mkdir "$data/.redkeep-restore.ready"
    refused 1 failed backup --offline
    says 'redkeep restore'
    no_objects
}

@test "the ACL file goes along" {
    filled_server --save 3600 1
    server_stop
    echo 'user default on nopass ~* &* +@all' >"$data/users.acl"
    offline --if-new
    stored_files dump.rdb users.acl
    does 0 backup --offline --if-new --json
    json '.reason == "nothing-new"'
    echo 'user x on nopass ~* &* +@all' >>"$data/users.acl"
    offline --if-new
}

@test "wrong words" {
    refused 2 config backup --if-new
    says '--offline'
    export REDKEEP_DATA_DIR=$dir/missing
    refused 1 failed backup --offline --if-new
    export REDKEEP_DATA_DIR=$data REDKEEP_REPOSITORY=file://$dir/nowhere
    refused 5 store backup --offline --if-new
}
