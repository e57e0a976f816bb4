#!/usr/bin/env bats
# `--as-of TIME`: somebody has deleted or overwritten everything in a versioned bucket, and what was
# there before comes back; and where it cannot, that is said.
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

versioning() {
    s3 PUT '?versioning=' -d '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>'"$1"'</Status></VersioningConfiguration>'
}

# The repository of this test is in a bucket of its own that keeps versions.
versioned() {
    bucket=kept-$BATS_TEST_NUMBER
    in_s3
    s3 PUT ''
    versioning Enabled
}

# now: a moment behind all that was stored and before all that will be
now() {
    read -rt 0.02 <> <(:) || true
    date -u +%Y-%m-%dT%H:%M:%S.%3NZ
    read -rt 0.02 <> <(:) || true
}

# keys: of all that is below the test's prefix now
keys() {
    s3 GET "?list-type=2&prefix=$prefix%2F" | grep -o '<Key>[^<]*' | cut -c 6-
}

# two_backups: $first, $second, $before_all, $between, $before_attack, and the data of both
two_backups() {
    before_all=$(now)
    server_start --appendonly no
    fill 50
    fingerprint >"$dir/first"
    backup
    first=$id
    between=$(now)
    cli SET later yes >/dev/null
    fingerprint >"$dir/second"
    backup
    second=$id
    does 0 verify --json
    before_attack=$(now)
    server_kill
    lose_volume
}

delete_everything() {
    local key
    while IFS= read -r key; do s3 DELETE "/$key"; done < <(keys)
    [[ -z $(keys) ]]
}

# serves FILE: a server on the volume has that data
serves() {
    server_start --appendonly no
    [[ $(fingerprint) == "$(cat "$1")" ]]
    server_kill
    lose_volume
}

@test "everything was deleted, and comes back as it was" {
    versioned
    two_backups
    delete_everything

    refused 3 not-found restore
    does 0 list --json
    json '.backups == [] and .as_of == null'
    restore --as-of "$before_attack"
    json '.backup == $id and .as_of[:19] == $at[:19]' --arg id "$second" --arg at "$before_attack"
    serves "$dir/second"
    restore --as-of "$between"
    json '.backup == $id' --arg id "$first"
    serves "$dir/first"
    restore --as-of "$before_attack" --backup "$first"
    serves "$dir/first"
    does 0 restore --as-of "$before_attack" --dry-run --json
    json '.backup == $id and (.restored | not)' --arg id "$second"

    does 0 list --json --as-of "$before_attack"
    json '[.backups[].id] == [$a, $b] and .unreadable == []' --arg a "$first" --arg b "$second"
    json '[.backups[].verified_ok] == [null, true] and .as_of[:19] == $at[:19]' --arg at "$before_attack"
    does 0 list --json --as-of "$between"
    json '[.backups[].id] == [$a]' --arg a "$first"
    does 0 verify --all --json --as-of "$before_attack"
    json '.complete and [.results[].ok] == [true, true]'
    refused 3 not-found verify "$second" --as-of "$between"
    # the past is not written to, nor has reading it undone anything, but for the note of a restore
    [[ $(keys | grep -v /restores/) == '' ]]

    for at in "$before_all" 2001-01-01T00:00:00Z; do
        refused 3 not-found restore --as-of "$at"
        says "as of ${at:0:19}" 'no backup'
        does 0 list --as-of "$at"
        [[ $output == "no backups of instance db-0 at ${at:0:19}Z" ]]
        refused 3 not-found verify --as-of "$at"
        says "as of ${at:0:19}"
    done
    [[ -z $(ls "$data") ]]
}

@test "a manifest and data that were overwritten are read as they were" {
    local key
    versioned
    two_backups
    while IFS= read -r key; do s3 PUT "/$key" -d 'pay me'; done < <(keys)
    refused 6 corrupt restore
    does 0 list --json
    json '(.unreadable | length) == 2 and .backups == []'
    restore --as-of "$before_attack"
    json '.backup == $id and .skipped == []' --arg id "$second"
    serves "$dir/second"
    does 0 verify --all --as-of "$before_attack"

    # and what was deleted after that: of each version the one of that moment
    overwritten=$(now)
    delete_everything
    refused 6 corrupt restore --as-of "$overwritten"
    restore --as-of "$before_attack"
    serves "$dir/second"
}

@test "a drill loads what was there" {
    versioned
    two_backups
    delete_everything
    does 0 verify --drill --json --as-of "$between" --drill-dir "$dir"
    json '.results == [.results[] | select(.ok and .drilled and .id == $id)]' --arg id "$first"
}

