#!/usr/bin/env bats
# Whatever is wrong with the settings, the repository, the volume, the server or the disk: the exit
# code of the documentation, a message that says what was attempted, on what, and why it failed, and
# nothing changed.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup_file() {
    s3_up
    # two backups to spoil, the first with one key less
    export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    world
    server_start --appendonly no
    fill 300
    backup
    echo "$id" >"$dir/older"
    until_true is_new_second "$id"
    cli SET one more >/dev/null
    backup
    echo "$id" >"$dir/newer"
    server_kill
    lose_volume
    # two stores that never answer, asked while the other tests run
    black_hole >"$dir/hole.port"
    for kind in deaf mute; do ask_the_hole "$kind"; done
}

teardown_file() {
    export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    pids=$BATS_FILE_TMPDIR/pids
    end_world
    s3_down
}

setup() {
    world
}

teardown() {
    end_world
}

is_new_second() {
    [[ $(date -u +%Y%m%dT%H%M%SZ) > ${1%-*} ]]
}

# spoiled_repository: copies of the two backups; $older, $newer, and $object: the newer's directory
spoiled_repository() {
    rm -rf "$dir/repository"
    cp -a "$BATS_FILE_TMPDIR/repository" "$dir"
    older=$(cat "$BATS_FILE_TMPDIR/older")
    newer=$(cat "$BATS_FILE_TMPDIR/newer")
    object=$(object_dir "$newer")
}

# Ports of two that listen: one never accepts (its queue is full), one accepts and says nothing.
black_hole() {
    local ready=$BATS_FILE_TMPDIR/hole.ready

    perl -MSocket -MFcntl -e '
        sub listener {
            socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
            bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
            listen($s, $_[0]) or die;
            return $s;
        }
        my $deaf = listener(0);
        my $mute = listener(9);
        my @kept;
        for (1 .. 4) {    # fills the queue; the last ones are never answered
            socket(my $c, PF_INET, SOCK_STREAM, 0) or die;
            fcntl($c, F_SETFL, O_NONBLOCK) or die;
            connect($c, getsockname($deaf));
            push @kept, $c;
        }
        open(my $ready, ">", $ARGV[0]) or die;
        print $ready ((sockaddr_in(getsockname($_)))[0], "\n") for $deaf, $mute;
        close $ready;
        while (accept(my $c, $mute)) { push @kept, $c; }
    ' "$ready" >/dev/null 2>&1 3>&- &
    echo "$!" >>"$pids"
    until_true test -s "$ready"
    cat "$ready"
}

# ask_the_hole deaf|mute
ask_the_hole() {
    local line=1

    [[ $1 == deaf ]] || line=2
    mkdir "$dir/$1"
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(sed -n "${line}p" "$dir/hole.port") \
        AWS_ACCESS_KEY_ID=$access_key AWS_SECRET_ACCESS_KEY=$secret_key \
        "$redkeep" restore --if-backup-exists --if-empty --repository s3://bucket/prefix \
        --data-dir "$dir/$1" </dev/null >"$dir/$1.out" 2>"$dir/$1.err" 3>&- &
    echo "$!" >>"$pids"
    echo "$!" >"$dir/$1.pid"
}

# What lies in the repository, but for what a verification notes beside a backup.
stored() {
    picture "$dir/repository" | grep -v '/verified-[^/]*$\|/verified-[^/]* f '
}

# unmoved COMMAND...: it succeeds, and leaves volume and repository as they were
unmoved() {
    local volume repository
    volume=$(picture "$data")
    repository=$(stored)
    "$@" || return 1
    diff <(echo "$volume") <(picture "$data") && diff <(echo "$repository") <(stored)
}

# ---- settings ----

@test "a misspelt setting is refused before anything is touched" {
    spoiled_repository
    unmoved refused 2 config restore --data-dri "$data"
    says --data-dri --data-dir
    REDKEEP_REPOSTORY=x unmoved refused 2 config restore
    says REDKEEP_REPOSTORY REDKEEP_REPOSITORY
    REDKEEP_INSTANCE_FIEL=x unmoved refused 2 config restore
    says REDKEEP_INSTANCE_FIEL REDKEEP_INSTANCE
    echo 'compresion-level 3' >"$dir/redkeep.conf"
    unmoved refused 2 config restore --config "$dir/redkeep.conf"
    says compresion-level compression-level "line 1"
}

