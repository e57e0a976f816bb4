#!/bin/bash
# Every header compiles alone, and has a guard named after its path.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
while IFS= read -r header; do
    if ! gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -Isidecar -I. -Itests -fsyntax-only \
        -x c "$header"; then
        echo "$header: does not compile alone"
        bad=1
    fi
    guard=${header#*/}
    [[ $header != entrypoint/* ]] || guard=$header # no folder above its own
    guard=$(tr 'a-z/.' 'A-Z__' <<<"$guard")
    if ! grep -q "^#ifndef $guard\$" "$header"; then
        echo "$header:1: its guard is not $guard"
        bad=1
    fi
done < <(find sidecar entrypoint tests -name '*.h' | sort)
exit "$bad"
