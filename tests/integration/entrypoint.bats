#!/usr/bin/env bats
# `redkeep entrypoint`: what a server's container starts, with real servers: their settings, data, user
# and limits, and the two in one container as process 1.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    unset REDKEEP_DATA_DIR REDKEEP_REDIS_URL # the server's arguments say them
    export REDKEEP_SERVER_USER=root REDKEEP_LOG_FORMAT=json REDKEEP_HTTP_LISTEN=127.0.0.1:0
    export REDKEEP_DRAIN_TIMEOUT=150s           # a ceiling for slow machines, not an expectation
    export REDKEEP_BACKUP_SCHEDULE='@every 12h' # no hour that strikes in the middle of a test
    in=()
}

teardown() {
    end_world
    [[ -z ${open_dir-} ]] || rm -rf "$open_dir"
}

# entry ARGUMENT...: redkeep entrypoint ARGUMENT... in the background, in the data directory, by the
# words of $in; $job
entry() {
    (cd "$data" && exec "${in[@]}" "$redkeep" entrypoint "$@") </dev/null \
        >"$dir/job.out" 2>"$dir/job.err" 3>&- &
    job=$!
    echo "$job" >>"$pids"
}

up_or_gone() {
    is_gone "$job" || answers
}

# serves ARGUMENT...: the same, and a server answers there at last
serves() {
    entry "$@"
    until_true up_or_gone
    answers || { cat "$dir/job.out" "$dir/job.err"; return 1; }
}

# refuses RC TEXT... -- ARGUMENT...: no server was started
refuses() {
    local rc=$1 texts=()
    shift
    while [[ $1 != -- ]]; do
        texts+=("$1")
        shift
    done
    shift
    entry "$@"
    until_true is_gone "$job"
    ended "$rc" || return 1
    says "${texts[@]}" || return 1
    ! grep -q 'Server initialized' "$dir/job.out"
}

end_server() {
    stop_pid TERM "$job"
}

# is NAME VALUE: what the server has
is() {
    [[ $(cli CONFIG GET "$1" | tail -n +2) == "$2" ]] || {
        echo "$1 is '$(cli CONFIG GET "$1" | tail -n +2)', not '$2'"
        return 1
    }
}

server=(redis-server --port 0 --unixsocket)

# ---- profiles ----

@test "each profile is what the server has" {
    snapshots='3600 1 300 100 60 10000'
    while read -r profile append fsync preamble stop policy save; do
        lose_volume
        serves --profile "$profile" -- "${server[@]}" "$socket"
        is appendonly "$append"
        is appendfsync "$fsync"
        is aof-use-rdb-preamble "$preamble"
        is stop-writes-on-bgsave-error "$stop"
        is maxmemory-policy "$policy"
        is save "${save:+$snapshots}"
        is rdbchecksum yes
        is auto-aof-rewrite-percentage 100
        is auto-aof-rewrite-min-size $((64 * 1024 * 1024))
        end_server
    done <<'PROFILES'
cache no everysec yes no allkeys-lru
rdb no everysec yes yes noeviction snapshots
aof yes everysec no yes noeviction
hybrid yes everysec yes yes noeviction snapshots
durable yes always yes yes noeviction snapshots
PROFILES
}

@test "what the user has set wins, as argument, in the file, and in what that includes" {
    serves --profile durable -- "${server[@]}" "$socket" --appendfsync everysec --save 60 7 --save 5 9
    is appendfsync everysec
    is save '60 7 5 9'
    is appendonly yes
    end_server
    lose_volume
    mkdir "$dir/conf"
    printf 'appendonly no\nsave 30 3\ninclude %s/conf/*.conf\n' "$dir" >"$dir/redis.conf"
    echo 'maxmemory-policy volatile-ttl' >"$dir/conf/more.conf"
    serves --profile cache -- redis-server "$dir/redis.conf" --port 0 --unixsocket "$socket"
    is appendonly no
    is save '30 3'
    is maxmemory-policy volatile-ttl
    is stop-writes-on-bgsave-error no # of the profile
    grep -q '3 of its 4 settings' "$dir/job.err"
}