@test "a value that a setting cannot have names the setting" {
    for pair in compression-level=99 part-size=1KiB part-size=x backup-include=rdb,foo \
        appendonly=maybe restore-owner=nobody:x:y redis-url=http://h instance=a/b \
        save-timeout=soon bandwidth-limit=-1 dbfilename=../x repository=ftp://h/x; do
        unmoved refused 2 config restore "--${pair%%=*}" "${pair#*=}"
        says "${pair%%=*}"
    done
}

@test "options that exclude each other, and ids that are none" {
    spoiled_repository
    for wrong in "--force --if-empty" "--backup $newer --at 2030-01-01T00:00:00Z" "--backup latst" \
        "--at yesterday" "--nonsense" "superfluous"; do
        # shellcheck disable=SC2086 # several words
        unmoved refused 2 config restore $wrong
    done
    unmoved refused 2 config verify --all "$newer"
    unmoved refused 2 config verify ../../etc
}

@test "without a repository nothing begins" {
    unset REDKEEP_REPOSITORY
    for command in backup restore list verify; do
        unmoved refused 2 config "$command"
        says repository HINT
    done
}

# ---- repositories ----

@test "an empty repository has nothing to restore, and says so" {
    unmoved refused 3 not-found restore
    says "no backup" db-0
    unmoved does 0 restore --if-backup-exists --json
    json '.restored == false and .reason == "no-backup" and .backup == null'
    unmoved refused 3 not-found verify
    unmoved does 0 verify --all --json
    json '.results == []'
    unmoved does 0 list --json
    json '.backups == [] and .instance == "db-0"'
}

@test "an empty repository in S3 as well" {
    in_s3
    unmoved refused 3 not-found restore
    unmoved does 0 restore --if-backup-exists --json
    json '.reason == "no-backup"'
    does 0 list --json
    json '.backups == []'
}

@test "another instance's backups are not ours, but they are named" {
    spoiled_repository
    unmoved refused 3 not-found restore --instance db-1
    says db-1 db-0 HINT
    unmoved refused 3 not-found restore --backup 20200101T000000Z-abcdef
    says 20200101T000000Z-abcdef
}

@test "a file:// repository that is not there is unreachable, never empty" {
    rmdir "$dir/repository"
    for arguments in backup restore list verify "restore --if-backup-exists" \
        "restore --if-backup-exists --if-empty"; do
        # shellcheck disable=SC2086 # several words
        refused 5 store $arguments
        says "$dir/repository"
        [[ ! -e $dir/repository && -z $(ls -A "$data") ]]
    done
    echo "a file" >"$dir/repository"
    refused 5 store restore --if-backup-exists
}

# everything_refused TEXT...: by the store, whatever is asked of it
everything_refused() {
    for arguments in list restore "restore --if-backup-exists --if-empty" verify backup; do
        # shellcheck disable=SC2086 # several words
        unmoved refused 5 store $arguments
        says "$@"
    done
}

@test "a store that refuses connections is unreachable" {
    in_s3
    export AWS_ENDPOINT_URL_S3
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(free_port)
    for arguments in list "restore --if-backup-exists --if-empty" backup; do
        # shellcheck disable=SC2086 # several words
        unmoved refused 5 store $arguments
        says "s3://$bucket" 127.0.0.1 HINT
    done
    AWS_ENDPOINT_URL_S3=http://no-such-host.invalid
    unmoved refused 5 store restore --if-backup-exists
    says no-such-host.invalid HINT
}

@test "a bucket that is not there, a wrong key, a wrong secret, a wrong token: all refused" {
    in_s3
    REDKEEP_REPOSITORY=s3://no-such-bucket/x everything_refused no-such-bucket NoSuchBucket HINT
    AWS_ACCESS_KEY_ID=WRONGKEY00000000000 everything_refused "s3://$bucket" 403 HINT
    AWS_SECRET_ACCESS_KEY=wrong everything_refused "s3://$bucket" 403 HINT
    AWS_SESSION_TOKEN=worn-out everything_refused "s3://$bucket" HINT
}

