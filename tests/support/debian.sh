#!/bin/bash
# Other releases of Debian beside the running one, from the mirror that this machine uses itself;
# neither apt's lists nor dpkg's database of this machine are touched.
# usage: debian.sh root SUITE DIR [PACKAGE...]     a whole root (mmdebstrap, minimal, no apt inside
#                                                  unless named), nothing done when it is there
#        debian.sh unpack SUITE DIR PACKAGE...     these packages alone, without what they need
#        debian.sh source SUITE                    the line for sources.list
set -euo pipefail

# The mirror's own address for the main archive: what apt here fetches its packages from.
mirror() {
    local codename uri
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # apt expands them
    uri=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' | awk -v c="$codename" '$2 == c && $3 == "main" { print $1; exit }')
    [[ -n $uri ]] || {
        echo "debian.sh: apt here has no list of Debian $codename: apt-get update" >&2
        return 1
    }
    echo "$uri"
}

source_of() {
    local uri
    uri=$(mirror)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] $uri $1 main"
}

root() {
    local suite=$1 dir=$2 line packages
    shift 2
    [[ ! -e $dir/.complete ]] || return 0
    rm -rf "$dir"
    line=$(source_of "$suite")
    packages=$(IFS=,; echo "$*")
    mkdir -p "$(dirname "$dir")"
    # mmdebstrap hands dpkg's hooks to dash by the number of a descriptor, of which dash reads one digit:
    # what this process has inherited must leave the small numbers free
    mmdebstrap --quiet --variant=minbase ${packages:+--include="$packages"} \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --aptopt='Acquire::Check-Date "false"' "$suite" "$dir" "$line" \
        </dev/null >&2 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    touch "$dir/.complete"
}

unpack() {
    local suite=$1 dir=$2 work package
    shift 2
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # now, while it is known
    trap "rm -rf '$work'" EXIT
    mkdir -p "$work"/{lists/partial,cache/archives/partial,debs} "$dir"
    source_of "$suite" >"$work/sources.list"
    : >"$work/status"
    local options=(-qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status"
        -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root
        -o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false)
    apt-get "${options[@]}" update >&2
    (cd "$work/debs" && apt-get "${options[@]}" download "$@" >&2)
    for package in "$work"/debs/*.deb; do
        dpkg-deb -x "$package" "$dir"
    done
}

case "${1:-}" in
root | unpack)
    (($# >= 3)) || exit 2
    "$@"
    ;;
source) source_of "$2" ;;
*)
    sed -n '2,7s/^# //p' "$0" >&2
    exit 2
    ;;
esac
