#!/usr/bin/env bats
# The runbooks are followed to the letter on a real server, after a real disaster: the page's own
# commands say what the page says, and the data is back.

load helpers
load runbooks

setup() {
    machine
}

teardown() {
    machine_ends
}

@test "the volume is gone" {
    for appendonly in yes no; do
        serving "appendonly $appendonly"
        a_backup
        systemctl kill
        rm -rf "$data"
        does_not_start
        sees volume-is-gone 'What you see'
        follow volume-is-gone 'Bring it back'
        all_there
        systemctl kill
        rm -rf "$data" "$dir/repository/sessions"
        install -d -o redis -g redis "$data"
    done
}

@test "FLUSHALL: everything before it is in the append-only file" {
    serving 'appendonly yes'
    cli SET later yes >/dev/null
    before=$(fingerprint)
    a_backup
    cli FLUSHALL >/dev/null
    cli SET after-it yes >/dev/null
    does 0 backup
    sees flushall 'What you see' "$stderr"
    follow flushall 'First: nothing is overwritten any more'
    follow flushall 'With an append-only file: cut the FLUSHALL off'
    all_there
    follow flushall 'When all is well again'
}

@test "FLUSHALL: the backup before it is pinned" {
    serving 'appendonly no'
    a_backup
    cli FLUSHALL >/dev/null
    cli FUNCTION FLUSH >/dev/null
    cli SET after-it yes >/dev/null
    does 0 backup
    follow flushall 'First: nothing is overwritten any more'
    follow flushall 'From a backup' "20261120T170000Z-4f3a9c=$id"
    all_there
    follow flushall 'When all is well again'
    does 0 list --json
    json 'all(.backups[]; .pinned | not)'
}

@test "a restart into appendonly yes: the dump has the data" {
    serving 'appendonly no'
    a_backup
    systemctl stop
    configured 'appendonly yes'
    systemctl start
    [[ $(cli DBSIZE) == 0 ]]
    sees server-is-empty 'What you see'
    follow server-is-empty 'First: it saves no more'
    follow server-is-empty 'The dump still has the data'
    all_there
}

@test "an empty server has saved over the dump" {
    serving 'appendonly no'
    a_backup
    systemctl stop
    configured 'appendonly yes'
    systemctl start
    does 0 backup
    follow server-is-empty 'First: it saves no more'
    follow server-is-empty 'The dump is empty, too' "20261120T170000Z-4f3a9c=$id"
    all_there
}

# ---- append-only files ----

# down_with_aof: a backup, one key more, and a server that has ended; $before
down_with_aof() {
    serving 'appendonly yes'
    a_backup
    cli SET later yes >/dev/null
    before=$(fingerprint)
    systemctl stop
}

at_backup() {
    systemctl start
    cli DEL later >/dev/null
    before=$(fingerprint)
    systemctl stop
}

a_set() {
    printf '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$%s\r\n%s\r\n$1\r\n2\r\n' "${#1}" "$1"
}

@test "the append-only file is corrupt: NULs are left out, and nothing is lost" {
    serving 'appendonly yes'
    a_backup
    cli SET later 2 >/dev/null
    before=$(fingerprint)
    cli DEL later >/dev/null
    systemctl stop
    head -c 4096 /dev/zero >>"$data/$aof.1.incr.aof"
    a_set later >>"$data/$aof.1.incr.aof"
    does_not_start
    sees aof-corrupt 'What you see'
    cp -a "$data" "$dir/again"
    follow aof-corrupt 'First: a copy, and what redkeep says of it'
    rm -rf "$data"
    cp -a "$dir/again" "$data"
    follow aof-corrupt 'Mended without loss'
    all_there
}

@test "the append-only file is corrupt: cut off at the bad bytes" {
    down_with_aof
    printf 'no command\r\n' >>"$data/$aof.1.incr.aof"
    a_set lost >>"$data/$aof.1.incr.aof"
    does_not_start
    sees aof-corrupt 'What you see'
    does 6 guard --fix
    follow aof-corrupt 'Cut it off at the bad bytes'
    all_there
}

@test "the append-only file is corrupt: the newest backup" {
    down_with_aof
    at_backup
    printf 'no command\r\n' >>"$data/$aof.1.incr.aof"
    follow aof-corrupt 'The newest backup'
    all_there
}

