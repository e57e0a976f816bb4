#!/bin/bash
# The product's image in real containers: an engine of its own under build/containers, the image built
# from the Dockerfile, every tests/containers/*.bats, and all of it taken down whatever happens.
# usage: run.sh [NAME...]    NAME: one file, "image"; without any all of them; last come those that take
#                            a machine for themselves: kubernetes.bats brings a cluster, newcomer.bats
#                            runs all the tests in a Debian that has nothing
# The files find DOCKER_* (tests/support/docker.sh) and REDKEEP_IMAGE in the environment. Where
# DOCKER_DIR is set already, that engine is used and left running:
#     . /tmp/docker/env; tests/containers/run.sh image
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
engine=$top/tests/support/docker.sh
export REDKEEP_IMAGE=redkeep:test
passed=0
failed=0
log=$(mktemp)

end() {
    rm -f "$log"
    [[ -z ${own:-} ]] || "$engine" down "$own"
}
trap end EXIT
trap 'exit 130' INT TERM

give_up() {
    echo "FAILED $1"
    echo "0 passed, 1 failed"
    exit 1
}

# tests NAME FILE...: adds the sum that they end with
tests() {
    local sum

    "$top/tests/support/integration.sh" "$@" 2>&1 | tee "$log" |
        grep --line-buffered -v -E '^[0-9]+ passed, [0-9]+ failed$'
    sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    [[ -n $sum ]] || sum="0 passed, 1 failed"
    passed=$((passed + ${sum%% *}))
    sum=${sum#*, }
    failed=$((failed + ${sum%% *}))
}

if (($# == 0)); then
    files=("$here"/*.bats)
else
    files=("${@/#/$here/}")
    files=("${files[@]/%/.bats}")
fi
together=()
last=()
for file in "${files[@]}"; do
    [[ -e $file ]] || give_up "no container test is called $(basename "$file" .bats)"
    if [[ $file == */@(kubernetes|newcomer).bats ]]; then last+=("$file"); else together+=("$file"); fi
done

if [[ -z ${DOCKER_DIR:-} ]]; then
    own=$top/build/containers
    "$engine" up "$own" >/dev/null || give_up "no engine"
    # shellcheck disable=SC1091 # what the engine has just written
    . "$own/env"
fi
begin=$SECONDS
{ "$here/images.sh" debian:trixie-slim &&
    docker build --quiet --tag "$REDKEEP_IMAGE" --tag redkeep "$top"; } >"$log" 2>&1 || {
    cat "$log"
    give_up "the image"
}
echo "the image: $((SECONDS - begin)) s, $(docker image inspect --format '{{.Size}}' "$REDKEEP_IMAGE") bytes"

((${#together[@]} == 0)) || tests "$*" "${together[@]}"
for file in "${last[@]}"; do
    INTEGRATION_SECONDS=${INTEGRATION_SECONDS:-1800} tests "$*" "$file"
done
echo "$passed passed, $failed failed"
((failed == 0))
