#!/usr/bin/env bats
# The sidecar's page in a real browser: on a phone, a tablet and a desk, in both colour schemes.

setup_file() {
    show=$BUILD/tests/bench/status_show
    measure=$BATS_TEST_DIRNAME/../support/page_measure.sh
    export show measure
}

# spoil NAME SED-EXPRESSION: a page that nobody could read
spoil() {
    TZ=UTC "$show" well page | sed -e "$2" >"$BATS_TEST_TMPDIR/$1.html"
    ! cmp -s "$BATS_TEST_TMPDIR/$1.html" <(TZ=UTC "$show" well page)
}

# all_fine SCHEME: every state at every width
all_fine() {
    local states
    states=$("$show" | wc -l)
    run "$measure" "$show" "$1"
    echo "$output"
    [[ $status == 0 ]]
    [[ $(grep -c ' fine$' <<<"$output") == $((states * 3)) ]]
    [[ $(wc -l <<<"$output") == $((states * 3)) ]]
}

@test "every state can be read at every width, in light" {
    all_fine light
}

@test "every state can be read at every width, in dark" {
    all_fine dark
}

@test "a page that cannot be read is found out" {
    spoil wide 's|<main>|<main><div style="width:2000px">far</div>|'
    spoil pale 's|<p class="over">|<p class="over" style="color:#999">|'
    spoil gone 's|<h1>|<h1 style="display:none">|'
    spoil tiny 's|<h1>|<h1 style="font-size:9px">|'
    run "$measure" "$show" light wide="$BATS_TEST_TMPDIR/wide.html" pale="$BATS_TEST_TMPDIR/pale.html" \
        gone="$BATS_TEST_TMPDIR/gone.html" tiny="$BATS_TEST_TMPDIR/tiny.html"
    echo "$output"
    [[ $status == 0 ]]
    grep -q '^wide 360 .*20.. px wide' <<<"$output"
    grep -q '^wide 1280 .*is cut off' <<<"$output"
    grep -q '^pale 360 "If the volume were lost now": contrast 2\.' <<<"$output"
    grep -q '^gone 360 "cache-0" has no room' <<<"$output"
    grep -q '^tiny 1280 "cache-0" is tiny' <<<"$output"
}