@test "an empty replica replicates its primary, and restores nothing" {
    export REDKEEP_PRIMARY=192.0.2.1:1 # nobody's
    serves -- redis-server --port 0 --unixsocket "$socket" --dir "$data" --appendonly yes
    is replicaof '192.0.2.1 1'
    grep -q 'left to the primary' "$dir/job.out"
    end_server
    lose_volume
    REDKEEP_PRIMARY=127.0.0.1:1 refuses 2 'name the host' -- -- redis-server --port 0 --dir "$data"
    unset REDKEEP_PRIMARY # by the server's own words
    serves -- redis-server --port 0 --unixsocket "$socket" --dir "$data" --replicaof 127.0.0.1 2
    grep -q 'left to the primary' "$dir/job.out"
    end_server
    lose_volume
    serves -- redis-server --port 0 --unixsocket "$socket" --dir "$data" --replicaof no one
    grep -q 'nothing to restore' "$dir/job.out"
}

# replica IS WORD...: it IS (true, false) one by these words
replica() {
    does 0 entrypoint --print --json -- redis-server "${@:2}" --dir "$data"
    json ".replica == $1"
}

@test "replicaof and slaveof are one directive, and the last one counts" {
    echo 'replicaof 192.0.2.1 6379' >"$dir/new.conf"
    echo 'slaveof 192.0.2.1 6379' >"$dir/old.conf"
    replica true "$dir/new.conf"
    replica false "$dir/new.conf" --replicaof no one
    replica false "$dir/new.conf" --slaveof no one
    replica false "$dir/old.conf" --replicaof no one
    replica true "$dir/old.conf" --replicaof no one --slaveof 192.0.2.1 6379
    replica true "$dir/old.conf" --slaveof no one --replicaof 192.0.2.1 6379
}

@test "--print shows it all, hides passwords, and starts nothing" {
    does 0 entrypoint --profile durable --print -- redis-server --requirepass hidden --dir "$data"
    [[ $output == *"appendfsync always"*"on the disk before its answer"*"dir $data"* ]]
    [[ $output != *hidden* && $output == *'--requirepass ***'* ]]
    does 0 entrypoint --profile durable --print --json -- redis-server --requirepass hidden \
        --dir "$data" --appendfsync no
    [[ $output != *hidden* ]]
    json --arg dir "$data" '.profile == "durable" and .dir == $dir and .appendonly == "yes" and
        .replica == false and (.line | contains("--requirepass ***")) and
        (.settings[] | select(.name == "appendfsync") | .set == false and .overridden_by == "argument")'
    [[ -z $(ls -A "$data") ]]
    refused 2 config entrypoint --profile classic --print -- redis-server
    says 'cache, rdb, aof, hybrid, durable'
    refused 2 config entrypoint
    says 'needs the server to start'
}

# wrapped: an entrypoint as the official image of Redis 8 has one: what it adds stands at the end, and only
# for `redis-server` by this name
wrapped() {
    mkdir -p "$dir/bin"
    cat >"$dir/bin/docker-entrypoint.sh" <<'WRAPPER'
#!/bin/sh
[ "$1" != redis-server ] || set -- "$@" --slowlog-max-len 77
exec "$@"
WRAPPER
    chmod 755 "$dir/bin/docker-entrypoint.sh"
    PATH=$dir/bin:$PATH
}

@test "the official image's own entrypoint starts the server, with the profile and what it adds" {
    wrapped
    printf 'port 0\nunixsocket %s\nappendfsync no\n' "$socket" >"$dir/redis.conf"
    serves --with-sidecar --profile hybrid -- docker-entrypoint.sh redis-server "$dir/redis.conf" --dbfilename other.rdb
    is slowlog-max-len 77
    is appendonly yes
    is appendfsync no
    is dbfilename other.rdb
    cli SET key value
    end_server
    lose_volume
    serves -- "$dir/bin/docker-entrypoint.sh" "$dir/redis.conf" --appendonly yes
    is slowlog-max-len 77 # options and a file alone mean the server that is there
    [[ $(cli GET key) == value ]]
    end_server
    does 0 entrypoint --print -- docker-entrypoint.sh "${server[@]}" "$socket" --dir "$data" --appendonly yes
    [[ $output == "docker-entrypoint.sh redis-server --port 0 "*$'\n'"dir $data"* ]]
    refused 2 config entrypoint -- docker-entrypoint.sh
    says 'needs the server to start'
}

