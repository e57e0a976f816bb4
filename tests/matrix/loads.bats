#!/usr/bin/env bats
# What FROM has written, restored for TO: either every key of it is served, or it is refused before a
# byte is fetched, and the real server is the judge of which. Where nothing but the data could tell,
# it is restored with a warning. What becomes of each is noted for the table.
# shellcheck disable=SC2030,SC2031,SC2154 # matrix.bash and helpers.bash set and read

load matrix

setup() {
    world
    as "$TO"
}

teardown() {
    end_world
}

# written_as LAYOUT: that is what the test is about
written_as() {
    layout=$1
    written=$MATRIX_WRITTEN/$FROM/$1
    export REDKEEP_REPOSITORY=file://$written/repository
}

# note WORD
note() {
    echo "$1" >"$MATRIX_WRITTEN/table/$FROM.$TO.$layout"
}

# serves_all OPTION...: a server that is started on the volume has every key, or ends
serves_all() {
    server_launch "$@"
    until_true server_is_up_or_dead
    ! is_gone "$server" && diff "$written/contents" <(contents)
}

# takes: TO, on what FROM has left behind, without a redkeep
takes() {
    local rc=0

    rmdir "$data"
    cp -a "$written/volume" "$data"
    # shellcheck disable=SC2086 # several options
    serves_all ${options[$layout]} || rc=1
    is_gone "$server" || server_kill
    rm -f "$socket"
    lose_volume
    return $rc
}

# gave_up TEXT: it ended over what it was to load, and not over something else
gave_up() {
    is_gone "$server"
    grep -E "$1" "$dir/redis.log"
}

is_restored() {
    local appendonly

    for appendonly in yes no; do
        [[ $layout != commands || $appendonly == yes ]] || continue
        restore --appendonly "$appendonly"
        [[ $FROM != "$TO" || $stderr != *BACKUP_TOO_NEW* ]]
        does 0 guard --json --appendonly "$appendonly"
        json '.findings | all(.loses | not)'
        serves_all --appendonly "$appendonly"
        server_stop
        lose_volume
    done
    drilled 0
    note loads
}

# drilled RC: so ends a drill with TO
drilled() {
    mkdir "$dir/drills"
    REDKEEP_DRILL_DIR=$dir/drills REDKEEP_DRILL_SERVER=$MATRIX_SERVERS/$TO/redis-server \
        does "$1" verify --drill --json
}

# nothing_fetched ARGUMENT...: redkeep ARGUMENT... is refused, and of the repository's files it has
# opened the manifest and nothing else
nothing_fetched() {
    local rc=0

    strace -f -qq -e trace=open,openat,openat2 -o "$dir/trace" \
        "$redkeep" "$@" >"$dir/answer" 2>"$dir/words" || rc=$?
    [[ $rc == 9 ]] || {
        echo "redkeep $*: exit $rc"
        cat "$dir/answer" "$dir/words"
        return 1
    }
    grep -q 'backup\.json' "$dir/trace"
    [[ $(grep -c 'data\.tar' "$dir/trace") == 0 ]]
    [[ -z $(ls -A "$data") ]]
}

is_refused() {
    local appendonly said

    for appendonly in yes no auto; do
        nothing_fetched restore --appendonly "$appendonly"
        nothing_fetched prepare --appendonly "$appendonly"
    done
    said=$(jq -rs '.[-1] | .msg + .hint' "$dir/words")
    [[ ${said,,} == *"(${TO/-/ }, "*"start ${FROM/-/ } or newer"* ]]
    drilled 9
    [[ -z $(find "$written/repository" -name 'verified-*-bad*') ]]
    # the same when it lies there already
    rmdir "$data"
    cp -a "$written/volume" "$data"
    does 6 guard --json --appendonly "$(appendonly_of "$layout")"
    json '.findings | any(.id == "version-too-new")'
    note 'exit 9'
}

# is_warned TEXT
is_warned() {
    restore
    [[ $(jq -rs '.[] | select(.level == "warn" and .code == "BACKUP_TOO_NEW") | .msg' \
        <<<"$stderr") == *"$1"* ]]
    note 'a warning'
}

@test "a dump" {
    written_as rdb
    if takes; then is_restored; else
        gave_up "Can't handle RDB format version|Wrong signature"
        is_refused
    fi
}

@test "append-only files on an RDB, and a dump" {
    written_as aof
    if takes; then is_restored; else
        # what has no signature that it knows is taken for commands
        gave_up "Can't handle RDB format version|Wrong signature|Bad file format"
        is_refused
    fi
}

@test "append-only files of commands alone" {
    written_as commands
    if takes; then is_restored; else
        gave_up '[Uu]nknown command'
        is_warned 'may not know every command'
    fi
}

@test "vector sets" {
    written_as vectors
    if [[ ! -e $written ]]; then # it has none
        note -
    elif takes; then is_restored; elif grep "vectorset" "$dir/redis.log"; then
        is_warned 'does not load vector sets'
    else
        gave_up "Can't handle RDB format version"
        is_refused
    fi
}
