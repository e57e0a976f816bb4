#!/usr/bin/env bats
# What README.md tells a newcomer to type works as it stands there.
# shellcheck disable=SC2030,SC2031 # each case is a shell of its own

load helpers

setup() {
    world
    readme=$BATS_TEST_DIRNAME/../../README.md
    mkdir "$dir/bin"
    ln -s "$redkeep" "$dir/bin/redkeep"
    # the first block of "Using it", a line each, without the remarks
    awk '/^## / { on = $0 == "## Using it" } /^```/ { fence = !fence && $0 == "```sh"; next } on && fence' "$readme" |
        sed -E 's/ *(#.*)?$//' | grep . >"$dir/lines"
}

teardown() {
    end_world
}

# types LINE [RC...]: in a shell whose directory is the volume; one of RC (0) is how it ends
types() {
    local rc=0 line

    line=$(sed -e "s|/tmp/look|$dir/look|; s|20261120T173000Z-4f3a9c|$id|" \
        -e 's|^redkeep entrypoint |&--print |' <<<"$1")
    (cd "$data" && PATH=$dir/bin:$PATH timeout 120 bash -c "$line") </dev/null >"$dir/said" 2>&1 3>&- || rc=$?
    [[ " ${*:2} " == *" $rc "* || ($# == 1 && $rc == 0) ]] || {
        printf '%s: exit %s\n' "$1" "$rc"
        cat "$dir/said"
        return 1
    }
    typed=$((typed + 1))
}

@test "every line of \"Using it\"" {
    typed=0
    server_start
    fill 100
    backup
    while IFS= read -r line; do
        case $line in
        'export REDKEEP_'* | make*) typed=$((typed + 1)) ;; # the test's own; and what has been done
        *' --offline '* | *' prepare' | *' guard' | *' entrypoint '*) echo "$line" >>"$dir/down" ;;
        *' run' | *' status') echo "$line" >>"$dir/sidecar" ;;
        *' check') types "$line" 0 1 ;;  # this machine may not be fit
        *' notify '*) types "$line" 2 ;; # where is not set
        *) types "$line" ;;
        esac
    done <"$dir/lines"
    [[ -s $dir/look/dump.rdb ]]

    export REDKEEP_HTTP_LISTEN=127.0.0.1:0
    launch run
    until_true grep -q ' answers ' "$dir/job.err"
    address=$(sed -n 's|.*http://\(127[^ ]*\) answers.*|\1|p' "$dir/job.err")
    export REDKEEP_HTTP_LISTEN=$address
    types 'redkeep status'
    typed=$((typed + $(wc -l <"$dir/sidecar") - 1))
    stop_pid KILL "$job"
    unset REDKEEP_HTTP_LISTEN

    server_stop
    while IFS= read -r line; do types "$line"; done <"$dir/down"
    [[ $typed == "$(wc -l <"$dir/lines")" && $typed -gt 20 ]]
}

@test "every make of the page is a target" {
    make -s -C "$BATS_TEST_DIRNAME/../.." help | awk '{ print $1 }' >"$dir/targets"
    awk '/^```/ { fence = !fence && $0 == "```sh"; next } fence && /^make / { print $2 }' "$readme" |
        grep -v '^#' >"$dir/made"
    [[ $(wc -l <"$dir/made") -ge 4 ]]
    while IFS= read -r target; do
        grep -qxF "$target" "$dir/targets" || [[ $target == deps-build ]]
    done <"$dir/made"
}