# odd WORD...: what --print says of the server's files is what the server has
odd() {
    local name said

    lose_volume
    mkdir -p "$data/sub/deeper"
    (cd "$data" && "$redkeep" entrypoint --print -- redis-server "$@") >"$dir/printed"
    serves -- redis-server "$@"
    for name in dir appendonly dbfilename appenddirname appendfilename; do
        said=$(sed -n "s/^$name //p" "$dir/printed" | tail -n 1)
        is "$name" "$said" || { echo "with: $*"; return 1; }
    done
    stop_pid KILL "$job"
    rm -f "$socket"
}

@test "arguments and files mean what they mean to the server, however they are written" {
    local at="--unixsocket $socket"

    odd --port 0 "$at"
    odd --port 0 "$at" --DIR sub --dbfilename "a b.rdb"
    odd "--port 0" "$at" '--dbfilename "x\x41.rdb"' --appendonly yes
    odd --port 0 "$at" --save --appendonly yes --appenddirname "'q'"
    odd --port 0 "$at" --appendonly yes --save
    odd --port 0 "$at" --appendonly yes --appendonly no --dir sub --dir deeper
    odd --port 0 "$at" --requirepass '' --appendfilename '#x' --appendonly yes
    printf 'port 0\r\n  UnixSocket  %s\n#dir /\ndir sub\ninclude in*.conf\ninclude one.inc\n' "$socket" >"$dir/a.conf"
    lose_volume() { # with what it includes, which lies where `dir` leads
        rm -rf "$data"
        mkdir -p "$data/sub/deeper"
        printf '%s\n' 'dbfilename "t\x41b.rdb"' >"$data/sub/in1.conf"
        printf '%s\n' 'appendonly yes' "appenddirname 'it\\'s'" 'dir deeper' >"$data/sub/in2.conf"
        printf 'appendfilename x"y z"\n' | tee "$data/sub/one.inc" >"$data/sub/deeper/one.inc"
    }
    odd "$dir/a.conf"
    odd "$dir/a.conf" --appendonly no --dbfilename last.rdb
    odd "$dir/../$(basename "$dir")/a*.conf"
}

# ---- data ----

@test "a lost volume is restored, and the server has loaded it" {
    serves --profile hybrid -- "${server[@]}" "$socket" --enable-debug-command yes # an empty repository
    fill 100
    before=$(fingerprint)
    does 0 backup --data-dir "$data" --redis-url "unix://$socket"
    stop_pid KILL "$job"
    lose_volume
    rm -f "$socket"
    serves --profile hybrid -- "${server[@]}" "$socket" --enable-debug-command yes
    diff <(echo "$before") <(fingerprint)
    grep -q '^restored ' "$dir/job.out"
    end_server
    before=$(picture "$data")
    serves --profile hybrid -- "${server[@]}" "$socket" # what is there stays
    grep -q 'holds data: left as it is' "$dir/job.out"
}

@test "it is restored to the names, the directory and the way that the server's file says" {
    mkdir "$data/deep"
    cat >"$dir/redis.conf" <<CONF
port 0
unixsocket $socket
dir deep
dbfilename other.rdb
appenddirname logs
appendfilename my.aof
enable-debug-command yes
CONF
    for append in yes no; do
        mkdir -p "$data/deep"
        serves -- redis-server "$dir/redis.conf" --appendonly "$append"
        [[ $append == no ]] || fill 50
        before=$(fingerprint)
        [[ $append == no ]] || does 0 backup --data-dir "$data/deep" --redis-url "unix://$socket"
        stop_pid KILL "$job"
        rm -rf "$data/deep" "$socket"
        mkdir "$data/deep"
        serves -- redis-server "$dir/redis.conf" --appendonly "$append"
        diff <(echo "$before") <(fingerprint)
        [[ $append == no ]] || [[ -e $data/deep/logs/my.aof.manifest ]]
        [[ $append == yes ]] || [[ -e $data/deep/other.rdb ]]
        stop_pid KILL "$job"
        rm -rf "$data/deep" "$socket"
    done
}

