#!/usr/bin/env bats
# redkeep as the job of a supervisor: what it reports, and that it ends with the supervisor.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
}

teardown() {
    end_world
}

# as_job ARGUMENT...: redkeep ARGUMENT... as the job of a shell, which says who the job is
as_job() {
    bash -c 'export REDKEEP_JOB_FD=9 REDKEEP_JOB_PARENT=$$
        "$@" </dev/null 3>&- & echo $! >"$0"; wait $!' \
        "$dir/job.pid" "$redkeep" "$@" 9>"$dir/reports"
}

# reported FILTER: it holds for one of the reports, and each of them is a line of JSON
reported() {
    jq -se "any(.[]; $1)" <"$dir/reports" >/dev/null || {
        echo "not reported: $1"
        cat "$dir/reports"
        return 1
    }
}

# slow: a save of minutes
slow() {
    cli DEBUG POPULATE 400000 >/dev/null
    saves_slowly 1000
}

@test "a job reports what it does, and answers as ever" {
    server_start
    slow
    as_job backup --json >"$dir/job.out" 2>"$dir/job.err" 3>&- &
    job=$!
    until_true reported '.event // "" | startswith("the server saves: ")'
    saves_slowly 0
    kill -USR1 "$(pgrep -P "$server")" # no failure: it is asked for again
    ended 0
    json '.id and .proven'
    reported '.event == "the server saves"'
    [[ $stderr == *"the server saves: "* ]]
    jq -se 'all(.[]; .error == null)' <"$dir/reports"
}

@test "a job reports why it failed, by name" {
    run -7 --separate-stderr as_job backup
    reported '.error | .kind == "server" and .code == "SERVER_UNREACHABLE" and .hint != null'
    jq -se '.[-1] | .level == "error" and .code == "SERVER_UNREACHABLE"' <<<"$stderr"
    cli_auth=(--no-auth-warning -a secret)
    server_start --requirepass secret
    run -7 --separate-stderr as_job backup
    reported '.error.code == "SERVER_AUTH"'
    run -5 --separate-stderr as_job list --repository "file://$dir/nowhere"
    reported '.error.code == "STORE_MISSING"'
    run -2 --separate-stderr as_job list --instance
    reported '.error.code == "CONFIG"'
}

@test "a job reports what somebody should look at" {
    server_start --rdbchecksum no
    run -0 --separate-stderr as_job backup
    reported '.warning | .code == "BACKUP_UNPROVEN" and (.message | contains("rdbchecksum"))'
}

@test "a job ends when its supervisor is killed, and leaves nothing" {
    server_start
    slow
    as_job backup >"$dir/job.out" 2>"$dir/job.err" 3>&- &
    supervisor=$!
    hold_save
    until_true test -s "$dir/job.pid"
    job=$(cat "$dir/job.pid")
    # the shell that waits for the job, not the one that waits for that shell
    parent=$(awk '$1 == "PPid:" {print $2}' "/proc/$job/status")
    kill -KILL "$parent"
    until_true is_gone "$job"
    wait "$supervisor" || true
    reported '.error.code == "INTERRUPTED"'
    [[ -z $(find "$dir/repository" -type f) ]]
    [[ $(cli PING) == PONG ]]
}

@test "a descriptor that is none makes no job, and is no unknown setting" {
    REDKEEP_JOB_FD=77 REDKEEP_JOB_PARENT=1 run -0 --separate-stderr "$redkeep" list --json
    json '.backups == []'
}

@test "a disk that is full under the log costs no backup" {
    server_start
    "$redkeep" backup --json >"$dir/manifest" 2>/dev/full
    jq -e .proven "$dir/manifest"
}
