#!/usr/bin/env bats
# The repository has its own troubles: a gateway that dies or stands still, a certificate that nobody
# knows, a disk that has lost blocks. And `verify`, which says what is left of it.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup_file() {
    s3_up
}

teardown_file() {
    s3_down
    [[ ! -d $BATS_FILE_TMPDIR/tls ]] || "$rgw_script" down "$BATS_FILE_TMPDIR/tls"
}

setup() {
    world
}

teardown() {
    # whatever became of the test, the next one finds the gateway at work
    kill -s CONT "$(gateway)" 2>/dev/null || "$rgw_script" gateway "$BATS_FILE_TMPDIR/rgw" 3>&-
    end_world
}

gateway() {
    cat "$BATS_FILE_TMPDIR/rgw/run/client.rgw.a.pid"
}

# uploading BANDWIDTH: a backup of 30 MB in the background, of which a part is on its way
uploading() {
    server_start --appendonly no
    head -c 30000000 /dev/urandom | cli -x SET random >/dev/null
    launch backup --json --bandwidth-limit "$1" --part-size 5MiB
    until_true has_open_upload
}

# ---- a gateway in trouble ----

@test "a gateway that dies in mid-upload fails the backup, and leaves none" {
    in_s3
    uploading 1MiB
    stop_pid KILL "$(gateway)"
    ended 5
    says "$prefix" 'HINT: check AWS_ENDPOINT_URL_S3'
    "$rgw_script" gateway "$BATS_FILE_TMPDIR/rgw" 3>&-
    listed=$(s3 GET "?list-type=2&prefix=$prefix%2F")
    [[ $listed == *'<KeyCount>0</KeyCount>'* && $listed != *'<Key>'* ]]
    does 0 list --json
    json '.backups == []'
    backup
    does 0 verify "$id"
    does 0 list --json
    json '[.backups[].id] == [$id]' --arg id "$id"
}

@test "a gateway that stands still for a while costs the backup time alone" {
    in_s3
    uploading 4MiB
    kill -STOP "$(gateway)"
    read -rt 3 <> <(:) || true # how long is what is tried
    ! is_gone "$job" || false
    kill -CONT "$(gateway)"
    ended 0
    does 0 verify
    [[ $(open_uploads) == 0 ]]
}

# ---- certificates ----

