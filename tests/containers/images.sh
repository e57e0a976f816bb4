#!/bin/bash
# Public base images where no registry can be asked: made of Debian's own packages, under the names that
# users' files use. An image that the engine has already, from wherever, is left alone.
# usage: images.sh NAME...    with the environment of tests/support/docker.sh
# `debian:SUITE-slim` is a root by mmdebstrap. Any other is built on it from images/*.Dockerfile, of
# which `built_from` below knows which makes which name: add a row and a file for another image.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
roots=${REDKEEP_ROOTS:-$top/build/roots}

# built_from NAME: suite, Dockerfile, its other arguments; what stands behind the name in Debian
built_from() {
    case $1 in
    redis:7*) echo bookworm server --build-arg SERVER=redis ;;
    redis | redis:latest | redis:8*)
        echo trixie server --build-arg SERVER=redis --build-arg MODULES=yes
        ;;
    valkey/valkey | valkey/valkey:latest | valkey/valkey:8*)
        echo trixie server --build-arg SERVER=valkey
        ;;
    prom/prometheus | prom/prometheus:*) echo trixie prometheus ;;
    *) return 1 ;;
    esac
}

# debian SUITE: as Docker's own image, apt inside, its sources those of this machine
debian() {
    local suite=$1 dir=$roots/$1-image uri

    "$top/tests/support/debian.sh" root "$suite" "$dir" apt
    uri=$("$top/tests/support/debian.sh" source "$suite" | awk '{print $(NF - 2)}')
    rm -rf "$dir/etc/apt/sources.list" "$dir"/etc/apt/sources.list.d/*
    cat >"$dir/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: $uri
Suites: $suite
Components: main
Check-Valid-Until: no
Check-Date: no
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    tar --numeric-owner -C "$dir" --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* --exclude=./run/* \
        --exclude=./var/cache/apt/* --exclude=./var/lib/apt/lists/* --exclude=./usr/share/doc/*.gz \
        --exclude=./usr/share/man/* --exclude=./usr/share/locale/* --exclude=./.complete \
        --exclude=./etc/resolv.conf --exclude=./etc/hostname -c . |
        docker import -c 'CMD ["bash"]' \
            -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
            - "debian:$suite-slim" >/dev/null
}

has() {
    docker image inspect "$1" >/dev/null 2>&1
}

# make_image NAME
make_image() {
    local name=$1 row text

    ! has "$name" || return 0
    case $name in
    debian:*-slim)
        name=${name#debian:}
        debian "${name%-slim}"
        return
        ;;
    esac
    text=$(built_from "$name") || {
        echo "images.sh: nothing here stands for $name" >&2
        return 2
    }
    read -ra row <<<"$text"
    make_image "debian:${row[0]}-slim"
    cp -r "$here/images/." "$context"
    cc -shared -fPIC -nostdlib -O1 -o "$context/module.so" "$context/module.c"
    docker build --quiet --pull=false --build-arg "BASE=debian:${row[0]}-slim" "${row[@]:2}" \
        --tag "$name" --file "$context/${row[1]}.Dockerfile" "$context" >/dev/null
}

(($# > 0)) || {
    sed -n '2,7s/^# //p' "$0" >&2
    exit 2
}
mkdir -p "$roots"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
exec 9>"${DOCKER_DIR:-$roots}/build.lock" # one build at a time: see `build` in helpers.bash
flock -w 600 9
for image in "$@"; do make_image "$image"; done
