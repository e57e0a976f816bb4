#!/usr/bin/env bats
# TLS to a real server: who is trusted, who is not and what is said of it, and every command over it.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

# Once a file: two CAs, and what they sign.
setup_file() {
    certs=$BATS_FILE_TMPDIR/certs
    mkdir "$certs"
    cd "$certs" || return 1
    ca ours
    ca theirs
    issue server ours 'DNS:redis.test,DNS:localhost,IP:127.0.0.1'
    issue elsewhere ours 'DNS:elsewhere.test'
    issue unnamed ours
    issue client ours 'DNS:client.test'
    issue stranger theirs 'DNS:stranger.test'
    issue expired ours 'DNS:localhost,IP:127.0.0.1' past
    issue bygone ours 'DNS:client.test' past
    openssl pkey -in client.key -aes128 -passout pass:s3cret -out locked.key
    cat ours.crt theirs.crt >both.crt
}

new_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}

ca() {
    new_key "$1"
    openssl req -x509 -new -key "$1.key" -subj "/CN=The CA $1" -days 30 -out "$1.crt"
}

# issue NAME CA [NAMES [past]]: NAME.crt and NAME.key
issue() {
    local when=(-days 30)

    new_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out request
    printf '%s' "${3:+subjectAltName=$3}" >extensions
    if [[ ${4-} == past ]]; then # the newer word, or what the older openssl takes for it
        when=(-not_before 20200101000000Z -not_after 20200102000000Z)
        openssl x509 -help 2>&1 | grep -q -e -not_after || when=(-days -1)
    fi
    openssl x509 -req -in request -CA "$2.crt" -CAkey "$2.key" -CAcreateserial "${when[@]}" \
        -extfile extensions -out "$1.crt" 2>/dev/null
}

setup() {
    world
    certs=$BATS_FILE_TMPDIR/certs
    port=$(free_port)
    export REDKEEP_LOG_FORMAT=json REDKEEP_HTTP_LISTEN=127.0.0.1:0
    export REDKEEP_BACKUP_SCHEDULE='@every 12h' REDKEEP_DRAIN_TIMEOUT=150s
    patience=(--timeout 60s)
}

teardown() {
    [[ ! -v stopped ]] || kill -s CONT "$stopped"
    end_world
}

# with CERT [ARGUMENT...]: the options of a server that shows that certificate and wants one of ours
with() {
    tls=(--tls-port "$port" --tls-cert-file "$certs/$1.crt" --tls-key-file "$certs/$1.key"
        --tls-ca-cert-file "$certs/ours.crt" "${@:2}")
}

# trusting CA [CERT]: redkeep's settings
trusting() {
    export REDKEEP_REDIS_URL=rediss://${host:-127.0.0.1}:$port
    export REDKEEP_REDIS_TLS_CA_FILE=$certs/$1.crt
    unset REDKEEP_REDIS_TLS_CERT_FILE REDKEEP_REDIS_TLS_KEY_FILE
    [[ -z ${2-} ]] ||
        export REDKEEP_REDIS_TLS_CERT_FILE=$certs/$2.crt REDKEEP_REDIS_TLS_KEY_FILE=$certs/$2.key
}

# refuses RC TEXT...: no connection comes about, and each text is said
refuses() {
    local kind=server

    [[ $1 != 2 ]] || kind=config
    refused "$1" "$kind" ready "${patience[@]}" || return 1
    says "${@:2}" || return 1
    [[ $stderr != *s3cret* && $stderr != *"$(sed -n 2p "$certs/client.key")"* ]]
}

answers_tls() {
    does 0 ready "${patience[@]}"
}

# ---- every command ----

