#!/usr/bin/env bats
# docs/README.md says what the runbooks' commands are called in Compose: the words of its table bring the
# data back there.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers set and read

load helpers
load compose

setup_file() {
    "$BATS_TEST_DIRNAME/images.sh" redis:8
}

setup() {
    world
}

teardown() {
    remove_project
    end_world
}

# in_compose WHAT [WORDS]: the table's command for it, with these words in place of its dots
in_compose() {
    local cell

    cell=$(awk -F ' \\| ' -v what="$1" '$1 == "| " what { print $3 }' "$top/docs/README.md")
    cell=${cell#\`}
    cell=${cell%\`}
    [[ $cell == docker* ]] || { echo "the table has no row: $1"; return 1; }
    # no terminal here
    cell=${cell/docker compose run /docker compose run -T }
    cell=${cell/docker compose exec /docker compose exec -T }
    bash -c "${cell/…/${2-}}" </dev/null
}

@test "a FLUSHALL is undone in Compose, by the words of the table" {
    checkout compose
    up
    fill
    redkeep_does backup --json >"$dir/good"
    before=$(fingerprint)
    [[ $(in_compose '`redis-cli …`' "DBSIZE") == "$(cli DBSIZE)" ]]
    in_compose '`redis-cli …`' FLUSHALL | grep -qx OK
    [[ $(cli DBSIZE) == 0 ]]
    redkeep_does backup >/dev/null

    in_compose 'stop the server'
    in_compose 'a copy of it' >/dev/null 2>&1
    [[ -s data.before/dump.rdb ]]
    grep -qxF /data.before/ .gitignore # it is data
    in_compose '`redkeep …`' list >"$dir/list"
    grep -q "$(jq -r .id "$dir/good").*pinned" "$dir/list"
    in_compose '`ls`, `cp`, `truncate` … on the data' | cat >/dev/null
    in_compose '`redkeep …`' "restore --force --backup $(jq -r .id "$dir/good")"
    in_compose 'start it' >/dev/null 2>&1
    diff <(echo "$before") <(fingerprint)
    in_compose 'its log' | grep -q 'Ready to accept connections'
}
