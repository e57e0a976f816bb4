#!/usr/bin/env bats
# The product's image as users run it: what is in it, whoever runs it, with as few rights as can be;
# and /opt/redkeep copied into the images of servers, with and without a shell, with another C library.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

program=/opt/redkeep/bin/redkeep
hardened=(--read-only --cap-drop ALL --security-opt no-new-privileges)

# foreign NAME: an image of that name's own, from the Dockerfile on stdin, with redkeep's files in it
foreign() {
    build --build-arg "REDKEEP=$image" --label redkeep.test=foreign --tag "foreign:$1" -
}

setup_file() {
    "$BATS_TEST_DIRNAME/images.sh" debian:trixie-slim redis:8
    foreign redis <<'D'
ARG REDKEEP
FROM $REDKEEP AS redkeep
FROM redis:8
COPY --from=redkeep /opt/redkeep /opt/redkeep
ENTRYPOINT ["/opt/redkeep/bin/redkeep", "entrypoint", "--"]
CMD ["redis-server"]
D
    # a server and its libraries, and nothing else: no shell, no /etc but the user's line
    foreign bare <<'D'
ARG REDKEEP
FROM $REDKEEP AS redkeep
FROM redis:8 AS server
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN mkdir -p /bare/{usr/bin,data,etc,tmp} && cp -L /usr/bin/redis-server /bare/usr/bin/ \
    && ldd /usr/bin/redis-server | grep -o '/[^ ]*' | xargs cp -L --parents -t /bare \
    && grep redis: /etc/passwd >/bare/etc/passwd && chown 999:999 /bare/data
FROM scratch
COPY --from=server /bare/ /
COPY --from=redkeep /opt/redkeep /opt/redkeep
ENV PATH=/usr/bin
WORKDIR /data
ENTRYPOINT ["/opt/redkeep/bin/redkeep", "entrypoint", "--"]
CMD ["redis-server", "--protected-mode", "no"]
D
    # as Alpine: busybox, and no glibc anywhere; the server is a script that says how it was started
    foreign busybox <<'D'
ARG REDKEEP
FROM $REDKEEP AS redkeep
FROM debian:trixie-slim AS shell
RUN apt-get update -q && apt-get install -qy --no-install-recommends busybox-static
RUN mkdir -p /root-of/bin /root-of/etc /root-of/data /root-of/usr/bin && cp /bin/busybox /root-of/bin/ \
    && ln -s busybox /root-of/bin/sh && ln -s busybox /root-of/bin/id \
    && echo 'redis:x:999:1000::/data:/bin/sh' >/root-of/etc/passwd
COPY --chmod=755 <<'S' /root-of/usr/bin/redis-server
#!/bin/sh
if [ "${1:-}" = --version ]; then
    echo "Redis server v=8.0.2 sha=00000000:0 malloc=libc bits=64 build=0"
    exit 0
fi
echo "uid $(id -u) started with: $*"
S
FROM scratch
COPY --from=shell /root-of/ /
COPY --from=redkeep /opt/redkeep /opt/redkeep
ENV PATH=/usr/bin:/bin
WORKDIR /data
ENTRYPOINT ["/opt/redkeep/bin/redkeep", "entrypoint", "--"]
CMD ["redis-server"]
D
}

teardown_file() {
    docker images --quiet --filter label=redkeep.test=foreign | sort -u |
        xargs --no-run-if-empty docker rmi --force >/dev/null
}

setup() {
    world
}

teardown() {
    [[ -z ${rgw-} ]] || "$top/tests/support/rgw.sh" down "$rgw"
    [[ -z ${tls-} ]] || kill "$tls" 2>/dev/null || true
    end_world
}

# config FORMAT: of the image
config() {
    docker image inspect --format "$1" "$image"
}

# files: what is in it, a line each, as tar shows them
files() {
    docker create --label "$label" --name "$name-files" "$image" >/dev/null
    docker export "$name-files" | tar --list --verbose --numeric-owner --full-time
}