@test "names that a URL has to encode, more versions than a page has, and versions without an id" {
    local n url id
    bucket=kept-$BATS_TEST_NUMBER
    in_s3
    export REDKEEP_INSTANCE='d b+%41'
    url=/$prefix/d%20b%2B%2541/backups
    s3 PUT ''
    server_start --appendonly no
    fill 10
    fingerprint >"$dir/data"
    backup # while no versions are kept
    first=$id
    versioning Enabled
    backup
    second=$id
    # so many versions of one object beside the first that a listing has two pages
    for ((n = 0; n < 1010; n++)); do echo "$endpoint/$bucket$url/$first/c%20%2B"; done |
        xargs curl -sS --fail-with-body -X PUT -d x --aws-sigv4 aws:amz:us-east-1:s3 \
            --user "$access_key:$secret_key" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'
    [[ $(s3 GET '?versions=') == *'<IsTruncated>true<'* ]]
    before_attack=$(now)
    does 0 list --json --as-of "$before_attack"
    json '[.backups[].id] == [$a, $b] and .unreadable == []' --arg a "$first" --arg b "$second"

    # while it is suspended, a deletion takes the place of what has no id: that is gone
    versioning Suspended
    for id in "$first" "$second"; do
        s3 DELETE "$url/$id/backup.json"
        s3 DELETE "$url/$id/data.tar.zst"
    done
    does 0 list --json
    json '.backups == []'
    does 0 list --json --as-of "$before_attack"
    json '[.backups[].id] == [$id] and .unreadable == []' --arg id "$second"
    server_kill
    lose_volume
    restore --as-of "$before_attack"
    serves "$dir/data"
}

@test "other instances of then are named, not those of today" {
    versioned
    server_start --appendonly no
    backup --instance was-there
    before=$(now)
    delete_everything
    backup --instance is-new
    refused 3 not-found restore --target "$dir/target"
    says 'it has some of: is-new'
    refused 3 not-found restore --target "$dir/target" --as-of "$before"
    says 'it has some of: was-there;'
    does 0 list --as-of "$before"
    [[ $output == *'of other instances: was-there (--instance names one)' ]]
    does 0 list --json
    json '.backups == [] and .other_instances == ["is-new"]'
    does 0 list --json --instance is-new
    json '(.backups | length) == 1 and .other_instances == []'
}

@test "what cannot be read as it was is refused: exit 2" {
    in_s3
    server_start --appendonly no
    backup
    server_kill
    lose_volume
    for command in restore list verify; do
        refused 2 config $command --as-of 2026-11-20T17:30:00Z --repository "file://$dir/repository"
        says 'keeps no versions' HINT s3://
        refused 2 config $command --as-of 2026-11-20T17:30:00Z
        says "the bucket $bucket keeps no versions" HINT
        refused 2 config $command --as-of 2999-01-01T00:00:00Z
        says future
        refused 2 config $command --as-of yesterday
        says --as-of yesterday
    done
    refused 2 config restore --as-of 2026-11-20T17:30:00Z --if-backup-exists
    says 'exclude each other'
    for command in backup prune run; do
        refused 2 config $command --as-of 2026-11-20T17:30:00Z
    done
    REDKEEP_AS_OF=2026-11-20T17:30:00Z refused 2 config list
    [[ -z $(ls "$data") ]]
}

# denied ACTION: to everybody
denied() {
    s3 PUT '?policy=' --data-binary '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny",
        "Principal": {"AWS": ["*"]}, "Action": ["'"$1"'"],
        "Resource": ["arn:aws:s3:::'"$bucket"'", "arn:aws:s3:::'"$bucket"'/*"]}]}' >/dev/null
}

@test "permissions that lack are named: exit 5, and nothing is restored" {
    local action
    versioned
    two_backups
    for action in s3:ListBucketVersions s3:GetObjectVersion s3:GetBucketVersioning; do
        denied $action
        refused 5 store restore --as-of "$before_attack"
        says 403 s3:ListBucketVersions s3:GetObjectVersion
        [[ -z $(ls -A "$data") ]]
        refused 5 store verify --as-of "$before_attack"
    done
    s3 DELETE '?policy='
    refused 5 store list --as-of "$before_attack" --repository s3://nowhere-at-all/x
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:1 refused 5 store restore --as-of "$before_attack"
    restore --as-of "$before_attack"
}
