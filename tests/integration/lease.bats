#!/usr/bin/env bats
# Backups of servers that replicate one another take turns, by a lease in the repository.
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

# A primary and its replica, each with a volume and a socket of its own.
pair() {
    local port volume=$data primary=$socket primary_server

    port=$(free_port)
    server_start --port "$port" --repl-diskless-sync-delay 0 --appendonly no --save ''
    primary_server=$server
    cli DEBUG POPULATE 4000 >/dev/null

    data=$dir/volume-1
    socket=$dir/redis-1.sock
    mkdir "$data"
    server_start --replicaof 127.0.0.1 "$port" --appendonly no --save ''
    until_true info_is master_link_status up
    until_true has_no_child "$primary_server" # what fed the replica is no save to be held
    replid=$(info master_replid) # the first replica of a server gives it a new one
    data=$volume
    socket=$primary
    server=$primary_server
}

# turn N ARGUMENT...: a backup of the primary (0) or the replica (1), in the background
turn() {
    local n=$1
    shift
    [[ $n == 0 ]] || local -x REDKEEP_DATA_DIR=$dir/volume-1 REDKEEP_INSTANCE=db-1 \
        REDKEEP_REDIS_URL=unix://$dir/redis-1.sock
    "$redkeep" backup --json "$@" </dev/null >"$dir/turn-$n.out" 2>"$dir/turn-$n.err" 3>&- &
    turns[n]=$!
    echo "${turns[n]}" >>"$pids"
}

ended_well() {
    wait "${turns[$1]}" || {
        cat "$dir/turn-$1.err"
        return 1
    }
}

has_no_child() {
    ! pgrep -P "$1"
}

waits_for_lease() {
    grep "waiting for the lease .*$replid.*, which db-0 holds" "$dir/turn-1.err"
}

# The replica's begins while the primary's is under way, and waits for its end.
take_turns() {
    saves_slowly 1000
    turn 0
    hold_save
    turn 1
    until_true waits_for_lease || {
        tail "$dir"/turn-*.err
        return 1
    }
    let_save_go
    ended_well 0
    ended_well 1
    jq -es '.[0].stored_at <= .[1].asked_at' "$dir/turn-0.out" "$dir/turn-1.out"
}

lease_of() {
    cat "$dir/repository/leases/$1.json"
}

@test "a primary and its replica do not save at the same time" {
    pair
    take_turns
    [[ $(ls "$dir/repository/leases") == "$replid.json" ]]
    lease_of "$replid" | true_of '.free and .instance == "db-1"'
    does 0 list --json
    json '.backups | length == 1'
    does 0 verify
}

@test "nor do they with a repository in S3" {
    in_s3
    pair
    take_turns
    s3 GET "/$prefix/leases/$replid.json" | true_of '.free and .instance == "db-1"'
}

@test "without the lease they do" {
    pair
    saves_slowly 1000
    turn 0 --backup-lease off
    hold_save
    turn 1 --backup-lease off
    ended_well 1
    is_saving
    [[ ! -e $dir/repository/leases ]]
}

@test "a server alone takes no lease, but one by name" {
    server_start --appendonly no
    cli SET key value >/dev/null
    backup
    [[ ! -e $dir/repository/leases ]]
    backup --backup-lease shard-7
    lease_of shard-7 | true_of '.free and .instance == "db-0" and .term_seconds == 60'
    refused 2 config backup --backup-lease a/b
}

@test "a backup that fails or is stopped gives its lease back" {
    server_start --appendonly no
    cli DEBUG POPULATE 3000 >/dev/null
    REDKEEP_DATA_DIR=$dir/repository refused 7 server backup --backup-lease x
    lease_of x | true_of .free
    saves_slowly 1000
    launch backup --json --backup-lease x
    hold_save
    lease_of x | true_of '.free | not'
    kill -TERM "$job"
    ended 1
    lease_of x | true_of .free
    saves_slowly 0
    let_save_go
    until_true is_not_saving
    backup --backup-lease x
}

@test "a repository that takes no lease is worth a warning, and a backup" {
    server_start --appendonly no
    cli SET key value >/dev/null
    : >"$dir/repository/leases" # no directory can be made there
    backup --backup-lease x
    jq -se 'map(select(.level == "warn" and (.msg | test("lease")))) | length == 1' <<<"$stderr"
}
