#!/usr/bin/env bats
# Every trap with a real server: alone it loses the data, or does not start; after `guard --fix`, or by
# following what `guard` says, it does not.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154,SC2317 # helpers.bash sets and reads; functions are handed over

load helpers

setup() {
    world
    unset REDKEEP_REPOSITORY # guard needs none
    for_own_server
    export REDKEEP_APPENDONLY=yes
    aof=$data/appendonlydir
    incr=$aof/appendonly.aof.1.incr.aof
    manifest=$aof/appendonly.aof.manifest
}

teardown() {
    end_world
}

# alone COMMAND...: with a copy of the volume, as a server without redkeep finds it
alone() {
    local volume=$data

    rm -rf "$dir/alone"
    cp -a "$data" "$dir/alone"
    data=$dir/alone
    "$@"
    data=$volume
}

# exits_with_1 OPTION...: the server does not start
exits_with_1() {
    local rc=0

    redis-server --port 0 --unixsocket "$socket" --dir "$data" "$@" \
        </dev/null >"$dir/redis.out" 2>&1 3>&- || rc=$?
    [[ $rc == 1 ]] || {
        echo "the server exited with $rc"
        return 1
    }
}

starts_empty() {
    server_start --appendonly yes
    [[ $(cli DBSIZE) == 0 ]]
    server_kill
}

# holds KEY...: a server that is started twice has them all, both times
holds() {
    local key turn

    for turn in 1 2; do
        server_start --appendonly yes
        for key in "$@"; do [[ $(cli EXISTS "$key") == 1 ]] || {
            echo "$key is gone after start $turn"
            return 1
        }; done
        cli SET "turn:$turn" yes >/dev/null
        server_kill
    done
}

# finds ID [FILTER]: guard says so, changes nothing, and exits with 6
finds() {
    local before

    before=$(picture "$data")
    refused 6 corrupt guard --json || return 1
    json --arg id "$1" '[.findings[] | select(.id == $id and .loses and (.fixed | not))] | length == 1' &&
        json --arg id "$1" ".findings[] | select(.id == \$id) | ${2:-true}" &&
        diff <(echo "$before") <(picture "$data")
}

# mends ID: guard --fix does, and then finds nothing more
mends() {
    does 0 guard --fix --json || return 1
    json --arg id "$1" '[.findings[] | select(.id == $id and .fixed)] | length == 1' || return 1
    does 0 guard --json || return 1
    json '[.findings[] | select(.loses)] == []' && no_leftovers &&
        [[ -z $(find "$data" -name 'redkeep-new.*') ]]
}

# an_aof_server: with keys a, b and c in base and incr
an_aof_server() {
    server_start --appendonly yes
    cli MSET a 1 b 2 >/dev/null
    cli SET c 3 >/dev/null
}

cut_by() {
    truncate -s "-$2" "$1"
}

# ---- a dump and no append-only set ----

@test "a lone dump under appendonly yes: the server starts empty and overwrites it" {
    server_start --appendonly no
    fill 100
    before=$(fingerprint)
    server_stop
    loses_it() {
        starts_empty
        server_start --appendonly yes
        server_stop # saves
        server_start --appendonly no
        [[ $(cli DBSIZE) == 0 ]]
        server_kill
    }
    alone loses_it
    finds dump-without-aof '.fixable and .file == "dump.rdb"'
    mends dump-without-aof
    [[ $data/dump.rdb -ef $aof/appendonly.aof.1.base.rdb ]]
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
    cli SET later yes >/dev/null
    server_stop
    holds later string:1
}

@test "a start that was empty beside a dump is made good, the next one would be empty, too" {
    server_start --appendonly no
    fill 100
    before=$(fingerprint)
    server_stop
    server_start --appendonly yes --save ''
    [[ $(cli DBSIZE) == 0 ]]
    server_kill # nobody has noticed
    alone starts_empty
    finds empty-aof-beside-dump .fixable
    does 0 guard --appendonly no
    mends empty-aof-beside-dump
    [[ $data/dump.rdb -ef $aof/appendonly.aof.1.base.rdb ]]
    server_start --appendonly yes
    diff <(echo "$before") <(fingerprint)
    cli SET later yes >/dev/null
    server_kill
    does 0 guard
    holds later string:1
}

