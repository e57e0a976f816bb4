#!/bin/bash
# Runs bats files, one more at a time than there are processors: most of a test is waiting. A skip is a
# failure, and so is a file that does not come to its end in time: bats itself waits for ever for
# whoever still holds its output.
# usage: integration.sh NAME FILE.bats...    NAME is what was asked for, "" for all
set -uo pipefail

name=$1
shift
if (($# == 0)); then
    echo "no integration test is called '$name'" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
limit=${INTEGRATION_SECONDS:-900} # for a file; a ceiling for slow machines, not an expectation
export work limit

# one FILE.bats: its report as $work/NAME.tap; what did not pass is shown at once
one() {
    local report begin=$SECONDS rc=0
    report=$work/$(basename "$1" .bats).tap

    timeout --kill-after=20 "$limit" bats --tap "$1" </dev/null >"$report" 2>&1 || rc=$?
    ((rc < 124)) || echo "not at its end after $((SECONDS - begin)) s: exit $rc" >>"$report"
    ((SECONDS - begin < 100)) || echo "slow: $1 took $((SECONDS - begin)) s"
    grep -v -e '^ok ' -e '^1\.\.' "$report" >"$report.bad" && {
        echo "$1:"
        cat "$report.bad"
    }
    return 0
}
export -f one

# the longest first, so that the last one is short
mapfile -t files < <(stat -c '%s %n' "$@" | sort -rn | cut -d ' ' -f 2-)
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P $(($(nproc) + 1)) bash -c 'one "$1"' one

planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$work"/*.tap | awk '{n += $1} END {print n + 0}')
passed=$(cat "$work"/*.tap | grep '^ok ' | grep -c -v '# skip')
failed=$((planned - passed)) # failed, skipped, or never reached
((planned > 0)) || failed=1
for file in "$@"; do # a file that bats could not even read has no plan
    grep -q '^1\.\.' "$work/$(basename "$file" .bats).tap" || failed=$((failed + 1))
done
grep -h '^ok .*# skip' "$work"/*.tap | sed 's/^/a skip is a failure: /'
echo "$passed passed, $failed failed"
((failed == 0))
