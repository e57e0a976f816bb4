# What compose.bats uses: a checkout of its own for each test, so that every path is the files' own
# default, and a project of its own.
# shellcheck shell=bash disable=SC2034,SC2154 # bats and helpers.bash set and read the rest

redkeep=/opt/redkeep/bin/redkeep
UNTIL_SECONDS=180 # many containers on a slow machine

# checkout VARIANT: compose.yaml, or that and another one as the first lines of the other one say.
# Everything is the files' own but what shows a server's data, which no server here may by default.
checkout() {
    mkdir -p "$dir/checkout"
    cp -r "$top/compose" "$top/monitoring" "$dir/checkout/"
    cd "$dir/checkout/compose" || return
    rm -rf secrets backups tls
    echo "enable-debug-command yes" >>redis.conf
    export COMPOSE_PROJECT_NAME=redkeep-c-$BATS_TEST_NUMBER-$$ REDKEEP_PAGE=0 PROMETHEUS_PAGE=0
    case $1 in
    s3) command=$(head_of s3.env) ;;
    *) command=$(head_of "$1.yaml") ;;
    esac
    # the image was built from this same tree before the tests
    command=${command#docker build -t redkeep .. && }
    words=${command##*docker compose}
    words=${words%% up *}
    read -ra compose_options <<<"$words"
    tls=()
    if [[ $1 == tls ]]; then
        tls=(--tls --cacert /run/secrets/ca.crt --cert /run/secrets/server.crt
            --key /run/secrets/server.key)
    fi
    sidecar=redkeep
    if [[ $1 == single ]]; then sidecar=redis; fi
}

# head_of FILE: the one command in its first lines
head_of() {
    head -n 12 "$1" | sed -n 's/^#   \(.*docker compose.*\)$/\1/p'
}

# image_of OWNER: the one of theirs that compose.yaml pins
image_of() {
    sed -n "s|^    image: \\($1/.*\\)$|\\1|p" "$top/compose/compose.yaml"
}

compose() {
    docker compose "${compose_options[@]}" "$@"
}

# one_build COMMAND...: of this engine (26.1) two builds at once can be the end, by a nil pointer in what it
# records of them
one_build() {
    flock -w 600 "$DOCKER_DIR/build.lock" "$@"
}

# up [BEFORE...]: as the first lines say, behind one_build where that builds; what it says when it fails
up() {
    local log=$dir/up.log before=("$@")

    [[ $command != *--build* ]] || before=(one_build)
    "${before[@]}" bash -c "$command --wait-timeout 300" >"$log" 2>&1 3>&- || {
        cat "$log"
        compose logs --no-log-prefix | tail -n 40
        return 1
    }
}

# down_and_lost: everything is stopped as users do it, and no volume is left
down_and_lost() {
    compose down --volumes >"$dir/down.log" 2>&1 || { cat "$dir/down.log"; return 1; }
    [[ -z $(docker volume ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME") ]]
}

remove_project() {
    compose --profile '*' down --volumes --remove-orphans --rmi local --timeout 1 >/dev/null 2>&1 || true
    docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" |
        xargs --no-run-if-empty docker rm --force --volumes >/dev/null
}

# id SERVICE
id() {
    compose ps --all --quiet "$1"
}

# of SERVICE FORMAT: docker inspect
of() {
    docker inspect --format "$2" "$(id "$1")"
}

# ended SERVICE: when, in nanoseconds
ended() {
    date -d "$(of "$1" '{{.State.FinishedAt}}')" +%s%N
}

# in_redis COMMAND...: standard input is the command's; the password is nobody's argument
in_redis() {
    # shellcheck disable=SC2016 # the container's shell expands it
    compose exec -T redis sh -c 'export REDISCLI_AUTH=$(cat /run/secrets/password); exec "$@"' sh "$@"
}

cli() {
    in_redis redis-cli "${tls[@]}" "$@" </dev/null
}

# redkeep_does ARGUMENT...: in the container of the sidecar, where there is nothing else to run
redkeep_does() {
    compose exec -T "$sidecar" "$redkeep" "$@"
}

is_health() {
    [[ $(of "$1" '{{.State.Health.Status}}') == "$2" ]]
}

# has_backup: the sidecar's own first one, which may come late, has been stored. Until then another one is
# refused, and a restart of the server would have it taken at some other moment.
has_backup() {
    redkeep_does list --json | true_of '.backups | length > 0'
}

# Every type of value, and after that one start of the server: what it keeps in memory alone, no file
# brings back.
fill() {
    # shellcheck disable=SC2016
    in_redis sh -c 'cat | redis-cli "$@" --eval /dev/stdin , 500' sh "${tls[@]}" \
        <"$top/tests/integration/dataset.lua" >/dev/null
    printf '#!lua name=shop\nredis.register_function("price", function() return 42 end)\n' |
        in_redis redis-cli "${tls[@]}" -x FUNCTION LOAD REPLACE >/dev/null
    until_true has_backup
    compose restart redis >/dev/null 2>&1
    until_true is_health redis healthy
    [[ $(cli DBSIZE) -gt 500 ]]
}

# Everything that a server knows of its data: the digest of all values, and what that leaves out. (When a
# consumer was last active is in no append-only file.)
fingerprint() {
    cli DEBUG DIGEST
    cli INFO keyspace | tr -d '\r' | sed 's/,avg_ttl=.*//'
    cli FUNCTION LIST WITHCODE | sort
    cli PEXPIRETIME expires
    cli --json XINFO STREAM stream FULL COUNT 0 | jq -S 'walk(if type == "object"
        then del(.["seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes"]) else . end)'
}

# logged SERVICE TEXT
logged() {
    compose logs --no-log-prefix "$1" | grep -q -F "$2"
}

# ---- an S3 server behind the name of the public image ----

# s3_elsewhere: one that outlives the project, as S3 does: Ceph's, on this machine. The image that users
# pull cannot be had here; what stands for it takes the same environment, command and health check, and
# passes everything on.
s3_elsewhere() {
    local key

    "$top/tests/support/rgw.sh" up "$dir/rgw" >"$dir/rgw.env" 3>&-
    "$top/tests/support/rgw.sh" bucket "$dir/rgw" redkeep >/dev/null
    # shellcheck disable=SC1091
    . "$dir/rgw.env"
    mkdir -p secrets/s3
    for key in access secret; do
        local name=RGW_${key^^}_KEY
        echo "${!name}" >"secrets/s3/$key-key"
    done
    one_build docker build --quiet --pull=false --tag "$(image_of versity)" \
        "$containers_dir/compose_s3" >/dev/null
    mkdir -p backups/s3
    "$containers_dir/compose_s3/relay" "$PWD/backups/s3/.elsewhere" "${RGW_ENDPOINT#http://}" \
        >/dev/null 2>&1 3>&- &
    relay=$!
    until_true test -S backups/s3/.elsewhere
}

s3_gone() {
    [[ -z ${relay:-} ]] || kill "$relay"
    [[ ! -d $dir/rgw ]] || "$top/tests/support/rgw.sh" down "$dir/rgw"
}

# ---- what nobody has, and nobody sees ----

# has_no_rights SERVICE: its first process, as the kernel has it
has_no_rights() {
    local status

    status=/proc/$(of "$1" '{{.State.Pid}}')/status
    [[ $(awk '/^(CapEff|CapPrm|CapBnd|CapInh|CapAmb):/ {print $2}' "$status" | sort -u) == 0000000000000000 ]]
    [[ $(awk '/^NoNewPrivs:/ {print $2}' "$status") == 1 ]]
    [[ $(awk '/^Uid:/ {print $2}' "$status") != 0 ]]
    [[ $(of "$1" '{{.HostConfig.ReadonlyRootfs}}') == true ]]
}

# secrets_stay_secret: not in what docker tells of the project, in any log, or in a process's own words
secrets_stay_secret() {
    local container secret

    for container in $(compose ps --all --quiet); do
        docker inspect "$container"
        docker logs "$container" 2>&1
        docker top "$container" -eo args 2>/dev/null || true # it has ended
    done >"$dir/told"
    compose config >>"$dir/told"
    [[ $(grep -c redkeep "$dir/told") -gt 10 ]]
    for secret in secrets/redis/password secrets/redkeep/redis-password secrets/s3/secret-key; do
        [[ ! -e $secret ]] || {
            [[ $(wc -c <"$secret") -gt 20 ]]
            run -1 grep -F -f "$secret" "$dir/told"
        }
    done
}
