#!/usr/bin/env bats
# `redkeep check` on this machine, beside real servers: what it says is what /proc, the server's log and
# `redis-server --check-system` say; --fix writes what it may, and nothing else. Whether the machine is
# tuned well or badly is no test's business.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154,SC2317 # helpers.bash sets and reads; functions are handed over

load helpers

overcommit=/proc/sys/vm/overcommit_memory
thp=/sys/kernel/mm/transparent_hugepage/enabled

setup() {
    world
    export REDKEEP_HTTP_LISTEN=off
    # whatever a test has fixed on the machine that it runs on
    keep overcommit "$overcommit"
    keep thp "$thp"
    keep somaxconn /proc/sys/net/core/somaxconn
    keep swappiness /proc/sys/vm/swappiness
    keep maps /proc/sys/vm/max_map_count
}

teardown() {
    local file

    for file in "$dir"/was.*; do
        put_back "${file##*/was.}"
    done
    end_world
}

# chosen PATH: what a file of the kernel says; of words, the one in brackets
chosen() {
    sed 's/.*\[\(.*\)\].*/\1/' "$1"
}

# keep NAME PATH: it is put back when the test ends
keep() {
    echo "$2" >"$dir/path.$1"
    chosen "$2" >"$dir/was.$1"
}

put_back() {
    local path
    path=$(cat "$dir/path.$1")

    [[ $(chosen "$path") == "$(cat "$dir/was.$1")" ]] || cat "$dir/was.$1" >"$path"
}

# Is the kernel's file PATH ours to write, as this process stands?
is_ours() {
    (chosen "$1" >"$dir/word" && cat "$dir/word" >"$1") 2>/dev/null
}

# checked ARGUMENT...: the report as $output, whatever it says
checked() {
    run --separate-stderr timeout 300 "$redkeep" check --json "$@"
    [[ $status == 0 || $status == 1 || $status == 7 ]] || { show; return 1; }
    has_schema
}