@test "every command works over TLS, with certificates on both sides" {
    with server --appendonly yes
    filled_server "${tls[@]}"
    fingerprint >"$dir/before"
    trusting ours client
    does 0 ready --json "${patience[@]}"
    json '.ready == true'
    backup --backup-include rdb,aof
    json '.proven == true'
    run --separate-stderr "$redkeep" check --json # whatever it thinks of this machine
    json '.checks[] | select(.id == "persistence") | .status == "ok"'
    json '.checks[] | select(.id == "tls-certificate") | .status == "ok" and (.value | startswith("good until 20"))'
    does 0 advise
    refused 4 holds-data restore --force
    says "$REDKEEP_REDIS_URL"
    server_stop
    lose_volume
    restore
    server_start "${tls[@]}"
    fingerprint >"$dir/after"
    diff "$dir/before" "$dir/after"
}

@test "the sidecar watches, backs up and ends over TLS" {
    with server
    server_start "${tls[@]}"
    fill
    trusting ours client
    launch run
    until_true has_backup
    until_true is_ready_by_http
    kill -TERM "$job"
    server_stop
    until_true is_gone "$job"
    ended 0
    grep -q "$REDKEEP_REDIS_URL" "$dir/job.err"
}

has_backup() {
    compgen -G "$dir/repository/db-0/backups/*/backup.json" >/dev/null
}

http_root() {
    jq -Rr 'fromjson? | .msg | capture("^(?<u>http://\\S+) answers").u' "$dir/job.err" | tail -n 1
}

is_ready_by_http() {
    curl -sSf --max-time 60 "$(http_root)/readyz" >/dev/null 2>&1
}

@test "what a user of an ACL file may is enough, over TLS and over the socket" {
    printf 'user default off\nuser sidecar on >s3cret resetkeys resetchannels -@all %s\n' \
        '+ping +info +bgsave +lastsave +config|get +time +role +client|setname +bgrewriteaof' \
        >"$data/users.acl"
    echo 'user admin on >root ~* &* +@all' >>"$data/users.acl"
    with server --aclfile "$data/users.acl"
    cli_auth=(--user admin --pass root --no-auth-warning)
    server_start "${tls[@]}"
    trusting ours client
    refuses 7 NOAUTH redis-password
    export REDKEEP_REDIS_USERNAME=sidecar REDKEEP_REDIS_PASSWORD=s3cret
    answers_tls
    backup
    REDKEEP_REDIS_PASSWORD=wrong refuses 7 WRONGPASS
    REDKEEP_REDIS_USERNAME='' REDKEEP_REDIS_PASSWORD='' \
        REDKEEP_REDIS_URL=rediss://sidecar:s3cret@127.0.0.1:$port backup
    unset REDKEEP_REDIS_TLS_CA_FILE REDKEEP_REDIS_TLS_CERT_FILE REDKEEP_REDIS_TLS_KEY_FILE
    export REDKEEP_REDIS_URL=unix://$socket
    answers_tls
    backup
    json '[.files[].name] | index("users.acl") != null'
}

# ---- who is trusted ----

@test "the certificate has to be for the host, or for the name that is set" {
    with server --tls-auth-clients no
    server_start "${tls[@]}"
    trusting ours
    answers_tls # 127.0.0.1, an address in it
    host=localhost trusting ours
    answers_tls
    REDKEEP_REDIS_TLS_SERVER_NAME=redis.test answers_tls
    REDKEEP_REDIS_TLS_SERVER_NAME=REDIS.test answers_tls
    REDKEEP_REDIS_TLS_SERVER_NAME=127.0.0.1 answers_tls
    REDKEEP_REDIS_TLS_SERVER_NAME=127.0.0.2 refuses 7 'for redis.test, localhost, 127.0.0.1 and not for 127.0.0.2'
    REDKEEP_REDIS_TLS_SERVER_NAME=other.test refuses 7 'and not for other.test' redis-tls-server-name
    REDKEEP_REDIS_TLS_SERVER_NAME='test' refuses 7 'and not for test'
    cli CONFIG SET tls-cert-file "$certs/elsewhere.crt" tls-key-file "$certs/elsewhere.key"
    refuses 7 'for elsewhere.test and not for localhost'
    REDKEEP_REDIS_TLS_SERVER_NAME=elsewhere.test answers_tls
    cli CONFIG SET tls-cert-file "$certs/unnamed.crt" tls-key-file "$certs/unnamed.key"
    refuses 7 'for unnamed and not for localhost'
    REDKEEP_REDIS_TLS_SERVER_NAME=unnamed answers_tls # as it was before there were lists of names
    trusting ours
    refuses 7 'and not for 127.0.0.1'
}

