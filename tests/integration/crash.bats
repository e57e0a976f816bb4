#!/usr/bin/env bats
# redkeep, the server or its child dies at a bad moment, or the data changes while it is saved:
# only whole backups are ever listed, a restore that was killed is finished by the next one, and what
# is stored is what the server held at one moment.
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

# inject HOW CALL N ARGUMENT...: redkeep, with that done to its main thread's N-th call of that name
inject() {
    local how=$1 call=$2 n=$3
    shift 3
    ASAN_OPTIONS=detect_leaks=0 run strace -qq -o /dev/null -e trace="$call" \
        -e inject="$call:$how:when=$n" "$redkeep" "$@"
}

# first_of CALL NAME ARGUMENT...: the number of the first such call that names that
first_of() {
    local call=$1 name=$2
    shift 2
    ASAN_OPTIONS=detect_leaks=0 strace -qq -e trace="$call" -o "$dir/trace" "$redkeep" "$@" \
        >/dev/null 2>&1
    grep "^$call(" "$dir/trace" | grep -n -m 1 -F "$name" | cut -d : -f 1
}

# What is listed is all there, and whatever has a manifest is listed.
only_whole_backups() {
    does 0 list --json || return 1
    json '.unreadable == []' || return 1
    [[ $(jq '.backups | length' <<<"$output") == "$(find "$dir/repository/" -name backup.json | wc -l)" ]]
    does 0 verify --all
}

# Back to the first backup alone: a listing opens every folder, so that a sweep which adds one at each
# turn would never come to its end.
forget_others() {
    find "$dir/repository/" -mindepth 3 -maxdepth 3 ! -name "$id" -exec rm -rf {} +
}

# ---- backups ----

@test "a backup killed at any system call leaves only whole backups" {
    in_memory
    server_start --appendonly no
    fill 50
    backup
    opens=$(first_of openat "$dir/memory/repository" backup)
    killed=0
    for call in openat mkdirat write sync_file_range fsync renameat; do
        n=1
        [[ $call != openat ]] || n=$opens
        while inject signal=KILL "$call" "$n" backup && [[ $status == 137 ]] && ((n++ < 500)); do
            only_whole_backups
            forget_others
            killed=$((killed + 1))
        done
        [[ $status == 0 ]]
    done
    [[ $killed -ge 20 ]]
    backup
    only_whole_backups
}

@test "a backup with any failing call leaves only whole backups and no part of one" {
    in_memory
    server_start --appendonly no
    fill 50
    backup
    failed=0
    for call in mkdirat write fsync renameat; do
        for ((n = 1; n < 500; n++)); do
            inject error=EIO "$call" "$n" backup --log-level error
            [[ $status != 0 ]] || break
            [[ $status == [157] ]]
            only_whole_backups
            [[ -z $(find "$dir/repository/" -name '.redkeep*') ]]
            forget_others
            failed=$((failed + 1))
        done
        ((n < 500)) # it came to its end
    done
    [[ $failed -ge 8 ]]
    backup
}

# killed_at_many_moments TENTHS...: seconds / 100 after which the backup is killed
killed_at_many_moments() {
    local moment

    for moment in "$@"; do
        launch backup
        read -rt "0.$moment" <> <(:) || true # the moment itself is what is varied
        stop_pid KILL "$job"
        does 0 verify --all
        does 0 list --json
        json '.unreadable == []'
    done
    backup
    does 0 verify "$id"
}

@test "a backup killed at any moment leaves only whole backups" {
    server_start --appendonly no
    fill 50
    killed_at_many_moments 01 02 03 05 08 12 15 18 20 22 24 26 30 40
    only_whole_backups
}

@test "a backup to S3 killed at any moment leaves only whole backups" {
    in_s3
    server_start --appendonly no
    fill 50
    head -c 12000000 /dev/urandom | cli -x SET random >/dev/null
    killed_at_many_moments 02 05 10 15 20 25 30 35 40 50 60
}

@test "SIGTERM during an upload leaves no upload behind" {
    in_s3
    server_start --appendonly no
    head -c 30000000 /dev/urandom | cli -x SET random >/dev/null
    launch backup --bandwidth-limit 1MiB --part-size 5MiB # half a minute
    until_true has_open_upload
    kill -TERM "$job"
    ended 1
    says signal
    [[ $(open_uploads) == 0 ]]
    does 0 list --json
    json '.backups == []'
    backup
}

# slow_server OPTION...: its save takes long enough to be held
slow_server() {
    server_start --appendonly no "$@"
    fill 3000
    saves_slowly 1000
}

@test "SIGTERM while the server saves leaves the server alone" {
    slow_server
    launch backup
    hold_save
    kill -TERM "$job"
    ended 1
    says signal
    let_save_go
    until_true is_not_saving
    [[ $(info rdb_last_bgsave_status) == ok && -f $data/dump.rdb ]]
    does 0 list --json
    json '.backups == []'
}

