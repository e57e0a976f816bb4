#!/usr/bin/env bats
# `redkeep advise`: real servers start with what it says, and then have nothing that it would change.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    unset REDKEEP_REPOSITORY
    export REDKEEP_HTTP_LISTEN=off
}

teardown() {
    end_world
}

# advised OPTION...: the two files, as the text for people has them, in $conf and $keep
advised() {
    conf=$dir/redis.conf
    keep=$dir/redkeep.conf
    "$redkeep" advise "$@" >"$dir/advice" 2>"$dir/log" || {
        cat "$dir/log"
        return 1
    }
    [[ ! -s $dir/log ]] # a server that is not there is no error
    sed -n '/^## redis.conf$/,/^$/p' "$dir/advice" >"$conf"
    sed -n '/^## redkeep.conf$/,/^$/p' "$dir/advice" >"$keep"
    grep -q '^appendonly ' "$conf"
    grep -q '^backup-schedule ' "$keep"
}

# start_with CONF OPTION...: a real server with that file, as the first argument redis-server wants it
start_with() {
    local file=$1

    shift
    redis-server "$file" --port 0 --unixsocket "$socket" --dir "$data" "$@" \
        --logfile "$dir/redis.log" </dev/null >"$dir/redis.out" 2>&1 3>&- &
    server=$!
    echo "$server" >>"$pids"
    until_true server_is_up_or_dead
    kill -0 "$server" || {
        tail -n 20 "$dir/redis.log" "$dir/redis.out"
        return 1
    }
}

# asked RC OPTION...: advise --json in $output
asked() {
    does "$1" advise --json "${@:2}"
}

@test "a server starts with the file for every wish, and then differs in nothing" {
    local durability use storage point

    for durability in best_effort fsync_every_second fsync_always; do
        for use in cache sessions queue record; do
            for storage in nvme network; do
                for point in auto 5s 5m; do
                    local wish=(--durability "$durability" --use "$use" --storage "$storage"
                        --recovery-point "$point")
                    echo "${wish[*]}"
                    advised "${wish[@]}" --memory 1gb
                    REDKEEP_CONFIG=$keep "$redkeep" config >"$dir/effective"
                    grep -q "^backup-schedule .*file $keep" "$dir/effective"
                    rm -rf "${data:?}"/*
                    start_with "$conf"
                    asked 0 "${wish[@]}" --memory 1gb --diff
                    json '.diff == [] and .server_seen and .unseen == null'
                    asked 0 "${wish[@]}" --diff # maxmemory is what the server has
                    json '.diff == []'
                    server_kill
                done
            done
        done
    done
}

@test "of a cache nothing need be kept, unless somebody says so" {
    server_start --save '' --maxmemory 100mb --maxmemory-policy allkeys-lru --appendonly no \
        --stop-writes-on-bgsave-error no
    asked 0 --use cache
    json '.mode == "none" and .wish.durability == "best_effort"'
    asked 0 --use cache --diff
    json '.diff == []'
    asked 0 --use cache --durability fsync_every_second
    json '.mode == "aof"'
    # and check thinks so too
    run --separate-stderr "$redkeep" check --json --use cache --only persistence,save-points,eviction-policy
    [[ $status == 0 ]]
    json 'all(.checks[]; .status == "ok")'
}

@test "a server with other settings shows exactly these" {
    advised --durability fsync_always --use queue --memory 512mb
    start_with "$conf" --appendfsync no --auto-aof-rewrite-min-size 1mb
    asked 0 --durability fsync_always --use queue --memory 512mb --diff
    json '[.diff[] | [.name, .running, .advised]] == [["appendfsync", "no", "always"],
        ["auto-aof-rewrite-min-size", "1048576", "256mb"]] and all(.diff[]; .why | length > 10)'
    does 0 advise --durability fsync_always --use queue --memory 512mb --diff
    [[ $output == "appendfsync: no -> always"$'\n'*"auto-aof-rewrite-min-size: 1048576 -> 256mb"* ]]

    cli CONFIG SET appendfsync always >/dev/null
    cli CONFIG SET auto-aof-rewrite-min-size 256mb >/dev/null
    does 0 advise --durability fsync_always --use queue --memory 512mb --diff
    [[ $output == "the server runs as advised"* ]]
}

@test "what the running server shows is in the advice" {
    server_start --save ''
    cli CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru >/dev/null
    fill
    cli BGSAVE >/dev/null
    until_true info_is rdb_bgsave_in_progress 0
    asked 0
    # shellcheck disable=SC2016 # jq's own
    json '.mode == "hybrid" and .memory_bytes > 100e6 and .disk_bytes > 100e6 and
        .recovery_seconds >= 1 and (.recovery_is_measured | not) and .recovery_volume_seconds == null and
        (.warnings | any(contains("start empty")) and any(contains("keeps nothing")) and
            any(contains("would evict"))) and
        any(.redis[]; .name == "maxmemory" and .value == "100mb")'
    does 0 advise
    [[ $output == "mode      hybrid"$'\n'*"appendonly yes"*"warning   Do not restart"* ]]
}

@test "the way that it names from a dump to a log keeps the data" {
    local keys

    server_start --save '3600 1'
    fill
    keys=$(cli DBSIZE)
    advised
    cli CONFIG SET appendonly yes >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    until_true info_is aof_rewrite_scheduled 0
    server_stop
    start_with "$conf"
    [[ $(cli DBSIZE) == "$keys" ]]
    asked 0 --diff
    json '.diff == [] and (.warnings | any(contains("start empty")) | not)'
}

drill_is_known() {
    "$redkeep" advise --json | true_of '.recovery_volume_seconds >= 1'
}

address() {
    jq -Rr 'fromjson? | .msg | capture("^http://(?<a>\\S+) answers").a' "$dir/sidecar.log" | tail -n 1
}

listens() {
    [[ -n $(address) ]]
}

# large: data whose load is more than the start of a server
large() {
    cli DEBUG POPULATE 60000 key 400 >/dev/null
}

@test "what the last drill of the sidecar took is in the advice" {
    server_start --rdbcompression no
    large
    printf token >"$dir/token"
    REDKEEP_REPOSITORY=file://$dir/repository REDKEEP_HTTP_LISTEN=127.0.0.1:0 REDKEEP_DRILL_SERVER=redis-server \
        REDKEEP_BACKUP_SCHEDULE='@every 12h' REDKEEP_DRILL_DIR=$dir REDKEEP_HTTP_TOKEN_FILE=$dir/token REDKEEP_LOG_FORMAT=json \
        "$redkeep" run </dev/null >"$dir/sidecar.out" 2>"$dir/sidecar.log" 3>&- &
    echo "$!" >>"$pids"
    until_true listens
    until_true compgen -G "$dir/repository/db-0/backups/*/backup.json" >/dev/null
    until_true curl -sSf --max-time 60 -X POST -H 'Authorization: Bearer token' "http://$(address)/verify"
    REDKEEP_HTTP_LISTEN=$(address)
    until_true drill_is_known
    does 0 advise
    [[ $output == *"start     "*", as fast as the server of the drill of 20"*" from the repository, in the last drill"* ]]
    asked 0
    json '.recovery_is_measured and .recovery_by == "drill" and (.recovery_by_at | startswith("20"))
        and .recovery_seconds < 600'
    # of another instance it is no witness
    asked 0 --instance other
    json '.recovery_by == null and (.recovery_is_measured | not) and .recovery_volume_seconds == null'
}