@test "a repository that cannot be asked keeps the server from starting" {
    export REDKEEP_REPOSITORY=file://$dir/nowhere
    refuses 5 nowhere -- -- "${server[@]}" "$socket"
    refuses 5 nowhere -- --with-sidecar -- "${server[@]}" "$socket"
    [[ -z $(ls -A "$data") ]]
}

@test "a volume with data comes up while the repository does not, and without one" {
    serves --profile hybrid -- "${server[@]}" "$socket"
    cli SET a b
    end_server
    REDKEEP_REPOSITORY=file://$dir/nowhere serves --profile hybrid -- "${server[@]}" "$socket"
    [[ $(cli GET a) == b ]]
    end_server
    unset REDKEEP_REPOSITORY
    serves --profile hybrid -- "${server[@]}" "$socket"
    [[ $(cli GET a) == b ]]
    end_server
    refuses 2 'needs a repository' -- --with-sidecar -- "${server[@]}" "$socket"
}

@test "a lone dump and appendonly yes: mended, or not started" {
    serves --profile rdb -- "${server[@]}" "$socket"
    cli SET a b
    end_server
    [[ -e $data/dump.rdb ]]
    was=$(sha256sum <"$data/dump.rdb")
    for guard in report fix; do
        export REDKEEP_GUARD=$guard
        if [[ $guard == report ]]; then
            refuses 6 'would lose data' dump-without-aof -- -- "${server[@]}" "$socket" --appendonly yes
            unset REDKEEP_REPOSITORY
            refuses 6 dump-without-aof -- -- "${server[@]}" "$socket" --appendonly yes
            [[ $(sha256sum <"$data/dump.rdb") == "$was" && ! -e $data/appendonlydir ]]
        else
            serves -- "${server[@]}" "$socket" --appendonly yes
            [[ $(cli GET a) == b ]]
        fi
    done
}

@test "what was restored has to be where the server looks" {
    serves --profile rdb -- "${server[@]}" "$socket"
    cli SET a b
    does 0 backup --data-dir "$data" --redis-url "unix://$socket"
    stop_pid KILL "$job"
    lose_volume
    rm -f "$socket"
    # one for appendonly no, killed when it had committed; the next start finishes it, for a server
    # that has been changed since
    ASAN_OPTIONS=detect_leaks=0 run strace -qq -o /dev/null -e trace=renameat,renameat2 \
        -e inject=renameat,renameat2:signal=KILL:when=2 \
        "$redkeep" restore --data-dir "$data" --appendonly no
    [[ $status == 137 && -d $data/.redkeep-restore.ready ]]
    refuses 6 'would lose data' appendonly.aof.manifest -- -- "${server[@]}" "$socket" --appendonly yes
    serves -- "${server[@]}" "$socket" --appendonly no
    [[ $(cli GET a) == b ]]
}

@test "settings that say something else than the server's arguments end it" {
    mkdir "$dir/elsewhere"
    REDKEEP_DATA_DIR=$dir/elsewhere refuses 6 'would lose data' elsewhere \
        "leave out redkeep's setting data-dir" -- -- "${server[@]}" "$socket"
    REDKEEP_APPENDONLY=yes refuses 6 'would lose data' appendonly -- -- "${server[@]}" "$socket"
    REDKEEP_DBFILENAME=x.rdb refuses 6 'would lose data' x.rdb -- -- "${server[@]}" "$socket"
    REDKEEP_APPENDDIRNAME=x refuses 6 'would lose data' appenddirname -- -- "${server[@]}" "$socket"
    REDKEEP_APPENDFILENAME=x refuses 6 'would lose data' appendfilename -- -- "${server[@]}" "$socket"
    refuses 2 '/, the root directory' -- -- "${server[@]}" "$socket" --dir /
    refuses 2 /nonexistent.conf -- -- redis-server /nonexistent.conf
    refuses 2 'standard input' -- -- "${server[@]}" "$socket" -
    [[ -z $(ls -A "$data") ]]
    ln -s "$data" "$dir/link" # the same by another name
    REDKEEP_DATA_DIR=$dir/link REDKEEP_DBFILENAME=dump.rdb serves -- "${server[@]}" "$socket"
}

