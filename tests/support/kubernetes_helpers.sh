# What kubernetes.bats shares: the node, an object store that its pods reach, namespaces with volumes of
# their own, and words to ask what runs there.
# shellcheck shell=bash disable=SC2034,SC2154 # bats has status, output; tests read the rest

bats_require_minimum_version 1.5.0

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
support=$top/tests/support
built=$top/build/kubernetes
PATH=$built/trixie/usr/bin:$PATH
bucket=keep

# ---- once for the file ----

tools_up() {
    mkdir -p "$built"
    (
        flock -w 600 9
        [[ -e $built/trixie/.complete ]] ||
            "$support/debian.sh" unpack trixie "$built/trixie" kubectl python3-kubernetes
        touch "$built/trixie/.complete"
    ) 9>"$built/lock" 3>&-
}

node_up() {
    tools_up
    nice -n 5 "$support/kubernetes_build.sh" "$built/bin" >/dev/null 2>"$BATS_FILE_TMPDIR/build.log" 3>&- || {
        tail -n 20 "$BATS_FILE_TMPDIR/build.log"
        return 1
    }
    node=$(mktemp -d /tmp/kube.XXXX)
    export node
    "$support/kubernetes.sh" up "$node" "$built/bin" 3>&-
}

node_down() {
    "$support/kubernetes.sh" inside "$node" "$support/rgw.sh" down "$node.rgw" 3>&- || true
    "$support/kubernetes.sh" down "$node"
}

# The images that the manifests name, on the node.
images_up() {
    local version tests_image=${REDKEEP_IMAGE:-redkeep:test} names=docker.io/library

    version=$(sed -n 's/^VERSION := //p' "$top/Makefile")
    "$top/tests/containers/images.sh" redis:8
    docker build --quiet --pull=false --tag redis:modules "$support/kubernetes_modules" >/dev/null
    docker build --quiet --pull=false --build-arg REDKEEP="$tests_image" --build-arg SERVER=redis:modules \
        --tag "redkeep-redis:$version" "$top/k8s/components/drills" >/dev/null
    "$support/kubernetes.sh" load "$node" redis:8 "$tests_image" "redkeep-redis:$version"
    ctr --address "$node/containerd/containerd.sock" --namespace k8s.io images tag --force \
        "$names/$tests_image" "$names/redkeep:$version" >/dev/null
}

store_up() {
    "$support/kubernetes.sh" inside "$node" "$support/rgw.sh" up "$node.rgw" >/dev/null 3>&-
    "$support/kubernetes.sh" inside "$node" "$support/rgw.sh" bucket "$node.rgw" "$bucket" >/dev/null 3>&-
    sed 's/127\.0\.0\.1/10.244.77.1/' "$node.rgw/endpoint" >"$node/endpoint"
    mkdir -p "$node/home/.aws"
    printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' RGWTESTACCESSKEY0001 \
        'rgwTestSecretKey/0123456789+abcdefABCDEF' >"$node/home/.aws/credentials"
}

# ---- conditions ----

# until_true COMMAND...: the minutes are a ceiling for slow machines
until_true() {
    local deadline=$((SECONDS + ${UNTIL_SECONDS:-240}))

    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || {
            echo "never came true: $*"
            tell
            return 1
        }
        read -rt 0.2 <> <(:) || true # a pause without a process
    done
}

# true_of FILTER [OPTION...]: `jq -e`, and what says nothing at all is no (of jq 1.6 it is yes)
true_of() {
    jq -n -e "${@:2}" "input | ($1)"
}

# for the reader of a failure
tell() {
    k get pods -o wide || true
    k get events --sort-by=.lastTimestamp | tail -n 15 || true
    for pod in $(k get pods -o name); do
        for container in prepare redkeep redis; do
            echo "--- $pod $container"
            k logs "$pod" -c "$container" --tail 15 || true
        done
    done
} 2>&1

# ---- a namespace, in which everything of a test is ----

# k ARGUMENT...: kubectl, in the test's namespace
k() {
    "$support/kubernetes.sh" inside "$node" kubectl --namespace "$space" "$@"
}

# block HEADING NUMBER: a block of code of k8s/README.md
block() {
    awk -v heading="$1" -v wanted="$2" '
        /^#/ {inside = $0 ~ "^#+ " heading "$"; n = 0}
        inside && /^```sh$/ {n++; on = n == wanted; next}
        /^```$/ {on = 0}
        on' "$top/k8s/README.md"
}

# parking: how docs/README.md has people park a pod
parking() {
    awk '/^#/ {inside = /^## Elsewhere/}
        inside && /^```text$/ {on = 1; next}
        /^```$/ {on = 0}
        on' "$top/docs/README.md"
}

# server_lines LINE...: in the settings of the servers of this namespace that start from now on
server_lines() {
    k get secret redis-auth -o json | jq --arg lines "$(printf '%s\n' "$@")" \
        '.data["auth.conf"] |= (@base64d + $lines + "\n" | @base64)' | k replace -f - >/dev/null
}

# in_kubernetes WHAT [WORDS]: that page's command for it, with these words in place of its dots
in_kubernetes() {
    local cell

    cell=$(awk -F ' \\| ' -v what="$1" '$1 == "| " what {sub(/ \|$/, "", $4); print $4}' "$top/docs/README.md" |
        sed 's/^[^`]*`//; s/`$//')
    [[ $cell == kubectl* ]] || { echo "the table has no row: $1"; return 1; }
    cell=${cell/kubectl /kubectl -n $space }
    cell=${cell/ -it / -i } # no terminal here
    "$support/kubernetes.sh" inside "$node" bash -c "${cell/…/${2-}}"
}

