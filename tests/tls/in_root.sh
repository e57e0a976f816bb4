#!/bin/bash
# Runs a command in a root of another release, in the directory of it that is named, as its first
# process: when that has ended, nothing of it is left.
# usage: in_root.sh ROOT DIR COMMAND...
set -euo pipefail

(($# >= 3)) || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }

# shellcheck disable=SC2016 # the inner shell expands it
exec unshare --mount --propagation private --pid --fork --kill-child bash -euc '
    root=$1 dir=$2
    shift 2
    mount --bind "$root" "$root" # what is pivoted to has to be a mount
    mkdir -p "$root/.outside"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    cd "$root"
    pivot_root . .outside
    cd "$dir"
    umount --lazy /.outside
    exec env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
' in_root "$(readlink -f "$1")" "${@:2}"
