#!/bin/bash
# What belongs to one machine or one person stays out: absolute paths, the hosts that this machine
# gets its packages from, keys.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    mapfile -d '' files < <(git ls-files -z)
else
    mapfile -d '' files < <(find . \( -path ./build -o -path ./.git \) -prune -o -type f -print0)
fi

# refuse PATTERN WHY [ALLOWED]
refuse() {
    local found
    found=$(grep -I -n -H -E -e "$1" -- "${files[@]}" 2>/dev/null | grep -v -E -e "${3:-^\$}" || true)
    if [[ -n $found ]]; then
        printf '%s\n' "$found" | cut -c 1-200 | sed "s|\$|    <- $2|"
        bad=1
    fi
}

# brackets keep the patterns from matching themselves
refuse '(^|[^A-Za-z0-9_.])/(hom[e]|User[s]|roo[t]|wor[k])/[A-Za-z0-9_.-]+' 'a path of one machine'
refuse 'AKI[A][0-9A-Z]{16}' 'an access key' 'AKI[A]IOSFODNN7EXAMPLE|AKI[A]I44QH8DHBEXAMPLE'
refuse '-----BEGI[N] ([A-Z]+ )?PRIVATE KE[Y]-----' 'a private key'

# hosts from the configuration of this machine, but for those that everybody has
hosts=$({
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/* /etc/pip.conf \
        ~/.npmrc ~/.config/pip/pip.conf 2>/dev/null || true
    env | grep -i -E '(proxy|registry|index_url)=' || true
} | grep -o -E 'https?://[^/ "@:;]+' | sed 's|.*//||' |
    grep -v -E '(^|\.)(debian\.org|python\.org|npmjs\.org|pypi\.org|pythonhosted\.org|golang\.org)$|^localhost$|^127\.|^\$' |
    sort -u || true)
for host in $hosts; do
    found=$(grep -I -n -F -e "$host" -- "${files[@]}" 2>/dev/null | cut -d : -f 1,2 || true)
    if [[ -n $found ]]; then
        printf '%s\n' "$found" | sed 's|$|: a package host of this machine|'
        bad=1
    fi
done
exit "$bad"