@test "a question to the program is answered, and nothing is restored" {
    export REDKEEP_REPOSITORY=file://$dir/nowhere
    for word in --version -v --help; do
        rc=0
        (cd "$data" && redis-server "$word" >"$dir/expected" 2>&1) || rc=$?
        entry -- redis-server "$word"
        until_true is_gone "$job"
        ended_quietly "$rc"
        [[ -s $dir/expected ]]
        diff "$dir/expected" <(cat "$dir/job.out" "$dir/job.err")
    done
    entry -- redis-server --check-system # which measures, so that no two answers need be the same
    until_true is_gone "$job"
    [[ $(head -c 18 "$dir/job.out") == '[slow-clocksource]' && ! -s $dir/job.err ]]
    [[ -z $(ls -A "$data") ]]
    refuses 2 'cannot start' -- -- /nonexistent/server --version
}

@test "nothing is given to the user of a server that is not there" {
    chown 0:0 "$data"
    REDKEEP_SERVER_USER=12345 refuses 2 'there is no such program' -- -- redis-servre --dir "$data"
    REDKEEP_SERVER_USER=12345 refuses 2 'there is no such program' -- -- "$dir/server" --dir "$data"
    [[ $(stat -c %u "$data") == 0 ]]
}

@test "flags that the entrypoint of the Valkey image takes from the environment count" {
    mkdir -p "$dir/bin"
    printf '#!/bin/sh\nexec "$@" $VALKEY_EXTRA_FLAGS\n' >"$dir/bin/docker-entrypoint.sh"
    chmod 755 "$dir/bin/docker-entrypoint.sh"
    wrapper=("$dir/bin/docker-entrypoint.sh" "${server[@]}" "$socket" --dir "$data")
    export VALKEY_EXTRA_FLAGS=$' --appendonly  yes\t--dbfilename other.rdb '
    serves --with-sidecar --profile rdb -- "${wrapper[@]}"
    is appendonly yes
    cli SET key value
    end_server
    lose_volume
    serves -- "${wrapper[@]}"
    is dbfilename other.rdb
    [[ $(cli GET key) == value ]]
    end_server
    REDKEEP_DBFILENAME=dump.rdb refused 6 corrupt entrypoint -- "${wrapper[@]}"
    does 0 entrypoint --print -- "${server[@]}" "$socket" --dir "$data" # no wrapper, nobody reads it
    [[ $output == *$'\nappendonly no\n'* ]]
}

@test "a script in the server's place is refused, and not started" {
    printf '#!/bin/sh\necho "$@" >>"%s"\nexec redis-server --appendonly yes\n' "$dir/started" >"$dir/start.sh"
    chmod 755 "$dir/start.sh"
    for command in "$dir/start.sh" 'sh -c redis-server' '/bin/bash -c redis-server' 'docker-entrypoint.sh sh -c redis-server'; do
        # shellcheck disable=SC2086 # words
        refused 2 config entrypoint -- $command
        says 'let the script start redkeep'
    done
    [[ ! -e $dir/started && -z $(ls -A "$data") ]]
    does 0 entrypoint --print -- sh # a person's
}

@test "a SIGTERM before the server is there keeps it from starting" {
    cat >"$dir/server" <<SERVER
#!/bin/bash
[[ \$1 == --version ]] || exec redis-server "\$@"
kill -TERM \$PPID # which is redkeep, that asks
echo Redis server v=7.0.15
SERVER
    chmod +x "$dir/server"
    refuses 1 interrupted -- -- "$dir/server" --port 0 --unixsocket "$socket"
    REDKEEP_SERVER_VERSION=7.0.15 serves -- "$dir/server" --port 0 --unixsocket "$socket"
}