@test "a CA that is not ours, or nobody at all, is not trusted" {
    with server --tls-auth-clients no
    server_start "${tls[@]}"
    trusting theirs
    refuses 7 'signed by "The CA ours"' "$certs/theirs.crt" 'vouches'
    trusting both
    answers_tls
    trusting server # that very certificate
    answers_tls
    trusting unnamed
    refuses 7 'signed by "The CA ours"'
    unset REDKEEP_REDIS_TLS_CA_FILE
    refuses 7 'the system does not trust' redis-tls-ca-file
    SSL_CERT_FILE=$certs/ours.crt answers_tls
    refused 7 server backup
    says 'the system does not trust'
}

@test "a certificate that has expired is told, with the day" {
    with expired --tls-auth-clients no
    server_start "${tls[@]}"
    trusting ours
    refuses 7 'has expired on 20' 'renew'
}

@test "the server's wish for a certificate, and what it thinks of ours, are told" {
    with server
    server_start "${tls[@]}"
    for version in TLSv1.3 TLSv1.2; do
        cli CONFIG SET tls-protocols "$version"
        trusting ours
        refuses 7 "wants a client's certificate" redis-tls-cert-file tls-auth-clients
        trusting ours stranger
        refuses 7 'does not accept our certificate: it does not know the CA' tls-ca-cert-file
        trusting ours bygone
        refuses 7 'does not accept our certificate: it has expired'
        trusting ours client
        answers_tls
    done
}

@test "files that are missing, wrong, locked or of two pairs are settings to correct" {
    with server
    server_start "${tls[@]}"
    trusting ours client
    REDKEEP_REDIS_TLS_CA_FILE=$dir/none refuses 2 redis-tls-ca-file "$dir/none" 'No such file'
    REDKEEP_REDIS_TLS_CA_FILE=$certs/ours.key refuses 2 redis-tls-ca-file 'no certificate in it'
    REDKEEP_REDIS_TLS_CERT_FILE=$certs/ours.key refuses 2 redis-tls-cert-file 'no certificate in it'
    REDKEEP_REDIS_TLS_KEY_FILE=$certs/client.crt refuses 2 redis-tls-key-file 'no private key in it'
    REDKEEP_REDIS_TLS_KEY_FILE=$certs/server.key refuses 2 'is not the key of the certificate'
    REDKEEP_REDIS_TLS_KEY_FILE=$certs/locked.key refuses 2 passphrase 'openssl pkey'
    sed 's/^MI/MIxx/' "$certs/client.crt" >"$dir/broken.crt"
    REDKEEP_REDIS_TLS_CERT_FILE=$dir/broken.crt refuses 2 'cannot be read'
    cp "$certs/client.key" "$dir/private.key"
    chmod 600 "$dir/private.key"
    chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$dir"
    export REDKEEP_REDIS_TLS_KEY_FILE=$dir/private.key
    run -2 --separate-stderr setpriv --reuid 61005 --regid 61005 --clear-groups \
        "$redkeep" ready "${patience[@]}"
    [[ $stderr == *redis-tls-key-file*"$dir/private.key"*'Permission denied'* ]]
}