@test "a certificate of one's own is trusted by AWS_CA_BUNDLE alone" {
    local tls=$BATS_FILE_TMPDIR/tls

    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tests \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
    TLS_CERT=$dir/cert.pem TLS_KEY=$dir/key.pem "$rgw_script" up "$tls" >/dev/null 3>&-
    "$rgw_script" bucket "$tls" "$bucket" >/dev/null
    in_s3
    AWS_ENDPOINT_URL_S3=$(cat "$tls/endpoint")
    [[ $AWS_ENDPOINT_URL_S3 == https://* ]]
    server_start --appendonly no
    cli SET key value >/dev/null

    refused 5 store backup
    says certificate HINT AWS_CA_BUNDLE
    refused 5 store restore --if-backup-exists --target "$dir/target"
    says AWS_CA_BUNDLE
    export AWS_CA_BUNDLE=$dir/cert.pem
    backup
    does 0 verify "$id"
}

# ---- a disk that has lost blocks, and what verify says ----

# three_backups: $ids, oldest first
three_backups() {
    local n

    server_start --appendonly no
    ids=()
    for n in 1 2 3; do
        cli SET key "$n" >/dev/null
        backup
        ids+=("$id")
        until_true next_second # ids of one second are in no order
    done
}

next_second() {
    [[ $(date -u +%Y%m%dT%H%M%SZ) > ${id%-*} ]]
}

# lost CALL ERROR PATH ARGUMENT...: redkeep; that call fails on whatever is, or is in, PATH
lost() {
    local call=$1 error=$2 path=$3
    shift 3
    ASAN_OPTIONS=detect_leaks=0 run --separate-stderr strace -f -qq -o /dev/null -P "$path" \
        -e trace="$call" -e inject="$call:error=$error" "$redkeep" "$@"
}

@test "blocks that the disk has lost cost one step back" {
    three_backups
    server_kill
    for file in data.tar.zst backup.json; do
        lost pread64 EIO "$(object_dir "${ids[2]}")/$file" verify --all --json
        [[ $status == 6 ]]
        json '.complete and [.results[].ok] == [false, true, true] and
            (.results[0].why | test("Input/output error"))'
        lose_volume
        lost pread64 EIO "$(object_dir "${ids[2]}")/$file" restore --json
        [[ $status == 0 ]]
        json '.backup == $id and [.skipped[].id] == [$lost]' --arg id "${ids[1]}" \
            --arg lost "${ids[2]}"
        server_start --appendonly no
        [[ $(cli GET key) == 2 ]]
        server_kill
    done
}

@test "a store that fails half way ends verify with what was found so far" {
    local object

    three_backups
    object=$(object_dir "${ids[1]}")/data.tar.zst
    mv "$object" "$dir/elsewhere"
    ln -s "$dir/elsewhere" "$object" # never followed
    refused 5 store verify --all --json
    says 'after 1 of 3 backups' "${ids[1]}"
    json '(.complete | not) and [.results[].id] == [$newest] and .results[0].ok' \
        --arg newest "${ids[2]}"
    flip "$(object_dir "${ids[2]}")/data.tar.zst" 20
    refused 6 corrupt verify --all --json
    json '(.complete | not) and [.results[].ok] == [false]'
    [[ $(jq -sc 'map(select(.level == "error") | .kind)' <<<"$stderr") == '["store","corrupt"]' ]]
}

@test "a backup that goes while verify looks is no damage" {
    three_backups
    for when in 1+ 2+; do # while it is listed; between that and its turn
        lost openat "ENOENT:when=$when" "$(object_dir "${ids[1]}")" verify --all --json
        [[ $status == 0 ]]
        json '.complete and [.results[].id] == [$c, $a]' --arg a "${ids[0]}" --arg c "${ids[2]}"
    done
    [[ $stderr == *"${ids[1]} was removed meanwhile"* ]]
    refused 3 not-found verify --json 20261120T173000Z-4f3a9c
    json '.complete == false and .results == []'
}

@test "a backup of a newer redkeep is not called damaged" {
    local manifest

    three_backups
    manifest=$(object_dir "${ids[1]}")/backup.json
    sed -i 's/"format": 1,/"format": 99,/' "$manifest"
    resign "$manifest"
    refused 9 too-new verify --all --json
    says '1 of 3' HINT
    json '.complete and [.results[].ok] == [true, false, true]'
    refused 9 too-new verify "${ids[1]}"
    flip "$(object_dir "${ids[0]}")/data.tar.zst" 20
    refused 6 corrupt verify --all --json
    says '1 of 3'
    json '[.results[].ok] == [true, false, false]'
}

# ---- a sample ----

@test "a sample reads some of the parts, and is no verification but of damage" {
    local object read

    in_s3
    server_start --appendonly no
    head -c 31000000 /dev/urandom | cli -x SET random >/dev/null
    backup --part-size 5MiB
    read=$(jq -r .stored_bytes <<<"$output")
    does 0 verify --percent 30 --json
    json '.complete and (.results | length == 1) and (.results[0] |
        .ok and (.walked | not) and .percent == 30 and (.why | test("^not walked: 2 of 6 parts"))
        and .checked_bytes > 5000000 and .checked_bytes <= 2 * 5242880)'
    does 0 list --json
    json '.backups[0] | .verified_at == null and .verified_ok == null'
    for what in latest "$id" --all; do
        does 0 verify --percent 100 --json "$what"
        json ".results[0].checked_bytes == $read"
    done
    does 0 verify --percent 1
    [[ $output == "$id  ok (not walked: 1 of 6 parts were read)  "* ]]

    object=$dir/data.tar.zst
    s3 GET "/$prefix/db-0/backups/$id/data.tar.zst" -o "$object"
    flip "$object" 20000000
    s3 PUT "/$prefix/db-0/backups/$id/data.tar.zst" -T "$object"
    refused 6 corrupt verify --percent 100 --json
    json '.results[0] | (.ok | not) and .percent == 100 and (.why | test("part 4 of 6"))'
    does 0 list --json
    json '.backups[0] | .verified_at != null and .verified_ok == false'
}

@test "a sample that is none is refused" {
    for percent in 0 101 -1 1.5 ten 99999999999999999999 ''; do
        refused 2 config verify "--percent=$percent"
        says --percent
    done
    refused 2 config verify --percent 10 --drill
    refused 2 config verify --percent
}
