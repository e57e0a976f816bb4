#!/bin/bash
# Runs each fuzzer for FUZZ_SECONDS, from its corpus and from what it found in earlier runs.
# usage: fuzz.sh PARSER PROGRAM...    PARSER is what was asked for, "" for all
set -uo pipefail

parser=$1
shift
if (($# == 0)); then
    echo "no fuzzer is called '$parser'" >&2
    exit 2
fi

passed=0
failed=0
for program in "$@"; do
    name=${program##*/fuzz_}
    found=build/fuzz/found/$name
    log=build/fuzz/$name.log
    mkdir -p "$found"
    if "$program" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
        -max_len=65536 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
        "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
    else
        failed=$((failed + 1))
        echo "FAILED $name, see $log"
        tail -n 40 "$log"
    fi
done
echo "$passed passed, $failed failed"
((failed == 0))
