#!/bin/bash
# Runs unit test programs and adds up what check says of each.
# usage: unit.sh MODULE PROGRAM...    MODULE is what was asked for, "" for all
set -uo pipefail

module=$1
shift
if (($# == 0)); then
    echo "no unit test is called '$module'" >&2
    exit 2
fi

export CK_VERBOSITY=${CK_VERBOSITY:-normal} CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-8}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
passed=0
failed=0
for program in "$@"; do
    output=$(timeout --kill-after=5 300 "$program" 2>&1)
    rc=$?
    sum=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
        <<<"$output" | awk '{c += $1; f += $2 + $3} END {print c + 0, f + 0}')
    read -r checks bad <<<"$sum"
    # a crash before the sum, a leak found at exit, a suite without a case: never a pass
    if ((checks == 0 || (rc != 0 && bad == 0))); then
        checks=$((checks + 1))
        bad=$((bad + 1))
    fi
    passed=$((passed + checks - bad))
    failed=$((failed + bad))
    if ((bad > 0)); then
        echo "FAILED $program (exit $rc)"
        printf '%s\n' "$output" | tail -n 60
    fi
done
echo "$passed passed, $failed failed"
((failed == 0))
