#!/usr/bin/env bats
# FORMAT.md keeps its word: its own lines of shell restore a backup without redkeep, and it tells of
# every field of a manifest.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    page=$BATS_TEST_DIRNAME/../../FORMAT.md
    sed -n '/^```bash$/,/^```$/p' "$page" | grep -v '^```' >"$dir/recipe"
}

teardown() {
    end_world
}

# follow_recipe BACKUP: into $data
follow_recipe() {
    BACKUP=$1 DATA=$data run bash -e -o pipefail "$dir/recipe"
}

@test "the recipe has five lines" {
    [[ $(wc -l <"$dir/recipe") == 5 ]]
}

# restores_by_hand SERVER "APPENDONLY..." INCLUDE: of a server that runs with these options
restores_by_hand() {
    local appendonly

    # shellcheck disable=SC2086 # several options
    filled_server $1
    before=$(fingerprint)
    backup --backup-include "$3" --part-size 5MiB
    server_kill
    for appendonly in $2; do
        lose_volume
        follow_recipe "$(object_dir "$id")"
        [[ $status == 0 ]] || { show; return 1; }
        server_start --appendonly "$appendonly"
        diff <(echo "$before") <(fingerprint)
        server_kill
    done
}

@test "a dump is restored by hand, for both kinds of server" {
    restores_by_hand "--appendonly no" "yes no" rdb,acl
}

@test "dump and AOF are restored by hand" {
    restores_by_hand "--appendonly yes" "yes no" rdb,aof
}

@test "an AOF alone is restored by hand" {
    restores_by_hand "--appendonly yes --aof-use-rdb-preamble no" yes aof
}

@test "data of several parts and frames is restored by hand" {
    server_start --appendonly no
    head -c 12000000 /dev/urandom | cli -x SET random >/dev/null
    before=$(fingerprint)
    backup
    json '.object.part_sha256 | length > 1'
    server_kill
    lose_volume
    follow_recipe "$(object_dir "$id")"
    [[ $status == 0 ]]
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
}

@test "the recipe notices a changed byte in either object" {
    server_start --appendonly no
    fill 20
    backup
    server_kill
    lose_volume
    for file in backup.json data.tar.zst; do
        cp "$(object_dir "$id")/$file" "$dir/whole"
        flip "$(object_dir "$id")/$file" 300
        follow_recipe "$(object_dir "$id")"
        [[ $status != 0 && -z $(ls -A "$data") ]]
        cp "$dir/whole" "$(object_dir "$id")/$file"
    done
    follow_recipe "$(object_dir "$id")"
    [[ $status == 0 ]]
}

@test "the page tells of every field of a manifest, and of none that is not there" {
    server_start --appendonly yes
    fill 20
    backup --backup-include rdb,aof
    jq -r '[paths(type != "object" and type != "array" or . == [])
        | map(if type == "number" then "[]" else "." + . end) | join("")[1:]] | unique[]' \
        "$(object_dir "$id")/backup.json" | sort >"$dir/written"
    sed -n '/^## backup.json/,/^## [^b]/p' "$page" | grep '^| `' | cut -d '|' -f 2 |
        grep -o '`[^`]*`' | tr -d '`' | sort >"$dir/told"
    comm -23 "$dir/written" "$dir/told" | tee "$dir/untold"
    [[ ! -s $dir/untold ]]
    comm -13 "$dir/written" "$dir/told" | tee "$dir/unwritten"
    [[ ! -s $dir/unwritten ]]
}