@test "settings that do not fit each other are refused before anything is sent" {
    trusting ours client
    REDKEEP_REDIS_TLS_KEY_FILE='' refuses 2 redis-tls-cert-file redis-tls-key-file
    REDKEEP_REDIS_TLS_CERT_FILE='' refuses 2 redis-tls-cert-file redis-tls-key-file
    for url in "redis://127.0.0.1:$port" "unix://$socket"; do
        REDKEEP_REDIS_URL=$url refuses 2 'redis-tls-ca-file is set' rediss://
        REDKEEP_REDIS_URL=$url refused 2 config backup
        REDKEEP_REDIS_URL=$url refused 2 config run
    done
    REDKEEP_REDIS_URL=rediss:///run/redis.sock refuses 2 'no TLS on a unix socket' unix://
}

# ---- other ports, other times ----

@test "a port that is not the one of the URL is told, both ways" {
    plain=$(free_port)
    with server --port "$plain" --tls-auth-clients no
    server_start "${tls[@]}"
    trusting ours
    export REDKEEP_REDIS_URL=rediss://127.0.0.1:$plain
    patience=(--timeout 20s) # a quarter of it is for the answer that tells
    refuses 7 'no TLS is spoken there: it said "-ERR' tls-port
    patience=(--timeout 60s)
    unset REDKEEP_REDIS_TLS_CA_FILE
    REDKEEP_REDIS_URL=redis://127.0.0.1:$port refuses 7 'rediss://'
    REDKEEP_REDIS_URL=redis://127.0.0.1:$plain answers_tls
}

@test "new certificates are taken at the next connection, while the sidecar runs" {
    mkdir "$dir/live"
    cp "$certs"/{server,client}.{crt,key} "$dir/live"
    cp "$certs/ours.crt" "$dir/live/ca.crt"
    server_start --tls-port "$port" --tls-cert-file "$dir/live/server.crt" \
        --tls-key-file "$dir/live/server.key" --tls-ca-cert-file "$dir/live/ca.crt"
    export REDKEEP_REDIS_URL=rediss://127.0.0.1:$port REDKEEP_REDIS_TLS_CA_FILE=$dir/live/ca.crt
    export REDKEEP_REDIS_TLS_CERT_FILE=$dir/live/client.crt REDKEEP_REDIS_TLS_KEY_FILE=$dir/live/client.key
    REDKEEP_BACKUP_SCHEDULE=off launch run # its own backup would refuse ours
    until_true is_ready_by_http
    # another CA signs all of it
    (cd "$dir/live" && cp "$certs"/theirs.* . && issue server theirs IP:127.0.0.1 &&
        issue client theirs DNS:client.test && cp theirs.crt ca.crt)
    cli CONFIG SET tls-cert-file "$dir/live/server.crt" tls-key-file "$dir/live/server.key" \
        tls-ca-cert-file "$dir/live/ca.crt"
    first=$(client_id)
    cli CLIENT KILL ID "$first"
    until_true is_there_again
    until_true is_ready_by_http
    backup
    kill -TERM "$job"
    server_stop
    until_true is_gone "$job"
    ended 0
}

client_id() {
    cli CLIENT LIST | sed -n 's/^id=\([0-9]*\) .* name=redkeep .*/\1/p' | head -n 1
}

is_there_again() {
    local now
    now=$(client_id)
    [[ -n $now && $now != "$first" ]]
}

# ---- server and sidecar in one container ----

# together ARGUMENT...: entrypoint --with-sidecar without a word of the server in the settings
together() {
    unset REDKEEP_DATA_DIR REDKEEP_REDIS_URL
    REDKEEP_SERVER_USER=root launch entrypoint --with-sidecar -- redis-server --dir "$data" "$@"
    until_true has_backup_or_gone
    has_backup || { cat "$dir/job.err"; return 1; }
}

has_backup_or_gone() {
    has_backup || is_gone "$job"
}

ends_well() {
    kill -TERM "$job"
    until_true is_gone "$job"
    ended 0 || return 1
    ! grep s3cret "$dir/job.err"
}

# No process of ours shows it in its arguments.
nobody_shows() {
    local pid

    for pid in $(pgrep -P "$job"); do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -F redkeep | grep -F "$1" || return 1
    done
}

