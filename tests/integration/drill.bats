#!/usr/bin/env bats
# `redkeep verify --drill`: a backup that a server has really served, and nothing left of it.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    mkdir "$dir/drills"
    export REDKEEP_DRILL_DIR=$dir/drills
}

teardown() {
    end_world
}

# Neither a file nor a server of a drill.
nothing_left() {
    [[ -z $(ls -A "$dir/drills") ]] && ! pgrep -f "unixsocket $dir/drills" >/dev/null &&
        ! pgrep -f "unixsocket:$dir/drills" >/dev/null
}

# program NAME <TEXT: a server that is none of the usual
program() {
    cat >"$dir/$1"
    chmod +x "$dir/$1"
    export REDKEEP_DRILL_SERVER=$dir/$1
}

@test "a dump is served, its keys are counted, the time is told" {
    server_start
    fill
    backup
    does 0 verify --drill --json
    json '.results | length == 1 and (.[0] | .ok and .drilled and .walked and .keys > 20 and .why == null
        and .seconds > 0 and .restore_seconds >= 0 and .load_seconds >= 0)'
    json '.results[0].id == $id' --arg id "$id"
    nothing_left
    does 0 list --json
    json '.backups[0] | .verified_at != null and .verified_ok == true and .drilled == true'
    jq -e '.drilled and .ok' "$(object_dir "$id")"/verified-*-ok.json >/dev/null
    does 0 verify --drill
    [[ $output == *"served: "*" keys; restored in "* ]]
    nothing_left
}

@test "append-only files are served too" {
    server_start --appendonly yes
    fill
    backup --backup-include rdb,aof
    does 0 verify --drill --json "$id"
    json '.results[0] | .ok and .walked and .keys > 20'
    nothing_left
}

@test "keys that expire meanwhile are no loss" {
    server_start
    cli EVAL 'for i = 1, 200 do redis.call("SET", "k" .. i, i, "PX", 3600000 + i) end' 0 >/dev/null
    cli EVAL 'for i = 1, 200 do redis.call("SET", "s" .. i, i, "PX", 900) end' 0 >/dev/null
    backup
    is_over() { [[ $(cli GET s200) == "" ]]; }
    until_true is_over
    does 0 verify --drill --json
    json '.results[0] | .ok and .keys == 200'
}

@test "a flipped byte is found before a server is started" {
    server_start
    fill
    backup
    flip "$(object_dir "$id")/data.tar.zst" 3000
    does 6 verify --drill --json
    json '.results[0] | .ok == false and (.why | length > 0) and .load_seconds == null'
    does 0 list --json
    json '.backups[0] | .verified_at != null and .verified_ok == false'
    nothing_left
}

@test "a server that ends, hangs, or is none" {
    server_start
    cli SET a b >/dev/null
    backup
    program ends <<'END'
#!/bin/sh
[ "$1" = --version ] && exec redis-server --version
echo "Fatal error loading the DB: the moon is full"
exit 1
END
    does 6 verify --drill --json
    json '.results[0] | .ok == false and (.why | contains("exit code 1") and contains("the moon is full"))'
    nothing_left
    program old <<'END'
#!/bin/sh
echo "Redis server v=6.0.0 sha=0 malloc=x bits=64 build=0"
END
    noted=$(ls "$(object_dir "$id")")
    refused 9 too-new verify --drill --json # that server is to blame, not the backup
    says "too new for the server of the drill" HINT
    json '.results[0] | .ok == false and .too_new and (.why | contains("Redis 6.0.0"))'
    [[ $(ls "$(object_dir "$id")") == "$noted" ]]
    nothing_left
    REDKEEP_DRILL_SERVER=$dir/none refused 2 config verify --drill
    REDKEEP_DRILL_SERVER=/bin/true refused 2 config verify --drill
    unset REDKEEP_DRILL_SERVER
    REDKEEP_DRILL_DIR=$dir/nowhere refused 2 config verify --drill
    nothing_left
}

@test "the server finds none of our secrets in its environment" {
    server_start
    cli SET a b >/dev/null
    backup
    program witness <<'END'
#!/bin/sh
env >>"$(dirname "$0")/environment"
exec redis-server "$@"
END
    AWS_SECRET_ACCESS_KEY=s3cret REDKEEP_HTTP_TOKEN=s3cret does 0 verify --drill
    (($(grep -c ^PATH= "$dir/environment") >= 2)) # asked for its version, and started
    [[ $(grep -cE '^(REDKEEP|AWS)_' "$dir/environment") == 0 ]]
}

@test "asked to stop, or killed, while the server hangs" {
    server_start
    cli SET a b >/dev/null
    backup
    program hangs <<'END'
#!/bin/sh
[ "$1" = --version ] && exec redis-server --version
: >"$(dirname "$0")/hangs.started"
exec sleep 1000
END
    launch verify --drill
    until_true test -e "$dir/hangs.started"
    kill -TERM "$job"
    ended 1
    says "interrupted"
    nothing_left
    rm "$dir/hangs.started"
    launch verify --drill
    until_true test -e "$dir/hangs.started"
    local child
    child=$(pgrep -P "$job" | head -n 1)
    kill -KILL "$job"
    until_true is_gone "$child"
    [[ -n $(ls -A "$dir/drills") ]]
    unset REDKEEP_DRILL_SERVER
    does 0 verify --drill # which sweeps
    nothing_left
}

@test "no room for a drill" {
    server_start
    cli EVAL 'for i = 1, 3000 do redis.call("SET", "k" .. i, string.rep(tostring(math.random()), 60)) end' 0 >/dev/null
    backup
    tmpfs "$dir/small" size=200k
    REDKEEP_DRILL_DIR=$dir/small refused 1 failed verify --drill
    says "small"
    [[ -z $(ls -A "$dir/small") ]]
}