@test "a start that was empty beside a dump, with a time in its base, is made good" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    server_start --appendonly yes --save '' --aof-use-rdb-preamble no --aof-timestamp-enabled yes
    server_kill
    grep -q '^#TS:' "$aof/appendonly.aof.1.base.aof"
    alone starts_empty
    finds empty-aof-beside-dump .fixable
    mends empty-aof-beside-dump
    holds a
}

@test "an append-only file of 0 bytes, of before 7.0, beside a dump: the server starts empty" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    : >"$data/appendonly.aof"
    alone starts_empty
    finds empty-aof-beside-dump '.fixable and .file == "appendonly.aof"'
    does 0 guard --appendonly no
    does 0 guard --fix --json
    json '[.findings[] | select(.fixed) | .id] == ["empty-aof-beside-dump", "dump-without-aof"]'
    does 0 guard
    holds a
}

@test "an append-only file of before 7.0 beside a set that is empty: the server starts empty" {
    server_start --appendonly yes --save ''
    server_kill
    printf '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n' >"$data/appendonly.aof"
    alone starts_empty
    finds old-aof-ignored '.fixable | not'
    rm -r "$aof"
    holds a
    does 0 guard
}

@test "an empty start is not made good with a dump that is not the newest" {
    server_start --appendonly no --save ''
    cli SET a 1 >/dev/null
    cli SAVE >/dev/null
    cli FLUSHALL >/dev/null
    cli CONFIG SET appendonly yes >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    until_true grep -q base "$manifest"
    server_kill
    does 0 guard --fix --json # emptied on purpose, and said all the same
    json '[.findings[] | select(.id == "empty-aof-beside-dump" and (.loses or .fixable | not))] | length == 1'
    server_start --appendonly yes --save ''
    [[ $(cli DBSIZE) == 0 ]]
    server_kill
}