@test "no keys at all is said as such" {
    in_s3
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    export HOME=$dir
    unmoved does 5 list || unmoved does 2 list
    [[ $stderr == *AWS_ACCESS_KEY_ID* ]]
}

# ---- volumes ----

# full_volume WHAT: a volume with data of that kind
full_volume() {
    lose_volume
    case $1 in
    dump) head -c 300 /dev/urandom >"$data/dump.rdb" ;;
    empty-dump) : >"$data/dump.rdb" ;;
    other-dump) cp "$(object_dir "$newer")/backup.json" "$data/yesterday.rdb" ;;
    old-aof) echo '*1' >"$data/appendonly.aof" ;;
    aof)
        mkdir "$data/appendonlydir"
        echo 'file appendonly.aof.1.incr.aof seq 1 type i' >"$data/appendonlydir/appendonly.aof.manifest"
        printf '*1\r\n$4\r\nPING\r\n' >"$data/appendonlydir/appendonly.aof.1.incr.aof"
        ;;
    aof-without-manifest)
        mkdir "$data/appendonlydir"
        echo x >"$data/appendonlydir/appendonly.aof.1.incr.aof"
        ;;
    esac
}

@test "a volume that holds data is never touched" {
    spoiled_repository
    for kind in dump empty-dump other-dump old-aof aof aof-without-manifest; do
        full_volume "$kind"
        unmoved refused 4 holds-data restore
        says "$data" HINT
        unmoved refused 4 holds-data restore --dry-run
        unmoved does 0 restore --if-empty --json
        json '.restored == false and .reason == "volume-holds-data"'
    done
}

@test "a volume that holds data comes up while the store is down" {
    full_volume dump
    rmdir "$dir/repository"
    mkdir "$dir/elsewhere"
    does 0 restore --if-empty --json
    json '.reason == "volume-holds-data"'
    in_s3
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(free_port)
    does 0 restore --if-empty
    rm "$data/dump.rdb"
    refused 5 store restore --if-empty
}

@test "what stands in the way is moved aside with --force, and named" {
    spoiled_repository
    full_volume dump
    was=$(sha256sum <"$data/dump.rdb")
    does 0 restore --force --json
    json '.restored'
    aside=$data/$(jq -r .moved_aside <<<"$output")
    [[ $(sha256sum <"$aside/dump.rdb") == "$was" ]]
    server_start --appendonly yes
    [[ $(cli GET one) == more ]]
}

@test "a server that runs on the directory keeps a restore away" {
    spoiled_repository
    server_start --appendonly no --save ''
    unmoved refused 4 holds-data restore
    says running HINT
    unmoved refused 4 holds-data restore --force
}

@test "a data directory that is a file, or is not there" {
    spoiled_repository
    echo "a file" >"$dir/file"
    for place in "$dir/file" "$dir/nowhere" "$dir/file/below"; do
        unmoved refused 1 failed restore --data-dir "$place"
        says "$place"
        unmoved refused 1 failed restore --target "$dir/file"
        says "$dir/file"
    done
    refused 1 failed restore --data-dir "$dir/nowhere"
    says "HINT: mount the server's volume"
    refused 1 failed guard --data-dir "$dir/nowhere"
    says "HINT: mount the server's volume"
    refused 2 config run --data-dir "$dir/nowhere"
    says "HINT: mount the server's volume"
    [[ ! -e $dir/nowhere && $(cat "$dir/file") == "a file" ]]
    server_start --appendonly no
    unmoved refused 1 failed backup --data-dir "$dir/file"
    says "$dir/file"
    refused 1 failed backup --data-dir "$dir/nowhere"
    says "HINT: mount the server's volume"
}

@test "a directory that cannot be written to" {
    spoiled_repository
    tmpfs "$dir/frozen" size=8m
    mount -o remount,ro "$dir/frozen"
    unmoved refused 1 failed restore --data-dir "$dir/frozen"
    says "$dir/frozen" "Read-only" HINT
    server_start --appendonly no
    refused 5 store backup --repository "file://$dir/frozen"
    says "$dir/frozen" "Read-only"
}

