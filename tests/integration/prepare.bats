#!/usr/bin/env bats
# `redkeep prepare`, the one command before a start; and a guard that is killed at any moment.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    for_own_server
    export REDKEEP_APPENDONLY=yes
    aof=$data/appendonlydir
    incr=$aof/appendonly.aof.1.incr.aof
}

teardown() {
    end_world
}

@test "an empty volume is restored, a full one is guarded and left as it is" {
    does 0 prepare --json # the very first start
    json '.restored == false and .reason == "no-backup" and .guard == null'
    server_start --appendonly yes
    fill 100
    before=$(fingerprint)
    backup
    server_kill
    lose_volume
    does 0 prepare --json
    json --arg id "$id" '.restored and .reason == "restored" and .backup == $id and .guard == null and .keys > 20'
    no_leftovers
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
    server_kill
    before=$(picture "$data")
    does 0 prepare --json
    json '.restored == false and .reason == "volume-holds-data" and .guard.findings == []'
    diff <(echo "$before") <(picture "$data")
    does 0 list --json
    json --arg id "$id" '.last_restore.backup == $id'
}

@test "a volume with data needs no repository, an empty one does" {
    unset REDKEEP_REPOSITORY
    refused 2 config prepare
    says repository
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    server_kill
    does 0 prepare
    export REDKEEP_REPOSITORY=file://$dir/nowhere
    does 0 prepare
    rm -rf "${data:?}"/*
    refused 5 store prepare
}

@test "an empty replica is left to its primary, and the primary restored" {
    server_start --appendonly yes
    fill 100
    backup
    server_kill
    lose_volume
    export REDKEEP_PRIMARY=redis-0.redis:6379
    does 0 prepare --json
    json '.restored == false and .reason == "replica" and .backup == null'
    [[ -z $(ls -A "$data") ]]
    does 0 prepare
    [[ $output == *"left to the primary"* ]]
    REDKEEP_PRIMARY=$(hostname).redis:6379 does 0 prepare --json
    json '.restored and .reason == "restored"'
    does 0 prepare --json # the data of a replica is guarded as any
    json '.reason == "volume-holds-data" and .guard.findings == []'
    REDKEEP_PRIMARY=redis-0 refused 2 config prepare
}

@test "a trap is mended, reported, or passed over, as the setting guard says" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    before=$(picture "$data")
    does 0 prepare --guard off --json
    json '.guard == null'
    refused 6 corrupt prepare --guard report --json
    says dump-without-aof --fix
    json '.reason == "volume-holds-data" and .guard.findings[0].id == "dump-without-aof" and (.error | length) > 0'
    diff <(echo "$before") <(picture "$data")
    does 0 prepare --json
    json '.guard.findings[0].fixed'
    server_start --appendonly yes
    [[ $(cli GET a) == 1 ]]
    server_kill
    refused 2 config prepare --guard maybe
}

@test "beside the server that it was for it is done, but never on an empty volume" {
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    backup
    exec 7<"$data"
    flock 7 # as a backup of the sidecar does
    does 0 prepare --json
    json '.restored == false and .reason == "volume-holds-data" and .guard == null and .error == null'
    does 0 prepare
    exec 7<&-
    [[ $output == *"left as it is"* ]]
    mv "$data"/appendonlydir "$data"/*.rdb "$dir/" # the server at redis-url may be another one
    refused 4 holds-data prepare
    says running
    [[ -z $(ls -A "$data") ]]
}

@test "nor beside one that would lose data at its next start, or may be another one" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    cli SAVE >/dev/null
    does 0 prepare --appendonly no
    refused 4 holds-data prepare --appendonly yes # the set that it then begins would be empty
    server_kill
    mkdir "$dir/other"
    before=$(picture "$data")
    cli_auth=(--no-auth-warning -a secret)
    data=$dir/other server_start --requirepass secret # nobody can say whose it is
    refused 4 holds-data prepare --appendonly yes
    diff <(echo "$before") <(picture "$data")
}

@test "what cannot be mended holds the start up" {
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    backup
    server_kill
    printf 'SET x 1\r\n*1\r\n$4\r\nPING\r\n' >>"$incr"
    refused 6 corrupt prepare
    says bad-aof-bytes "restore --force"
    does 0 restore --force
    does 0 prepare
    server_start --appendonly yes
    [[ $(cli GET a) == 1 ]]
}

@test "with auto, what was restored is no trap, whichever way the server ran" {
    unset REDKEEP_APPENDONLY
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    backup
    server_kill
    for appendonly in yes no; do
        lose_volume
        for turn in 1 2 3; do
            does 0 prepare
            server_start --appendonly "$appendonly"
            [[ $(cli EXISTS a) == 1 ]]
            cli SET "turn:$turn" "$turn" >/dev/null
            server_stop
        done
    done
}

@test "a restore that was interrupted is finished" {
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    backup
    server_kill
    lose_volume
    ASAN_OPTIONS=detect_leaks=0 run strace -qq -o /dev/null -e trace=renameat2 \
        -e inject=renameat2:signal=KILL:when=1 "$redkeep" restore
    [[ $status == 137 ]]
    refused 6 corrupt guard
    says unfinished-restore
    cp -a "$data" "$dir/interrupted"
    does 0 guard --fix --json
    json '.findings[0].fixed'
    no_leftovers
    does 0 guard
    server_start --appendonly yes
    [[ $(cli GET a) == 1 ]]
    server_kill
    rm -rf "$data"
    mv "$dir/interrupted" "$data"
    does 0 prepare --json
    json '.restored'
    no_leftovers
}

@test "what a fix has kept goes with the next proven backup" {
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    server_kill
    truncate -s -2 "$incr"
    does 0 prepare
    compgen -G "$aof/redkeep-kept.*"
    server_start --appendonly yes
    backup
    run ! compgen -G "$aof/redkeep-kept.*"
    [[ -e $incr ]]
}

# ---- killed ----

# inject HOW CALL N ARGUMENT...: redkeep, with that done to its main thread's N-th call of that name
inject() {
    local how=$1 call=$2 n=$3
    shift 3
    ASAN_OPTIONS=detect_leaks=0 run strace -qq -o /dev/null -e trace="$call" \
        -e inject="$call:$how:when=$n" "$redkeep" "$@"
}

# a_trap NAME: builds it in an empty volume
a_trap() {
    rm -rf "$data"
    cp -a "$dir/trap-$1" "$data"
}

# keys: what a server loads from a copy of the volume; "none" when it does not start
keys() {
    local volume=$data

    rm -rf "$dir/memory/copy"
    cp -a "$data" "$dir/memory/copy"
    data=$dir/memory/copy
    server_launch --appendonly yes
    until_true server_is_up_or_dead
    if is_gone "$server"; then echo none; else cli --raw KEYS '*' | sort | paste -sd ' '; fi
    server_kill
    data=$volume
}

# whole: every byte of the trap's file is in the file now, or kept beside it
whole() {
    local name=$1 file tail
    file=$(basename "$(find "$dir/trap-$name" -name '*.incr.aof')")

    cmp -s "$dir/trap-$name/appendonlydir/$file" "$aof/$file" ||
        cmp -s "$dir/trap-$name/appendonlydir/$file" "$aof/redkeep-kept.$file" && return
    for tail in "$aof/redkeep-kept.$file".from-*; do
        cat "$aof/$file" "$tail" | cmp -s - "$dir/trap-$name/appendonlydir/$file" && return
    done
    return 1
}

# traps: built once each in $dir/trap-NAME
traps() {
    server_start --appendonly yes
    cli MSET a 1 b 2 >/dev/null
    printf 'MULTI\nSET d 4\nSET e 5\nEXEC\n' | cli >/dev/null
    cli SAVE >/dev/null
    server_kill
    cp -a "$data" "$dir/trap-torn"
    truncate -s -20 "$dir/trap-torn/appendonlydir/appendonly.aof.1.incr.aof"
    cp -a "$data" "$dir/trap-nuls"
    (head -c 4096 /dev/zero && printf '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$1\r\n2\r\n') \
        >>"$dir/trap-nuls/appendonlydir/appendonly.aof.1.incr.aof"
    cp -a "$data" "$dir/trap-newline"
    truncate -s -1 "$dir/trap-newline/appendonlydir/appendonly.aof.manifest"
    cp -a "$data" "$dir/trap-nomanifest"
    rm "$dir/trap-nomanifest/appendonlydir/appendonly.aof.manifest"
    cp -a "$data" "$dir/trap-dump"
    rm -rf "$dir/trap-dump/appendonlydir"
}

@test "a guard killed at any system call: the server loads what it did before, or what it shall" {
    in_memory
    aof=$data/appendonlydir
    traps
    killed=0
    for name in torn nuls newline nomanifest dump; do
        a_trap "$name"
        was=$(keys)
        does 0 guard --fix
        shall=$(keys)
        [[ $shall == *a\ b* ]]
        for call in openat write mkdirat fchown fchmod fsync linkat renameat renameat2 ftruncate unlinkat; do
            n=1
            [[ $call != openat ]] || {
                a_trap "$name"
                ASAN_OPTIONS=detect_leaks=0 strace -qq -e trace=openat -o "$dir/trace" "$redkeep" guard --fix >/dev/null 2>&1
                n=$(grep '^openat(' "$dir/trace" | grep -n -m 1 -F "$data" | cut -d : -f 1)
            }
            a_trap "$name"
            while inject signal=KILL "$call" "$n" guard --fix && [[ $status == 137 ]]; do
                # a server now: as before, or mended
                if [[ $call != openat && $call != write ]]; then
                    now=$(keys)
                    [[ $now == "$was" || $now == "$shall" ]] || {
                        echo "$name, $call $n: the server loads '$now', not '$was' or '$shall'"
                        return 1
                    }
                fi
                [[ $name == dump ]] || whole "$name" || {
                    echo "$name, $call $n: bytes are gone"
                    return 1
                }
                does 0 guard --fix
                does 0 guard
                no_leftovers
                [[ -z $(find "$data" -name 'redkeep-new.*') ]]
                [[ $name == dump ]] || whole "$name"
                a_trap "$name"
                killed=$((killed + 1))
                n=$((n + 1))
            done
            [[ $status == 0 ]]
        done
        a_trap "$name"
        does 0 guard --fix
        [[ $(keys) == "$shall" ]]
    done
    [[ $killed -ge 60 ]]
}
