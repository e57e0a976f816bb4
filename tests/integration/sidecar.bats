#!/usr/bin/env bats
# `redkeep run` beside a real server: what it answers, what it backs up, how it ends, and what it
# does when everything around it comes and goes.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    sidecar_log=$dir/sidecar.log
    export REDKEEP_HTTP_LISTEN=127.0.0.1:0 REDKEEP_LOG_FORMAT=json
    export REDKEEP_DRAIN_TIMEOUT=150s           # a ceiling for slow machines, not an expectation
    export REDKEEP_BACKUP_SCHEDULE='@every 12h' # no hour that strikes in the middle of a test
}

teardown() {
    end_world
}

# sidecar ARGUMENT...: redkeep run in the background; $sidecar, $url once it listens
sidecar() {
    : >"$sidecar_log"
    sidecar_quiet "$@"
    until_true listens_or_dead
    url=$(address)
    [[ -n $url ]] || { cat "$sidecar_log"; return 1; }
}

sidecar_quiet() {
    "$redkeep" run "$@" </dev/null >"$dir/sidecar.out" 2>>"$sidecar_log" 3>&- &
    sidecar=$!
    echo "$sidecar" >>"$pids"
}

address() {
    jq -Rr 'fromjson? | .msg | capture("^(?<u>http://\\S+) answers").u' "$sidecar_log" | tail -n 1
}

listens_or_dead() {
    is_gone "$sidecar" || [[ -n $(address) ]]
}

# sidecar_ended RC: it has ended by itself, like that
sidecar_ended() {
    local rc=0

    until_true is_gone "$sidecar"
    wait "$sidecar" || rc=$?
    forget "$sidecar"
    [[ $rc == "$1" ]] || { echo "exit $rc, not $1"; cat "$sidecar_log"; return 1; }
}

# logged TEXT
logged() {
    jq -Rr 'fromjson? | .msg' "$sidecar_log" | grep -qF -- "$1"
}

code() {
    curl -sS -o /dev/null -w '%{http_code}' --max-time 60 "$url$1"
}

code_is() {
    [[ $(code "$1") == "$2" ]]
}

status_is() {
    curl -sS --max-time 60 "$url/status" | true_of "$1"
}

backups() {
    compgen -G "$dir/repository/db-0/backups/*/backup.json" | wc -l
}

backups_are() {
    [[ $(backups) == "$1" ]]
}

# at_rest [BACKUPS]: there are so many, and no job runs. What follows a job is shown as running in the
# same moment in which that ends, so nothing comes afterwards.
at_rest() {
    backups_are "${1:-$(backups)}" && status_is 'all(.jobs[]; .running | not)'
}

# rule TEXT: restore into a new volume, start, and compare with the fingerprint $before
comes_back() {
    lose_volume
    restore
    server_start "$@"
    fingerprint >"$dir/after"
    diff "$dir/before" "$dir/after"
}

@test "the first backup is taken at once, and every endpoint tells of it" {
    server_start
    fill
    sidecar
    until_true code_is /backupz 200
    [[ $(code /livez) == 200 ]]
    [[ $(code /readyz) == 200 ]]
    [[ $(code /) == 200 ]]
    [[ $(code /nothing) == 404 ]]
    backups_are 1
    status_is '.ready == true and .state == "ready" and .instance == "db-0"'
    status_is '(.problems | length) == 0 and (.backups | length) == 1 and .next_backup_at != null'
    curl -sS "$url/metrics" | promtool check metrics
    curl -sS "$url/metrics" | grep -q '^redkeep_last_backup_timestamp_seconds'
    run -22 curl -sS -X POST "$url/backup" --fail
    backups_are 1
}

@test "a server that loads is not ready, and its progress is told" {
    loads_slowly
    sidecar
    until_true status_is '.state == "loading" and .loading_percent != null'
    [[ $(code /readyz) == 503 ]]
    [[ $(code /livez) == 200 ]]
    backups_are 0
    cli CONFIG SET key-load-delay 0
    until_true code_is /readyz 200
    until_true backups_are 1
    logged "the server has loaded: 20000 keys"
}

