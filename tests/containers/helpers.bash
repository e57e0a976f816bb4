# What the container tests share. Whatever a test makes with docker carries the label $label, by
# `create`, `volume` and `network` below, and is removed by it at the end, failed or not.
# Run by run.sh, or by hand: . /tmp/docker/env; REDKEEP_IMAGE=redkeep:test bats FILE
# shellcheck shell=bash disable=SC2034,SC2154 # bats has status, output; tests read the rest

bats_require_minimum_version 1.5.0

image=${REDKEEP_IMAGE:-redkeep:test}
containers_dir=${BASH_SOURCE[0]%/*}
top=$(cd "$containers_dir/../.." && pwd)

# A test's world: a name that prefixes all it makes, an empty directory, nothing of ours set.
world() {
    [[ -n ${DOCKER_DIR:-} ]] || {
        echo "no engine: see tests/containers/run.sh"
        return 1
    }
    dir=$BATS_TEST_TMPDIR
    name=$(basename "$BATS_TEST_FILENAME" .bats)-$BATS_TEST_NUMBER-$$
    label=redkeep.test=$name
}

end_world() {
    labelled ps --all | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
    labelled volume ls | xargs --no-run-if-empty docker volume rm --force >/dev/null
    labelled network ls | xargs --no-run-if-empty docker network rm >/dev/null
}

# labelled LISTING...: the ids of this test's own
labelled() {
    docker "$@" --quiet --filter "label=$label"
}

# ---- conditions ----

# true_of FILTER: `jq -e`, and what says nothing at all is no (of jq 1.6 it is yes)
true_of() {
    jq -n -e "input | ($1)" >/dev/null
}

# until_true COMMAND...: waits for it to succeed; two minutes are a ceiling for slow machines
until_true() {
    local deadline=$((SECONDS + ${UNTIL_SECONDS:-120}))

    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            echo "never came true: $*"
            return 1
        fi
        read -rt 0.1 <> <(:) || true # a pause without a process
    done
}

# ---- containers ----

# build ARGUMENT...: docker build, one at a time: two that share steps can end this engine's builder, and
# the engine with it (moby/buildkit #5606)
build() {
    flock -w 600 "$DOCKER_DIR/build.lock" docker build --quiet "$@" >/dev/null
}

# create NAME ARGUMENT...: docker run in the background, as $name-NAME
create() {
    local it=$1

    shift
    docker run --detach --label "$label" --name "$name-$it" "$@" >/dev/null
}

# once ARGUMENT...: docker run to its end; its output, its exit code
once() {
    docker run --rm --label "$label" "$@"
}

# volume NAME: prints $name-NAME, made and empty
volume() {
    docker volume create --label "$label" "$name-$1"
}

network() {
    docker network create --label "$label" "$name-$1" >/dev/null
    echo "$name-$1"
}

# is CONTAINER FORMAT VALUE: as `docker inspect` says
is() {
    [[ $(docker inspect --format "$2" "$name-$1") == "$3" ]]
}

is_healthy() {
    is "$1" '{{.State.Health.Status}}' healthy
}

# server NAME ARGUMENT... -- COMMAND...: a Redis server, loaded when this returns
server() {
    local it=$1 before=()

    shift
    while (($# > 0)) && [[ $1 != -- ]]; do
        before+=("$1")
        shift
    done
    (($# == 0)) || shift
    create "$it" "${before[@]}" redis:8 "$@"
    until_true loaded "$it" || { docker logs "$name-$it" 2>&1 | tail -n 20; return 1; }
}

loaded() {
    docker exec "$name-$1" redis-cli INFO persistence | grep -q ^loading:0
}

# cli NAME ARGUMENT...
cli() {
    local it=$1

    shift
    docker exec "$name-$it" redis-cli "$@"
}
