# What the tests of the matrix share. MATRIX_SERVERS: a directory with one for each server, named
# after what it is; MATRIX_WRITTEN: what each of them has written, kept for the others; FROM, TO.
# shellcheck shell=bash disable=SC2034,SC2154 # helpers.bash sets and reads

load ../integration/helpers

# A backup by every way in which a server keeps its data:
#   rdb       appendonly no; the dump
#   aof       appendonly yes; the append-only files, whose base is an RDB, and the dump
#   commands  appendonly yes, the base too is commands; the append-only files alone
#   vectors   as rdb, of a vector set
declare -gA options=([rdb]='--appendonly no' [aof]='--appendonly yes'
    [commands]='--appendonly yes --aof-use-rdb-preamble no' [vectors]='--appendonly no')
declare -gA include=([rdb]=rdb [aof]='rdb,aof' [commands]=aof [vectors]=rdb)

plain_path=$PATH

# as NAME: from here on redis-server, redis-cli and the rest are that server's
as() {
    PATH=$MATRIX_SERVERS/$1:$plain_path
}

# appendonly_of LAYOUT: yes or no
appendonly_of() {
    [[ ${options[$1]} == *'appendonly yes'* ]] && echo yes || echo no
}

# Everything there is in the server.
contents() {
    cli --eval "$BATS_TEST_DIRNAME/contents.lua"
    cli FUNCTION LIST WITHCODE | sort
}

# Every type, functions, and what not every server knows.
fill_all() {
    cli --eval "$BATS_TEST_DIRNAME/../integration/dataset.lua" , 200 >/dev/null
    printf '#!lua name=shop\nredis.register_function("price", function() return 42 end)\n' |
        cli -x FUNCTION LOAD REPLACE >/dev/null
    cli --eval "$BATS_TEST_DIRNAME/newer.lua" >"$dir/knows"
    [[ $(cli DBSIZE) -gt 200 ]]
}

# What the append-only file has as commands behind its base.
fill_behind() {
    cli BGREWRITEAOF >/dev/null
    until_true info_is aof_rewrite_in_progress 0
    until_true info_is aof_rewrite_scheduled 0
    printf '%s\n' MULTI 'SET behind:1 a' 'INCRBY behind:2 7' EXEC 'SELECT 9' \
        'HSET behind:3 f v' 'SELECT 0' 'SET behind:4 late PXAT 4102444800999' 'GETDEL negative' \
        'SPOP set:big 3' | cli >/dev/null
    [[ $(cli GET behind:2) == 7 ]]
}

# filled LAYOUT: a server with all of that. It has started once more since: what it keeps in memory
# alone, no file can bring back.
filled() {
    # shellcheck disable=SC2086 # several options
    server_start ${options[$1]}
    if [[ $1 == vectors ]]; then
        cli --eval "$BATS_TEST_DIRNAME/vectors.lua" >"$dir/knows"
    else
        fill_all
    fi
    [[ $(appendonly_of "$1") == no ]] || fill_behind
    server_stop
    # shellcheck disable=SC2086
    server_start ${options[$1]}
}