@test "server first: what SHUTDOWN wrote is stored before redkeep ends" {
    server_start --save 3600 100000
    fill
    sidecar
    until_true at_rest 1
    cli SET late x >/dev/null
    fingerprint >"$dir/before"
    server_stop
    stop_pid_softly
    sidecar_ended 0
    backups_are 2
    comes_back --save 3600 100000
    [[ $(cli GET late) == x ]]
}

stop_pid_softly() {
    kill -TERM "$sidecar"
}

@test "both at once: the same" {
    server_start --save 3600 100000
    fill
    sidecar
    until_true at_rest 1
    cli SET late x >/dev/null
    fingerprint >"$dir/before"
    kill -TERM "$sidecar" "$server"
    sidecar_ended 0
    backups_are 2
    rm -f "$socket"
    comes_back --save 3600 100000
}

@test "both at once, and the server takes its time to save" {
    server_start --save 3600 100000
    cli EVAL 'for i = 1, 3000 do redis.call("SET", "k" .. i, i) end' 0 >/dev/null
    sidecar
    until_true at_rest 1
    cli CONFIG SET rdb-key-save-delay 1000 >/dev/null
    cli SET late x >/dev/null
    kill -TERM "$sidecar" "$server"
    sidecar_ended 0
    backups_are 2
    rm -f "$socket"
    lose_volume
    restore
    server_start
    [[ $(cli GET late) == x && $(cli DBSIZE) == 3001 ]]
}

@test "with appendonly and no save points it is the append-only files that are stored" {
    filled_server --appendonly yes --save ""
    sidecar
    until_true at_rest 1
    cli SET late x >/dev/null
    fingerprint >"$dir/before"
    kill -TERM "$sidecar" "$server"
    sidecar_ended 0
    backups_are 2
    rm -f "$socket"
    comes_back --appendonly yes --save ""
}

@test "append-only files that the server no longer loads are not what is stored" {
    filled_server --appendonly yes --save ""
    backup
    server_stop
    server_start --appendonly no --save 3600 100000
    fill
    cli SET late x >/dev/null
    sidecar
    until_true code_is /readyz 200
    cli SET later x >/dev/null
    fingerprint >"$dir/before"
    kill -TERM "$sidecar" "$server"
    sidecar_ended 0
    rm -f "$socket"
    comes_back --appendonly no
    [[ $(cli GET later) == x ]]
}

@test "nothing new at the end stores nothing" {
    server_start --save ""
    fill
    sidecar
    until_true at_rest 1
    server_stop
    stop_pid_softly
    sidecar_ended 0
    backups_are 1
    logged "there is nothing on the volume that the newest backup does not hold"
}

@test "writes that the server took with it are told" {
    server_start --save ""
    fill
    sidecar
    until_true at_rest 1
    until_true status_is '.changes_since_backup == 0'
    cli MSET a 1 b 2 c 3 >/dev/null
    until_true status_is '.changes_since_backup > 0'
    kill -KILL "$server"
    stop_pid_softly
    sidecar_ended 0
    logged "were in its memory alone"
}

@test "the sidecar alone is stopped: it waits no longer than it may" {
    server_start
    fill
    export REDKEEP_DRAIN_TIMEOUT=4s
    sidecar
    until_true at_rest 1
    stop_pid_softly
    sidecar_ended 0
    logged "the server still runs"
    backups_are 1
}

@test "killed: no job goes on without it" {
    server_start
    cli EVAL 'for i = 1, 3000 do redis.call("SET", "k" .. i, i) end' 0 >/dev/null
    saves_slowly 1000
    sidecar
    hold_save
    local job
    job=$(curl -sS --max-time 60 "$url/status" | jq '.jobs[] | select(.kind == "backup") | .pid')
    kill -KILL "$sidecar"
    until_true is_gone "$job"
    saves_slowly 0
    let_save_go
    until_true is_not_saving
    backups_are 0
    cli SET a b >/dev/null
    sidecar
    until_true at_rest 1
}

@test "one sidecar for each volume; a backup by hand beside it works" {
    server_start
    fill
    sidecar
    until_true at_rest 1
    run --separate-stderr "$redkeep" run
    [[ $status == 8 ]] || { show; return 1; }
    backup
    backups_are 2
    [[ $(code /livez) == 200 ]]
}

