#!/bin/bash
# Installs the Debian packages that a part of the project needs and that are not there.
# usage: deps.sh build|test|lint|bench|matrix|containers|kubernetes
# shellcheck disable=SC2034 # the lists are read through their names
set -euo pipefail

build=(gcc libc6-dev binutils make pkg-config libcurl4-openssl-dev libarchive-dev libzstd-dev
    libcjson-dev libssl-dev libexpat1-dev libhiredis-dev libmicrohttpd-dev)
test=("${build[@]}" check libsubunit-dev bats redis-server redis-tools ceph-mon ceph-osd radosgw
    openssl zstd tar jq curl strace procps iproute2 tzdata prometheus chromium man-db groff-base
    mandoc)
lint=("${build[@]}" check libsubunit-dev clang clang-format clang-tidy cppcheck shellcheck
    universal-ctags libclang-rt-14-dev)
bench=("${build[@]}" redis-server redis-tools zstd rclone restic awscli python3 curl openssl)
matrix=("${test[@]}" mmdebstrap patchelf)
containers=("${test[@]}" mmdebstrap runc iptables git)
kubernetes=("${containers[@]}" golang-go dpkg-dev containerd containernetworking-plugins etcd-server
    python3 python3-yaml)

case "${1:-}" in
build | test | lint | bench | matrix | containers | kubernetes) declare -n wanted=$1 ;;
*)
    sed -n '3s/^# //p' "$0" >&2
    exit 2
    ;;
esac

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0

if ((EUID != 0)); then
    echo "These Debian packages are missing: ${missing[*]}" >&2
    echo "Run the same as root, or install them: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "apt-get could not install: ${missing[*]}" >&2
    exit 1
fi