@test "a volume without room is refused before the first byte is fetched" {
    spoiled_repository
    rm "$object/data.tar.zst" # whoever wanted it would say that it is not there
    tmpfs "$dir/small" size=1m
    refused 1 failed restore --data-dir "$dir/small"
    says "$dir/small" free HINT "nothing was fetched"
    [[ -z $(ls -A "$dir/small") ]]
}

@test "a volume that fills up meanwhile is left empty" {
    spoiled_repository
    for error in ENOSPC EIO EDQUOT; do
        for call in write pwrite64 fsync mkdirat openat linkat; do
            when=1
            [[ $call != openat ]] || when=$(first_open .redkeep-restore.partial)
            lose_volume
            ASAN_OPTIONS=detect_leaks=0 run strace -qq -o "$dir/trace" \
                -e inject="$call:error=$error:when=$when" "$redkeep" restore --json
            [[ $status == 1 || ($status == 0 && -f $data/dump.rdb) ]] || { show; return 1; }
            no_leftovers
            [[ $status == 0 || -z $(ls -A "$data") ]]
        done
    done
}

# first_open NAME: which of the openat calls of a restore is the first that names it
first_open() {
    lose_volume
    ASAN_OPTIONS=detect_leaks=0 strace -qq -e trace=openat -o "$dir/trace" "$redkeep" restore \
        >/dev/null 2>&1
    grep '^openat(' "$dir/trace" | grep -n -m 1 -F "$1" | cut -d : -f 1
}

@test "a repository that fills up leaves no backup and no part of one" {
    server_start --appendonly no
    head -c 3000000 /dev/urandom | cli -x SET big >/dev/null
    tmpfs "$dir/small" size=1m
    refused 1 failed backup --repository "file://$dir/small"
    says "$dir/small" "No space"
    [[ -z $(find "$dir/small" -type f) ]]
    does 0 list --json --repository "file://$dir/small"
    json '.backups == []'
}

@test "a save that may not fit is not started" {
    tmpfs "$dir/tiny" size=256k
    data=$dir/tiny REDKEEP_DATA_DIR=$dir/tiny
    server_start --appendonly no
    refused 1 failed backup
    says "no save was started" HINT
    [[ $(info rdb_last_bgsave_status) == ok && $(info rdb_saves) == 0 ]]
    [[ $(cli SET a b) == OK ]]
}

# ---- bytes that are not what they were ----

# steps_back: the newer backup is of no use, the older one is
steps_back() {
    local -x REDKEEP_SERVER_VERSION
    for_own_server

    lose_volume
    restore || return 1
    json '.backup == $older and (.skipped | length) == 1 and .skipped[0].id == $newer
        and (.skipped[0].why | length) > 10' --arg older "$older" --arg newer "$newer" || return 1
    lose_volume
    unmoved refused 6 corrupt restore --backup "$newer" && says "$newer" || return 1
    unmoved refused 6 corrupt verify "$newer"
}

# damage HOW FILE
damage() {
    local size
    size=$(stat -c %s "$2")
    case $1 in
    first | last | cut-end) ;;&
    first) flip "$2" 0 ;;
    last) flip "$2" $((size - 1)) ;;
    cut-end) truncate -s -1 "$2" ;;
    quarter) flip "$2" $((size / 4)) ;;
    half) flip "$2" $((size / 2)) ;;
    most) flip "$2" $((size * 9 / 10)) ;;
    cut-half) truncate -s $((size / 2)) "$2" ;;
    empty) truncate -s 0 "$2" ;;
    gone) rm "$2" ;;
    zeros) dd if=/dev/zero of="$2" bs=64 seek=$((size / 128)) count=1 conv=notrunc status=none ;;
    other) head -c "$size" /dev/urandom >"$2" ;;
    esac
}

@test "a damaged data.tar.zst costs one step back" {
    for how in first quarter half most last cut-end cut-half empty gone zeros other; do
        spoiled_repository
        damage "$how" "$object/data.tar.zst"
        steps_back
    done
}