@test "settings that are wrong end it at the start" {
    local bad

    unset REDKEEP_BACKUP_SCHEDULE # a jitter is too long for the hour
    server_start
    for bad in --backup-schedule=sometimes '--backup-schedule=0 0 30 2 *' --timezone=Mars/Olympus \
        --http-listen=nowhere:port --http-listen=127.0.0.1:99999 --redis-url=http://x \
        --data-dir=/nowhere/at/all --drain-timeout=soon --backup-role=king --backup-jitter=61m; do
        run --separate-stderr timeout 60 "$redkeep" run "$bad"
        [[ $status == 2 && -z $output && $(wc -l <<<"$stderr") == 1 ]] || { echo "$bad"; show; return 1; }
    done
}

@test "SIGHUP reads the settings again; wrong ones change nothing" {
    server_start
    fill
    printf 'backup-schedule "@every 20h"\n' >"$dir/redkeep.conf"
    unset REDKEEP_BACKUP_SCHEDULE
    export REDKEEP_CONFIG=$dir/redkeep.conf
    sidecar
    until_true at_rest 1
    status_is '.schedule == "@every 20h"'
    printf 'backup-schedule "@every 30h"\n' >"$dir/redkeep.conf"
    kill -HUP "$sidecar"
    until_true schedule_is "@every 30h"
    printf 'backup-schedule never\n' >"$dir/redkeep.conf"
    kill -HUP "$sidecar"
    until_true logged "the settings stay as they are"
    url=$(address)
    schedule_is "@every 30h"
}

@test "SIGHUP takes up no other data-dir, nor do the jobs" {
    local data_dir=$REDKEEP_DATA_DIR
    server_start
    unset REDKEEP_DATA_DIR REDKEEP_BACKUP_SCHEDULE
    export REDKEEP_CONFIG=$dir/redkeep.conf REDKEEP_HTTP_TOKEN=t
    printf 'backup-schedule "@every 20h"\ndata-dir %s\n' "$data_dir" >"$REDKEEP_CONFIG"
    sidecar
    until_true at_rest 1
    mkdir "$dir/other"
    printf 'backup-schedule "@every 30h"\ndata-dir %s\n' "$dir/other" >"$REDKEEP_CONFIG"
    kill -HUP "$sidecar"
    until_true logged "$dir/other is not taken up while redkeep runs"
    url=$(address)
    schedule_is "@every 20h"
    curl -fsS -X POST -H 'Authorization: Bearer t' "$url/backup"
    until_true backups_are 2
    status_is '.problems == []'
    printf 'backup-schedule "@every 30h"\ndata-dir %s\n' "$data_dir" >"$REDKEEP_CONFIG"
    kill -HUP "$sidecar"
    until_true schedule_is "@every 30h"
}

@test "SIGHUP keeps the listener and the watcher that nobody changed" {
    server_start
    unset REDKEEP_BACKUP_SCHEDULE
    export REDKEEP_CONFIG=$dir/redkeep.conf
    printf 'backup-schedule "@every 20h"\n' >"$REDKEEP_CONFIG"
    sidecar
    until_true at_rest 1
    printf 'backup-schedule "@every 30h"\n' >"$REDKEEP_CONFIG"
    kill -HUP "$sidecar"
    until_true status_is '.schedule == "@every 30h"' # at the address of before, port 0 or not
    kill -STOP "$server"
    for _ in {1..20}; do kill -HUP "$sidecar"; code /livez >/dev/null; done
    [[ $(awk '$1 == "Threads:" {print $2}' "/proc/$sidecar/status") -le 4 ]]
    kill -CONT "$server"
}

@test "a password that was changed is found without being told" {
    printf one >"$dir/password"
    export REDKEEP_REDIS_PASSWORD_FILE=$dir/password
    cli_auth=(-a one)
    server_start --requirepass one
    sidecar
    until_true code_is /readyz 200
    server_kill
    cli_auth=(-a two)
    server_start --requirepass two
    until_true status_is '.state == "auth"'
    printf two >"$dir/password"
    until_true code_is /readyz 200
    until_true status_is '(.problems | length) == 0'
}