@test "the truncated file is not the last one" {
    down_with_aof
    at_backup
    echo 'file appendonly.aof.2.incr.aof seq 2 type i' >>"$data/$aof.manifest"
    a_set gap >"$data/$aof.2.incr.aof"
    truncate -s -3 "$data/$aof.1.incr.aof"
    chown redis "$data/$aof.2.incr.aof"
    does 6 guard
    [[ $output == *truncated-middle-file* ]]
    does_not_start
    sees aof-corrupt 'The truncated file is not the last file'
    follow aof-corrupt 'The truncated file is not the last file'
    all_there
}

# ---- the server will not start ----

@test "it will not start: the manifest has no newline" {
    serving 'appendonly yes'
    systemctl stop
    truncate -s -1 "$data/$aof.manifest"
    does_not_start
    sees server-will-not-start 'The manifest of the append-only files'
    follow server-will-not-start 'First: why'
    follow server-will-not-start 'The manifest of the append-only files'
    all_there
}

@test "it will not start: a dump of a newer server" {
    serving 'appendonly no'
    a_backup
    systemctl kill
    printf 'REDIS0099\xff\0\0\0\0\0\0\0\0' >"$data/dump.rdb"
    does_not_start
    sees server-will-not-start 'A file of a newer, or another server'
    follow server-will-not-start 'A file of a newer, or another server' "20261120T170000Z-4f3a9c=$id"
    all_there
}

@test "it will not start: permission denied" {
    serving 'appendonly no'
    systemctl stop
    chown -R 0:0 "$data"
    chmod 600 "$data/dump.rdb"
    does_not_start
    sees server-will-not-start 'Permission denied'
    follow server-will-not-start 'Permission denied'
    all_there
}

@test "it will not start: the dump is corrupt" {
    serving 'appendonly no'
    a_backup
    systemctl stop
    flip "$data/dump.rdb" "$(($(stat -c %s "$data/dump.rdb") - 1))" # of its checksum
    does_not_start
    sees server-will-not-start 'The dump is corrupt'
    follow server-will-not-start 'The dump is corrupt'
    all_there
}

@test "it will not start: a setting that it does not know" {
    serving 'appendonly no'
    systemctl stop
    echo 'maxmemory-polcy noeviction' >>"$conf"
    does_not_start
    sees server-will-not-start 'A setting it does not know'
    follow server-will-not-start 'A setting it does not know'
    all_there
}

@test "it will not start: what the data needs in memory" {
    serving 'appendonly no'
    systemctl stop
    follow server-will-not-start 'It is killed while it loads'
    systemctl start
    same
}

# ---- the pages themselves ----

@test "every command of every page is followed by a test" {
    awk 'FNR == 1 { heading = ""; fence = 0 }
        /^ *```/ {
            fence = !fence
            lang = substr($0, index($0, "`") + 3)
            if (fence && lang !~ /^(sh|text)$/) print FILENAME ": a block of \"" lang "\""
            if (fence && lang == "sh") print FILENAME "|" heading
        }
        !fence && /^## / { heading = substr($0, 4) }
    ' "$pages"/*.md | sed -e "s|^$pages/||" -e 's|\.md||' | sort -u >"$dir/sections"
    sed -n "s/^ *follow \([a-z-]*\) \('\([^']*\)'\|\([a-z]*\)\).*/\1|\3\4/p" \
        "$BATS_TEST_DIRNAME"/runbooks*.bats | sort -u >"$dir/followed"
    [[ $(wc -l <"$dir/sections") -gt 20 ]]
    diff "$dir/sections" "$dir/followed"
}

@test "a page that says what is not so is found out" {
    a_page() {
        printf '# A page\n\n## Steps\n\n```sh\n%s\n```\n\n```text\n%s\n```\n' "$1" "$2" >"$dir/page.md"
        pages=$dir follow page Steps
    }
    a_page 'echo 5 keys of 20261120T170000Z-4f3a9c, 12 kB' '17 keys of 20261121T000000Z-ffffff, 3.5 MB'
    run a_page 'echo 5 keys' '5 values'
    [[ $status == 1 && $output == *'not said: N values'* ]]
    run a_page 'false' ''
    [[ $status == 1 && $output == *'exit code 1'* ]]
    run a_page 'true' 'exit code 6'
    [[ $status == 1 ]]
    run a_page 'echo first; exit 6; echo second' $'second\nexit code 6'
    [[ $status == 1 && $output == *'not said: second'* ]]
    a_page 'echo first; exit 6' $'first\nexit code 6'
    run follow aof-corrupt 'A heading that is not there'
    [[ $status == 1 ]]
}