@test "a damaged backup.json costs one step back" {
    for how in first quarter half most last cut-end cut-half empty zeros other; do
        spoiled_repository
        damage "$how" "$object/backup.json"
        steps_back
        does 0 list --json
        json '([.backups[].id] == [$older]) and ([.unreadable[].id] == [$newer])' \
            --arg older "$older" --arg newer "$newer"
    done
}

@test "when nothing older helps, it says so and restores nothing" {
    spoiled_repository
    rm -r "$(object_dir "$older")"
    for file in data.tar.zst backup.json; do
        cp "$object/$file" "$dir/whole"
        damage half "$object/$file"
        unmoved refused 6 corrupt restore
        says "$newer" HINT
        unmoved refused 6 corrupt restore --if-empty --if-backup-exists
        cp "$dir/whole" "$object/$file"
    done
    spoiled_repository
    damage half "$object/data.tar.zst"
    damage half "$(object_dir "$older")/data.tar.zst"
    unmoved refused 6 corrupt restore --json
    json '[.skipped[].id] == [$newer, $older]' --arg older "$older" --arg newer "$newer"
    refused 6 corrupt verify --all --json
    json '[.results[].ok] == [false, false]'
}

@test "damage in S3 costs one step back as well" {
    in_s3
    older=$(cat "$BATS_FILE_TMPDIR/older")
    newer=$(cat "$BATS_FILE_TMPDIR/newer")
    for how in half last cut-end gone; do
        for file in data.tar.zst backup.json; do
            [[ $how$file != gonebackup.json ]] || continue
            put_all
            cp "$BATS_FILE_TMPDIR/repository/db-0/backups/$newer/$file" "$dir/object"
            damage "$how" "$dir/object"
            if [[ $how == gone ]]; then
                s3 DELETE "/$prefix/db-0/backups/$newer/$file"
            else
                s3 PUT "/$prefix/db-0/backups/$newer/$file" -T "$dir/object"
            fi
            steps_back
        done
    done
}

# put_all: the two backups, as they are, into the bucket
put_all() {
    local file
    (cd "$BATS_FILE_TMPDIR/repository" && find . -type f) | while read -r file; do
        s3 PUT "/$prefix/${file#./}" -T "$BATS_FILE_TMPDIR/repository/$file"
    done
}

@test "every byte of a small backup is proven" {
    server_start --appendonly no
    backup
    object=$(object_dir "$id")
    does 0 verify "$id"
    for file in data.tar.zst backup.json; do
        size=$(stat -c %s "$object/$file")
        for ((at = 0; at < size; at += 1 + size / 30)); do
            cp "$object/$file" "$dir/whole"
            flip "$object/$file" "$at"
            refused 6 corrupt verify "$id"
            cp "$dir/whole" "$object/$file"
        done
    done
    does 0 verify "$id"
}

@test "manifests of two backups that were swapped are noticed" {
    spoiled_repository
    cp "$(object_dir "$older")/backup.json" "$object/backup.json"
    steps_back
    spoiled_repository
    cp "$(object_dir "$older")/data.tar.zst" "$object/data.tar.zst"
    steps_back
}

# ---- who can write to the repository can do more ----

# forge FILTER: changes the newer manifest and gives it a good digest
forge() {
    jq "$1" "$object/backup.json" >"$dir/forged" && resign "$dir/forged"
    cp "$dir/forged" "$object/backup.json"
}