# world NAME: a namespace, with the secrets that README.md has people make
world() {
    space=$1
    work=$node/work/$space
    mkdir -p "$work"
    block 'Five minutes' 1 | sed "s/-n redis/-n $space/; s/namespace redis$/namespace $space/" >"$work/secrets.sh"
    HOME=$node/home "$support/kubernetes.sh" inside "$node" bash -euo pipefail "$work/secrets.sh" >/dev/null
    k get secret redis-auth redkeep-s3 >/dev/null
}

end_world() {
    k delete statefulset,daemonset,job --all --wait=false >/dev/null 2>&1 || true
    k delete pods --all --force --grace-period=0 >/dev/null 2>&1 || true
}

# volume NAME: an empty one for the claim of that name, in place of the last
volume() {
    k delete pvc "$1" --ignore-not-found >/dev/null
    k delete pv "$space-$1" --ignore-not-found >/dev/null 2>&1
    rm -rf "$node/volumes/$space-$1"
    persistent_volume "$space-$1" "claimRef: {namespace: $space, name: $1}"
}

# an empty one for the next claim, whosever it is
volume_for_any() {
    persistent_volume "$space-any"
}

# persistent_volume NAME [LINE]
persistent_volume() {
    mkdir -p "$node/volumes/$1"
    k create -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: $1}
spec:
  capacity: {storage: 8Gi}
  accessModes: [ReadWriteOnce]
  local: {path: $node/volumes/$1}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [localhost]}]
  ${2-}
YAML
}

# overlay BASE [COMPONENT...]: one of ours as a user has it, with a repository and small; $work/overlay
overlay() {
    local base=$1 up
    shift
    mkdir -p "$work/overlay"
    up=$(realpath --relative-to="$work/overlay" "$top/k8s")
    cat >"$work/overlay/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: $space
resources: [$up/overlays/$base]
components: [$(printf "$up/components/%s," "$@" | sed "s#$up/components/,##; s/,$//")]
configMapGenerator:
  - name: redkeep
    behavior: merge
    literals:
      - REDKEEP_REPOSITORY=s3://$bucket/$(basename "$BATS_RUN_TMPDIR")-$space
      - AWS_ENDPOINT_URL_S3=$(<"$node/endpoint")
      - AWS_REGION=us-east-1
patches:
  - patch: |- # policy/v1 is of 1.21
      \$patch: delete
      apiVersion: policy/v1
      kind: PodDisruptionBudget
      metadata: {name: redis}
  - target: {kind: StatefulSet}
    patch: |-
      - {op: replace, path: /spec/template/spec/containers/0/resources/requests/memory, value: 64Mi}
YAML
}

# ---- what runs there ----

is_ready() {
    [[ $(k get pod "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]]
}

is_gone() {
    [[ -z $(k get pod "$1" --ignore-not-found -o name) ]]
}

# inside POD COMMAND...: in the server's container
inside() {
    local pod=$1
    shift
    k exec "$pod" -c redis -- "$@"
}

# cli POD ARGUMENT...: redis-cli with the password, as README.md has it
cli() {
    local pod=$1
    shift
    # shellcheck disable=SC2016 # the shell over there expands it
    inside "$pod" sh -c 'REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /etc/redis-auth/auth.conf) \
        exec redis-cli "$@"' - "$@"
}

fill() {
    [[ $(cli "$1" EVAL 'for i = 1, 2000 do
        redis.call("SET", "string:" .. i, string.rep(i, 20))
        redis.call("HSET", "hash:" .. i % 50, i, i * i)
        redis.call("RPUSH", "list:" .. i % 50, i)
        redis.call("ZADD", "zset:" .. i % 50, i, "member:" .. i)
        end redis.call("SET", "expires", "never", "EX", 1000000) return redis.call("DBSIZE")' 0) == 2151 ]]
}

# Everything that a server holds, as one line.
fingerprint() {
    cli "$1" EVAL 'local keys, all = redis.call("KEYS", "*"), {}
        table.sort(keys)
        for i, key in ipairs(keys) do all[i] = key .. redis.sha1hex(redis.call("DUMP", key)) end
        return #keys .. " keys " .. redis.sha1hex(table.concat(all))' 0
}

# readyz POD FILTER: holds for what the sidecar says of the server
readyz() {
    curl_pod "$1" /readyz | true_of "$2"
}

# curl_pod POD PATH
curl_pod() {
    "$support/kubernetes.sh" inside "$node" curl -sS --max-time 5 \
        "http://$(k get pod "$1" -o 'jsonpath={.status.podIP}'):9742$2"
}

# prepared POD FILTER: holds for what `prepare` answered
prepared() {
    local answer
    answer=$(k logs "$1" -c prepare | sed -n '/^{$/,/^}$/p')
    true_of "$2" <<<"$answer" >/dev/null || {
        printf 'not so: %s\n%s\n' "$2" "$answer"
        return 1
    }
}

# scale N: so many pods of the set; their claims stay
scale() {
    k scale statefulset redis --replicas "$1" >/dev/null
}
