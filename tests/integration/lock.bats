#!/usr/bin/env bats
# `s3-object-lock-days` and `-mode`: in a bucket with object lock nobody takes a backup away before its
# day, redkeep included; and all else works as it does elsewhere.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup_file() {
    s3_up
}

teardown_file() {
    s3_down
}

setup() {
    world
}

teardown() {
    end_world
}

# locking MODE: the repository of this test is in a bucket of its own, made with object lock
locking() {
    bucket=locked-$BATS_TEST_NUMBER
    in_s3
    s3 PUT '' -H 'x-amz-bucket-object-lock-enabled: true'
    export REDKEEP_S3_OBJECT_LOCK_DAYS=2 REDKEEP_S3_OBJECT_LOCK_MODE=$1
    server_start --appendonly no
    fill 100
}

key_of() {
    echo "/$prefix/db-0/backups/$1/$2"
}

# locked KEY MODE: that object is, for about two days from now on
locked() {
    local retention until left

    retention=$(s3 GET "$1?retention=")
    [[ $retention == *"<Mode>$2</Mode>"* ]] || return 1
    until=${retention#*<RetainUntilDate>}
    until=${until%%<*}
    left=$(($(date -d "$until" +%s) - $(date +%s)))
    ((left > 2 * 86400 - 300 && left <= 2 * 86400))
}

# versions KEY: their ids, of objects alone
versions() {
    s3 GET "?prefix=$(sed 's,^/,,; s,/,%2F,g' <<<"$1")&versions=" >"$dir/versions"
    sed 's/<DeleteMarker>.*<\/DeleteMarker>//g' "$dir/versions" |
        grep -o '<VersionId>[^<]*' | cut -d '>' -f 2
}

keeps_what_it_is_told() {
    local mode=$1 first second object version

    export REDKEEP_KEEP_LAST=1 REDKEEP_KEEP_DAILY=off REDKEEP_KEEP_WEEKLY=off
    backup
    first=$id
    for object in data.tar.zst backup.json; do
        locked "$(key_of "$first" "$object")" "${mode^^}"
        version=$(versions "$(key_of "$first" "$object")")
        [[ -n $version && $version != *$'\n'* ]]
        run s3 DELETE "$(key_of "$first" "$object")?versionId=$version"
        [[ $status != 0 && $output == *403* ]]
    done
    does 0 verify "$first"
    run s3 GET "$(key_of "$first" "$(listed_note "$first")")?retention="
    [[ $output != *'<Mode>'* ]] # notes are not locked
    backup
    second=$id

    # a removal hides, and takes nothing away
    does 0 prune --confirm --json
    json '.removed == [$first] and .refused == []' --arg first "$first"
    does 0 list --json
    json '[.backups[].id] == [$second]' --arg second "$second"
    for object in data.tar.zst backup.json; do
        [[ -n $(versions "$(key_of "$first" "$object")") ]]
    done
    does 0 verify --all --json
    server_kill
    lose_volume
    restore
    json '.backup == $second' --arg second "$second"
}

# listed_note ID: the name of the one note of a verification
listed_note() {
    s3 GET "?list-type=2&prefix=$prefix%2Fdb-0%2Fbackups%2F$1%2Fverified-" |
        grep -o 'verified-[^<]*json' | head -n 1
}

@test "governance: a backup is locked, and pruned as in any bucket with versions" {
    locking governance
    keeps_what_it_is_told governance
}

@test "compliance: the same, and nobody may bypass it" {
    locking compliance
    keeps_what_it_is_told compliance
}

@test "what a large backup is uploaded in parts of is locked as well" {
    locking compliance
    head -c 12000000 /dev/urandom | cli -x SET random >/dev/null
    backup --part-size 5MiB
    [[ $(jq '.object.part_sha256 | length' <<<"$output") == 3 ]]
    locked "$(key_of "$id" data.tar.zst)" COMPLIANCE
    does 0 verify
}

@test "a removal that a policy forbids is named, and nothing is lost" {
    local first

    locking governance
    backup
    first=$id
    backup
    s3 PUT '?policy=' --data-binary '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny",
        "Principal": {"AWS": ["*"]}, "Action": ["s3:DeleteObject"],
        "Resource": ["arn:aws:s3:::'"$bucket"'/*"]}]}' >/dev/null
    refused 5 store prune --confirm --json --keep-last 1 --keep-daily off --keep-weekly off
    says '1 removals were refused' "$first" 403
    json '.removed == [] and [.refused[].id] == [$first]' --arg first "$first"
    does 0 verify --all --json
    json '.results | length == 2'
}

@test "a bucket without object lock is named before anything is called a backup" {
    in_s3
    server_start --appendonly no
    cli SET a 1 >/dev/null
    refused 5 store backup --s3-object-lock-days 2
    says 's3-object-lock-days'
    does 0 list --json
    json '.backups == []'
    refused 2 config backup --s3-object-lock-days 2 --repository "file://$dir/repository"
    says 's3-object-lock-days'
    for bad in 36501 two -1; do refused 2 config backup --s3-object-lock-days "$bad"; done
    refused 2 config backup --s3-object-lock-mode legal
}
