#!/bin/bash
# The matrix: what each server has written, each other one loads or is refused; then the integration
# tests against each. A skip is a failure. REDKEEP_BIN and BUILD as the integration tests have them.
# usage: run.sh WORK ROOTS T [PREFIX...]     PREFIX: which servers (redis-8.0 valkey); T: "matrix" for
#                                            the cross table alone, a .bats file's name for that one
#                                            against each server, "" for everything
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

work=$(realpath -m "$1")
roots=$2
select=$3
shift 3
passed=0
failed=0
layouts=(rdb aof commands vectors)
declare -A titles=([rdb]='dumps' [aof]='append-only files on an RDB, and a dump'
    [commands]='append-only files of commands alone' [vectors]='vector sets')
left_out=(cli http metrics notify page) # these start no server
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export reports

# ---- the cross table ----

# one FILE FROM TO: a bats file for a pair; what did not pass is shown
one() {
    local report=$reports/$1.$2.$3 rc=0
    FROM=$2 TO=$3 timeout --kill-after=20 900 bats --tap "tests/matrix/$1" </dev/null \
        >"$report" 2>&1 || rc=$? # a ceiling for slow machines
    ((rc < 124)) || echo "not at its end: exit $rc" >>"$report"
    grep -v -e '^ok ' -e '^1\.\.' "$report" >"$report.bad" && {
        echo "$1, from $2 to $3:"
        cat "$report.bad"
    }
    rm -f "$report.bad"
    return 0
}
export -f one

# cross FILE: for the pairs on stdin, two at a time
cross() {
    # shellcheck disable=SC2016 # the inner shell expands it
    xargs -n 2 -P 2 bash -c 'one "$0" "$@"' "$1"
}

# row LAYOUT FROM: what becomes of it in each server
row() {
    local to
    printf '| %s |' "$2"
    for to in "${servers[@]}"; do
        printf ' %s |' "$(cat "$MATRIX_WRITTEN/table/$2.$to.$1" 2>/dev/null || echo FAILED)"
    done
    echo
}

table() {
    local from
    printf '\n%s\n\n| written by, restored for |' "${titles[$1]}"
    printf ' %s |' "${servers[@]}"
    printf '\n|---|'
    printf '%s' "${servers[@]/*/---|}"
    echo
    for from in "${servers[@]}"; do row "$1" "$from"; done
}

matrix() {
    local begin=$SECONDS planned good from to layout
    export MATRIX_SERVERS=$work/servers MATRIX_WRITTEN=$work/written
    rm -rf "$MATRIX_WRITTEN"
    mkdir -p "$MATRIX_WRITTEN/table"
    for from in "${servers[@]}"; do echo "$from $from"; done | cross written.bats
    for from in "${servers[@]}"; do
        for to in "${servers[@]}"; do echo "$from $to"; done
    done | cross loads.bats
    planned=$(((${#servers[@]} + ${#servers[@]} * ${#servers[@]}) * ${#layouts[@]}))
    good=$(cat "$reports"/* | grep '^ok ' | grep -c -v '# skip')
    passed=$((passed + good))
    failed=$((failed + planned - good))
    for layout in "${layouts[@]}"; do table "$layout"; done
    printf '\ncross table: %s s\n' $((SECONDS - begin))
}

# ---- the integration tests ----

# suite NAME FILE...: against that server
suite() {
    local name=$1 begin=$SECONDS sum
    shift
    echo "integration tests against $name"
    PATH=$work/servers/$name:$PATH tests/support/integration.sh "$select" "$@" 2>&1 |
        tee "$reports/suite" | grep -v -E '^[0-9]+ passed, [0-9]+ failed$'
    sum=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$reports/suite")
    [[ -n $sum ]] || sum='0 1' # it did not come to its end
    echo "$name: ${sum% *} passed, ${sum#* } failed, $((SECONDS - begin)) s"
    passed=$((passed + ${sum% *}))
    failed=$((failed + ${sum#* }))
}

# is_left_out NAME: unless it was asked for
is_left_out() {
    [[ -z $select && " ${left_out[*]} " == *" $1 "* ]] || return 1
    ! grep -q -E 'server_start|server_launch|redis-server' "tests/integration/$1.bats" || {
        echo "$1.bats is left out, and starts a server" >&2
        failed=$((failed + 1))
    }
}

suites() {
    local files=() file name
    for file in tests/integration/*.bats; do
        name=$(basename "$file" .bats)
        if ! is_left_out "$name" && [[ -z $select || $name == "$select" ]]; then files+=("$file"); fi
    done
    ((${#files[@]} > 0)) || { echo "no integration test is called '$select'" >&2; exit 2; }
    [[ -n $select ]] || echo "left out, since they start no server: ${left_out[*]}"
    for name in "${servers[@]}"; do suite "$name" "${files[@]}"; done
}

begin=$SECONDS
mapfile -t servers < <(tests/matrix/servers.sh "$work/servers" "$roots" "$@")
((${#servers[@]} > 0)) || { echo "there is no server${*:+ that begins with: $*}" >&2; exit 2; }
echo "servers, after $((SECONDS - begin)) s: ${servers[*]}"
[[ -n $select && $select != matrix ]] || matrix
[[ $select == matrix ]] || suites
echo "$passed passed, $failed failed"
((failed == 0))