# The fixed fields, the order, the sum, the exit code.
has_schema() {
    json '(keys - ["checks", "dry_run", "worst"]) == []
        and ([.checks[].id] | length > 30 and length == (unique | length) and all(test("^[a-z0-9-]+$")))
        and (.checks | all(
            (.status | IN("ok", "warn", "fail", "unknown", "fixed"))
            and (.scope | IN("host", "pod", "server", "volume", "backup"))
            and (.value | type == "string" and length > 0)
            and (.why | type == "string" and length > 10)
            and (has("wanted") and has("fix"))
            and ((.status != "unknown") or (.value | startswith("unknown: ")))
            and ((.status | IN("warn", "fail") | not) or .wanted != null)))
        and ([.checks[].status] as $all | {ok: 0, fixed: 1, unknown: 2, warn: 3, fail: 4} as $rank
            | ([$all[] | $rank[.]] | . == (sort | reverse)) and .worst == $all[0])' || return 1
    [[ $status == $(jq 'if any(.checks[]; .id == "persistence" and (.value | contains("needs the server"))) then 7
        elif .worst | IN("warn", "fail") then 1 else 0 end' <<<"$output") ]] || {
        echo "not the exit code of such a report"
        show
        return 1
    }
}

# status_of ID
status_of() {
    jq -r --arg id "$1" '.checks[] | select(.id == $id).status' <<<"$output"
}

# field ID NAME
field() {
    jq -r --arg id "$1" --arg name "$2" '.checks[] | select(.id == $id)[$name]' <<<"$output"
}

# is_bad ID
is_bad() {
    [[ $(status_of "$1") == warn || $(status_of "$1") == fail ]]
}

# bad_exactly_when ID COMMAND...: the check warns or fails if the command succeeds, and only then
bad_exactly_when() {
    local id=$1 expected=good found=good
    shift
    if "$@"; then expected=bad; fi
    if is_bad "$id"; then found=bad; fi
    [[ $expected == "$found" ]] || {
        echo "$id should be $expected"
        show
        return 1
    }
}

# warned TEXT: the server's log does
warned() {
    grep -qF -- "$1" "$dir/redis.log" "$dir/redis.out"
}

# system_warns NAME: redis-server --check-system does
system_warns() {
    grep -q "^\[$1\].*WARNING" "$dir/system"
}

@test "the report agrees with redis-server --check-system, whatever the machine is set to" {
    local value words

    server_start
    for value in 0 1 ""; do # 2 would starve whoever else runs here
        for words in always never madvise ""; do
            # where this machine does not let us, it is looked at as it is
            [[ -z $value ]] || ! is_ours "$overcommit" || echo "$value" >"$overcommit"
            [[ -z $words ]] || ! is_ours "$thp" || echo "$words" >"$thp"
            redis-server --check-system >"$dir/system" 2>&1 || true
            grep -q '^\[overcommit\]' "$dir/system"
            checked
            bad_exactly_when overcommit-memory system_warns overcommit
            # one that has opted out for itself is not hurt: then it is fine, and says so
            if ! system_warns THP; then
                [[ $(status_of transparent-hugepages) == ok ]]
            elif [[ $(status_of transparent-hugepages) == ok ]]; then
                [[ $(cli CONFIG GET disable-thp | tail -n 1) == yes ]]
            fi
        done
    done
    until_true clocks_agree
}

# What a clock costs is measured by both, in a few milliseconds on a machine that others use too.
clocks_agree() {
    local warns=ok bad=ok

    redis-server --check-system >"$dir/system" 2>&1 || true
    if system_warns xen-clocksource || system_warns slow-clocksource; then warns=warn; fi
    checked || return 1
    if is_bad clocksource; then bad=warn; fi
    [[ $warns == "$bad" ]]
}

@test "what a real server warns of at its start is in the report" {
    local somaxconn

    somaxconn=$(cat /proc/sys/net/core/somaxconn)
    ulimit -n 1024
    server_start --tcp-backlog $((somaxconn + 1))
    warned 'cannot be enforced because /proc/sys/net/core/somaxconn'
    warned 'maximum open files'
    checked
    bad_exactly_when tcp-backlog true
    [[ $(field tcp-backlog value) == *"$somaxconn"* ]]
    bad_exactly_when open-files true
    bad_exactly_when overcommit-memory warned 'overcommit must be enabled'
}

@test "a server within its limits has none of those findings" {
    local somaxconn

    somaxconn=$(cat /proc/sys/net/core/somaxconn)
    server_start --tcp-backlog "$somaxconn" --maxclients 100
    checked
    bad_exactly_when tcp-backlog warned 'cannot be enforced because'
    bad_exactly_when open-files warned 'maximum open files'
    [[ $(status_of tcp-backlog) == ok && $(status_of open-files) == ok ]]
}

# in_net COMMAND...: in the network namespace $net
in_net() {
    nsenter -t "$net" -n "$@"
}

net_is_up() {
    [[ $(readlink "/proc/$net/ns/net") != "$(readlink /proc/self/ns/net)" ]]
}

@test "--fix raises somaxconn in the server's network namespace, and touches nothing else" {
    local before ours=/proc/sys/net/core/somaxconn

    before=$(cat "$ours")
    unshare -n sleep 3600 3>&- &
    net=$!
    echo "$net" >>"$pids"
    until_true net_is_up
    redkeep_here=$redkeep
    redkeep=$dir/inside
    printf '#!/bin/sh\nexec nsenter -t %s -n %s "$@"\n' "$net" "$redkeep_here" >"$redkeep"
    chmod +x "$redkeep"
    nsenter -t "$net" -n redis-server --port 0 --unixsocket "$socket" --dir "$data" --tcp-backlog 5000 \
        --logfile "$dir/redis.log" </dev/null >"$dir/redis.out" 2>&1 3>&- &
    server=$!
    echo "$server" >>"$pids"
    until_true answers

    if ! in_net sh -c "echo 333 >$ours"; then # then neither can redkeep, and says so
        checked --fix
        is_bad tcp-backlog
        [[ $(field tcp-backlog fix) == '# not done from here: '*$'\n'* ]]
        return
    fi
    keep overcommit "$overcommit"
    in_net cat "$ours" | grep -qx 333
    checked --fix --dry-run
    is_bad tcp-backlog
    json '.dry_run == true'
    [[ $(field tcp-backlog before) == *333* && $(field tcp-backlog value) == 5000 ]]
    in_net cat "$ours" | grep -qx 333

    checked --fix
    [[ $(status_of tcp-backlog) == fixed ]]
    [[ $(field tcp-backlog before) == *333* && $(field tcp-backlog value) == 5000 ]]
    in_net cat "$ours" | grep -qx 5000
    [[ $(cat "$ours") == "$before" ]]

    checked --fix
    [[ $(status_of tcp-backlog) == ok ]]

    # from outside it is another's namespace: nothing is written to ours
    redkeep=$redkeep_here
    in_net sh -c "echo 333 >$ours"
    checked --fix
    [[ $(status_of tcp-backlog) != fixed && $(status_of tcp-backlog) != ok ]]
    [[ $(cat "$ours") == "$before" ]]
    in_net cat "$ours" | grep -qx 333
}

@test "huge pages: what the server warns of is found and fixed, unless it has opted out for itself" {
    is_ours "$thp" && echo always >"$thp" || {
        # then it is another's to set: as it is, it is reported, and not touched
        checked --fix
        [[ $(status_of transparent-hugepages) != fixed ]]
        return
    }
    server_start --disable-thp no
    warned 'Transparent Huge Pages'
    checked
    is_bad transparent-hugepages
    checked --fix --dry-run
    grep -q '\[always\]' "$thp"
    checked --fix
    [[ $(status_of transparent-hugepages) == fixed && $(field transparent-hugepages value) == madvise ]]
    grep -q '\[madvise\]' "$thp"
    checked
    [[ $(status_of transparent-hugepages) == ok ]]
    server_stop

    echo always >"$thp"
    server_start --disable-thp yes
    run ! warned_now 'Transparent Huge Pages'
    checked --fix
    [[ $(status_of transparent-hugepages) == ok ]]
    grep -q '\[always\]' "$thp"
    server_stop

    # a node that is made ready before there is a server
    run --separate-stderr timeout 300 "$redkeep" check --json --fix --only transparent-hugepages
    [[ $status == 0 && $(status_of transparent-hugepages) == fixed ]]
    grep -q '\[madvise\]' "$thp"
}

# warned_now TEXT: the server that runs does
warned_now() {
    tac "$dir/redis.log" | sed '/ is starting /q' | grep -qF -- "$1"
}

@test "a server in a PID namespace below ours is found, with its limits and its cgroup" {
    unshare -fp --kill-child redis-server --port 0 --unixsocket "$socket" --dir "$data" --logfile "$dir/redis.log" \
        </dev/null >"$dir/redis.out" 2>&1 3>&- &
    echo "$!" >>"$pids"
    until_true answers
    [[ $(info process_id) == 1 ]]
    checked
    json '[.checks[] | select(.id | IN("open-files", "processes", "memory-limit", "ownership", "swap", "cpu-throttling"))]
        | length == 6 and all(.status != "unknown")'
    # seen from a namespace beside it, it is not
    run --separate-stderr timeout 300 unshare -fp --mount-proc "$redkeep" check --json
    json '[.checks[] | select(.id | IN("processes", "memory-limit", "cpu-throttling"))]
        | length == 3 and all(.value | contains("PID namespace"))'
}

@test "--fix sets the kernel's overcommit where it may, and says why where it may not" {
    local now

    server_start
    if is_ours "$overcommit" && echo 0 >"$overcommit"; then
        checked
        is_bad overcommit-memory
        checked --fix --dry-run
        [[ $(cat "$overcommit") == 0 ]]
        checked --fix
        [[ $(status_of overcommit-memory) == fixed ]]
        [[ $(field overcommit-memory before) == 0 && $(field overcommit-memory value) == 1 ]]
        [[ $(cat "$overcommit") == 1 ]]
        checked --fix
        [[ $(status_of overcommit-memory) == ok ]]
    fi
    # and as one that may not: nothing changes, the line to paste stands below the reason
    now=$(cat "$overcommit")
    unprivileged check --json --fix
    [[ $(cat "$overcommit") == "$now" ]]
    if [[ $now == 1 ]]; then
        [[ $(status_of overcommit-memory) == ok ]]
    else
        is_bad overcommit-memory
        [[ $(field overcommit-memory fix) == '# not done from here: '*$'\n'*sysctl* ]]
    fi
}

@test "the server is changed in what fix-server names, and in nothing else" {
    server_start --save '' --stop-writes-on-bgsave-error no
    checked
    is_bad persistence
    is_bad stop-writes-on-bgsave-error

    does 1 check --fix --dry-run --fix-server stop-writes-on-bgsave-error
    [[ $output == *'stop-writes-on-bgsave-error  server  no; --fix would set stop-writes-on-bgsave-error to yes'* ]]
    [[ ${output##*$'\n'} == *'; --fix would mend '* ]]

    checked --fix
    is_bad stop-writes-on-bgsave-error
    [[ $(field stop-writes-on-bgsave-error fix) == *'fix-server does not name'* ]]
    [[ $(cli CONFIG GET stop-writes-on-bgsave-error | tail -n 1) == no ]]

    checked --fix --dry-run --fix-server stop-writes-on-bgsave-error,appendfsync
    [[ $(field stop-writes-on-bgsave-error value) == yes ]]
    [[ $(cli CONFIG GET stop-writes-on-bgsave-error | tail -n 1) == no ]]

    checked --fix --fix-server stop-writes-on-bgsave-error,appendfsync
    [[ $(status_of stop-writes-on-bgsave-error) == fixed ]]
    [[ $(cli CONFIG GET stop-writes-on-bgsave-error | tail -n 1) == yes ]]
    [[ -z $(cli CONFIG GET save | tail -n 1) ]]
    is_bad persistence

    # a user who may not is told what is missing
    cli CONFIG SET stop-writes-on-bgsave-error no >/dev/null
    cli ACL SETUSER looker on '>SECRET' resetkeys -@all +ping +info +config\|get +client\|setname >/dev/null
    REDKEEP_REDIS_USERNAME=looker REDKEEP_REDIS_PASSWORD=SECRET \
        checked --fix --fix-server stop-writes-on-bgsave-error
    is_bad stop-writes-on-bgsave-error
    [[ $(field stop-writes-on-bgsave-error fix) == *NOPERM* ]]
    [[ $output != *SECRET* && $stderr != *SECRET* ]]
}

# unprivileged ARGUMENT...: redkeep as nobody, whose root is read-only
unprivileged() {
    local rooms=$dir

    cp "$redkeep" "$dir/redkeep"
    chmod 755 "$dir/redkeep" "$data"
    [[ ! -S $socket ]] || chmod 777 "$socket"
    while [[ $rooms != / ]]; do # the way to it
        chmod a+x "$rooms"
        rooms=$(dirname "$rooms")
    done
    run --separate-stderr timeout 300 unshare -m sh -c '
        mount --make-rprivate / && mount -o remount,ro,bind / && ! touch /redkeep-probe 2>/dev/null &&
            exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$@"' \
        sh "$dir/redkeep" "$@"
    [[ $status == 0 || $status == 1 ]] || { show; return 1; }
    [[ -z $stderr ]] || { show; return 1; }
    has_schema
}

@test "as nobody, with a read-only root, everything reports and nothing fails" {
    local before

    server_start
    before=$(picture "$data")
    unprivileged check --json
    json 'any(.checks[]; .scope == "server" and .status == "ok")'
    json '[.checks[] | select(.id == "overcommit-memory")][0].status != "unknown"'
    unprivileged check --json --fix
    json 'all(.checks[]; .status != "fixed")'
    [[ $(picture "$data") == "$before" ]]
}

@test "a password counts when the server asks for it, whatever requirepass says" {
    export REDISCLI_AUTH=SECRET
    # an address that it need not have: for the settings it is reachable, in fact it is not
    server_start --port "$(free_port)" --bind '127.0.0.1 -192.0.2.1' --protected-mode no --requirepass SECRET
    REDKEEP_REDIS_PASSWORD=SECRET checked
    [[ $(status_of protection) == ok ]]

    # a user of its own, who sees that strangers are not let in, and then that they are
    cli ACL SETUSER redkeep on '>MINE' resetkeys -@all +ping +info +config\|get +client\|setname >/dev/null
    REDKEEP_REDIS_USERNAME=redkeep REDKEEP_REDIS_PASSWORD=MINE checked
    [[ $(status_of protection) == ok ]]
    cli ACL SETUSER default nopass >/dev/null
    REDKEEP_REDIS_USERNAME=redkeep REDKEEP_REDIS_PASSWORD=MINE checked
    is_bad protection
    checked
    is_bad protection
    [[ $output != *SECRET* && $stderr != *SECRET* ]]

    redis-cli() { command redis-cli -s "$socket" "$@"; }
    PASSWORD=OTHER eval "$(field protection fix)"
    REDKEEP_REDIS_USERNAME=redkeep REDKEEP_REDIS_PASSWORD=MINE checked
    [[ $(status_of protection) == ok ]]
}

@test "the slots of a cluster are asked for, where the user may" {
    server_start --port "$(free_port)" --cluster-port "$(free_port)" --cluster-enabled yes \
        --cluster-require-full-coverage yes
    checked
    is_bad cluster-slots
    [[ $(field cluster-slots value) == 'fail, 0 of 16384 assigned'* ]]

    cli CLUSTER ADDSLOTSRANGE 0 16383 >/dev/null
    until_true slots_are_served
    checked
    [[ $(status_of cluster-slots) == ok ]]

    cli ACL SETUSER default -cluster\|info >/dev/null
    checked
    # INFO itself has it since Valkey 9.1
    [[ $(info cluster_state) == ok || $(field cluster-slots value) == *'+cluster|info'* ]]
}

slots_are_served() {
    cli CLUSTER INFO | grep -q '^cluster_state:ok'
}

@test "what cannot be seen is unknown, never ok" {
    # no server
    checked
    json '[.checks[] | select(.scope == "server")] | length > 5 and all(.status == "unknown")'
    json '[.checks[] | select(.id | IN("tcp-backlog", "open-files", "persistence"))] | all(.value | test("unknown: .+"))'
    # it is down: neither another namespace nor another permission would help
    json '[.checks[] | select(.id | IN("cpu-throttling", "processes", "memory-limit", "oom-score"))]
        | length == 4 and all(.value | test("needs the server: .*connecting"))'

    # no volume
    checked --data-dir "$dir/none"
    json '[.checks[] | select(.scope == "volume" and .status == "ok")] == []'

    # a server that says nothing of its settings
    server_start --appendonly yes
    cli ACL SETUSER default -config\|get >/dev/null
    checked
    for id in appendfsync stop-writes-on-bgsave-error tcp-backlog; do
        [[ $(status_of "$id") == unknown ]] || { echo "$id"; show; return 1; }
    done

    # no sidecar that would know of backups, no repository
    unset REDKEEP_REPOSITORY
    checked
    json '[.checks[] | select(.scope == "backup" and .status == "ok")] == []'
}

@test "what a killed server has left goes by the line to paste, and nothing else" {
    local theirs=(temp-{1,2,3,4}.rdb temp-1763700000.77.rdb temp-rewriteaof-{7,bg-7}.aof)
    local others=(temp-import.rdb temp-2026-1.rdb temp-rewriteaof-x.aof dump.rdb temp-9.rdb)
    (cd "$data" && touch -d '2 days ago' "${theirs[@]}" "${others[@]}" && touch temp-9.rdb)
    run --separate-stderr "$redkeep" check --json --only leftover-temp-files
    [[ $(field leftover-temp-files fix) == "find "* ]]
    bash -c "$(field leftover-temp-files fix)"
    diff <(printf '%s\n' "${others[@]}" | sort) <(ls "$data")
}

@test "a server that cannot be asked is exit 7, whatever else is reported" {
    refused 7 server check --json
    says "$socket"
    has_schema
    json 'any(.checks[]; .scope == "host" and .status == "ok") and any(.checks[]; .scope == "volume" and .status == "ok")'
    refused 7 server check --json --fix --dry-run
    does 7 check
    [[ $output == *' unknown, '* ]]
    # one reason is told once
    [[ $(grep -c "needs the server: unix" <<<"$output") -lt 6 ]]
    [[ $output == *$'\n'unknown*' checks: this needs the server: '*$'\n        '*persistence,* ]]
    # what needs no server is as good without one
    run --separate-stderr timeout 60 "$redkeep" check --json --only overcommit-memory,max-map-count
    [[ $status == 0 || $status == 1 ]] && [[ -z $stderr ]]
    # one that does not show its settings was asked
    server_start
    cli ACL SETUSER default -config\|get >/dev/null
    checked
    [[ $status == 0 || $status == 1 ]]
}

@test "a name that is looked up for ever is not waited for" {
    echo 'nameserver 127.0.0.1' >"$dir/resolv.conf"
    run -7 --separate-stderr timeout 60 unshare -mn sh -c '
        ip link set lo up && mount --bind "$1" /etc/resolv.conf || exit 99
        perl -MSocket -e "socket(my \$s, PF_INET, SOCK_DGRAM, 0) or die;
            bind(\$s, sockaddr_in(53, INADDR_LOOPBACK)) or die; print STDERR q(bound); close STDERR; sleep 60" \
            2>"$2" & silent=$!
        until [ -s "$2" ]; do kill -0 $silent || exit 98; done
        "$3" check --json --redis-url redis://slow.example.org:6379; rc=$?
        kill $silent
        exit $rc' sh "$dir/resolv.conf" "$dir/bound" "$redkeep"
    has_schema
    json 'any(.checks[]; .id == "persistence" and (.value | contains("the name in redis-url was not found within 3 s")))'
}

@test "a cache that keeps nothing is as it should be" {
    server_start --save '' --maxmemory-policy allkeys-lru
    checked
    for id in persistence save-points eviction-policy; do
        [[ $(status_of $id) == ok ]] || { echo "$id"; show; return 1; }
    done
    cli CONFIG SET maxmemory-policy noeviction >/dev/null
    checked
    is_bad persistence && is_bad save-points
    checked --use cache
    [[ $(status_of persistence) == ok && $(status_of save-points) == ok ]]
    # and so has advise it
    does 0 advise --json --use cache --durability best_effort
    json '.mode == "none"'
}

@test "what a version is known for is told, but not to who mends it" {
    server_start --appendonly yes
    checked
    is_bad version
    [[ $(field version value) == *' '*': '*'leaves a hole'* ]]
    checked --guard fix
    [[ $(status_of version) == ok && $(field version value) == *'prepare'* ]]
    checked --guard off
    is_bad version
    # another user than default sees what that one may, where it is allowed to look
    cli ACL SETUSER other on '>OTHER' '~*' +@all >/dev/null
    export REDKEEP_REDIS_USERNAME=other REDKEEP_REDIS_PASSWORD=OTHER
    checked --guard fix
    [[ $(status_of version) == ok ]]
    cli ACL SETUSER other '-acl|getuser' >/dev/null
    checked --guard fix
    local seen
    seen=$(status_of version) # ok of the versions that do not do it
    [[ $seen == ok || ($seen == unknown && $(field version value) == *'+acl|getuser'*) ]]
    cli ACL SETUSER other '+acl|getuser' >/dev/null
    cli ACL SETUSER default -debug >/dev/null
    checked --guard fix
    [[ $seen == ok || $(field version fix) == 'user default on '* ]]
}

@test "a server that a user other than default leaves loses what its version says" {
    local kept=3 options=(--appendonly yes --save '' --user default off --user luke on '>SECRET' '~*' '&*' +@all)

    export REDISCLI_AUTH=SECRET
    cli_auth=(--user luke)
    server_start "${options[@]}"
    printf 'MULTI\nSET a 1\nSET b 2\nEXEC\nSET c 3\n' | cli --user luke >/dev/null
    REDKEEP_REDIS_USERNAME=luke REDKEEP_REDIS_PASSWORD=SECRET checked --guard fix
    # the row says so of the versions that do it, and of no other
    [[ $(field version value) != *'user default'* ]] || kept=1
    server_stop
    server_start "${options[@]}"
    [[ $(cli --user luke DBSIZE) == "$kept" ]]

    # and its remedy works
    cli --user luke FLUSHALL >/dev/null
    printf 'MULTI\nSET a 1\nSET b 2\nEXEC\nSET c 3\n' | cli --user luke >/dev/null
    server_stop
    server_start --appendonly yes --save '' --user default on '>NOBODYKNOWS' '~*' '&*' +@all \
        --user luke on '>SECRET' '~*' '&*' +@all
    [[ $(cli --user luke DBSIZE) == 3 ]]
}

@test "neither a dead repository nor a silent server is waited for" {
    local began port

    port=$(free_port)
    perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
        setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
        bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die; listen($s, 5); sleep' "$port" 3>&- &
    echo $! >>"$pids"
    until_true perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
        connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or exit 1' "$port"
    began=$SECONDS
    REDKEEP_REPOSITORY=s3://nowhere/x AWS_ENDPOINT_URL_S3=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=a \
        AWS_SECRET_ACCESS_KEY=b REDKEEP_REDIS_URL=redis://127.0.0.1:$port \
        REDKEEP_HTTP_LISTEN=127.0.0.1:$port checked
    ((SECONDS - began < 100)) # seconds, and what a busy machine needs
    json '[.checks[] | select(.scope | IN("server", "backup"))] | all(.status != "ok")'
    [[ $(field deletable value) == 'unknown: the bucket has not answered within '* ]]
}

@test "a disk that is dead is not waited for" {
    truncate -s 40M "$dir/disk"
    mkfs.ext4 -q "$dir/disk"
    mount -o loop "$dir/disk" "$data"
    server_start --save ''
    fsfreeze -f "$data"
    launch check --json
    until_true is_gone "$job" || true # whatever comes, the disk lives again
    fsfreeze -u "$data"
    ended 1
    json '[.checks[] | select(.scope == "volume")] | length > 3 and all(.status == "unknown")'
    json 'any(.checks[]; .value == "unknown: the volume does not answer")'
    checked
    json 'any(.checks[]; .id == "free-space" and .status == "ok")'
}

@test "people get the worst first, a line to paste, a sum, and colours only on a terminal" {
    local first

    server_start --save '' --stop-writes-on-bgsave-error no
    does 1 check
    first=${output%%$'\n'*}
    [[ $first == FAIL* ]]
    [[ $output == *'fix: '* && $output != *$'\e'* ]]
    [[ ${output##*$'\n'} =~ ^[0-9]+\ fail,.*[0-9]+\ ok$ ]]
    run -1 script -qec "TERM=xterm $redkeep check" /dev/null
    [[ $output == *$'\e[1;31mFAIL'* ]]
    run -1 script -qec "TERM=xterm NO_COLOR=1 $redkeep check" /dev/null
    [[ $output == *FAIL* && $output != *$'\e'* ]]
    refused 2 config check --dry-run
    says '--fix'
}

# sidecar_says FILTER: of /status, now
sidecar_says() {
    curl -sS --max-time 60 "$url/status" | true_of "$1"
}

listens() {
    url=$(jq -Rr 'fromjson? | .msg | capture("^(?<u>http://\\S+) answers").u' "$dir/job.err")
    [[ -n $url ]]
}

findings() {
    jq -Rr 'fromjson? | select(.level == "warn") | .msg' "$dir/job.err" | grep -c "^check $1 " || true
}

was_found() {
    [[ $(findings "$1") == 1 ]]
}

# sidecar_that_says FILE: answers every request with it; where, is in $address
sidecar_that_says() {
    perl -MIO::Socket::INET -e '
        my $l = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 0) or die;
        open(my $p, ">", "$ARGV[1].part") or die;
        print $p "127.0.0.1:", $l->sockport;
        close $p;
        rename "$ARGV[1].part", $ARGV[1];
        while (my $c = $l->accept) {
            while (<$c>) { last if /^\r?$/ }
            open(my $f, "<", $ARGV[0]);
            my $body = join("", <$f>);
            print $c "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", length($body), "\r\n\r\n", $body;
            close $c;
        }' "$1" "$dir/address" 3>&- &
    echo $! >>"$pids"
    until_true test -s "$dir/address"
    address=$(cat "$dir/address")
}

# it_says RUN_ID INSTANCE: that the disk was slow five times in the last hour
it_says() {
    jq -n --arg run_id "$1" --arg instance "$2" '{$instance, server: {$run_id,
        aof: {delayed_fsyncs_lately: 5, lately_seconds: 3600}}}' >"$dir/says"
}

@test "delayed fsyncs are judged by what the sidecar has counted of late, of this very server" {
    server_start --appendonly yes
    it_says "$(info run_id)" db-0
    sidecar_that_says "$dir/says"
    REDKEEP_HTTP_LISTEN=$address checked
    is_bad delayed-fsync
    [[ $(field delayed-fsync value) == '5 in the last 1h 00m' ]]
    it_says "$(info run_id | tr 0-9a-f f0-9a-e)" db-0
    REDKEEP_HTTP_LISTEN=$address checked
    [[ $(status_of delayed-fsync) == ok ]]
    it_says "$(info run_id)" another
    REDKEEP_HTTP_LISTEN=$address checked
    [[ $(status_of delayed-fsync) == ok ]]
}

@test "the sidecar checks at its start, and shows and logs what it found" {
    server_start --stop-writes-on-bgsave-error no
    fill
    REDKEEP_HTTP_LISTEN=127.0.0.1:0 REDKEEP_LOG_FORMAT=json REDKEEP_BACKUP_SCHEDULE='@every 12h' launch run
    until_true listens
    until_true sidecar_says '.checks_read_at != null'
    sidecar_says '.checks | any(.id == "stop-writes-on-bgsave-error" and (.status | IN("warn", "fail")))'
    sidecar_says '.jobs[] | select(.kind == "check") | .last_ok'
    until_true was_found stop-writes-on-bgsave-error # the line is written behind the lock
    [[ $(findings backup-age) == 0 ]] # the first one was waited for
    curl -sS "$url/metrics" >"$dir/metrics"
    promtool check metrics <"$dir/metrics"
    grep -Eq '^redkeep_check_status\{check="stop-writes-on-bgsave-error",scope="server"\} [12]$' "$dir/metrics"
    curl -sS "$url/" | grep -q '<code>stop-writes-on-bgsave-error</code>'

    # by hand, beside it: what only the sidecar knows is known
    until_true sidecar_says '.last_backup_ok_at != null'
    REDKEEP_HTTP_LISTEN=${url#http://} checked
    [[ $(status_of backup-age) == ok ]]
    # another instance's sidecar is no witness
    REDKEEP_HTTP_LISTEN=${url#http://} checked --instance other
    [[ $(status_of backup-age) == unknown ]]
    stop_pid TERM "$job"
}
