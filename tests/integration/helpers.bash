# What the integration tests share: servers, volumes, repositories, and words to judge the binary by.
# Servers listen on unix sockets; whatever is started is noted in $pids and stopped by its id.
# shellcheck shell=bash disable=SC2034,SC2154 # bats has status, output, stderr; tests read the rest

bats_require_minimum_version 1.5.0

rgw_script=$BATS_TEST_DIRNAME/../support/rgw.sh
access_key=RGWTESTACCESSKEY0001
secret_key=rgwTestSecretKey/0123456789+abcdefABCDEF
bucket=keep

# A test's world: an empty volume, an empty file:// repository, no server yet.
world() {
    local name

    # what setup_file exports, the tests find
    redkeep=$(readlink -f "${REDKEEP_BIN:-${redkeep:-build/redkeep}}")
    export redkeep
    while IFS= read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(REDKEEP|AWS)_')
    export AWS_EC2_METADATA_DISABLED=true LC_ALL=C.UTF-8
    dir=$BATS_TEST_TMPDIR
    data=$dir/volume
    socket=$dir/redis.sock
    pids=$dir/pids
    mkdir "$data" "$dir/repository"
    : >"$pids"
    export REDKEEP_DATA_DIR=$data REDKEEP_INSTANCE=db-0 REDKEEP_REDIS_URL=unix://$socket
    export REDKEEP_REPOSITORY=file://$dir/repository REDKEEP_CONFIG=/dev/null
}

# Stops what the test has started, and takes down what it has mounted.
end_world() {
    local pid mount

    while read -r pid; do stop_pid KILL "$pid"; done <"$pids"
    while read -r mount; do umount -l "$mount"; done \
        < <(awk -v dir="$BATS_TEST_TMPDIR/" 'index($2, dir) == 1 {print $2}' /proc/mounts)
}

# ---- conditions ----

# true_of FILTER: `jq -e`, and what says nothing at all is no (of jq 1.6 it is yes)
true_of() {
    jq -n -e "input | ($1)" >/dev/null
}

# until_true COMMAND...: waits for it to succeed; the limit is a ceiling for slow machines, not an
# expectation
until_true() {
    local deadline=$((SECONDS + 180))

    until "$@"; do
        if ((SECONDS >= deadline)); then
            echo "never came true: $*"
            return 1
        fi
        read -rt 0.02 <> <(:) || true # a pause without a process
    done
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# stop_pid SIGNAL PID
stop_pid() {
    kill -s "$1" "$2" 2>/dev/null || true
    wait "$2" 2>/dev/null || true # ours; any other is waited for below
    until_true is_gone "$2" && forget "$2"
}

# forget PID: it has ended, and in a minute or two its number may be that of another test's process,
# which end_world must not kill
forget() {
    sed -i "/^$1\$/d" "$pids"
}

# ---- the server ----

cli() {
    redis-cli -s "$socket" "$@"
}

answers() {
    cli ${cli_auth[@]+"${cli_auth[@]}"} INFO persistence 2>/dev/null | grep -q ^loading:0
}

# server_launch OPTION...: a real redis-server on $data. What it has answered is in its append-only
# file, should it be killed: with everysec it answers first when the disk is slow to sync.
server_launch() {
    redis-server --port 0 --unixsocket "$socket" --dir "$data" --enable-debug-command yes \
        --appendfsync no --logfile "$dir/redis.log" "$@" </dev/null >"$dir/redis.out" 2>&1 3>&- &
    server=$!
    echo "$server" >>"$pids"
}

# server_start OPTION...: the same, ready when this returns
server_start() {
    server_launch "$@"
    until_true server_is_up_or_dead
    kill -0 "$server" || {
        tail -n 20 "$dir/redis.log" "$dir/redis.out"
        return 1
    }
}

server_is_up_or_dead() {
    is_gone "$server" || answers
}

# As a node that dies: nothing is saved, nothing said.
server_kill() {
    stop_pid KILL "$server"
    rm -f "$socket"
}

server_stop() {
    stop_pid TERM "$server"
    rm -f "$socket"
}

info() {
    cli INFO all | tr -d '\r' | sed -n "s/^$1://p"
}

info_is() {
    [[ $(info "$1") == "$2" ]]
}

# loads_slowly OPTION...: a server that has 20000 keys, dies, and loads for minutes, until it is told to
# hurry: `cli CONFIG SET key-load-delay 0`; it listens after each key
loads_slowly() {
    server_start --save '' --rdbcompression no "$@"
    cli DEBUG POPULATE 20000 key 1100 >/dev/null
    cli SAVE >/dev/null
    server_kill
    server_launch --save '' --key-load-delay 20000 --loading-process-events-interval-bytes 1024 "$@"
}

# saves_slowly MICROSECONDS: so long for each of its keys; what waits for such a save to be seen and
# held asks for seconds
saves_slowly() {
    cli CONFIG SET rdb-key-save-delay "$1" >/dev/null
}

is_saving() {
    info_is rdb_bgsave_in_progress 1
}

is_not_saving() {
    info_is rdb_bgsave_in_progress 0
}

# hold_save: waits for the process that saves, or rewrites, and stops it: so it is under way until
# `let_save_go`, or until $saver is killed, however slow the machine is
hold_save() {
    until_true saver_is_there
    kill -s STOP "$saver"
    echo "$saver" >>"$pids"
}

saver_is_there() {
    saver=$(pgrep -P "$server")
}

let_save_go() {
    kill -s CONT "$saver"
}

# fill [STRINGS]: every type, and functions
# shellcheck disable=SC2120 # other files give the number
fill() {
    cli --eval "$BATS_TEST_DIRNAME/dataset.lua" , "${1:-2000}" >/dev/null
    printf '#!lua name=shop\nredis.register_function("price", function() return 42 end)\n' |
        cli -x FUNCTION LOAD REPLACE >/dev/null
    [[ $(cli DBSIZE) -gt 20 ]]
}

# filled_server OPTION...: it has started once more since it was filled: what it keeps in memory only,
# such as what a consumer group has read when it writes no RDB, no file can bring back
filled_server() {
    server_start "$@"
    fill
    server_stop
    server_start "$@"
}

# Everything that a server knows of its data: the digest of all values, and what that leaves out.
fingerprint() {
    cli DEBUG DIGEST
    cli INFO keyspace | tr -d '\r' | sed 's/,avg_ttl=.*//'
    cli FUNCTION LIST WITHCODE | sort
    for key in string:1 expires hash:small stream:empty; do cli PEXPIRETIME "$key"; done
    cli -n 3 PEXPIRETIME key:7
    [[ $(cli EXISTS stream) == 0 ]] || cli --json XINFO STREAM stream FULL COUNT 0 |
        jq -S 'walk(if type == "object"
            then del(.["seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes"]) else . end)'
}