# ---- what it is ----

@test "the image is at most 20 MB" {
    size=$(config '{{.Size}}')
    echo "$size bytes"
    ((size <= 20 * 1000 * 1000))
}

@test "nothing is in it but the program, its libraries, and what they read" {
    # of the container itself: .dockerenv, dev, proc, sys, and three files in etc
    files | awk '{ sub(/^.* [0-9:.]+ /, ""); print }' |
        grep -v -E '^(dev|proc|sys)/|^\.dockerenv$|^etc/(hostname|hosts|resolv.conf|mtab)( |$)' |
        sed -E -e 's#^(opt/redkeep/share/(zoneinfo|licenses)/).+#\1#' \
            -e 's#/ld-linux-[a-z0-9-]+\.so\.[0-9]$#/LOADER#' | LC_ALL=C sort -u >"$dir/files"
    diff "$dir/files" - <<'FILES'
data/
etc/
etc/group
etc/passwd
etc/ssl/
etc/ssl/certs/
etc/ssl/certs/ca-certificates.crt -> /opt/redkeep/share/ca-certificates.crt
opt/
opt/redkeep/
opt/redkeep/bin/
opt/redkeep/bin/redkeep
opt/redkeep/lib/
opt/redkeep/lib/LOADER
opt/redkeep/lib/libc.so.6
opt/redkeep/lib/libcjson.so.1
opt/redkeep/lib/libm.so.6
opt/redkeep/share/
opt/redkeep/share/ca-certificates.crt
opt/redkeep/share/licenses/
opt/redkeep/share/zoneinfo/
tmp/
usr/
usr/lib/
usr/lib/ssl/
usr/lib/ssl/cert.pem -> /etc/ssl/certs/ca-certificates.crt
usr/share/
usr/share/zoneinfo -> /opt/redkeep/share/zoneinfo
FILES
}

@test "nobody but root may change what is in it, and nothing in it gives rights" {
    # mode, owner, name: links have no mode of their own; dev, .dockerenv and the like are Docker's
    files | awk '$1 !~ /^l/ {print $1, $2, $6}' |
        grep -v -E ' (dev|proc|sys)/| \.dockerenv$| etc/(hostname|hosts|resolv.conf)$' >"$dir/modes"
    grep -v -E '^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x) 0/0 ' "$dir/modes" |
        diff - <(printf '%s\n' 'drwxr-xr-x 999/999 data/' 'drwxrwxrwt 0/0 tmp/')
    # what can be executed
    grep '^-..x' "$dir/modes" | grep -v ' opt/redkeep/lib/' | diff - <(echo "-rwxr-xr-x 0/0 ${program#/}")
}

@test "its labels and defaults say what it is" {
    [[ $(config '{{.Config.User}}') == 999:999 ]]
    [[ $(config '{{json .Config.Entrypoint}} {{json .Config.Cmd}}') == '["/opt/redkeep/bin/redkeep"] ["run"]' ]]
    [[ $(config '{{json .Config.ExposedPorts}}') == '{"9742/tcp":{}}' ]]
    [[ $(config '{{.Config.StopSignal}}') == SIGTERM ]]
    [[ $(config '{{json .Config.Healthcheck.Test}}') == '["CMD","/opt/redkeep/bin/redkeep","ready"]' ]]
    version=$(config '{{index .Config.Labels "org.opencontainers.image.version"}}')
    [[ $(once "$image" --version) == "redkeep $version" ]]
}

@test "there is no shell" {
    run -127 once --entrypoint /bin/sh "$image" -c true
}

@test "whoever runs it, with no rights, no network and nothing to write to" {
    for user in 999:999 12345 12345:0 0:0 65534:65534; do
        run -0 once --user "$user" --network none "${hardened[@]}" "$image" --version
        run -2 once --user "$user" --network none "${hardened[@]}" "$image" backup
        [[ $output == *repository* ]]
    done
}

