#!/bin/bash
# Runs bats files; a skip is a failure.
# usage: integration.sh NAME FILE.bats...    NAME is what was asked for, "" for all
set -uo pipefail

name=$1
shift
if (($# == 0)); then
    echo "no integration test is called '$name'" >&2
    exit 2
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
bats --tap "$@" </dev/null 2>&1 | tee "$log" | grep --line-buffered -v '^ok ' | grep -v '^1\.\.'
planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
passed=$(grep '^ok ' "$log" | grep -c -v '# skip')
failed=$((planned - passed)) # failed, skipped, or never reached
((planned > 0)) || failed=1
grep '^ok .*# skip' "$log" | sed 's/^/a skip is a failure: /'
echo "$passed passed, $failed failed"
((failed == 0))