# own_name, own_version: of the server in PATH
own_name() {
    redis-server --version | sed 's/ .*//; s/.*/\L&/'
}

own_version() {
    redis-server --version | sed 's/.* v=\([^ ]*\) .*/\1/'
}

# The server in PATH is what everything is for, and nobody has to ask it each time.
for_own_server() {
    REDKEEP_SERVER_VERSION="$(own_name) $(own_version)"
    export REDKEEP_SERVER_VERSION
}

# ---- the volume ----

# The volume is lost, and a new one takes its place.
lose_volume() {
    rm -rf "$data"
    mkdir "$data"
}

# Every name, type, mode, owner, time and content below a directory. (The times of directories tell
# only that something came and went.)
picture() {
    (cd "$1" && find . -type d -printf '%p %y %m %U:%G\n' -o -printf '%p %y %m %U:%G %s %T@\n' | sort &&
        find . -type f -exec sha256sum {} + | sort)
}

# Nothing that a restore has used meanwhile is left.
no_leftovers() {
    ! compgen -G "$data/.redkeep*" && ! compgen -G "$data/before-restore*"
}

# tmpfs DIR OPTIONS: mounted until the test ends
tmpfs() {
    mkdir -p "$1"
    mount -t tmpfs -o "$2" none "$1"
}

# Volume and repository in memory: for those who come to their end many times, and sync each time.
in_memory() {
    tmpfs "$dir/memory" size=1g
    data=$dir/memory/volume
    mkdir "$data" "$dir/memory/repository"
    rmdir "$dir/repository"
    ln -s memory/repository "$dir/repository"
    export REDKEEP_DATA_DIR=$data REDKEEP_REPOSITORY=file://$dir/memory/repository
}

# ---- the binary ----

# show: what the last run has said, for the reader of a failure
show() {
    printf 'exit %s\n--- stdout\n%s\n--- stderr\n%s\n' "$status" "$output" "${stderr-}"
}

# launch ARGUMENT...: redkeep ARGUMENT... in the background; $job, and what it says in $dir/job.*
launch() {
    "$redkeep" "$@" </dev/null >"$dir/job.out" 2>"$dir/job.err" 3>&- &
    job=$!
    echo "$job" >>"$pids"
}

# ended RC: the job has ended like that; its words are what `json` and `says` look at
ended() {
    status=0
    wait "$job" || status=$?
    forget "$job"
    output=$(cat "$dir/job.out")
    stderr=$(cat "$dir/job.err")
    message=$(tail -n 1 <<<"$stderr" | jq -r '.msg + (.hint // "" | " HINT: " + .)')
    [[ $status == "$1" ]] || {
        echo "exit $1 was expected"
        show
        return 1
    }
}

