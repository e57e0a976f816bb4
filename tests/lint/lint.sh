#!/bin/bash
# Runs every check beside this file, and says at the end how many passed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

passed=0
failed=0
for check in tests/lint/*.sh; do
    [[ $check != tests/lint/lint.sh ]] || continue
    if output=$("$check" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $check"
        printf '%s\n' "${output:-it says nothing}" | head -n 60
    fi
done
echo "$passed passed, $failed failed"
((failed == 0))