@test "without standard streams nothing is written into what stands in their place" {
    server_start
    fill
    "$redkeep" run <&- >&- 2>&- 3>&- &
    sidecar=$!
    echo "$sidecar" >>"$pids"
    until_true backups_are 1
    for fd in 0 1 2; do [[ $(readlink "/proc/$sidecar/fd/$fd") == /dev/null ]]; done
    server_stop
    kill -TERM "$sidecar"
    sidecar_ended 0
}

@test "a disk that is dead does not keep it past drain-timeout" {
    truncate -s 40M "$dir/disk"
    mkfs.ext4 -q "$dir/disk"
    mount -o loop "$dir/disk" "$dir/repository"
    export REDKEEP_DRAIN_TIMEOUT=8s
    server_start --save 3600 1
    fill
    sidecar
    until_true at_rest 1
    cli SET last word
    fsfreeze -f "$dir/repository"
    server_stop
    kill -TERM "$sidecar"
    until_true is_gone "$sidecar" || true # whatever comes, the disk lives again
    local was_gone=no
    ! is_gone "$sidecar" || was_gone=yes
    fsfreeze -u "$dir/repository"
    sidecar_ended 1
    [[ $was_gone == yes ]]
    logged "what the server wrote at its end is not stored"
}

schedule_is() {
    url=$(address)
    status_is ".schedule == \"$1\""
}

@test "a server that comes and goes, with other keys" {
    server_start --save ""
    fill
    cli SAVE >/dev/null
    server_kill
    sidecar
    until_true status_is '.state == "unreachable"'
    [[ $(code /readyz) == 503 ]]
    server_start --save "" # with its keys, before anybody looks
    until_true code_is /readyz 200
    until_true at_rest 1
    server_kill
    until_true code_is /readyz 503
    rm -f "$data"/dump.rdb
    server_start --save ""
    until_true code_is /readyz 200
    until_true status_is 'any(.problems[]; .code == "LOADED_LESS" and .remedy != "")'
    [[ $(code /livez) == 200 ]]
}

@test "a repository that comes and goes" {
    server_start
    fill
    mv "$dir/repository" "$dir/away"
    sidecar --backup-schedule '@every 1m'
    until_true status_is '(.problems | length) > 0'
    [[ $(code /backupz) == 503 ]]
    [[ $(code /readyz) == 200 ]]
    mv "$dir/away" "$dir/repository"
    until_true backups_are 1
    until_true code_is /backupz 200
    until_true status_is '(.problems | length) == 0'
}

@test "a backup is asked for with the token" {
    server_start
    fill
    printf 'open sesame' >"$dir/token"
    export REDKEEP_HTTP_TOKEN_FILE=$dir/token
    sidecar
    until_true at_rest 1
    [[ $(curl -sS -o /dev/null -w '%{http_code}' -X POST "$url/backup") == 401 ]]
    [[ $(curl -sS -o /dev/null -w '%{http_code}' -X POST -H 'Authorization: Bearer open' "$url/backup") == 401 ]]
    [[ $(curl -sS -o /dev/null -w '%{http_code}' -X POST -H 'Authorization: Bearer open sesame' "$url/backup") == 202 ]]
    until_true at_rest 2
    [[ $(curl -sS -o /dev/null -w '%{http_code}' -X POST -H 'Authorization: Bearer open sesame' "$url/verify") == 202 ]]
    until_true status_is 'any(.backups[]; .verified_at != null)'
    run -1 grep -r 'open sesame' "$sidecar_log" "$dir/sidecar.out"
}

@test "a full disk under the log stops nothing" {
    server_start
    fill
    "$redkeep" run </dev/null >"$dir/sidecar.out" 2>/dev/full 3>&- &
    sidecar=$!
    echo "$sidecar" >>"$pids"
    until_true backups_are 1
    kill -0 "$sidecar"
    server_stop
    kill -TERM "$sidecar"
    sidecar_ended 0
}