# forge_data TAR: puts that archive into the newer backup, all sizes and digests as they should be
forge_data() {
    zstd -q -f "$1" -o "$object/data.tar.zst"
    forge "(.object.size, .stored_bytes) = $(stat -c %s "$object/data.tar.zst") | del(.object.part_crc64) | .object.part_sha256 =
        [\"$(sha256sum <"$object/data.tar.zst" | cut -c 1-64)\"]"
}

@test "a forged archive writes nothing outside the volume" {
    for kind in parent absolute symlink through-symlink hardlink fifo device more; do
        spoiled_repository
        rm -rf "$dir/tar" "$dir/outside"
        mkdir "$dir/tar" "$dir/outside"
        zstd -q -d -c "$object/data.tar.zst" | tar -x -C "$dir/tar"
        forged_tar "$kind"
        forge_data "$dir/forged.tar"
        steps_back
        [[ -z $(ls -A "$dir/outside") ]]
        [[ -z $(find "$dir" -name evil -not -path "$dir/tar/*") ]]
    done
}

# forged_tar KIND: $dir/forged.tar from $dir/tar
forged_tar() {
    cd "$dir/tar" || return 1
    case $1 in
    parent)
        echo x >evil
        tar -c -P -f ../forged.tar --transform 's,^evil$,../evil,' dump.rdb evil
        ;;
    absolute)
        echo x >evil
        tar -c -P -f ../forged.tar --transform "s,^evil\$,$dir/outside/evil," dump.rdb evil
        ;;
    symlink)
        mv dump.rdb ../outside.rdb && ln -s ../outside.rdb dump.rdb
        tar -c -f ../forged.tar dump.rdb
        rm ../outside.rdb
        ;;
    through-symlink)
        ln -s "$dir/outside" appendonlydir
        tar -c -f ../forged.tar dump.rdb appendonlydir
        rm appendonlydir && mkdir appendonlydir && echo x >appendonlydir/evil
        tar -r -f ../forged.tar appendonlydir/evil
        ;;
    hardlink)
        ln dump.rdb second
        tar -c -f ../forged.tar dump.rdb second
        ;;
    fifo) mkfifo pipe && tar -c -f ../forged.tar dump.rdb pipe ;;
    device) mknod null c 1 3 && tar -c -f ../forged.tar dump.rdb null ;;
    more) echo x >evil && tar -c -f ../forged.tar dump.rdb evil ;;
    esac
    cd "$BATS_TEST_DIRNAME/../.." || return 1
}

@test "a forged manifest names nothing outside its place" {
    for filter in '.files[0].name = "../evil"' '.files[0].name = "/etc/evil"' \
        '.files += [.files[0]]' '.files[0].size += 1' '.files[0].crc64 = "0000000000000001"' \
        '.object.key = "../../x/data.tar.zst"' '.object.part_size = 0' \
        '.object.size = 9223372036854775807' '.object.part_sha256 = []' '.files = []' \
        '.settings.dbfilename = "../x"' '.settings.appenddirname = "."' \
        '.id = "20200101T000000Z-abcdef"' '.instance = "db-1"' 'del(.server)' '.format = "1"' \
        '.rdb_version = 1e300' '.created_at = 5 | .forked_at = 5'; do
        spoiled_repository
        forge "$filter"
        steps_back || { echo "forged: $filter"; return 1; }
        [[ ! -e $dir/evil && ! -e $dir/x ]]
    done
}

@test "a backup that is too new for its target is refused, and no older one put in its place" {
    spoiled_repository
    forge '.rdb_version = 99 | .server.version = "99.1.0"'
    rm "$object/data.tar.zst"
    unmoved refused 9 too-new restore --if-empty
    says "$newer" 99 HINT "nothing was fetched" "$(own_version)"
    unmoved refused 9 too-new restore --dry-run
    unmoved refused 9 too-new restore --server-version 7.4
    restore --backup "$older"
    lose_volume
    spoiled_repository
    unmoved refused 9 too-new restore --server-version 6.2
    says 6.2
}

@test "a manifest from the future is refused as such" {
    spoiled_repository
    forge '.format = 99'
    unmoved refused 9 too-new restore
    says "$newer" format 99 HINT
    spoiled_repository
    forge '.files[0].kind = "shell"'
    unmoved refused 9 too-new restore
    says "$newer" shell HINT
    spoiled_repository
    forge '.format = 99'
    does 0 list --json
    json '.unreadable | length == 1'
    spoiled_repository
    forge '.encryption = {"method": "age"}'
    unmoved refused 9 too-new restore
    says encrypted HINT
}

# ---- the server ----

@test "a server that is down" {
    unmoved refused 7 server backup
    says "$socket"
    unmoved refused 7 server backup --redis-url "redis://127.0.0.1:$(free_port)"
    says 127.0.0.1
    unmoved refused 7 server backup --redis-url redis://no-such-host.invalid
    says no-such-host.invalid
}

