#!/usr/bin/env bats
# `redkeep ready` beside a real server in every stage that PING mistakes for another.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    unset REDKEEP_REPOSITORY
    patience=(--timeout 60s)
}

teardown() {
    [[ ! -v stopped ]] || kill -s CONT "$stopped"
    end_world
}

# is_state RC STATE: what `ready` and `ready --json` answer; only a failure is logged. How long it
# may take, a busy machine included, is $patience.
is_state() {
    does "$1" ready "${patience[@]}" || return 1
    [[ $output == "$2" || $output == "$2: "?* ]] || {
        echo "not $2"
        show
        return 1
    }
    quiet_unless_failed "$1" || return 1
    does "$1" ready --json "${patience[@]}" || return 1
    # shellcheck disable=SC2016 # jq's own
    json --arg state "$2" '.state == $state and .ready == ($state == "ready") and
        (.why == null) == .ready and has("loading_percent") and has("eta_seconds")' || return 1
    quiet_unless_failed "$1"
}

quiet_unless_failed() {
    if [[ $1 == 7 ]]; then
        [[ $(jq -r 'select(.level == "error" and .kind == "server") | .msg' <<<"$stderr") != "" ]]
    else
        [[ -z $stderr ]]
    fi || {
        echo "logged:"
        show
        return 1
    }
}

exits_with() {
    local rc=0
    "$redkeep" ready "${patience[@]}" >/dev/null 2>&1 || rc=$?
    [[ $rc == "$1" ]]
}

pings() {
    [[ $(cli PING 2>&1) == "$1"* ]]
}

@test "a server is unreachable, ready, and unreachable again" {
    is_state 7 unreachable
    server_start --appendonly yes
    fill
    is_state 0 ready
    [[ $output == *'"why": null'* ]]
    server_kill
    is_state 7 unreachable
}

@test "while it loads, it says how much, how fast, how long" {
    loads_slowly
    until_true exits_with 1
    is_state 1 loading
    until_true rate_is_told
    does 1 ready "${patience[@]}"
    [[ $output =~ ^loading:\ [0-9]+\ %,\ .*B\ of\ .*B,\ .*B/s ]]
    does 1 ready --json "${patience[@]}"
    json '.loading_percent >= 0 and .loading_percent < 100 and .loaded_bytes >= 0
        and .total_bytes > .loaded_bytes'
    cli CONFIG SET key-load-delay 0 >/dev/null
    until_true exits_with 0
    is_state 0 ready
}

rate_is_told() {
    [[ $("$redkeep" ready --json "${patience[@]}" 2>/dev/null | jq '.bytes_per_second // 0') -gt 0 ]]
}

@test "a replica is not ready without its primary, refusing stale reads or not" {
    port=$(free_port) # nobody is there
    server_start --replicaof 127.0.0.1 "$port"
    pings PONG
    is_state 1 syncing
    cli CONFIG SET replica-serve-stale-data no >/dev/null
    pings MASTERDOWN
    is_state 1 syncing
    cli REPLICAOF NO ONE >/dev/null
    is_state 0 ready
}

@test "a replica is ready once it has its primary's data" {
    port=$(free_port)
    mkdir "$dir/primary"
    redis-server --port "$port" --bind 127.0.0.1 --dir "$dir/primary" --save "" \
        --repl-diskless-sync-delay 0 </dev/null >"$dir/primary.out" 2>&1 3>&- &
    primary=$!
    echo "$primary" >>"$pids"
    server_start --replicaof 127.0.0.1 "$port"
    until_true exits_with 0
    is_state 0 ready
    stop_pid KILL "$primary"
    until_true exits_with 1
    is_state 1 syncing
}

@test "a password that is missing or wrong, and a permission that is, are told apart from a load" {
    server_start
    cli CONFIG SET requirepass right >/dev/null
    is_state 7 auth
    [[ $stderr == *NOAUTH* && $stderr == *redis-password* ]]
    REDKEEP_REDIS_PASSWORD=wrong is_state 7 auth
    [[ $stderr == *WRONGPASS* && $output$stderr != *wrong\"* ]]
    REDKEEP_REDIS_PASSWORD=right is_state 0 ready
    cli -a right --no-auth-warning ACL SETUSER probe on '>right' -@all +ping +info >/dev/null
    REDKEEP_REDIS_USERNAME=probe REDKEEP_REDIS_PASSWORD=right is_state 0 ready
    cli -a right --no-auth-warning ACL SETUSER probe -info >/dev/null
    REDKEEP_REDIS_USERNAME=probe REDKEEP_REDIS_PASSWORD=right is_state 7 auth
    [[ $stderr == *NOPERM* ]]
}

@test "a server that hangs takes no longer than the timeout" {
    server_start
    kill -s STOP "$server"
    stopped=$server
    SECONDS=0
    patience=()
    is_state 7 unreachable # twice two seconds
    patience=(--timeout 60s)
    [[ $output == *"no answer within 2"* ]]
    ((SECONDS < 60))
    does 7 ready --timeout 50ms
    kill -s CONT "$server"
    unset stopped
    is_state 0 ready
}

@test "nor does one that answers a byte at a time" {
    # shellcheck disable=SC2016 # perl's own
    perl -MSocket -e '
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
        bind($s, sockaddr_un($ARGV[0])) or die;
        listen($s, 9) or die;
        $SIG{PIPE} = "IGNORE";
        while (accept(my $c, $s)) {
            syswrite($c, "+") or next;
            while (syswrite($c, "x")) { select(undef, undef, undef, 0.05); }
        }' "$socket" </dev/null >"$dir/drip.out" 2>&1 3>&- &
    echo $! >>"$pids"
    until_true test -S "$socket"
    does 7 ready --timeout 500ms # or `does` gives up on it
    [[ $output == unreachable:* ]]
}

@test "a server that cannot save has loaded all the same" {
    server_start --save "3600 1" --stop-writes-on-bgsave-error yes
    cli SET a 1 >/dev/null
    rm -rf "$data" # nor is there a place for its temporary file
    cli BGSAVE >/dev/null
    until_true info_is rdb_last_bgsave_status err
    pings MISCONF
    is_state 0 ready
}

@test "a server that a script blocks has loaded all the same" {
    server_start --busy-reply-threshold 1
    cli EVAL 'while true do end' 0 >/dev/null 2>&1 3>&- &
    echo $! >>"$pids"
    until_true pings BUSY
    is_state 0 ready
    cli SCRIPT KILL >/dev/null
}

@test "what is no server with data is not ready" {
    port=$(free_port)
    printf 'port %s\nbind 127.0.0.1\n' "$port" >"$dir/sentinel.conf"
    redis-server "$dir/sentinel.conf" --sentinel </dev/null >"$dir/sentinel.out" 2>&1 3>&- &
    echo $! >>"$pids"
    export REDKEEP_REDIS_URL=redis://127.0.0.1:$port
    until_true nobody_refuses
    is_state 7 unreachable
    [[ $output == *"holds data"* ]]
}

nobody_refuses() {
    ! "$redkeep" ready "${patience[@]}" 2>/dev/null | grep -q refused
}

@test "a timeout that is none is refused" {
    for text in 0 5 -1s 2h x; do
        refused 2 config ready --timeout "$text"
        says --timeout
    done
}
