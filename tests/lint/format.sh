#!/bin/bash
# Layout of C by clang-format; shell by shellcheck; no tabs, no blanks at the end of a line.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
find sidecar entrypoint tests -name '*.[ch]' -print0 | sort -z |
    xargs -0 clang-format --dry-run -Werror || bad=1

mapfile -t shells < <({
    find tests entrypoint k8s compose .ci -type f \( -name '*.sh' -o -name '*.bats' -o -name '*.bash' \) \
        2>/dev/null
    grep -r -l -m1 -E '^#!.*(bash|/sh)' tests entrypoint .ci 2>/dev/null
} | sort -u)
# SC2016: awk programs and markdown stand in single quotes. In bats what is set and what is read stand
# in different files (load) and every case is a shell of its own: SC2034, SC2154, SC2030, SC2031.
for shell in "${shells[@]}"; do
    case $shell in
    *.bats | *.bash) exclude=SC2016,SC2034,SC2154,SC2030,SC2031 ;;
    *) exclude=SC2016 ;;
    esac
    shellcheck --severity=style --exclude="$exclude" "$shell" || bad=1
done

mapfile -t texts < <(find sidecar entrypoint tests .ci -type f \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.bats' -o -name '*.mk' -o -path '.ci/*' \) | sort)
grep -n -H '[[:blank:]]$' "${texts[@]}" Makefile && bad=1
grep -n -H -P '\t' "${shells[@]}" && bad=1
exit "$bad"