@test "what is redkeep's in the environment stays with it" {
    entry -- env # as a server
    until_true is_gone "$job"
    ended_quietly 0
    grep '^PATH=' "$dir/job.out"
    [[ $(grep -c '^REDKEEP_' "$dir/job.out") == 0 ]]
}

ended_quietly() {
    local rc=0

    wait "$job" || rc=$?
    [[ $rc == "$1" ]]
}

# ---- the process ----

# A volume and a repository that every user may reach.
open_world() {
    open_dir=$(mktemp -d)
    chmod 755 "$open_dir"
    mkdir "$open_dir/volume"
    mkdir -m 777 "$open_dir/repository"
    data=$open_dir/volume
    socket=$open_dir/volume/redis.sock
    cp "$redkeep" "$open_dir/redkeep" # the build may lie where only root goes
    redkeep=$open_dir/redkeep
    export REDKEEP_REPOSITORY=file://$open_dir/repository
    unset REDKEEP_SERVER_USER
}

# status_of FIELD: of the server's process
status_of() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$job/status" | tr -s '\t ' ' ' | sed 's/ $//'
}

@test "root gives the volume to the server's user, and is given up for good" {
    open_world
    export REDKEEP_SERVER_USER=nobody
    uid=$(id -u nobody) gid=$(id -g nobody)
    mkdir -p "$data/appendonlydir" "$data/lost+found" "$data/.redkeep-restore.partial/appendonlydir"
    touch "$data/dump.rdb.not" "$data/nodes.conf" "$dir/target" # empty: an unfinished restore, and no data
    ln -s "$dir/target" "$data/evil.rdb"
    serves -- "${server[@]}" "$socket" --appendonly yes
    [[ $(status_of Uid) == "$uid $uid $uid $uid" && $(status_of Gid) == "$gid $gid $gid $gid" ]]
    [[ $(status_of Groups) == "$gid" && $(status_of NoNewPrivs) == 1 ]]
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do [[ $(status_of "$set") == 0000000000000000 ]]; done
    [[ $(status_of SigBlk) == 0000000000000000 && $(status_of Umask) == 0077 ]]
    for path in . appendonlydir appendonlydir/appendonly.aof.manifest nodes.conf; do
        [[ $(stat -c %u:%g "$data/$path") == "$uid:$gid" ]]
    done
    [[ $(stat -c %a "$data/appendonlydir/appendonly.aof.manifest") == 600 ]]
    [[ $(stat -c %u "$data/lost+found") == 0 && $(stat -c %u "$data/dump.rdb.not") == 0 ]]
    [[ $(stat -c %u "$dir/target") == 0 && $(stat -c %u "$data/evil.rdb") == 0 ]] # links are not followed
    cli SET a b
    id_before=$(stat -c %u:%g "$data/appendonlydir/appendonly.aof.1.incr.aof")
    [[ $id_before == "$uid:$gid" ]]
    does 0 backup --data-dir "$data" --redis-url "unix://$socket"
    chmod -R a+rX "$open_dir/repository"
    stop_pid KILL "$job"
    rm -rf "$data"
    mkdir "$data" # a new volume is root's
    serves -- "${server[@]}" "$socket" --appendonly yes
    [[ $(cli GET a) == b ]]
    [[ $(stat -c %u:%g "$data/appendonlydir") == "$uid:$gid" && $(status_of Uid) == "$uid "* ]]
}

