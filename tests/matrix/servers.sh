#!/bin/bash
# The servers of the matrix, each from its Debian release's own packages, as programs that run here:
# copies whose loader and libraries are that release's. Put DIR/NAME first in PATH to test with one.
# usage: servers.sh DIR ROOTS [PREFIX...]    makes DIR/NAME/{redis,valkey}-*, prints the names that
#                                            begin with a PREFIX, all when there is none
# A NAME is what the program calls itself: redis-8.0.2.
set -euo pipefail
cd "$(dirname "$0")/../.."

# release and flavour; experimental is where Debian keeps what is too new for sid
rows=(host:redis trixie:redis sid:redis experimental:redis trixie:valkey sid:valkey)
libs=usr/lib/x86_64-linux-gnu
debian=tests/support/debian.sh

# root_of SUITE: what its packages were unpacked into
root_of() {
    case $1 in
    host) echo / ;;
    *) echo "$roots/matrix-$1" ;;
    esac
}

# fetch SUITE: false when it has no server
fetch() {
    local root
    root=$(root_of "$1")
    case $1 in
    host) ;;
    experimental) # holds what differs from sid, and nothing that a root could be made of
        [[ -x $root/usr/bin/redis-server ]] ||
            $debian unpack "$1" "$root" redis-server redis-tools 2>"$dir/.apt" || {
            cat "$dir/.apt" >&2
            grep -q -E "Unable to locate|no candidate" "$dir/.apt" || exit 1
            echo "servers.sh: Debian has no newer Redis than sid's at the moment" >&2
            return 1
        } ;;
    *) $debian root "$1" "$root" redis-server redis-tools valkey-server valkey-tools || exit 1 ;;
    esac
}

# place SUITE PROGRAM DIR: it runs with its own release's libraries; what is of here, with ours
place() {
    local root run
    root=$(root_of "$1")
    if [[ $1 == host ]]; then
        ln -s "/usr/bin/$2" "$3/$2"
        return
    fi
    run=$root
    [[ $1 != experimental ]] || run=$(root_of sid)
    cp -L "$root/usr/bin/$2" "$3/$2"
    patchelf --set-interpreter "$run/$libs/ld-linux-x86-64.so.2" --set-rpath "$run/$libs" "$3/$2"
}

# make_one SUITE FLAVOUR: prints its name
make_one() {
    local work=$dir/.new-$1-$2 program name
    rm -rf "$work"
    mkdir -p "$work"
    for program in server cli check-rdb check-aof benchmark; do
        place "$1" "$2-$program" "$work"
        # Valkey's own package has these names as well, where it takes Redis' place
        [[ $2 == redis ]] || ln -s "$2-$program" "$work/redis-$program"
    done
    name=$2-$("$work/$2-server" --version | sed -n 's/.* v=\([0-9.]*\) .*/\1/p')
    [[ $name != "$2-" ]]
    # somebody may be running the one that is there
    if "$dir/$name/redis-server" --version >"$work/version" 2>&1; then
        rm -rf "$work"
    else
        rm -rf "${dir:?}/$name"
        mv "$work" "$dir/$name"
    fi
    echo "$name"
}

(($# >= 2)) || {
    sed -n '4,5s/^# //p' "$0" >&2
    exit 2
}
dir=$1
roots=$(realpath -m "$2")
shift 2
mkdir -p "$dir" "$roots"
names=()
for row in "${rows[@]}"; do
    fetch "${row%:*}" || continue
    # two releases with one version are one server
    name=$(make_one "${row%:*}" "${row#*:}")
    [[ " ${names[*]} " == *" $name "* ]] || names+=("$name")
done
for name in "${names[@]}"; do
    wanted=$(($# == 0))
    for prefix in "$@"; do [[ $name != "$prefix"* ]] || wanted=1; done
    ((wanted == 0)) || echo "$name"
done