# ---- what it does ----

# on_volume REDKEEP-ARGUMENT...: beside the server `redis`, on its volume, with the least rights
on_volume() {
    once "${hardened[@]}" --user "$user" --network "container:$name-redis" --volume "$data:/data:nocopy" \
        --volume "$repository:/repository" --env REDKEEP_REPOSITORY=file:///repository \
        --env REDKEEP_INSTANCE=db "$image" "$@"
}

# owned VOLUME: made the user's; a mount without nocopy would give an empty one to uid 999
owned() {
    once --user 0:0 --volume "$1:/it" --entrypoint /bin/chown redis:8 "$user:$user" /it
}

@test "a volume is backed up beside its server and brought back, by uid 999 and by another" {
    for user in 999 12345; do
        data=$(volume "data-$user")
        repository=$(volume "repository-$user")
        owned "$data"
        owned "$repository"
        server redis --user "$user" --volume "$data:/data:nocopy" -- redis-server --appendonly yes
        cli redis SET greeting "of $user" >/dev/null
        run -0 --separate-stderr on_volume backup --json
        [[ $(jq .keys <<<"$output") == 1 ]]

        docker rm --force "$name-redis" >/dev/null
        docker volume rm "$data" >/dev/null
        data=$(volume "data-$user")
        owned "$data"
        run -0 --separate-stderr once "${hardened[@]}" --network none --user "$user" \
            --volume "$data:/data:nocopy" --volume "$repository:/repository" \
            --env REDKEEP_REPOSITORY=file:///repository --env REDKEEP_INSTANCE=db \
            --env REDKEEP_APPENDONLY=yes "$image" prepare --json
        [[ $(jq -r .reason <<<"$output") == restored ]]
        server redis --user "$user" --volume "$data:/data:nocopy" -- redis-server --appendonly yes
        [[ $(cli redis GET greeting) == "of $user" ]]
        docker rm --force "$name-redis" >/dev/null
    done
}

# sidecar: `redkeep run` beside the server `redis`
sidecar() {
    create sidecar "${hardened[@]}" --network "container:$name-redis" --volume "$data:/data" \
        --volume "$repository:/repository" --env REDKEEP_REPOSITORY=file:///repository \
        --env REDKEEP_INSTANCE=db --env REDKEEP_DRAIN_TIMEOUT=150s --health-interval 1s \
        --health-start-period 1ms "$image"
}

is_in_repository() {
    once "${hardened[@]}" --network none --volume "$repository:/repository" \
        --env REDKEEP_REPOSITORY=file:///repository --env REDKEEP_INSTANCE=db "$image" list --json |
        true_of ".backups | length >= $1"
}

@test "the sidecar becomes healthy, and a stop in order ends it with 0" {
    user=999
    data=$(volume data)
    repository=$(volume repository)
    owned "$data"
    owned "$repository"
    server redis --volume "$data:/data"
    cli redis SET greeting hello >/dev/null
    sidecar
    until_true is_healthy sidecar
    until_true is_in_repository 1
    cli redis SET last word >/dev/null
    docker stop --time 60 "$name-redis" >/dev/null
    docker stop --time 200 "$name-sidecar" >/dev/null
    is sidecar '{{.State.ExitCode}}' 0 || { docker logs "$name-sidecar"; return 1; }
    is_in_repository 2
}

@test "without its server it is not healthy" {
    create other --network none --health-interval 1s --health-start-period 1ms --health-retries 1 \
        --env REDKEEP_REPOSITORY=file:///tmp "$image"
    until_true is other '{{.State.Health.Status}}' unhealthy
    run -7 docker exec "$name-other" "$program" ready
}

# ---- certificates and zones, here and where there are none ----

# bare ARGUMENT...: a server's image that has neither; what redkeep brought along is all there is
bare() {
    once --entrypoint "$program" foreign:bare "$@"
}