@test "the user is redis, else valkey, else root with a warning; another that is not there is refused" {
    open_world
    in=(unshare -m sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$open_dir/passwd")
    printf 'root:x:0:0::/:/bin/sh\nvalkey:x:61001:61002::/:\n' >"$open_dir/passwd"
    serves -- "${server[@]}" "$socket"
    [[ $(status_of Uid) == '61001 '* && $(status_of Groups) == 61002 ]]
    end_server
    echo 'redis:x:61003:61004::/:' >>"$open_dir/passwd"
    serves -- "${server[@]}" "$socket"
    [[ $(status_of Uid) == '61003 '* && $(stat -c %u:%g "$data") == 61003:61004 ]]
    end_server
    echo 'root:x:0:0::/:/bin/sh' >"$open_dir/passwd"
    serves -- "${server[@]}" "$socket"
    [[ $(status_of Uid) == '0 '* ]]
    grep -q 'is started as root' "$dir/job.err"
    end_server
    REDKEEP_SERVER_USER=nosuch refuses 2 'no user nosuch' -- -- "${server[@]}" "$socket"
}

@test "another user than root starts the server as itself" {
    open_world
    chown 61005:61006 "$data"
    in=(setpriv --reuid 61005 --regid 61006 --clear-groups)
    serves -- "${server[@]}" "$socket"
    [[ $(status_of Uid) == '61005 '* ]]
    [[ $(cli SET a b) == OK ]]
}

open_files() {
    find "/proc/$1/fd" -type l | wc -l
}

@test "the open-file limit is what the clients need, as far as it goes" {
    open_world
    in=(prlimit --nofile=256:20000)
    serves -- "${server[@]}" "$socket" --maxclients 5000
    is maxclients 5000
    [[ $(awk '/^Max open files/ {print $4}' "/proc/$job/limits") == 5032 ]]
    end_server
    chown -R 61005:61006 "$data"
    in=(prlimit --nofile=256:1024 setpriv --reuid 61005 --regid 61006 --clear-groups)
    serves -- "${server[@]}" "$socket"
    is maxclients 992
    grep -q 'open-file limit is 1024 and cannot be raised to the 10032' "$dir/job.err"
    open=$(open_files "$job")
    end_server
    server_start --appendonly no
    [[ $open -le $(open_files "${server[0]}") ]] # nothing of ours is left open
}

# ---- server and sidecar in one container ----

# together ARGUMENT...: process 1 of a namespace; $one is its number here, $main the server's, once it answers
together() {
    in=(unshare -p -f --mount-proc)
    serves --with-sidecar "$@"
    one=$(pgrep -P "$job")
    main=$(pgrep -P "$one" redis-server)
    echo "$one" >>"$pids"
}

sidecar_of() {
    pgrep -P "$one" -f 'redkeep run'
}

# told TEXT [N]: the log has it N times
told() {
    [[ $(jq -Rr 'fromjson? | .msg' "$dir/job.err" | grep -cF -- "$1") -ge ${2:-1} ]]
}

# line_of TEXT
line_of() {
    jq -Rr 'fromjson? | .msg' "$dir/job.err" | grep -nF -m 1 -- "$1" | cut -d : -f 1
}

# over RC
over() {
    local rc=0

    until_true is_gone "$job"
    wait "$job" || rc=$?
    [[ $rc == "$1" ]] || { echo "exit $rc, not $1"; cat "$dir/job.out" "$dir/job.err"; return 1; }
}

@test "at the end the server goes first, then what it wrote is stored, then all is over" {
    together --profile rdb -- "${server[@]}" "$socket"
    until_true told 'the server has loaded'
    cli SET late word
    kill -TERM "$one"
    over 0
    [[ $(line_of 'the server has ended with status 0') -lt $(line_of 'asked to stop') ]]
    told 'what the server wrote at its end is stored'
    [[ $(line_of 'is stored') -lt $(line_of 'the sidecar has ended with status 0') ]]
    lose_volume
    together --profile rdb -- "${server[@]}" "$socket"
    [[ $(cli GET late) == word ]]
}

@test "the status of a server that was killed is kept, and what it left is stored" {
    together --profile hybrid -- "${server[@]}" "$socket"
    until_true told 'the server has loaded'
    cli SET a b
    kill -KILL "$main"
    over 137
    told 'the server was killed by signal 9'
    told 'the sidecar has ended with status 0'
}

@test "so is that of one that ended with 1, or could not be started" {
    entry --with-sidecar -- redis-server --port 0 --no-such-setting x
    over 1
    printf '#!/nonexistent/shell\n' >"$dir/redis-server"
    chmod +x "$dir/redis-server"
    entry --with-sidecar -- "$dir/redis-server"
    until_true is_gone "$job"
    ended 2
    says 'cannot start the server' No\ such\ file
}

@test "a sidecar that dies is started again, and the server does not notice" {
    together --profile rdb -- "${server[@]}" "$socket"
    until_true told 'the server has loaded'
    first=$(sidecar_of)
    kill -KILL "$first"
    until_true told 'is started again in 1 s'
    until_true told 'the server has loaded' 2
    [[ $(sidecar_of) != "$first" ]]
    is_gone "$first"
    [[ $(pgrep -P "$one" redis-server) == "$main" && $(info rejected_connections) == 0 ]]
    kill -HUP "$one"
    until_true told 'SIGHUP: the settings are read again'
    answers
}

@test "without a sidecar at the end the last backup is taken all the same" {
    together --profile rdb -- "${server[@]}" "$socket"
    until_true told 'the server has loaded'
    until_true told 'backup 2' # the first one, so that the dump at the end is another
    cli SET late word
    kill -STOP "$one" # both have ended before it looks
    kill -KILL "$(sidecar_of)"
    kill -TERM "$main"
    until_true ended_or_zombie "$main"
    kill -CONT "$one"
    over 0
    lose_volume
    together --profile rdb -- "${server[@]}" "$socket"
    [[ $(cli GET late) == word ]]
}

ended_or_zombie() {
    [[ $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) == [Z] ]] || is_gone "$1"
}

