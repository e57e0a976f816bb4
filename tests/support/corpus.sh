#!/bin/bash
# Runs every file of each fuzzer's corpus through it, once, whole and cut. A parser without a corpus
# fails.
# usage: corpus.sh PARSER PROGRAM...    PARSER is what was asked for, "" for all
set -uo pipefail

parser=$1
shift
if (($# == 0)); then
    echo "no fuzz target is called '$parser'" >&2
    exit 2
fi

passed=0
failed=0
for program in "$@"; do
    name=${program##*/fuzz_}
    seeds=()
    for seed in "tests/fuzz/corpus/$name"/*; do
        [[ -f $seed ]] && seeds+=("$seed")
    done
    if ((${#seeds[@]} == 0)); then
        echo "FAILED $name: no files in tests/fuzz/corpus/$name"
        failed=$((failed + 1))
        continue
    fi
    if output=$(timeout --kill-after=5 300 "$program" "${seeds[@]}" 2>&1); then
        passed=$((passed + ${#seeds[@]}))
    else
        failed=$((failed + 1))
        echo "FAILED $program"
        printf '%s\n' "$output" | tail -n 40
    fi
done
echo "$passed passed, $failed failed"
((failed == 0))