@test "a wrong password, none, and a wrong user" {
    server_start --appendonly no
    cli CONFIG SET requirepass opensesame >/dev/null
    for wrong in "REDIS_PASSWORD=sesame" "LOG_LEVEL=info" "REDIS_USERNAME=nobody"; do
        export "REDKEEP_${wrong?}"
        unmoved refused 7 server backup
        says "$socket" HINT
        unset "REDKEEP_${wrong%%=*}"
    done
    REDKEEP_REDIS_PASSWORD=opensesame does 0 backup
}

@test "the least user of all does, and one that lacks BGSAVE is told what is missing" {
    server_start --appendonly yes
    fill 10
    cli ACL SETUSER sidecar reset on '>s3cret' resetkeys resetchannels -@all +ping +info +bgsave \
        +lastsave '+config|get' +time +role '+client|setname' +bgrewriteaof >/dev/null
    export REDKEEP_REDIS_USERNAME=sidecar REDKEEP_REDIS_PASSWORD=s3cret
    backup --backup-include rdb,aof,acl
    json '.proven and .keys > 10'
    cli ACL SETUSER sidecar -bgsave >/dev/null
    unmoved refused 7 server backup
    says BGSAVE HINT
    cli ACL SETUSER sidecar +bgsave -info >/dev/null
    unmoved refused 7 server backup
    says INFO HINT
}

@test "a server that is still loading" {
    loads_slowly --appendonly no
    until_true info_is loading 1
    unmoved refused 7 server backup
    says loading HINT
}

@test "a data directory that is not the server's" {
    server_start --appendonly no
    mkdir "$dir/other"
    refused 7 server backup --data-dir "$dir/other"
    says "$dir/other" "$data" HINT
    does 0 list --json
    json '.backups == []'
}

@test "two at once: the later one is told" {
    spoiled_repository
    server_start --appendonly no
    fill 3000
    saves_slowly 1000
    launch backup --json
    hold_save
    refused 8 busy backup
    says "$data"
    refused 8 busy restore
    says "$data"
    let_save_go
    ended 0
    json '.proven'
    saves_slowly 0
    does 0 backup
}

@test "a server without checksums is backed up, and said to be unproven" {
    server_start --appendonly no --rdbchecksum no
    fill 100
    before=$(fingerprint)
    backup
    json '.proven == false and (.unproven_why | contains("rdbchecksum"))'
    does 0 list --json
    json '.backups[0].proven == false'
    does 0 backup
    [[ $output == *"NOT proven"* ]]
    does 0 verify
    [[ $output == *"  ok (unproven: "*"rdbchecksum"* ]]
    does 0 verify --json
    json '.results[0].ok and (.results[0].why | startswith("unproven: "))'
    server_kill
    lose_volume
    restore
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
}

@test "a dump of 0 bytes on the server's disk does no harm" {
    server_start --appendonly no
    : >"$data/dump.rdb"
    cli SET a b >/dev/null
    backup
    json '.keys == 1'
}

@test "AOF alone of a server without AOF is nothing to back up" {
    server_start --appendonly no
    unmoved refused 2 config backup --backup-include aof
    says appendonly HINT
}

@test "an AOF alone is not laid out for a server that would not load it" {
    server_start --appendonly yes
    fill 10
    backup --backup-include aof
    server_kill
    lose_volume
    unmoved refused 2 config restore --appendonly no
    says "$id" appendonly HINT
}

# ---- what everybody may read ----

