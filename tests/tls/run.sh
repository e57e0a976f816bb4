#!/bin/bash
# TLS with the libraries and servers of the next Debian: the tree is built there with its compiler, the
# tests of the connection run, and tls.bats against its Redis and its Valkey. Needs root. The last line
# is the sum.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

readonly SUITE=trixie SRC=/redkeep
readonly PACKAGES=(gcc libc6-dev make pkg-config libcurl4-openssl-dev libarchive-dev libzstd-dev
    libcjson-dev libssl-dev libexpat1-dev libhiredis-dev libmicrohttpd-dev check libsubunit-dev bats
    redis-server redis-tools valkey-server valkey-tools openssl zstd tar jq curl procps)
readonly TESTS=(redis_url redis_conn redis_conn_config redis_conn_real redis_hint redis_tls
    own_server watcher settings settings_show)
root=build/roots/tls-$SUITE
passed=0
failed=0

# sums TITLE COMMAND...: adds the "N passed, N failed" that the command ends with
sums() {
    local title=$1 begin=$SECONDS said sum
    shift
    echo "=== $title"
    said=$("$@" 2>&1)
    sum=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' <<<"$said" | tail -n 1)
    grep -v -E '^[0-9]+ passed, [0-9]+ failed$' <<<"$said"
    [[ -n $sum ]] || sum="0 1"
    passed=$((passed + ${sum% *}))
    failed=$((failed + ${sum#* }))
    echo "    ${sum% *} passed, ${sum#* } failed in $((SECONDS - begin)) s"
}

inside() {
    tests/tls/in_root.sh "$root" "$SRC" "$@"
}

# What was built in there before stays, and what is gone here is gone there.
copy() {
    mkdir -p "$root$SRC" &&
        find "$root$SRC" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} + &&
        tar --exclude=./build --exclude=./.git -c . | tar -x -C "$root$SRC"
}

# A name that such a root does not know, and Valkey's programs by the names that the tests know.
furnish() {
    echo '127.0.0.1 localhost' >"$root/etc/hosts" &&
        mkdir -p "$root/valkey" &&
        ln -sfn /usr/bin/valkey-server "$root/valkey/redis-server" &&
        ln -sfn /usr/bin/valkey-cli "$root/valkey/redis-cli"
}

if ((EUID != 0)); then
    echo "a root of another Debian is made and entered: this needs root" >&2
    exit 1
fi
binaries=()
for name in "${TESTS[@]}"; do
    file=$(compgen -G "tests/unit/*/test_$name.c") || { echo "no test is called $name"; exit 1; }
    binaries+=("build/${file%.c}")
done
if ! { tests/support/debian.sh root "$SUITE" "$root" "${PACKAGES[@]}" && copy && furnish &&
    inside make -j 2 all "${binaries[@]}"; }; then
    echo "it could not be built on $SUITE"
    echo "0 passed, 1 failed"
    exit 1
fi
echo "built on $SUITE after $SECONDS s"
sums "the connection, by its unit tests" inside tests/support/unit.sh '' "${binaries[@]}"
sums "Redis of $SUITE" inside env REDKEEP_BIN="$SRC/build/redkeep" \
    tests/support/integration.sh tls tests/integration/tls.bats
sums "Valkey of $SUITE" inside env REDKEEP_BIN="$SRC/build/redkeep" PATH="/valkey:/usr/sbin:/usr/bin" \
    tests/support/integration.sh tls tests/integration/tls.bats
echo "$passed passed, $failed failed"
((failed == 0))