# ---- the data changes, or the server fails, while it saves ----

@test "FLUSHALL during the save: what is stored is what was there afterwards" {
    for points in '' '3600 1'; do
        lose_volume
        slow_server --save "$points"
        launch backup --json
        hold_save
        cli FLUSHALL >/dev/null
        let_save_go # to its end: FLUSHALL has told it to stop
        ended 0
        json '.keys == 0 and .proven'
        server_kill
        lose_volume
        restore
        server_start --appendonly no
        [[ $(cli DBSIZE) == 0 ]]
        server_kill
    done
}

@test "FLUSHALL in every save is said, and nothing is stored" {
    server_start --appendonly no --save '' --rdb-key-save-delay 1000000 # no save comes to its end
    refill='for i = 1, 500 do redis.call("SET", "k" .. i, i) end'
    cli EVAL "$refill" 0 >/dev/null
    (
        while until_true is_saving; do
            printf '%s\n' MULTI FLUSHALL "EVAL '$refill' 0" EXEC | cli >/dev/null
        done
    ) >/dev/null 2>&1 3>&- &
    flusher=$!
    echo "$flusher" >>"$pids"
    refused 7 server backup
    stop_pid KILL "$flusher"
    says FLUSHALL HINT
    does 0 list --json
    json '.backups == []'
}

@test "a save child that is killed is said, and not tried again" {
    slow_server
    launch backup
    hold_save
    kill -KILL "$saver"
    ended 7
    says "$socket" "save failed" HINT MISCONF
    [[ $(info rdb_bgsave_in_progress) == 0 ]]
    does 0 list --json
    json '.backups == []'
}

@test "a save child that is told to stop, without an error, is tried again" {
    slow_server
    launch backup --json
    hold_save
    saves_slowly 0
    kill -USR1 "$saver"
    let_save_go
    ended 0
    json '.proven and .keys > 300'
}

@test "a server that dies during the save, and comes back, is said" {
    slow_server
    launch backup
    hold_save
    server_kill # that one which stays away is given up after a minute, a unit test shows
    server_start --appendonly no
    ended 7
    says "$socket" "restarted meanwhile" HINT
    does 0 list --json
    json '.backups == []'
}

looks_on() {
    cli CLIENT LIST TYPE normal | grep -q 'name=redkeep.* cmd=info'
}

@test "a save that was already running is waited for, and not taken for ours" {
    slow_server
    cli BGSAVE >/dev/null
    hold_save
    cli SET later than-that-save >/dev/null
    saves_slowly 0
    launch backup --json
    until_true looks_on
    let_save_go
    ended 0
    server_kill
    lose_volume
    restore
    server_start --appendonly no
    [[ $(cli GET later) == than-that-save ]]
}

# in_background COMMAND...
in_background() {
    "$@" </dev/null >/dev/null 2>&1 3>&- &
    echo "$!" >>"$pids"
    workers+=("$!")
}

has_counted() {
    [[ $(cli GET left) -gt 100 ]]
}

pairs() {
    exec redis-cli -s "$socket" < <(yes $'MULTI\nINCR left\nINCR right\nEXEC')
}

@test "an AOF that is written and rewritten all the time is caught at one moment" {
    server_start --appendonly yes --auto-aof-rewrite-percentage 0
    fill 100
    workers=()
    in_background pairs
    in_background redis-cli -s "$socket" -r -1 -i 0.03 BGREWRITEAOF
    until_true has_counted
    bounds=()
    for n in 1 2 3 4 5; do
        include=aof
        ((n % 3 != 0)) || include=rdb,aof
        was=$(cli GET left)
        backup --backup-include "$include"
        bounds+=("$id:$was:$(cli GET left)")
    done
    for worker in "${workers[@]}"; do stop_pid KILL "$worker"; done
    server_kill
    for bound in "${bounds[@]}"; do
        IFS=: read -r id was is <<<"$bound"
        lose_volume
        restore --backup "$id"
        server_start --appendonly yes
        counted=$(cli GET left)
        echo "counted $counted, and $(cli GET right); from $was to $is"
        [[ $counted == "$(cli GET right)" && $counted -ge $was && $counted -le $is ]]
        [[ $(cli -n 15 GET last) == database ]]
        server_kill
    done
}

@test "commands that have other names are called by them" {
    server_start --appendonly yes --appenddirname logs --dbfilename db.rdb \
        --rename-command BGSAVE guarded-save --rename-command CONFIG ''
    cli SET a b >/dev/null
    before=$(fingerprint)
    refused 7 server backup
    says BGSAVE bgsave-command HINT
    names=(--appenddirname logs --dbfilename db.rdb)
    does 0 backup --bgsave-command guarded-save --backup-include rdb,aof "${names[@]}"
    server_kill
    lose_volume
    restore
    server_start --appendonly yes "${names[@]}"
    diff <(echo "$before") <(fingerprint)
}