# does RC ARGUMENT...: redkeep ARGUMENT... ends with RC
does() {
    local rc=$1
    shift
    run --separate-stderr timeout 300 "$redkeep" "$@" # a ceiling, not an expectation
    [[ $status == "$rc" ]] || {
        echo "redkeep $*: exit $rc was expected"
        show
        return 1
    }
}

# refused RC KIND ARGUMENT...: and its last word is an error of that kind, $message
refused() {
    local rc=$1 kind=$2
    shift 2
    does "$rc" "$@" || return 1
    message=$(tail -n 1 <<<"$stderr" | jq -r --arg kind "$kind" \
        'select(.level == "error" and .kind == $kind) | .msg + (.hint // "" | " HINT: " + .)')
    [[ -n $message ]] || {
        echo "the last line is no error of kind $kind"
        show
        return 1
    }
}

# says TEXT...: $message holds each of them
says() {
    local text
    for text in "$@"; do
        [[ $message == *"$text"* ]] || {
            printf 'not said: %s\nbut: %s\n' "$text" "$message"
            return 1
        }
    done
}

# json FILTER [ARGUMENT...]: the filter holds for the answer of the last run
json() {
    # of nothing at all jq 1.6 says yes
    if [[ -z $output ]] || ! jq -e "$@" <<<"$output" >/dev/null; then
        printf 'not so: %s\n' "$1"
        show
        return 1
    fi
}

# backup ARGUMENT...: a backup that has to succeed; $id
backup() {
    does 0 backup --json "$@" || return 1
    id=$(jq -r .id <<<"$output")
    [[ -n $id && $id != null ]]
}

# restore ARGUMENT...: a restore that has to put data in place
restore() {
    does 0 restore --json "$@" || return 1
    json '.restored == true and .reason == "restored"' && no_leftovers
}

# ---- repositories ----

object_dir() {
    echo "$dir/repository/db-0/backups/$1"
}

# Once a file: a real S3 server with a bucket.
s3_up() {
    rgw=$BATS_FILE_TMPDIR/rgw
    "$rgw_script" up "$rgw" >/dev/null 3>&-
    "$rgw_script" bucket "$rgw" "$bucket" >/dev/null
}

s3_down() {
    "$rgw_script" down "$BATS_FILE_TMPDIR/rgw"
}

# The repository of this test is in S3, below a prefix of its own.
in_s3() {
    endpoint=$(cat "$BATS_FILE_TMPDIR/rgw/endpoint")
    prefix=test-$BATS_TEST_NUMBER
    export AWS_ENDPOINT_URL_S3=$endpoint AWS_ACCESS_KEY_ID=$access_key
    export AWS_SECRET_ACCESS_KEY=$secret_key REDKEEP_REPOSITORY=s3://$bucket/$prefix
}

# s3 METHOD KEY-OR-QUERY [CURL-OPTION...]
s3() {
    local method=$1 what=$2
    shift 2
    curl -sS --fail-with-body -X "$method" --aws-sigv4 aws:amz:us-east-1:s3 \
        --user "$access_key:$secret_key" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        "$@" "$endpoint/$bucket$what"
}

# Ids of the uploads of this test that nobody has finished.
open_uploads() {
    s3 GET '?uploads=' | grep -o '<Upload><Key>[^<]*' | grep -c "$prefix" || true
}

has_open_upload() {
    [[ $(open_uploads) -gt 0 ]]
}

# ---- manifests ----

# resign FILE: writes the digest of a manifest that was changed
resign() {
    local text digest
    text=$(head -n -2 "$1")
    digest=$(printf '%s\n' "$text" | sha256sum | cut -c 1-64)
    printf '%s\n  "digest": "sha256:%s"\n}\n' "$text" "$digest" >"$1"
}

# flip FILE OFFSET: another byte there
flip() {
    local was
    was=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %x $(((was + 1) % 256)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# free_port: one that nobody listens on. It is held until the test ends: nobody is given it, and a
# server that is told to can listen there all the same.
free_port() {
    # shellcheck disable=SC2016 # perl's own
    perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
        setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) or die;
        bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
        defined(my $holder = fork) or die;
        if ($holder) {
            open(my $pids, ">>", $ARGV[0]) or die;
            print $pids "$holder\n";
            print((sockaddr_in(getsockname($s)))[0]);
            exit;
        }
        open($_, "+<", "/dev/null") or die for *STDIN, *STDOUT, *STDERR;
        sleep;' "$pids" 3>&-
}
