#!/usr/bin/env bats
# The runbooks, as in runbooks.bats: what stands around the server fails, or is another one.

load helpers
load runbooks

setup() {
    machine
}

teardown() {
    machine_ends
}

# ---- the disk is full ----

# small_disk: the server's volume is 24 MB, and all but that is taken by what a killed save has left
small_disk() {
    tmpfs "$data" size=24m
    chown redis:redis "$data"
    serving "$@"
}

# fill_disk BYTES
fill_disk() {
    head -c "$1" /dev/zero >"$data/temp-4711.rdb" || true
    touch -d '2 hours ago' "$data/temp-4711.rdb"
}

is_refused() {
    refusal=$(cli SET refused 1 2>&1)
    [[ $refusal == MISCONF* ]]
}

save_failed() {
    cli BGSAVE >/dev/null
    until_true info_is rdb_bgsave_in_progress 0
    info_is rdb_last_bgsave_status err
}

@test "the disk is full: saves fail" {
    small_disk 'appendonly no'
    fill_disk 26000000
    until_true save_failed
    is_refused
    sees disk-full 'What you see' "$refusal"
    follow disk-full 'Make room'
    follow disk-full 'Then: saves succeed again'
    all_there
}

@test "the disk is full: zeros in the append-only file are gone before a restart" {
    small_disk 'appendonly yes' 'save ""' 'auto-aof-rewrite-percentage 0'
    cli BGREWRITEAOF >/dev/null
    until_true test -e "$data/$aof.2.base.rdb"
    until_true info_is aof_rewrite_in_progress 0
    fill_disk 24000000
    head -c 4000000 /dev/urandom | cli -x SET big >/dev/null || true
    until_true is_refused
    before=$(fingerprint)
    sees disk-full 'What you see with an append-only file' "$refusal"
    follow disk-full 'Make room'
    follow disk-full 'Then: saves succeed again'
    [[ $(tr -dc '\0' <"$data/$aof.2.incr.aof" | wc -c) -gt 50000 ]] # without a rewrite: no next start
    follow disk-full 'Then, with an append-only file: rewrite it before any restart'
    all_there
}

# ---- the sidecar ----

# sidecar: `redkeep run` in the background, at $address
sidecar() {
    REDKEEP_HTTP_LISTEN=127.0.0.1:0 "$redkeep" run </dev/null >"$dir/sidecar.log" 2>&1 3>&- &
    echo "$!" >>"$pids"
    until_true listens
    address=$(listens)
    export REDKEEP_HTTP_LISTEN=$address
}

listens() {
    sed -n 's|.* http://\(127[^ ]*\) answers.*|\1|p' "$dir/sidecar.log" | grep .
}

state_is() {
    [[ $(curl -sS "http://$address/readyz" | jq -r .state) == "$1" ]]
}

has_problem() {
    curl -sS "http://$address/status" | true_of "any(.problems[]; .code == \"$1\")"
}

# says_ready RC: what `redkeep ready` says now; $said
says_ready() {
    does "$1" ready || return 1
    said=$output$stderr
}

@test "not ready: it loads" {
    configured 'appendonly no' 'rdbcompression no'
    systemctl start
    cli EVAL 'for i = 1, 20000 do redis.call("SET", "k" .. i, string.rep("x", 100)) end' 0 >/dev/null
    before=$(fingerprint)
    systemctl stop
    # longer than the test; and the server looks up after each few keys, well within ready's timeout
    configured 'appendonly no' 'rdbcompression no' 'key-load-delay 20000' \
        'loading-process-events-interval-bytes 1024'
    systemctl start &
    sidecar
    until_true state_is loading
    until_true says_ready 1
    sees not-ready loading "$said"
    follow not-ready 'First: which state'
    cli CONFIG SET key-load-delay 0 >/dev/null
    follow not-ready loading
    wait %1
    same
}

@test "not ready: nobody answers" {
    serving 'appendonly no'
    sidecar
    systemctl stop
    until_true state_is unreachable
    says_ready 7
    sees not-ready unreachable "$said"
    follow not-ready 'First: which state'
    follow not-ready unreachable
    same
}

@test "not ready: another password" {
    serving 'appendonly no'
    sidecar
    cli CONFIG SET requirepass hush >/dev/null
    echo hush >"$dir/password"
    systemctl kill
    configured 'appendonly no' 'requirepass hush'
    export REDISCLI_AUTH=hush
    systemctl start
    until_true state_is auth
    says_ready 7
    sees not-ready auth "$said"
    follow not-ready 'First: which state'
    follow not-ready auth "/etc/redkeep/password=$dir/password"
    same
}

@test "backups are stale: the repository is not there" {
    serving 'appendonly no'
    rmdir "$dir/repository"
    sidecar
    until_true has_problem STORE_MISSING
    does 0 status
    sees backups-stale 'What you see' "$output"
    follow backups-stale 'First: why'
    mkdir "$dir/repository"
    follow backups-stale 'It is mended'
    same
}

# ---- moving ----

@test "to another machine, and to another version" {
    serving 'appendonly no'
    cli SET later yes >/dev/null
    cli DEL later >/dev/null
    follow move 'From the old machine'
    id=$("$redkeep" list --json | jq -r '.backups[-1].id')
    rm -rf "$data"
    install -d -o redis -g redis "$data"
    follow move 'Another version, or Valkey'
    export REDKEEP_INSTANCE=new-machine
    follow move 'To the new machine'
    all_there
}

@test "to another format, as commands" {
    serving 'appendonly no'
    configured 'appendonly yes'
    follow move 'Between formats: as commands'
    [[ ! -e $data/dump.rdb && -e $(echo "$data"/*/*.base.aof) ]]
    all_there
}

@test "without redkeep" {
    rm "$dir/bin/redkeep"
    for appendonly in no yes; do
        serving "appendonly $appendonly"
        a_backup
        systemctl kill
        rm -rf "$data"
        follow without-redkeep 'Find the newest' "/tmp/backup=$dir/backup"
        follow without-redkeep 'Restore it' "/tmp/backup=$dir/backup"
        all_there
        systemctl kill
        rm -rf "$data" "$dir/backup"
        install -d -o redis -g redis "$data"
    done
    section without-redkeep 'Restore it'
    sed -n '/^```bash$/,/^```$/p' "$pages/../../FORMAT.md" | grep -v '^```' |
        grep -vxFf - "$dir/steps/01.sh" >"$dir/rest"
    [[ $(wc -l <"$dir/rest") == 5 ]] # FORMAT.md's own lines, and five of the page's
}

@test "the bucket's objects were deleted" {
    s3_up
    bucket=kept
    in_s3
    s3 PUT '' >/dev/null
    s3 PUT '?versioning=' -d "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">
        <Status>Enabled</Status></VersioningConfiguration>"
    serving 'appendonly yes'
    a_backup
    moment=$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)
    until_true is_past "$moment"
    for key in $(s3 GET "?list-type=2&prefix=$prefix%2F" | grep -o '<Key>[^<]*' | cut -c 6-); do
        s3 DELETE "/$key"
    done
    systemctl kill
    rm -rf "$data"
    install -d -o redis -g redis "$data"
    does 3 restore
    sees bucket-deleted 'What you see' "$stderr"
    follow bucket-deleted 'Bring it back' "2026-11-20T17:30:00Z=$moment"
    all_there
    s3_down
}

is_past() {
    [[ $(date +%s) -gt $(date -d "$1" +%s) ]]
}
