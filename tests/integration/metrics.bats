#!/usr/bin/env bats
# Metrics, alert rules and dashboard, as Prometheus itself judges them.

setup_file() {
    show=$BUILD/tests/bench/status_show
    monitoring=$(readlink -f "$BATS_TEST_DIRNAME/../../monitoring")
    export show monitoring
}

# every name that the sidecar can say, in any state
names_said() {
    local state
    for state in $("$show"); do "$show" "$state" metrics; done |
        sed -n 's/^# TYPE \([a-z_0-9]*\) .*/\1/p' | sort -u
}

# every name that the files given speak of
names_used() {
    grep -o -h 'redkeep_[a-z_0-9]*' "$@" | sort -u
}

# expressions of the dashboard, a line each, its variables filled in
expressions() {
    jq -r '.. | objects | .expr? // empty' "$monitoring/redkeep-dashboard.json" |
        sed -e 's/\$__rate_interval/5m/g' -e 's/\$__interval/1m/g' -e 's/"\$[a-z]*"/".*"/g'
}

# series STATE: the state, as a test of promtool has it: four hours long, and then it is the state's now
series() {
    TZ=UTC "$show" "$1" metrics | awk '
        /^#/ { next }
        {
            at = match($0, / [^ ]*$/)
            name = substr($0, 1, at - 1)
            value = substr($0, at + 1)
            if (name ~ /_timestamp_seconds/) value += 14400 - 1795195800
            labels = "job=\"redkeep\",instance=\"cache-0:9742\""
            if (sub(/\{/, "{" labels ",", name) == 0) name = name "{" labels "}"
            printf "      - series: \x27%s\x27\n        values: \x27%.3fx240\x27\n", name, value
        }
        END { printf "      - series: \x27up{%s}\x27\n        values: \x271x240\x27\n", labels }'
}

# rings STATE [ALERT...]: exactly those fire when the state has lasted for four hours
rings() {
    local state=$1 alert
    shift
    {
        printf 'rule_files: [%s/redkeep-alerts.yaml]\nevaluation_interval: 1m\ntests:\n' "$monitoring"
        printf '  - interval: 1m\n    input_series:\n'
        series "$state"
        printf '    promql_expr_test:\n      - eval_time: 4h\n'
        printf '        expr: count by (alertname) (ALERTS{alertstate="firing"})\n        exp_samples:\n'
        (($# > 0)) || echo '          []'
        for alert in "$@"; do
            printf '          - {labels: "{alertname=\\"Redkeep%s\\"}", value: 1}\n' "$alert"
        done
    } >"$BATS_TEST_TMPDIR/$state.yaml"
    promtool test rules "$BATS_TEST_TMPDIR/$state.yaml"
}

@test "promtool finds nothing to say of the metrics of any state" {
    for state in $("$show"); do
        echo "$state"
        run promtool check metrics < <("$show" "$state" metrics)
        echo "$output"
        [[ $status == 0 && -z $output ]]
    done
}

@test "the rules are sound, and fire and keep quiet as their tests say" {
    promtool check rules "$monitoring/redkeep-alerts.yaml"
    promtool test rules "$monitoring/redkeep-alerts-test.yaml"
}

@test "every alert has a test in which it fires, and one in which it does not" {
    tests=$monitoring/redkeep-alerts-test.yaml
    mapfile -t alerts < <(sed -n 's/^ *- alert: //p' "$monitoring/redkeep-alerts.yaml")
    ((${#alerts[@]} > 20))
    for alert in "${alerts[@]}"; do
        echo "$alert"
        expected=$(grep -A2 "alertname=\"$alert\"" "$tests" | grep exp_samples)
        grep -q 'value: 1' <<<"$expected"
        grep -q '\[\]' <<<"$expected"
    done
}

@test "rules and dashboard speak of metrics and codes that exist" {
    run comm -13 <(names_said) <(names_used "$monitoring"/*)
    echo "$output"
    [[ $status == 0 && -z $output ]]
    run comm -13 <("$show" unknown metrics | grep -o 'redkeep_problem{code="[A-Z_]*' | grep -o '[A-Z_]*$' |
        sort -u) <(grep -o 'code!\?[=~]*"[A-Z_|]*"' "$monitoring/redkeep-alerts.yaml" | grep -o '[A-Z_]\{3,\}' | sort -u)
    echo "$output"
    [[ $status == 0 && -z $output ]]
}

@test "every expression of the dashboard is one" {
    [[ $(expressions | wc -l) -gt 40 ]]
    expressions | awk 'BEGIN { print "groups:\n  - name: dashboard\n    rules:" }
        { printf "      - record: line:%d\n        expr: |\n          %s\n", NR, $0 }' \
        >"$BATS_TEST_TMPDIR/dashboard.yaml"
    promtool check rules "$BATS_TEST_TMPDIR/dashboard.yaml"
    jq -e '[.panels[].id] | length == (unique | length)' "$monitoring/redkeep-dashboard.json"
}

@test "each state rings the bells that it should, and no other" {
    rings well
    rings working
    rings fresh NoBackup
    rings unknown NoBackup ServerDown
    rings loading ServerLoadingLong ServerLoadingStuck
    rings failing BackupFailing BackupStale CheckFails Problem ServerSaveFailing VerifyFailed \
        VolumeNearlyFull VolumeTooSmallForSave
}
