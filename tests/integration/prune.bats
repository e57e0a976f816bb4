#!/usr/bin/env bats
# `redkeep prune`: what goes and what stays among real backups; a collapse that must not age out the
# good ones; a run that is killed anywhere; and repositories that refuse to delete.
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

# copy_as ID: the backup $id once more, as one of another time that nobody has verified yet (each
# verification leaves a file, and a loop over every removal would not come to an end)
copy_as() {
    local to
    to=$(object_dir "$1")
    mkdir "$to"
    cp "$(object_dir "$id")"/{backup.json,data.tar.zst} "$to"
    sed -i "s/\"id\": \"$id\"/\"id\": \"$1\"/" "$to/backup.json"
    resign "$to/backup.json"
    touch -d "${1:0:4}-${1:4:2}-${1:6:2}T${1:9:2}:${1:11:2}:${1:13:2}Z" "$to" "$to"/*
}

# id_at TIME...: the id of a backup taken then, by date's words
id_at() {
    date -u -d "$*" +%Y%m%dT%H%M%SZ-000000
}

# a_year: $id, and one of each day of the year before it
a_year() {
    local day
    server_start --appendonly no
    fill 10
    backup
    for day in {1..365}; do copy_as "$(id_at "$day days ago")"; done
}

listed() {
    does 0 list --json || return 1
    jq -r '.backups[].id' <<<"$output"
}

# What is listed is all there, and whatever has a manifest is listed.
only_whole_backups() {
    does 0 list --json || return 1
    json '.unreadable == []' || return 1
    [[ $(jq '.backups | length' <<<"$output") == "$(find "$dir/repository/" -name backup.json | wc -l)" ]]
    does 0 verify --all
}

@test "a dry run explains, and --confirm does what it said" {
    local before said
    a_year
    export REDKEEP_KEEP_LAST=3 REDKEEP_KEEP_DAILY=7 REDKEEP_KEEP_WEEKLY=5 REDKEEP_KEEP_MONTHLY=12
    before=$(picture "$dir/repository")
    does 0 prune
    [[ $output == *"$id"*'keep     last 1 of 3, daily '*', newest proven'* ]]
    [[ $output == *'remove   no rule keeps it'* ]]
    [[ $output == *'nothing was changed; --confirm does it'* ]]
    does 0 prune --json
    json '.dry_run and .complete and .instance == "db-0" and .orphans == [] and .refused == []'
    json '(.kept | length) + (.removed | length) == 366 and .freed_bytes > 0'
    json '(.kept | length) >= 12 and (.kept | length) <= 27'
    json 'all(.kept[]; .because | length > 0)'
    [[ $(picture "$dir/repository") == "$before" ]]
    said=$(jq -c '[.kept, .removed, .freed_bytes]' <<<"$output")

    does 0 prune --confirm --json
    json '.dry_run == false'
    [[ $(jq -c '[.kept, .removed, .freed_bytes]' <<<"$output") == "$said" ]]
    listed >"$dir/listed"
    [[ $(jq -r '.[0][].id' <<<"$said") == "$(cat "$dir/listed")" ]]
    [[ $(find "$dir/repository/db-0/backups" -mindepth 1 -maxdepth 1 | wc -l) == "$(wc -l <"$dir/listed")" ]]
    only_whole_backups
    does 0 prune --confirm --json
    json '.removed == [] and .freed_bytes == 0'
    lose_volume
    server_kill
    restore
}

@test "days are those of the time zone" {
    server_start --appendonly no
    backup
    copy_as 20260102T233000Z-000000 # the third in Berlin
    copy_as 20260103T223000Z-000000 # also the third
    copy_as 20260103T230000Z-000000 # the fourth
    rm -r "$(object_dir "$id")"
    does 0 prune --json --keep-last off --keep-weekly off --keep-daily 2
    json '.removed == ["20260103T223000Z-000000"]'
    json '[.kept[].because[0]] == ["daily 2026-01-02", "daily 2026-01-03"]'
    does 0 prune --json --keep-last off --keep-weekly off --keep-daily 2 --timezone Europe/Berlin
    json '.removed == ["20260102T233000Z-000000"]'
    json '[.kept[].because[0]] == ["daily 2026-01-03", "daily 2026-01-04"]'
    refused 2 config prune --timezone Europe/Berlinn
    says 'there is no time zone'
}

@test "notes of verifications and records of restores do not pile up" {
    local n
    server_start --appendonly no
    backup
    server_kill
    for n in {01..20}; do
        echo '{}' >"$(object_dir "$id")/verified-202601${n}T120000Z-ok.json"
        echo '{}' >"$(object_dir "$id")/verified-202601${n}T130000Z-bad.json"
    done
    does 0 verify
    mkdir "$dir/repository/db-0/restores"
    for n in {100..249}; do
        echo '{}' >"$dir/repository/db-0/restores/20260101T120000Z-000$n.json"
    done
    does 0 prune
    [[ $output == *'would remove 39 old notes of verifications'* ]]
    [[ $output == *'would remove 50 old records of restores'* ]]
    does 0 prune --json
    json '.swept == {"notes": 39, "records": 50, "unfinished": 0}'
    does 0 prune --confirm --json
    json '.swept == {"notes": 39, "records": 50, "unfinished": 0} and .removed == []'
    (cd "$(object_dir "$id")" && [[ $(echo verified-*-bad.json) == verified-20260120T130000Z-bad.json ]] &&
        [[ $(echo verified-*-ok.json | wc -w) == 1 && ! -e verified-20260120T120000Z-ok.json ]])
    [[ $(find "$dir/repository/db-0/restores" -type f | wc -l) == 100 ]]
    [[ -e $dir/repository/db-0/restores/20260101T120000Z-000249.json ]]
    does 0 list --json
    json '.backups[0].verified_ok == true'
    does 0 prune --confirm --json
    json '.swept == {"notes": 0, "records": 0, "unfinished": 0}'
}

@test "what killed backups were writing is removed when it is older than a day" {
    local old new
    server_start --appendonly no
    backup
    old=$(object_dir 20260101T120000Z-000000)/.redkeep-0123456789abcdef.tmp
    new=$(object_dir "$id")/.redkeep-1123456789abcdef.tmp
    mkdir "$(dirname "$old")"
    head -c 1000 /dev/zero | tee "$old" >"$new"
    touch -d '25 hours ago' "$old"
    touch -d '23 hours ago' "$new"
    does 0 prune
    [[ $output == *'would remove 1 unfinished uploads'* && -e $old ]]
    does 0 prune --confirm --json
    json '.swept.unfinished == 1'
    [[ ! -e $(dirname "$old") && -e $new ]]
    only_whole_backups
}

@test "without a rule everything stays" {
    server_start --appendonly no
    backup
    copy_as 20200101T000000Z-000000
    does 0 prune --confirm --json --keep-last off --keep-daily off --keep-weekly off
    json '.removed == [] and (.kept | length) == 2'
    json '.kept[0].because == ["no rule is set, so all are kept"]'
    for bad in 5min 7 '1d1y' -1d; do
        refused 2 config prune "--keep-within=$bad"
        says 'months, as for restic'
    done
}

@test "a repository without backups is nothing to do" {
    does 0 prune --confirm --json
    json '.kept == [] and .removed == [] and .complete'
    does 0 prune
    refused 5 store prune --repository "file://$dir/nowhere"
}

@test "a FLUSHALL does not age out the good backups" {
    local good turn
    export REDKEEP_KEEP_LAST=1 REDKEEP_KEEP_DAILY=off REDKEEP_KEEP_WEEKLY=off
    server_start --appendonly no
    fill
    fingerprint >"$dir/before"
    backup
    good=$id
    cli FLUSHALL >/dev/null
    cli FUNCTION FLUSH >/dev/null
    for turn in 1 2 3; do
        backup
        [[ $turn != 1 || $stderr == *"$good"*'is kept from now on'* ]]
        [[ $turn == 1 || $stderr != *"$good"* ]]
        does 0 prune --confirm --json
        json '.kept[0].id == $good and any(.kept[0].because[]; startswith("pinned"))' --arg good "$good"
        json '(.kept | length) == 2'
    done
    does 0 list --json
    json '[.backups[].pinned] == [true, false]'
    does 0 list
    [[ $output == *"$good"*', pinned'* ]]
    jq -e '.why and .pinned_at and .next' "$(object_dir "$good")/pinned.json" >/dev/null

    server_kill
    lose_volume
    restore --backup "$good"
    server_start --appendonly no
    [[ $(fingerprint) == "$(cat "$dir/before")" ]]

    does 0 prune --accept-shrink --json
    json '.released == [$good] and .removed == [$good]' --arg good "$good"
    [[ -e $(object_dir "$good")/backup.json ]]
    does 0 prune --accept-shrink --confirm --json
    json '.released == [$good] and .removed == [$good]' --arg good "$good"
    [[ ! -e $(object_dir "$good") ]]
}

@test "what cannot be read, and what is from the future, stays" {
    local future corrupt newer
    server_start --appendonly no
    backup
    future=20991231T000000Z-000000 corrupt=20200101T000000Z-000000 newer=20200102T000000Z-000000
    for other in "$future" "$corrupt" "$newer" 20200103T000000Z-000000; do copy_as "$other"; done
    flip "$(object_dir $corrupt)/backup.json" 30
    sed -i 's/"format": 1,/"format": 2,/' "$(object_dir $newer)/backup.json"
    resign "$(object_dir $newer)/backup.json"
    echo mine >"$dir/repository/db-0/backups/readme"
    echo mine >"$(object_dir 20200103T000000Z-000000)/notes.txt"
    does 0 prune --confirm --json --keep-daily off --keep-weekly off --keep-last 1
    json '.removed == ["20200103T000000Z-000000"]'
    json '[.kept[].id] == [$corrupt, $newer, $id, $future]' --arg corrupt $corrupt --arg newer $newer \
        --arg id "$id" --arg future $future
    json '.kept[0].because[0] | contains("digest")'
    json '.kept[1].because[0] | contains("newer")'
    json '.kept[3].because == ["from the future: the clock was wrong, then or now"]'
    [[ -e $dir/repository/db-0/backups/readme ]]
    [[ $(ls "$(object_dir 20200103T000000Z-000000)") == notes.txt ]]
}

@test "ten thousand orphans are swept, and what is younger than a day is not" {
    in_memory
    server_start --appendonly no
    backup
    perl -e 'for (1 .. 10000) {
            my $d = sprintf "%s/20200101T000000Z-%06x", $ARGV[0], $_;
            mkdir $d; open my $f, ">", "$d/data.tar.zst"; print $f "x"; close $f;
            utime 1577836800, 1577836800, "$d/data.tar.zst";
        }' "$dir/repository/db-0/backups"
    mkdir "$(object_dir 20200102T000000Z-000000)"
    echo x >"$(object_dir 20200102T000000Z-000000)/data.tar.zst"
    does 0 prune --confirm --json
    json '(.orphans | length) == 10000 and .freed_bytes == 10000 and .removed == []'
    [[ $(find "$dir/repository/db-0/backups" -name data.tar.zst | wc -l) == 2 ]]
    only_whole_backups
}

@test "a prune killed at any removal leaves only whole backups, and the next one ends it" {
    local n other
    local -a others
    in_memory
    server_start --appendonly no
    fill 10
    backup
    others=(20200101T000000Z-000000 20200102T000000Z-000000)
    export REDKEEP_KEEP_LAST=1 REDKEEP_KEEP_DAILY=off REDKEEP_KEEP_WEEKLY=off
    for call in unlinkat fsync; do
        for ((n = 1; n < 100; n++)); do
            for other in "${others[@]}"; do
                rm -rf "$(object_dir "$other")"
                copy_as "$other"
            done
            ASAN_OPTIONS=detect_leaks=0 run strace -qq -o /dev/null -e trace=$call \
                -e "inject=$call:signal=KILL:when=$n" "$redkeep" prune --confirm
            [[ $status == 137 ]] || break
            only_whole_backups
            does 0 prune --confirm --json
            json '.complete'
            # an empty directory is no object
            [[ $(find "$dir/repository/db-0/backups" -type f | grep -v -c "/$id/") == 0 ]]
        done
        [[ $status == 0 ]]
        ((n > 4 && n < 100)) # the two objects of two folders, at least
    done
    only_whole_backups
}

@test "a directory that may not be written to loses nothing: exit 5" {
    local before
    server_start --appendonly no
    tmpfs "$dir/ro" size=100m
    export REDKEEP_REPOSITORY=file://$dir/ro
    rmdir "$dir/repository"
    ln -s ro "$dir/repository"
    backup
    copy_as 20200101T000000Z-000000
    copy_as 20200102T000000Z-000000
    mount -o remount,ro "$dir/ro"
    before=$(picture "$dir/ro")
    refused 5 store prune --confirm --json --keep-last 1 --keep-daily off --keep-weekly off
    says '2 removals were refused' 'Read-only file system'
    json '[.refused[].id] == ["20200101T000000Z-000000", "20200102T000000Z-000000"]'
    json '.removed == [] and .freed_bytes == 0 and .complete'
    [[ $(picture "$dir/ro") == "$before" ]]
}

# ---- S3 ----

# upload: what is in the file:// repository, so that it is the one in S3
upload() {
    local file
    export REDKEEP_REPOSITORY=file://$dir/repository
    server_start --appendonly no
    backup
    for other in "$@"; do copy_as "$other"; done
    while IFS= read -r file; do
        s3 PUT "/$prefix/${file#"$dir/repository/"}" -T "$file" >/dev/null
    done < <(find "$dir/repository/" -type f)
    export REDKEEP_REPOSITORY=s3://$bucket/$prefix
    export REDKEEP_KEEP_LAST=1 REDKEEP_KEEP_DAILY=off REDKEEP_KEEP_WEEKLY=off
}

# policy [ACTION RESOURCE]: denied to everybody; without them nothing is
policy() {
    (($# > 0)) || {
        s3 DELETE '?policy=' >/dev/null
        return
    }
    s3 PUT '?policy=' --data-binary '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny",
        "Principal": {"AWS": ["*"]}, "Action": ["'"$1"'"], "Resource": ["arn:aws:s3:::'"$2"'"]}]}' >/dev/null
}

# versions ID WHAT: how many of those a bucket has in the folder of that backup
versions() {
    s3 GET "?prefix=$prefix%2Fdb-0%2Fbackups%2F$1%2F&versions=" >"$dir/versions"
    grep -o "<$2>" "$dir/versions" | wc -l
}

@test "what a bucket's policy keeps from being deleted is named, and the rest is done" {
    local first=20200101T000000Z-000000 second=20200102T000000Z-000000
    in_s3
    upload $first $second
    policy s3:DeleteObject "$bucket/$prefix/db-0/backups/$first/*"
    refused 5 store prune --confirm --json
    says '1 removals were refused' "$first" 403
    json '.removed == [$second] and [.refused[].id] == [$first]' --arg first $first --arg second $second
    does 0 verify --all

    policy s3:DeleteObject "$bucket/*"
    copy=$(find "$(object_dir $second)" -type f)
    for file in $copy; do s3 PUT "/$prefix/${file#"$dir/repository/"}" -T "$file" >/dev/null; done
    refused 5 store prune --confirm --json
    says '2 removals were refused'
    json '.removed == [] and .freed_bytes == 0'
    does 0 verify --all
    policy
    does 0 prune --confirm --json
    json '(.removed | length) == 2 and .refused == []'
}

@test "an upload that is still new stays, and who may not look for them prunes all the same" {
    in_s3
    upload 20200101T000000Z-000000
    s3 POST "/$prefix/db-0/backups/20260101T120000Z-000000/data.tar.zst?uploads=" >/dev/null
    [[ $(open_uploads) == 1 ]]
    does 0 prune --confirm --json
    json '.swept.unfinished == 0 and (.removed | length) == 1'
    [[ $(open_uploads) == 1 ]]
    policy s3:ListBucketMultipartUploads "$bucket"
    does 0 prune --confirm --json
    json '.swept.unfinished == null and .refused == []'
    policy
}

@test "a versioned bucket keeps what was removed as older versions" {
    local first=20200101T000000Z-000000
    in_s3
    s3 PUT '?versioning=' -d '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'
    upload $first
    does 0 prune --confirm --json
    json '.removed == [$first]' --arg first $first
    [[ $(listed) == "$id" ]]
    [[ $(versions $first DeleteMarker) == 2 && $(versions $first Version) == 2 ]]
    does 0 prune --confirm --json
    json '.removed == [] and .orphans == []'
    s3 PUT '?versioning=' -d '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Suspended</Status></VersioningConfiguration>'
}

@test "a bucket with object lock lets nothing be lost, and says no more" {
    local first=20200101T000000Z-000000 bucket=locked
    in_s3
    s3 PUT '' -H 'x-amz-bucket-object-lock-enabled: true'
    s3 PUT '?object-lock=' -d '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>'
    upload $first
    does 0 prune --confirm --json
    json '.removed == [$first]' --arg first $first
    [[ $(listed) == "$id" ]]
    [[ $(versions $first Version) == 2 ]]
    does 0 verify
}

@test "the credentials of a sidecar with prune off need no right to delete" {
    in_s3
    policy s3:DeleteObject "$bucket/*"
    server_start --appendonly no
    fill 10
    backup
    cli FLUSHALL >/dev/null
    backup
    does 0 list --json
    json '[.backups[].pinned] == [true, false]'
    does 0 verify --all
    policy
}