resident_is_small() {
    local pages limit=6000000

    # what a sanitizer keeps for itself is not the sidecar's
    ! grep -q __asan_init "$redkeep" || limit=200000000
    read -r _ pages _ <"/proc/$sidecar/statm"
    ((pages * $(getconf PAGESIZE) <= limit))
}

@test "at rest it keeps little in memory, also what nobody shares with it" {
    server_start --save ""
    fill
    sidecar
    until_true at_rest 1
    until_true resident_is_small
}

@test "hooks are told of a failure, of the success after it, and that all is well" {
    server_start
    fill
    hook
    printf token >"$dir/token"
    export REDKEEP_NOTIFY_URL=$hook_url/notify REDKEEP_HEARTBEAT_URL=$hook_url/alive
    export REDKEEP_HTTP_TOKEN_FILE=$dir/token
    sidecar
    until_true at_rest 1
    until_true grep -q 'GET /alive' "$dir/hook.log"
    until_true at_rest 1
    mv "$dir/repository" "$dir/away"
    ask /backup
    until_true hooked '.event == "failed" and .code == "STORE_MISSING" and (.text | length > 0)'
    [[ $(code /livez) == 200 ]]
    mv "$dir/away" "$dir/repository"
    ask /backup
    until_true hooked '.event == "recovered"'
    backups_are 2
    [[ $(grep -c '"failed"' "$dir/hook.log") == 1 ]]
}

@test "retention follows each backup" {
    server_start
    fill
    printf token >"$dir/token"
    export REDKEEP_HTTP_TOKEN_FILE=$dir/token REDKEEP_KEEP_LAST=2
    export REDKEEP_KEEP_DAILY=off REDKEEP_KEEP_WEEKLY=off
    sidecar
    until_true at_rest 1
    for n in 2 3; do
        ask /backup
        until_true status_is "any(.jobs[]; .kind == \"backup\" and .count_ok == $n)"
        until_true at_rest
    done
    backups_are 2
    until_true status_is '.backups_total == 2'
}

@test "a verification is a drill when there is a server to load with" {
    server_start
    fill
    export REDKEEP_DRILL_SERVER=redis-server REDKEEP_DRILL_DIR=$dir
    printf token >"$dir/token"
    export REDKEEP_HTTP_TOKEN_FILE=$dir/token
    sidecar
    until_true at_rest 1
    ask /verify
    until_true status_is '.last_drill.ok and .last_drill.recovery_seconds > 0'
    until_true status_is 'any(.backups[]; .verified_at != null)'
    curl -sS "$url/metrics" | grep -q '^redkeep_last_drill_ok 1'
}

@test "a dead hook holds up nothing" {
    server_start --save ""
    fill
    export REDKEEP_NOTIFY_URL=http://127.0.0.1:9/notify REDKEEP_HEARTBEAT_URL=http://127.0.0.1:9/alive
    sidecar
    until_true at_rest 1
    server_kill
    rm -f "$data/dump.rdb"
    server_start --save ""
    until_true status_is 'any(.problems[]; .code == "LOADED_LESS")'
    until_true status_is 'any(.problems[]; .code == "NOTIFY_FAILED")'
    until_true code_is /readyz 200
}

# ask PATH: as somebody who has the token
ask() {
    curl -sS --fail -X POST -H "Authorization: Bearer $(<"$dir/token")" "$url$1"
}

# hooked FILTER: a message like that came
hooked() {
    sed -n 's/^POST \/notify //p' "$dir/hook.log" | jq -ne "any(inputs; $1)" >/dev/null
}

# hook: a peer that notes requests and answers 200
hook() {
    python3 - "$dir/hook.log" "$dir/hook.port" <<'PY' 3>&- &
import http.server, sys
log = open(sys.argv[1], "a", buffering=1)
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        log.write(f"{self.command} {self.path} {body}\n")
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    do_GET = do_POST = answer
    def log_message(self, *a): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[2] + ".new", "w") as f: f.write(str(server.server_port))
import os; os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
PY
    echo $! >>"$pids"
    until_true test -s "$dir/hook.port"
    hook_url=http://127.0.0.1:$(<"$dir/hook.port")
}