# certificate: for localhost, its own authority
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/key.pem" \
        -out "$dir/cert.pem" -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
    chmod 644 "$dir/cert.pem"
}

# inside COMMAND...: in the engine's network, where containers with --network host are
inside() {
    "$top/tests/support/docker.sh" inside "$DOCKER_DIR" "$@"
}

# tls_server: answers https with 404; $port
tls_server() {
    certificate
    # not by `inside`: whose shell would be what is killed at the end
    "$top/tests/support/docker.sh" inside "$DOCKER_DIR" openssl s_server -accept 127.0.0.1:0 \
        -cert "$dir/cert.pem" -key "$dir/key.pem" -WWW -naccept 1000 </dev/null >"$dir/tls.log" 2>&1 3>&- &
    tls=$!
    until_true grep -q '^ACCEPT ' "$dir/tls.log"
    port=$(sed -n 's/^ACCEPT .*:\([0-9]*\).*/\1/p' "$dir/tls.log" | head -n 1)
}

asking=(--network host --env AWS_ACCESS_KEY_ID=K --env AWS_SECRET_ACCESS_KEY=S --env AWS_REGION=us-east-1
    --env REDKEEP_REPOSITORY=s3://bucket/p)

@test "https is judged by the certificates of the image, and of /opt/redkeep where there are no others" {
    tls_server
    asking+=(--env "AWS_ENDPOINT_URL=https://localhost:$port")
    for where in "$image:/etc/ssl/certs/ca-certificates.crt" foreign:bare:/opt/redkeep/share/ca-certificates.crt; do
        it=${where%:*}
        # a stranger's certificate is refused, since there are certificates to judge it by
        run -5 once "${asking[@]}" --entrypoint "$program" "$it" list
        [[ $output == *self-signed* ]] || { echo "$output"; return 1; }
        # and believed when it is among them: what is refused then is the answer
        run once "${asking[@]}" --volume "$dir/cert.pem:${where##*:}:ro" --entrypoint "$program" "$it" list
        ((status != 0))
        [[ $output != *certificate* ]] || { echo "$output"; return 1; }
    done
}

@test "a real S3 server by https: backed up there, and brought back" {
    user=999
    certificate
    rgw=$(mktemp -d /tmp/redkeep-rgw-XXXXXX) # a short path: unix sockets lie in it
    settings=$(TLS_CERT=$dir/cert.pem TLS_KEY=$dir/key.pem inside "$top/tests/support/rgw.sh" up "$rgw" 3>&-)
    eval "$settings"
    inside "$top/tests/support/rgw.sh" bucket "$rgw" keep
    data=$(volume data)
    server redis --volume "$data:/data" -- redis-server --unixsocket /data/redis.sock \
        --enable-debug-command yes
    # of several parts, and nothing that could be compressed
    cli redis EVAL 'for i = 1, 600 do
        local text = {}
        for j = 1, 1500 do text[j] = redis.sha1hex(i .. ":" .. j) end
        redis.call("SET", "key:" .. i, table.concat(text))
    end' 0
    digest=$(cli redis DEBUG DIGEST)
    s3=("${hardened[@]}" --network host --volume "$data:/data" --env AWS_ACCESS_KEY_ID="$RGW_ACCESS_KEY"
        --env AWS_SECRET_ACCESS_KEY="$RGW_SECRET_KEY" --env AWS_REGION=us-east-1
        --env AWS_ENDPOINT_URL="${RGW_ENDPOINT/127.0.0.1/localhost}" --env REDKEEP_REDIS_URL=unix:///data/redis.sock
        --env AWS_CA_BUNDLE=/ca.pem --volume "$dir/cert.pem:/ca.pem:ro" --env REDKEEP_PART_SIZE=5mb
        --env REDKEEP_REPOSITORY=s3://keep/p --env REDKEEP_INSTANCE=db)
    run -0 --separate-stderr once "${s3[@]}" "$image" backup --json
    (($(jq .stored_bytes <<<"$output") > 10 << 20)) || { echo "$output"; return 1; }
    docker rm --force "$name-redis" >/dev/null
    docker volume rm "$data" >/dev/null
    volume data >/dev/null
    run -0 once "${s3[@]}" "$image" prepare
    server redis --volume "$data:/data" -- redis-server --enable-debug-command yes
    [[ $(cli redis DEBUG DIGEST) == "$digest" ]]
}

@test "every time zone is there, also where the system has none" {
    for it in "$image" foreign:bare foreign:busybox; do
        zone=(--env REDKEEP_REPOSITORY=file:///data --entrypoint "$program")
        for known in UTC Europe/Berlin America/Argentina/Buenos_Aires Asia/Tokyo; do
            run -0 once --env "REDKEEP_TIMEZONE=$known" "${zone[@]}" "$it" prune
        done
        run -2 once --env REDKEEP_TIMEZONE=Europe/Atlantis "${zone[@]}" "$it" prune
        [[ $output == *'take a name of the zone database'* ]] || { echo "$output"; return 1; }
    done
}

@test "names are found in /etc/hosts first, also where nothing says so" {
    for it in "$image" foreign:bare foreign:busybox; do
        run -7 once --add-host server.of.nobody:127.0.0.1 --env REDKEEP_REDIS_URL=redis://server.of.nobody:1 \
            --entrypoint "$program" "$it" ready
        [[ $output == *refused* ]] || { echo "$it: $output"; return 1; }
    done
}

# ---- /opt/redkeep in other images ----

@test "the program runs in any image, whatever C library that has or has not" {
    version=$(once "$image" --version)
    for it in foreign:redis foreign:bare foreign:busybox; do
        run -0 once --entrypoint "$program" "$it" --version
        [[ $output == "$version" ]]
        # what the image has in mind for its own programs
        run -0 --separate-stderr once --env LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu:/lib \
            --entrypoint "$program" "$it" --version
        [[ $output == "$version" ]]
    done
}

@test "the entrypoint restores and starts the server of an image, with a shell and without" {
    user=999
    for it in redis bare; do
        data=$(volume "data-$it")
        repository=$(volume "repository-$it")
        owned "$repository"
        entry=(--volume "$data:/data" --volume "$repository:/repository"
            --env REDKEEP_REPOSITORY=file:///repository --env REDKEEP_INSTANCE=db)
        create "$it" "${entry[@]}" "foreign:$it"
        until_true answers "$it"
        asked "$it" SET greeting "from $it" >/dev/null
        run -0 docker exec --user 999:999 "$name-$it" "$program" backup
        docker rm --force "$name-$it" >/dev/null
        docker volume rm "$data" >/dev/null
        volume "data-$it" >/dev/null
        create "$it" "${entry[@]}" "foreign:$it"
        until_true answers "$it"
        [[ $(asked "$it" GET greeting) == "from $it" ]]
        # the server is process 1, and its user is not root
        [[ $(docker top "$name-$it" -o pid,uid,args | tail -n 1) == *' 999 '*redis-server* ]]
        docker stop --time 60 "$name-$it" >/dev/null
        is "$it" '{{.State.ExitCode}}' 0
    done
}

# asked CONTAINER COMMAND...: by a client of another image, since it may have none
asked() {
    local it=$1

    shift
    once --network "container:$name-$it" --entrypoint redis-cli redis:8 "$@"
}

answers() {
    asked "$1" PING | grep -q PONG
}

@test "the entrypoint starts what an image without glibc has, as its user" {
    data=$(volume data)
    run -0 --separate-stderr once --volume "$data:/data" foreign:busybox redis-server --port 7000
    [[ $output == 'uid 999 started with: --port 7000' ]] || { echo "$output"; echo "$stderr"; return 1; }
}
