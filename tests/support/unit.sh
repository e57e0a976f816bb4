#!/bin/bash
# Runs unit test programs, two at a time, and adds up what check says of each.
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
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work

# one NUMBER PROGRAM: leaves NUMBER.out, NUMBER.rc and NUMBER.s
one() {
    local begin=$SECONDS
    timeout --kill-after=5 300 "$2" >"$work/$1.out" 2>&1 </dev/null
    echo $? >"$work/$1.rc"
    echo $((SECONDS - begin)) >"$work/$1.s"
}
export -f one

number=0
for program in "$@"; do
    printf '%s\0%s\0' "$((number++))" "$program"
done | xargs -0 -n 2 -P "${UNIT_JOBS:-2}" bash -c 'one "$@"' one

passed=0
failed=0
number=0
for program in "$@"; do
    rc=$(cat "$work/$number.rc" 2>/dev/null || echo 255)
    seconds=$(cat "$work/$number.s" 2>/dev/null || echo 0)
    sum=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
        "$work/$number.out" | awk '{c += $1; f += $2 + $3} END {print c + 0, f + 0}')
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
        tail -n 60 "$work/$number.out"
    elif ((seconds > 20)); then
        echo "slow: $program took $seconds s"
    fi
    number=$((number + 1))
done
echo "$passed passed, $failed failed"
((failed == 0))