@test "an empty start beside a dump and an old append-only file, or a link, is not mended" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    alone starts_empty
    server_start --appendonly yes --save ''
    server_kill
    printf '*1\r\n$4\r\nPING\r\n' >"$data/appendonly.aof"
    finds empty-aof-beside-dump '(.fixable | not) and (.fix | test("move away"))'
    rm "$data/appendonly.aof"
    mkdir "$data/elsewhere"
    mv "$data/dump.rdb" "$data/elsewhere/dump"
    ln -s elsewhere/dump "$data/dump.rdb"
    finds empty-aof-beside-dump '(.fixable | not) and (.fix | test("symbolic link"))'
    rm "$data/dump.rdb"
    mv "$data/elsewhere/dump" "$data/dump.rdb"
    chown 4711 "$aof"/* # the server's user; root has put the dump there
    chmod 600 "$data/dump.rdb"
    touch "$data/dump.rdb" # a copy of this very second is no older one
    mends empty-aof-beside-dump
    [[ $(stat -c %u "$aof/appendonly.aof.1.base.rdb") == 4711 ]]
}

@test "a server that was emptied on purpose is none that has started empty" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    server_start --appendonly yes --save ''
    cli SET b 1 >/dev/null
    server_kill
    does 0 guard # what was written since counts
    server_start --appendonly yes --save ''
    cli FLUSHALL >/dev/null
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    server_kill
    does 0 guard
}

@test "a lone dump is mended with the names, the owner and the modes that the server has" {
    server_start --appendonly no --dbfilename db.rdb
    cli SET a 1 >/dev/null
    server_stop
    chmod 640 "$data/db.rdb"
    chown 4711:4712 "$data" "$data/db.rdb"
    does 0 guard --fix --dbfilename db.rdb --appenddirname logs --appendfilename log.aof
    [[ $(stat -c '%a %u:%g' "$data/logs") == '750 4711:4712' ]]
    [[ $(stat -c '%a %u:%g' "$data/logs/log.aof.manifest") == '640 4711:4712' ]]
    server_start --appendonly yes --dbfilename db.rdb --appenddirname logs --appendfilename log.aof
    [[ $(cli GET a) == 1 ]]
}

@test "with auto, a lone dump is made ready for both, and stays so" {
    unset REDKEEP_APPENDONLY
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    finds dump-without-aof '.when == "appendonly yes"'
    mends dump-without-aof
    server_start --appendonly no
    cli SET b 2 >/dev/null
    sleep 1.1 # the times of files are whole seconds to some
    server_stop
    finds stale-base '.when == "appendonly yes" and .fixable'
    mends stale-base
    holds a b
}

@test "what was restored for both is mended too when the server has saved another dump since" {
    unset REDKEEP_APPENDONLY
    export REDKEEP_REPOSITORY=file://$dir/repository
    server_start --appendonly no
    cli SET a 1 >/dev/null
    backup
    server_kill
    lose_volume
    restore
    [[ $(head -n 1 "$aof/appendonly.aof.manifest") == '# redkeep: the base is the dump' ]]
    does 0 guard --json
    server_start --appendonly no
    cli SET b 2 >/dev/null
    sleep 1.1 # the times of files are whole seconds to some
    server_stop
    finds stale-base '.when == "appendonly yes" and .fixable'
    mends stale-base
    server_start --appendonly yes
    [[ $(cli MGET a b | tr '\n' ' ') == '1 2 ' ]]
    cli SET c 3 >/dev/null
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    server_stop
    ! grep -q redkeep "$aof/appendonly.aof.manifest" || false
    holds a b c
}

@test "with appendonly no, a lone dump is no trap" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    before=$(picture "$data")
    does 0 guard --fix --json --appendonly no
    json '.findings == [] and .appendonly == "no"'
    diff <(echo "$before") <(picture "$data")
}

@test "a dump that is not whole is not made a base" {
    server_start --appendonly no
    fill 100
    server_stop
    cut_by "$data/dump.rdb" 20
    finds dump-without-aof '.fixable | not'
    refused 6 corrupt guard --fix
    says restore
    [[ ! -e $aof ]]
}

# ---- the manifest ----

@test "append-only files without a manifest: the server starts empty and writes over them" {
    an_aof_server
    server_kill
    rm "$manifest"
    alone starts_empty
    finds aof-without-manifest .fixable
    mends aof-without-manifest
    holds a b c
}

@test "append-only files without a manifest that leave a doubt are left alone" {
    an_aof_server
    server_kill
    rm "$manifest"
    cp "$incr" "$aof/appendonly.aof.3.incr.aof"
    before=$(picture "$data")
    finds aof-without-manifest '.fixable | not'
    refused 6 corrupt guard --fix
    diff <(echo "$before") <(picture "$data")
}

@test "append-only files without a manifest and one of before 7.0: which is meant is not guessed" {
    an_aof_server
    server_kill
    rm "$manifest" "$incr"
    printf '*3\r\n$3\r\nSET\r\n$3\r\nold\r\n$1\r\n1\r\n' >"$data/appendonly.aof"
    printf '*3\r\n$3\r\nSET\r\n$3\r\nnew\r\n$1\r\n1\r\n' >"$aof/appendonly.aof.1.base.aof"
    rm "$aof"/*.rdb
    takes_the_old() {
        server_start --appendonly yes
        [[ $(cli EXISTS old) == 1 && $(cli EXISTS new) == 0 ]]
        server_kill
    }
    alone takes_the_old
    finds aof-without-manifest '(.fixable | not) and (.why | test("before 7.0, too"))'
    refused 6 corrupt guard --fix
}

@test "a manifest without its last newline: the server exits" {
    an_aof_server
    server_kill
    cut_by "$manifest" 1
    alone exits_with_1 --appendonly yes
    finds manifest-without-newline .fixable
    mends manifest-without-newline
    holds a b c
    compgen -G "$aof/redkeep-kept.appendonly.aof.manifest"
}

@test "a manifest without its last newline keeps a server with appendonly no down, too" {
    an_aof_server
    cli SAVE >/dev/null
    server_kill
    truncate -s -1 "$manifest"
    alone exits_with_1 --appendonly no
    export REDKEEP_APPENDONLY=no
    finds manifest-without-newline .fixable
    mends manifest-without-newline
    server_start --appendonly no
    [[ $(cli DBSIZE) == 3 ]]
    server_kill
}

@test "a manifest that is no manifest is made anew from the files" {
    an_aof_server
    server_kill
    for text in '' $'file ../x seq 1 type b\n' $'file appendonly.aof.1.base.rdb seq 1\n' \
        $'file a seq 2 type i\nfile b seq 1 type i\n' $'file a seq 1 type b\nfile b seq 2 type b\n'; do
        printf %s "$text" >"$manifest"
        alone exits_with_1 --appendonly yes
        finds manifest-malformed .fixable
        mends manifest-malformed
        alone holds a b c
    done
}

@test "a file that the manifest lists is missing: the server exits" {
    an_aof_server
    server_kill
    mv "$incr" "$dir/incr"
    alone exits_with_1 --appendonly yes
    finds missing-aof-file '(.fixable | not) and (.file | endswith("1.incr.aof"))'
    refused 6 corrupt guard --fix
    says restore "1.incr.aof"
    mv "$dir/incr" "$incr"
    holds a b c
}

@test "an incr that is newer than the manifest is told, and not loaded" {
    an_aof_server
    server_kill
    cp "$incr" "$aof/appendonly.aof.2.incr.aof"
    finds unlisted-aof-file '(.file | endswith("2.incr.aof")) and (.fixable | not)'
}

# ---- the commands ----

# Valkey takes a torn transaction back as a whole, since 9.1.2.
takes_back_torn() {
    [[ $(own_name) == valkey ]] && printf '9.1.2\n%s\n' "$(own_version)" | sort -CV
}

@test "a torn transaction: the second restart loses what was written after the first" {
    an_aof_server
    printf 'MULTI\nSET d 4\nSET e 5\nEXEC\n' | cli >/dev/null
    server_kill
    cut_by "$incr" 20
    loses_it() {
        server_start --appendonly yes
        cli SET new 1 >/dev/null
        server_kill
        server_start --appendonly yes
        [[ $(cli EXISTS new) == "$(takes_back_torn && echo 1 || echo 0)" && $(cli EXISTS c) == 1 ]]
        server_kill
    }
    alone loses_it
    size=$(stat -c %s "$incr")
    finds torn-transaction .fixable
    mends torn-transaction
    kept=$(find "$aof" -name 'redkeep-kept.*.from-*')
    [[ $(($(stat -c %s "$kept") + $(stat -c %s "$incr"))) == "$size" ]]
    server_start --appendonly yes
    cli SET new 1 >/dev/null
    server_kill
    holds new c
}

@test "commands behind a torn transaction, after the first restart, are saved" {
    an_aof_server
    printf 'MULTI\nSET d 4\nSET e 5\nEXEC\n' | cli >/dev/null
    server_kill
    cut_by "$incr" 20
    server_start --appendonly yes # without a guard
    cli SET new 1 >/dev/null
    printf 'MULTI\nSET f 4\nSET g 5\nEXEC\n' | cli >/dev/null
    server_kill
    if takes_back_torn; then
        does 0 guard
        holds a b c new f g
        return
    fi
    # the EXEC of the second transaction closes the first: half of it comes alive
    applies_half() {
        server_start --appendonly yes
        [[ $(cli EXISTS d) == 1 && $(cli EXISTS e) == 0 ]]
        server_kill
    }
    alone applies_half
    finds commands-behind-torn-transaction .fixable
    mends commands-behind-torn-transaction
    alone holds a b c new f g
    server_start --appendonly yes
    [[ $(cli EXISTS d) == 0 ]]
}

@test "commands behind a torn transaction are not cut off with it" {
    an_aof_server
    printf 'MULTI\nSET d 4\nSET e 5\nEXEC\n' | cli >/dev/null
    server_kill
    cut_by "$incr" 20
    server_start --appendonly yes # without a guard
    cli SET new 1 >/dev/null
    server_kill
    if takes_back_torn; then
        does 0 guard
        holds a b c new
        return
    fi
    loses_it() {
        server_start --appendonly yes
        [[ $(cli EXISTS new) == 0 ]]
        server_kill
    }
    alone loses_it
    finds commands-behind-torn-transaction .fixable
    mends commands-behind-torn-transaction
    holds a b c new
}

@test "a torn tail: the server cuts it, or exits" {
    an_aof_server
    server_kill
    cut_by "$incr" 5
    alone exits_with_1 --appendonly yes --aof-load-truncated no
    does 0 guard --json
    json '.findings[] | select(.id == "torn-tail" and .fixable and (.loses | not))'
    mends torn-tail
    server_start --appendonly yes --aof-load-truncated no
    [[ $(cli EXISTS a b c) == 2 ]]
}

@test "NULs of a full disk: the server exits, and its tool would throw away what follows them" {
    server_start --appendonly yes
    cli SET a 1 >/dev/null
    server_kill
    local has_tool=yes
    redis-check-aof "$manifest" >/dev/null || has_tool=no # Valkey 9's does not know its own base
    head -c 65486 /dev/zero >>"$incr"
    printf '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n' >>"$incr"
    alone exits_with_1 --appendonly yes
    loses_it() {
        yes | redis-check-aof --fix "$data/appendonlydir/appendonly.aof.manifest" >/dev/null
        server_start --appendonly yes
        [[ $(cli EXISTS b) == 0 ]]
        server_kill
    }
    [[ $has_tool == no && $(own_name) == valkey ]] || alone loses_it
    finds nul-run '.fixable and .offset > 0'
    cp "$incr" "$dir/incr"
    mends nul-run
    cmp "$dir/incr" "$aof/redkeep-kept.appendonly.aof.1.incr.aof"
    holds a b
}

@test "NULs of a real full disk" {
    tmpfs "$dir/small" size=24m
    data=$dir/small/volume
    mkdir "$data"
    export REDKEEP_DATA_DIR=$data
    aof=$data/appendonlydir
    server_start --appendonly yes --save '' --auto-aof-rewrite-percentage 0
    cli SET a 1 >/dev/null
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    until_true test -e "$aof/appendonly.aof.2.base.rdb"
    cli SET b 2 >/dev/null
    head -c 23500000 /dev/zero >"$dir/small/filler" || true
    head -c 4000000 /dev/urandom | cli -x SET big >/dev/null || true
    rm "$dir/small/filler"
    until_true writes_again
    cli SET last 3 >/dev/null
    server_kill
    alone exits_with_1 --appendonly yes
    finds nul-run .fixable
    mends nul-run
    holds a b last
}

writes_again() {
    [[ $(cli SET again yes) == OK && $(info aof_last_write_status) == ok ]]
}

@test "a tail of NULs, as a power loss leaves it" {
    an_aof_server
    server_kill
    printf '*3\r\n$3\r\nSET\r\n$1\r\nz' >>"$incr"
    head -c 4096 /dev/zero >>"$incr"
    alone exits_with_1 --appendonly yes
    finds nul-tail .fixable
    mends nul-tail
    holds a b c
}

@test "bytes that are no command: nothing is cut off, and what to do is said" {
    an_aof_server
    server_kill
    where=$(stat -c %s "$incr")
    printf 'SET x 1\r\n' >>"$incr"
    printf '*3\r\n$3\r\nSET\r\n$1\r\ny\r\n$1\r\n2\r\n' >>"$incr"
    alone exits_with_1 --appendonly yes
    finds bad-aof-bytes "(.fixable | not) and .offset == $where"
    before=$(picture "$data")
    refused 6 corrupt guard --fix
    says restore
    diff <(echo "$before") <(picture "$data")
}

# two_incrs: a and b in the first incr, c in the second
two_incrs() {
    server_start --appendonly yes
    cli MSET a 1 b 2 >/dev/null
    cli SET last-of-first 1 >/dev/null
    server_kill
    printf 'file appendonly.aof.2.incr.aof seq 2 type i\n' >>"$manifest"
    printf '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n' \
        >"$aof/appendonly.aof.2.incr.aof"
    alone holds a b last-of-first c
}

@test "a file that is not the last is cut off: the second start loads it with a gap" {
    two_incrs
    cut_by "$incr" 5
    loses_it() {
        exits_with_1 --appendonly yes
        server_start --appendonly yes
        [[ $(cli EXISTS c) == 1 && $(cli EXISTS last-of-first) == 0 ]]
        server_kill
    }
    alone loses_it
    finds truncated-middle-file '.fixable | not'
    before=$(picture "$data")
    refused 6 corrupt guard --fix
    says restore
    diff <(echo "$before") <(picture "$data")
}

@test "a file behind which nothing was written yet is the last" {
    two_incrs
    cut_by "$incr" 5
    : >"$aof/appendonly.aof.2.incr.aof"
    alone exits_with_1 --appendonly yes
    does 0 guard --fix --json
    json '.findings[] | select(.id == "torn-tail" and .fixed)'
    holds a b
}

# ---- RDBs ----

@test "a dump or a base that is not whole: the server exits" {
    server_start --appendonly yes
    fill 200
    cli BGREWRITEAOF >/dev/null
    until_true test -e "$aof/appendonly.aof.2.base.rdb"
    until_true info_is aof_rewrite_in_progress 0
    cli SAVE >/dev/null
    server_kill
    cp -a "$data" "$dir/whole"
    for file in dump.rdb appendonlydir/appendonly.aof.2.base.rdb; do
        for how in half flipped; do
            rm -rf "$data"
            cp -a "$dir/whole" "$data"
            size=$(stat -c %s "$data/$file")
            if [[ $how == half ]]; then cut_by "$data/$file" $((size / 2)); else flip "$data/$file" $((size / 2)); fi
            appendonly=yes id=corrupt-base
            [[ $file != dump.rdb ]] || appendonly=no id=corrupt-dump
            alone exits_with_1 --appendonly "$appendonly"
            export REDKEEP_APPENDONLY=$appendonly
            finds "$id" '(.fixable | not)'
            refused 6 corrupt guard --fix
            says restore "$file"
        done
    done
    rm -rf "$data"
    cp -a "$dir/whole" "$data"
    : >"$data/dump.rdb"
    export REDKEEP_APPENDONLY=no
    alone exits_with_1 --appendonly no
    finds corrupt-dump
}

@test "a dump of a newer server is told before the server exits over it" {
    server_start --appendonly no
    cli SET a 1 >/dev/null
    server_stop
    printf REDIS0099 | dd of="$data/dump.rdb" conv=notrunc status=none
    truncate -s -8 "$data/dump.rdb"
    printf '\0\0\0\0\0\0\0\0' >>"$data/dump.rdb" # no checksum
    alone exits_with_1 --appendonly no
    export REDKEEP_APPENDONLY=no
    finds version-too-new '.why | contains("'"$(own_version)"'")'
    does 0 guard --server-version 99.0.0
}

@test "append-only files under appendonly no are not read" {
    an_aof_server
    server_kill
    starts_without() {
        server_start --appendonly no
        [[ $(cli DBSIZE) == 0 ]]
        server_kill
    }
    alone starts_without
    export REDKEEP_APPENDONLY=no
    finds aof-ignored '.why | contains("no dump")'
    does 0 guard --appendonly auto
}

# ---- what else lies there ----

@test "an append-only file of before 7.0 is taken over, and looked into" {
    printf '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n' >"$data/appendonly.aof"
    does 0 guard --json
    json '[.findings[] | select(.loses)] == []'
    head -c 100 /dev/zero >>"$data/appendonly.aof"
    printf '*1\r\n$4\r\nPING\r\n' >>"$data/appendonly.aof"
    alone exits_with_1 --appendonly yes
    finds nul-run '(.fixable | not) and .file == "appendonly.aof"'
    cut_by "$data/appendonly.aof" 114
    holds a
    [[ ! -e $data/appendonly.aof && -e $aof/appendonly.aof ]]
    does 0 guard
}

@test "leftovers of saves that died are told, and old ones removed" {
    an_aof_server
    server_kill
    touch -d '2 days ago' "$data/temp-123.rdb" "$data/temp-rewriteaof-bg-5.aof"
    touch "$data/temp-9.rdb"
    echo x >"$data/nodes.conf"
    does 0 guard --json
    json '[.findings[] | select(.id == "leftover-temp-file" and .fixable) | .file] | sort
        == ["temp-123.rdb", "temp-rewriteaof-bg-5.aof"]'
    json '.findings[] | select(.id == "unknown-entry" and .file == "nodes.conf")'
    touch -d '2 days ago' "$data/temp-import.rdb" # somebody's
    does 0 guard --fix
    [[ ! -e $data/temp-123.rdb && ! -e $data/temp-rewriteaof-bg-5.aof ]]
    [[ -e $data/temp-9.rdb && -e $data/nodes.conf && -e $data/temp-import.rdb ]]
    holds a b c
}

@test "guard never looks while a server runs there, or another redkeep works" {
    an_aof_server
    refused 4 holds-data guard --fix
    says "server is running"
    server_kill
    exec 7<"$data"
    flock 7
    refused 8 busy guard
    exec 7<&-
    does 0 guard
    refused 1 failed guard --data-dir "$dir/nowhere"
}

@test "what was kept is no data to the server, and none of it at the top of the volume" {
    an_aof_server
    printf 'MULTI\nSET d 4\nSET e 5\nEXEC\n' | cli >/dev/null
    server_kill
    cut_by "$incr" 20
    mends torn-transaction
    [[ $(ls "$data") == appendonlydir ]]
    server_start --appendonly yes
    cli BGREWRITEAOF >/dev/null
    until_true test -e "$aof/appendonly.aof.2.base.rdb"
    until_true info_is aof_rewrite_in_progress 0
    server_kill
    compgen -G "$aof/redkeep-kept.*"
    holds a b c
}