@test "without leave to read CONFIG the settings say where things are" {
    filled_server --appendonly yes --appendfilename log.aof --dbfilename db.rdb
    before=$(fingerprint)
    cli ACL SETUSER sidecar on '>s3cret' -@all +ping +info +bgsave +lastsave >/dev/null
    export REDKEEP_REDIS_USERNAME=sidecar REDKEEP_REDIS_PASSWORD=s3cret
    refused 7 server backup
    says dump.rdb HINT
    backup --backup-include rdb,aof --dbfilename db.rdb --appendfilename log.aof
    server_kill
    lose_volume
    restore
    server_start --appendonly yes --appendfilename log.aof --dbfilename db.rdb
    diff <(echo "$before") <(fingerprint)
}

# ---- restores ----

# contents: what is in the volume, by name and bytes
contents() {
    (cd "$data" && find . -type f -exec sha256sum {} + | sort -k 2 && find . -type d | sort)
}

# A server that starts now finds all of the data or nothing: never a dump that appendonly yes ignores.
no_trap() {
    if [[ -e $data/dump.rdb ]]; then [[ -f $data/appendonlydir/appendonly.aof.manifest ]]; fi
    if [[ -e $data/appendonlydir ]]; then
        diff <(contents | grep appendonlydir) <(echo "$whole" | grep appendonlydir)
    fi
}

# finishes: the next run makes it whole
finishes() {
    does 0 restore --if-empty --json || return 1
    diff <(echo "$whole") <(contents) && no_leftovers
}

# a_backup_to_restore: $whole is what a restore leaves
a_backup_to_restore() {
    in_memory
    server_start --appendonly no
    fill 50
    before=$(fingerprint)
    backup
    server_kill
    lose_volume
    restore
    whole=$(contents)
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
    server_kill
    lose_volume
    for_own_server
    opens=$(first_of openat .redkeep-restore.partial restore)
    lose_volume
}

restore_calls="openat mkdirat write fchown fchmod fsync linkat renameat renameat2 unlinkat"

@test "a restore killed at any system call is finished by the next" {
    a_backup_to_restore
    killed=0
    for call in $restore_calls; do
        n=1
        [[ $call != openat ]] || n=$opens
        while inject signal=KILL "$call" "$n" restore && [[ $status == 137 ]] && ((n++ < 500)); do
            no_trap
            finishes || { echo "killed at $call $n"; return 1; }
            lose_volume
            killed=$((killed + 1))
        done
        [[ $status == 0 ]]
        lose_volume
    done
    [[ $killed -ge 30 ]]
}

@test "a restore killed twice is finished by the third" {
    a_backup_to_restore
    for first in 1 2 3; do
        for call in renameat unlinkat; do
            n=1
            while inject signal=KILL renameat "$first" restore && [[ $status == 137 ]] &&
                inject signal=KILL "$call" "$n" restore --if-empty && [[ $status == 137 ]]; do
                no_trap
                finishes || { echo "killed at renameat $first, $call $n"; return 1; }
                lose_volume
                n=$((n + 1))
            done
            lose_volume
        done
    done
}

@test "a restore over old data, killed at any system call, never loses the old" {
    a_backup_to_restore
    for call in mkdirat renameat unlinkat; do
        for ((n = 1; n < 500; n++)); do
            lose_volume
            echo old >"$data/dump.rdb"
            mkdir "$data/appendonlydir"
            echo older >"$data/appendonlydir/appendonly.aof.1.incr.aof"
            inject signal=KILL "$call" "$n" restore --force
            grep -q -r -x old "$data" && grep -q -r -x older "$data"
            [[ $status == 137 ]] || break
            does 0 restore --force
            diff <(echo "$whole") <(contents | grep -v before-restore)
            grep -q -r -x old "$data" && grep -q -r -x older "$data"
        done
        ((n < 500)) # it came to its end
    done
}

@test "a restore whose calls fail leaves nothing, or is finished by the next" {
    a_backup_to_restore
    for call in mkdirat write fchown fsync linkat renameat; do
        for ((n = 1; n < 500; n++)); do
            inject error=EIO "$call" "$n" restore --log-level error
            [[ $status != 0 ]] || break
            [[ $status == 1 ]]
            no_trap
            finishes || { echo "failed at $call $n"; return 1; }
            lose_volume
        done
        ((n < 500)) # it came to its end
        lose_volume
    done
}

@test "SIGTERM during a restore leaves the volume empty" {
    in_s3
    server_start --appendonly no
    head -c 20000000 /dev/urandom | cli -x SET random >/dev/null
    backup --part-size 5MiB
    server_kill
    lose_volume
    launch restore --bandwidth-limit 2MiB
    until_true test -d "$data/.redkeep-restore.partial"
    kill -TERM "$job"
    ended 1
    says signal
    [[ -z $(ls -A "$data") ]]
    restore
}