second_is_over() {
    [[ $(date +%s) != "$second" ]]
}

@test "without a sidecar the notes beside the backups tell of the last drill" {
    server_start --rdbcompression no
    large
    export REDKEEP_REPOSITORY=file://$dir/repository
    backup
    asked 0
    json '.recovery_by == null and .recovery_volume_seconds == null'
    does 0 verify --drill --drill-server redis-server --drill-dir "$dir"
    second=$(date +%s) # which names the note
    until_true second_is_over
    does 0 verify # a newer one, of no drill
    asked 0
    json '.recovery_by == "drill" and .recovery_volume_seconds >= 1 and .recovery_seconds >= 1 and
        .recovery_seconds < 600'
    does 0 advise --repository "file://$dir/none" # whatever it cannot be asked for
    [[ $output == *"start     "*", by a rule of thumb"* ]]
    # the load of a few keys is the start of a server, and says nothing of any other load
    cli FLUSHALL >/dev/null
    fill
    export REDKEEP_INSTANCE=small
    backup
    does 0 verify --drill --drill-server redis-server --drill-dir "$dir"
    asked 0
    json '.recovery_by == null and .recovery_volume_seconds >= 1'
}

says_of_load() {
    curl -sS --max-time 60 "http://$(address)/status" | true_of "$1"
}

@test "how fast this server has loaded, the sidecar has seen" {
    loads_slowly
    REDKEEP_REPOSITORY=file://$dir/repository REDKEEP_HTTP_LISTEN=127.0.0.1:0 REDKEEP_BACKUP_SCHEDULE=off \
        REDKEEP_LOG_FORMAT=json "$redkeep" run </dev/null >"$dir/sidecar.out" 2>"$dir/sidecar.log" 3>&- &
    echo "$!" >>"$pids"
    until_true listens
    REDKEEP_HTTP_LISTEN=$(address)
    until_true says_of_load '.last_load.seconds >= 2 and .last_load.bytes > 0'
    asked 0
    json '.recovery_by == "last-load" or .recovery_by == "now"'
    cli CONFIG SET key-load-delay 0 >/dev/null
    until_true answers
    until_true says_of_load '.ready'
    does 0 advise
    [[ $output == *"start     "*", as fast as this server loaded before 20"*" (seen by the sidecar)"* ]]
    asked 0
    json '.recovery_is_measured and .recovery_by == "last-load"'
    says_of_load '.last_load.time | startswith("20")'
}

@test "without a server it advises, says so, and cannot compare" {
    asked 0
    json '.server_seen == false and (.unseen | contains("redis.sock")) and .disk_bytes == null and
        .recovery_seconds == null and .wish.durability == "fsync_every_second" and
        .wish.use == "record" and .wish.storage == "ssd" and .wish.recovery_point_seconds == null'
    [[ -z $stderr ]]
    does 0 advise
    [[ $output == *$'\n'"not seen  "*redis.sock* ]]
    does 7 advise --diff
    [[ -z $output ]]
}

@test "a user who may not read the settings gets advice, and no comparison" {
    cli_auth=(--user keep --pass secret --no-auth-warning)
    server_start --user keep on '>secret' '~*' -@all +info +ping '+client|setname' --user default off
    export REDKEEP_REDIS_USERNAME=keep REDKEEP_REDIS_PASSWORD=secret
    asked 0
    json '.server_seen and (.unseen | contains("does not show its settings"))'
    does 7 advise --diff
}

@test "what makes no sense is refused by name" {
    does 2 advise --durability always
    [[ $stderr == *durability*best_effort* ]]
    does 2 advise --recovery-point 0.5s
    does 2 advise --memory 1kb
    [[ $stderr == *--memory* ]]
    does 2 advise --memory plenty
    does 2 advise --redis-url http://x
}
