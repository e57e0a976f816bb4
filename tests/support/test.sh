#!/bin/bash
# `make test`: every kind of test, one after the other, and the sum of them as the last line.
# usage: test.sh MODULE    MODULE: only what has that name, in each kind that knows it
set -uo pipefail

module=${1:-}
make=${MAKE:-make}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# stage TITLE MAKE-ARGUMENTS...: its last line is its sum; a stage without one is a failure
stage() {
    local title=$1 begin=$SECONDS sum
    shift
    echo "== $title"
    "$make" --no-print-directory -j 2 "$@" T="$module" 2>&1 | tee "$log" |
        grep --line-buffered -v -E '^[0-9]+ passed, [0-9]+ failed$'
    sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    if [[ -z $sum ]]; then
        echo "FAILED $title: it did not come to an end"
        sum="0 passed, 1 failed"
    fi
    echo "   $sum ($((SECONDS - begin)) s)"
    passed=$((passed + ${sum%% *}))
    sum=${sum#*, }
    failed=$((failed + ${sum%% *}))
}

# has PATTERN: does the kind know the module?
has() {
    [[ -z $module ]] || compgen -G "$1" >/dev/null
}

known=0
if has "tests/unit/*/test_$module.c"; then
    stage "unit tests" unit
    known=1
fi
if has "tests/fuzz/fuzz_$module.c"; then
    stage "fuzz corpus" fuzz-corpus
    known=1
fi
if has "tests/integration/$module.bats"; then
    stage "integration" integration
    known=1
fi
if ((known == 0)); then
    echo "no test is called '$module'" >&2
    exit 2
fi
echo "$passed passed, $failed failed"
((failed == 0))