# A server that is a script: what it does with signals can be seen.
script_server() {
    cat >"$dir/server"
    chmod +x "$dir/server"
    export REDKEEP_SERVER_VERSION=7.0.15
}

has_lines() {
    [[ -f $1 && $(wc -l <"$1") -ge $2 ]]
}

@test "signals are handed on, the second one too" {
    script_server <<SERVER
#!/bin/bash
terms=0
trap 'terms=\$((terms + 1)); echo term >>"$dir/signals"; [[ \$terms -lt 2 ]] || exit 7' TERM
for name in INT USR1 USR2 QUIT HUP; do trap "echo \$name >>$dir/signals" \$name; done
echo ready >>"$dir/signals"
while :; do read -rt 0.1 <> <(:); done
SERVER
    in=(unshare -p -f --mount-proc)
    entry --with-sidecar -- "$dir/server"
    until_true has_lines "$dir/signals" 1
    one=$(pgrep -P "$job")
    n=1
    for name in INT USR1 USR2 QUIT HUP TERM TERM; do
        kill -s "$name" "$one"
        n=$((n + 1))
        until_true has_lines "$dir/signals" "$n"
    done
    over 7
    [[ $(tr '\n' ' ' <"$dir/signals") == 'ready INT USR1 USR2 QUIT HUP term term ' ]]
}

@test "what is left to process 1 is reaped" {
    mkfifo "$dir/go"
    script_server <<SERVER
#!/bin/bash
for i in 1 2 3; do (setsid bash -c 'echo orphan >>"$dir/orphans"; read -r <"$dir/go"' &) ; done
exec redis-server "\$@"
SERVER
    together -- "$dir/server" --port 0 --unixsocket "$socket"
    until_true has_lines "$dir/orphans" 3
    mapfile -t orphans < <(pgrep -P "$one" bash)
    [[ ${#orphans[@]} == 3 ]] # they are children of process 1 now
    printf 'x\nx\nx\n' >"$dir/go"
    for pid in "${orphans[@]}"; do kill -KILL "$pid" 2>/dev/null || true; until_true is_gone "$pid"; done
    answers # a zombie would not be gone
}

@test "where it is not process 1, or SIGCHLD was ignored, it does the same" {
    in=(env --ignore-signal=CHLD)
    serves --with-sidecar --profile rdb -- "${server[@]}" "$socket"
    until_true told 'the server has loaded'
    cli SET a b
    kill -TERM "$job"
    over 0
    told 'what the server wrote at its end is stored'
}