@test "secrets reach no output, no argument, and not the repository" {
    in_s3
    export REDKEEP_REDIS_PASSWORD=open-sesame-1234 REDKEEP_LOG_LEVEL=debug
    server_start --appendonly no
    fill 3000
    saves_slowly 1000
    cli CONFIG SET requirepass "$REDKEEP_REDIS_PASSWORD" >/dev/null
    launch backup --json
    hold_save
    tr '\0' ' ' <"/proc/$job/cmdline" >"$dir/said"
    let_save_go
    ended 0
    echo "$output$stderr" >>"$dir/said"
    id=$(jq -r .id <<<"$output")
    for arguments in list "list --json" verify config "config --json" "restore --json" \
        "restore --target $dir/new" "backup --redis-url redis://127.0.0.1:$(free_port)"; do
        # shellcheck disable=SC2086 # several words
        run timeout 300 "$redkeep" $arguments
        echo "$output" >>"$dir/said"
    done
    for wrong in REDKEEP_REDIS_PASSWORD=wrong-word-99 AWS_SECRET_ACCESS_KEY=wrong-secret-99 \
        AWS_SESSION_TOKEN=wrong-token-99 REDKEEP_REPOSITORY=s3://no-such-bucket/x; do
        run env "$wrong" timeout 300 "$redkeep" backup
        [[ $status != 0 ]]
        echo "$output" >>"$dir/said"
    done
    s3 GET "/$prefix/db-0/backups/$id/backup.json" >>"$dir/said"
    [[ $(wc -l <"$dir/said") -gt 50 ]]
    run -1 grep -F -e open-sesame -e "$secret_key" -e wrong-word -e wrong-secret -e wrong-token "$dir/said"
}

@test "answers hold what they promise" {
    server_start --appendonly no
    fill 50
    backup
    json '(.id | test("^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$")) and .format == 1 and .instance == "db-0"
        and ([.created_at, .asked_at, .forked_at, .stored_at] | all(test("^20.*Z$")))
        and .server == (.server | .name = $name | .version = $version)
        and .rdb_magic == $magic and .rdb_version == $rdb_version and .proven and .unproven_why == null
        and .keys == ([.databases[].keys] | add) and .size_bytes == ([.files[].size] | add)
        and (.digest | test("^sha256:[0-9a-f]{64}$")) and .encryption == null' \
        --arg name "$(own_name)" --arg version "$(own_version)" \
        --arg magic "$(head -c 9 "$data/dump.rdb" | tr -d 0-9)" \
        --argjson rdb_version "$(head -c 9 "$data/dump.rdb" | tr -d '[:upper:]' | sed 's/^0*//')"
    cmp <(echo "$output") "$(object_dir "$id")/backup.json"
    does 0 list --json
    json '.instance == "db-0" and .moments == [] and (.backups[0] | has("id") and has("created_at")
        and has("keys") and has("size_bytes") and has("stored_bytes") and has("server")
        and has("rdb_version") and has("proven") and has("verified_at") and has("encrypted")
        and has("pinned"))'
    does 0 verify --json
    json '.results[0] | .ok and .walked and .why == null and .keys > 50 and .seconds >= 0'
    server_kill
    lose_volume
    does 0 restore --json
    json '.restored and .reason == "restored" and .backup == $id and (.restored_to | test("Z$"))
        and .keys > 50 and .size_bytes > 0 and (.files | sort) == ["appendonlydir/appendonly.aof.1.base.rdb",
        "appendonlydir/appendonly.aof.manifest", "dump.rdb"] and .skipped == [] and .seconds >= 0' \
        --arg id "$id"
    refused 4 holds-data restore --json
    json '.restored == false and .reason == "volume-holds-data" and .backup == null'
}

# ---- stores that never answer ----

@test "a store that never takes a connection is unreachable" {
    job=$(cat "$BATS_FILE_TMPDIR/deaf.pid")
    until_true is_gone "$job"
    message=$(tail -n 1 "$BATS_FILE_TMPDIR/deaf.err" | jq -r 'select(.kind == "store") | .msg + " HINT: " + .hint')
    says s3://bucket 127.0.0.1 HINT
    [[ -z $(ls -A "$BATS_FILE_TMPDIR/deaf") ]]
}

@test "a store that never answers can be given up by a signal" {
    job=$(cat "$BATS_FILE_TMPDIR/mute.pid")
    kill -TERM "$job" 2>/dev/null || true
    until_true is_gone "$job"
    tail -n 1 "$BATS_FILE_TMPDIR/mute.err" | true_of '.level == "error"'
    [[ -z $(ls -A "$BATS_FILE_TMPDIR/mute") ]]
}
