#!/bin/sh
# Makes DIR/dump.rdb with a real redis-server (rdbcompression yes) out of one of redisgen's data
# sets, about 1.04 kB an item. What is there already is kept: the data is the same every time.
# usage: data.sh REDISGEN SET COUNT DIR     (absolute paths)
set -eu

redisgen=$1 set=$2 count=$3 dir=$4
rdb=$dir/dump.rdb
[ -s "$rdb" ] && exit 0

mkdir -p "$dir"
work=$(mktemp -d "$dir/making.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

cd "$work"

# relative, since the name of a socket may not be longer than 107 bytes
cli() {
    redis-cli -s redis.sock "$@"
}

redis-server --port 0 --unixsocket redis.sock --save '' --appendonly no --rdbcompression yes \
    --daemonize no --loglevel warning >"$work/log" 2>&1 &
server=$!
tries=0
until cli ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
        echo "data.sh: redis-server does not answer:" >&2
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done

"$redisgen" "$set" "$count" | cli --pipe >"$work/pipe" || { cat "$work/pipe" >&2; exit 1; }
grep -q 'errors: 0,' "$work/pipe" || { cat "$work/pipe" >&2; exit 1; }
[ "$(cli save)" = OK ]
keys=$(cli dbsize)
cli shutdown nosave 2>/dev/null || true
wait "$server" || true
server=
sync "$work/dump.rdb"
mv "$work/dump.rdb" "$rdb"
echo "made $rdb: $keys keys, $(stat -c %s "$rdb") bytes"
