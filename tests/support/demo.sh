#!/bin/bash
# The main job, told in plain words: a real server full of data of every type, a backup, the volume
# deleted, a restore, the server again, and everything compared. Ends with 0 only when nothing at all
# was lost. With S3=1 the repository is in a real S3 server (radosgw; needs root).
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
redkeep=${REDKEEP_BIN:-$here/../../build/redkeep}
while IFS= read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(REDKEEP|AWS)_' || true)

top=$(mktemp -d)
volume=$top/volume
socket=$top/redis.sock
server=
step=0

bold='' green='' red='' plain=''
if [[ -t 1 ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

clean_up() {
    [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
    [[ ! -d $top/rgw ]] || "$here/rgw.sh" down "$top/rgw" || true
    rm -rf "$top"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step() {
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$plain"
}

say() {
    printf '   %s\n' "$@"
}

fail() {
    printf '\n%sThe demo failed: %s%s\n' "$red" "$1" "$plain" >&2
    [[ ! -s $top/redis.log ]] || tail -n 5 "$top/redis.log" >&2
    exit 1
}

# run ARGUMENT...: shows the command and what it says
run() {
    printf '   $ redkeep %s\n' "$*"
    "$redkeep" "$@" >"$top/said" || fail "redkeep $1 ended with exit code $?"
    sed 's/^/     /' "$top/said"
}

cli() {
    redis-cli -s "$socket" "$@"
}

start_server() {
    redis-server --port 0 --unixsocket "$socket" --dir "$volume" --appendonly yes \
        --enable-debug-command yes --logfile "$top/redis.log" >/dev/null 2>&1 &
    server=$!
    disown "$server" # the shell would report its death in the middle of the story
    for _ in {1..600}; do
        ! cli INFO persistence 2>/dev/null | grep -q ^loading:0 || return 0
        kill -0 "$server" 2>/dev/null || fail "redis-server does not start"
        read -rt 0.05 <> <(:) || true
    done
    fail "redis-server does not answer"
}

# As when the node dies: no farewell, no last save.
kill_server() {
    kill -KILL "$server"
    while kill -0 "$server" 2>/dev/null; do read -rt 0.02 <> <(:) || true; done
    server=
    rm -f "$socket"
}

count_keys() {
    cli INFO keyspace | tr -d '\r' | sed -n 's/.*keys=\([0-9]*\).*/\1/p' | awk '{n += $1} END {print n + 0}'
}

# Of all values, keys by database, expiry times, functions, and streams with their groups.
fingerprint() {
    cli DEBUG DIGEST
    cli INFO keyspace | tr -d '\r' | sed 's/,avg_ttl=.*//'
    cli PEXPIRETIME hash:small
    cli -n 3 PEXPIRETIME key:7
    cli FUNCTION LIST WITHCODE
    cli XINFO STREAM stream
    cli XPENDING stream workers
}

export REDKEEP_DATA_DIR=$volume REDKEEP_REDIS_URL=unix://$socket REDKEEP_INSTANCE=demo
export REDKEEP_LOG_LEVEL=warn REDKEEP_LOG_FORMAT=text REDKEEP_CONFIG=/dev/null
mkdir "$volume"

step "A Redis server runs on a volume, with appendonly yes."
start_server
say "It is $(redis-server --version | sed 's/.* v=\([0-9.]*\).*/Redis \1/'); its volume is $volume"

step "It is filled with data of every type."
cli --eval "$here/../integration/dataset.lua" , 100000 >/dev/null
printf '#!lua name=shop\nredis.register_function("price", function() return 42 end)\n' |
    cli -x FUNCTION LOAD >/dev/null
keys=$(count_keys)
say "$keys keys in 3 databases: strings, lists, sets, hashes, sorted sets, streams with consumer" \
    "groups, HyperLogLogs, bitmaps, positions, keys that expire; and a function"
before=$(fingerprint)

if [[ -n ${S3:-} && $S3 != 0 ]]; then
    step "A repository: a bucket in a real S3 server, Ceph's radosgw."
    answer=$("$here/rgw.sh" up "$top/rgw") || fail "radosgw does not start"
    "$here/rgw.sh" bucket "$top/rgw" backups >/dev/null
    AWS_ENDPOINT_URL_S3=$(sed -n 's/^RGW_ENDPOINT=//p' <<<"$answer")
    AWS_ACCESS_KEY_ID=$(sed -n 's/^RGW_ACCESS_KEY=//p' <<<"$answer")
    AWS_SECRET_ACCESS_KEY=$(sed -n 's/^RGW_SECRET_KEY=//p' <<<"$answer")
    export AWS_ENDPOINT_URL_S3 AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    export REDKEEP_REPOSITORY=s3://backups/redis
    say "It is s3://backups/redis at $AWS_ENDPOINT_URL_S3"
else
    step "A repository: a directory on another disk."
    mkdir "$top/repository"
    export REDKEEP_REPOSITORY=file://$top/repository
    say "It is $REDKEEP_REPOSITORY"
fi

step "redkeep takes a backup, and reads it back to prove every byte."
run backup
run verify

step "Disaster: the server dies, and its volume is gone."
cp "$volume/dump.rdb" "$top/copied.rdb"
kill_server
rm -rf "$volume"
mkdir "$volume"
say "All that is left is a new, empty volume: $(find "$volume" -mindepth 1 | wc -l) files"

step "What a script would do: copy dump.rdb back, and start the server."
cp "$top/copied.rdb" "$volume/dump.rdb"
start_server
say "The server comes up with $(count_keys) keys: with appendonly yes it does not read dump.rdb," \
    "and its next save overwrites it. So much for the script; the volume is emptied again."
kill_server
rm -rf "$volume"
mkdir "$volume"

step "redkeep restores the volume."
run restore

step "The server starts again, with the settings that it had."
start_server
after=$(fingerprint)
say "It has loaded $(count_keys) keys"

step "Everything is compared: values, keys by database, expiry, function, consumer groups."
say "digest before: ${before%%$'\n'*}" "digest after:  ${after%%$'\n'*}"
if [[ $before != "$after" || $(count_keys) != "$keys" ]]; then
    diff <(echo "$before") <(echo "$after") >&2 || true
    fail "the data that came back is not the data that was lost"
fi
printf '\n%sThe volume was lost, and what was lost with it: nothing. All %s keys are back.%s\n' \
    "$green" "$keys" "$plain"