@test "the sidecar beside a server that speaks TLS alone knows how, from the server's file" {
    cat >"$dir/redis.conf" <<CONF
port 0
tls-port $port
tls-cert-file $certs/elsewhere.crt
tls-key-file $certs/elsewhere.key
tls-ca-cert-file $certs/ours.crt
requirepass "s3cret word"
CONF
    (cd "$dir" && mkdir conf && mv redis.conf conf)
    unset REDKEEP_DATA_DIR REDKEEP_REDIS_URL
    REDKEEP_SERVER_USER=root launch entrypoint --with-sidecar -- redis-server "$dir/conf/redis.conf" --dir "$data"
    until_true has_backup_or_gone
    has_backup || { cat "$dir/job.err"; return 1; }
    nobody_shows s3cret
    ends_well
    # its clients' certificates are of another CA
    rm -rf "${dir:?}/repository/db-0"
    sed -i -e "s:/ours.crt:/theirs.crt:" -e "\$atls-client-cert-file $certs/stranger.crt" \
        -e "\$atls-client-key-file $certs/stranger.key" "$dir/conf/redis.conf"
    REDKEEP_SERVER_USER=root launch entrypoint --with-sidecar -- redis-server "$dir/conf/redis.conf" --dir "$data"
    until_true has_backup_or_gone
    has_backup || { cat "$dir/job.err"; return 1; }
    ends_well
}

@test "settings of TLS for a server beside it that has none end it before the start" {
    unset REDKEEP_DATA_DIR REDKEEP_REDIS_URL
    export REDKEEP_SERVER_USER=root REDKEEP_REDIS_TLS_CA_FILE=$certs/ours.crt
    launch entrypoint --with-sidecar -- redis-server --port 0 --unixsocket "$socket" --dir "$data"
    until_true is_gone_or_serves
    ended 2
    says 'redis-tls-ca-file is set' 'without TLS'
    launch entrypoint -- redis-server --port 0 --unixsocket "$socket" --dir "$data"
    until_true answers # alone it is nobody's matter
}

is_gone_or_serves() {
    is_gone "$job" || { answers && pgrep -P "$job" >>"$pids" && kill -KILL "$job"; }
}

@test "the password of the server beside it is handed to the sidecar, unless one is set" {
    together --port 0 --unixsocket "$socket" --requirepass s3cret
    nobody_shows s3cret
    ends_well
    rm -rf "${dir:?}/repository/db-0"
    printf 'user default on >s3cret ~* &* +@all\nuser own on >s3cret2 ~* &* +@all\n' >"$dir/users.acl"
    together --port 0 --unixsocket "$socket" --aclfile "$dir/users.acl"
    ends_well
    rm -rf "${dir:?}/repository/db-0"
    export REDKEEP_REDIS_USERNAME=own REDKEEP_REDIS_PASSWORD=s3cret2
    together --port 0 --unixsocket "$socket" --aclfile "$dir/users.acl"
    ends_well
}

sidecar_runs() {
    sidecar=$(pgrep -P "$job" -f '^redkeep run ') || is_gone "$job"
}

@test "and stays away from a sidecar that watches another server" {
    export REDKEEP_REDIS_URL=redis://192.0.2.1:1 # nobody's
    unset REDKEEP_DATA_DIR
    REDKEEP_SERVER_USER=root launch entrypoint --with-sidecar -- redis-server --dir "$data" \
        --port 0 --unixsocket "$socket" --requirepass s3cret
    until_true sidecar_runs
    pgrep -P "$job" >>"$pids"
    tr '\0' '\n' <"/proc/$sidecar/environ" >"$dir/environ"
    grep -q "^REDKEEP_REDIS_URL=$REDKEEP_REDIS_URL" "$dir/environ"
    [[ $(grep -c s3cret "$dir/environ") == 0 ]]
}
