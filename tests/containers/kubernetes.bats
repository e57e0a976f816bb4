# The manifests on a real Kubernetes (1.20: tests/support/kubernetes.sh), with a real object store: what
# people lose there, and get back. What 1.20 does not know yet (native sidecars, batch/v1) is
# manifests.bats' to judge; here the sidecar is an ordinary container, as k8s/components/legacy has it.

load ../support/kubernetes_helpers.sh

setup_file() {
    node_up
    images_up
    store_up
}

teardown_file() {
    node_down
}

teardown() {
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || tell
    end_world
}

# the pod and its volume go, and come back empty
lose_everything() {
    scale 0
    until_true is_gone redis-0
    volume data-redis-0
    scale 1
    until_true is_ready redis-0
}

@test "pod and volume are lost: the same data is back, the last word before the end too" {
    local before

    world lost
    volume data-redis-0
    overlay legacy
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    prepared redis-0 '.restored == false and .reason == "no-backup"'
    [[ $(cli redis-0 ping) == PONG ]]
    [[ $(inside redis-0 redis-cli ping) == NOAUTH* ]]
    fill redis-0
    cli redis-0 SET last word
    before=$(fingerprint redis-0)
    # the server is told to stop now, and the sidecar at the same moment
    lose_everything
    prepared redis-0 '.restored == true'
    [[ $(fingerprint redis-0) == "$before" ]]
    [[ $(cli redis-0 GET last) == word ]]
}

@test "what k8s/README.md has people try: everything is lost, and there again" {
    world newcomer
    volume data-redis-0
    overlay legacy
    k apply -k "$work/overlay"
    k rollout status statefulset/redis --timeout=4m
    volume_for_any # the next one, as a provisioner would make it
    block 'Five minutes' 3 | sed "s/-n redis/-n $space/" >"$work/try.sh"
    run --separate-stderr "$support/kubernetes.sh" inside "$node" bash -euo pipefail "$work/try.sh"
    echo "$output$stderr"
    [[ $status == 0 ]]
    grep -qx world <<<"$output"
    grep -q '"restored": true' <<<"$output"
}

@test "a server that loads is alive but not ready, and ready when it has loaded" {
    world loading
    volume data-redis-0
    overlay legacy
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    fill redis-0
    # from a dump as its base: while it loads one, it answers every few bytes
    cli redis-0 BGREWRITEAOF
    until_true rewritten redis-0
    # it loads a key in a tenth of a second from now on, until it is told otherwise
    server_lines 'key-load-delay 100000' 'loading-process-events-interval-bytes 1024'
    k delete pod redis-0
    until_true readyz redis-0 '.ready == false and .state == "loading" and .loading_percent != null'
    # its first probes came and went: it counts as started, and nobody sends it clients
    until_true started redis-0
    run ! is_ready redis-0
    run ! other_probe redis-0
    [[ -z $(k get endpoints redis -o 'jsonpath={.subsets[*].addresses[*].ip}') ]]
    cli redis-0 CONFIG SET key-load-delay 0
    until_true is_ready redis-0
    other_probe redis-0
    [[ $(cli redis-0 DBSIZE) == 2151 ]]
    [[ $(k get pod redis-0 -o 'jsonpath={.status.containerStatuses[*].restartCount}') == "0 0" ]]
}

# other_probe POD: the readiness that k8s/README.md has for those who want it without the sidecar
other_probe() {
    local words

    words=$(sed -n "s/.*\`sh -c '\(.*PONG\)'\`.*/\1/p" "$top/k8s/README.md")
    [[ $words == REDISCLI_AUTH* ]] || return 0 # not there: a server that loads is not "ready"
    inside "$1" sh -c "$words"
}

rewritten() {
    inside "$1" ls /data/appendonlydir | grep 'aof\.2\.base\.rdb'
}

started() {
    [[ $(k get pod "$1" -o 'jsonpath={.status.containerStatuses[?(@.name=="redis")].started}') == true ]]
}

@test "a rolling update loses nothing that was answered" {
    local uid writer

    world rolling
    volume data-redis-0
    overlay legacy
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    uid=$(k get pod redis-0 -o 'jsonpath={.metadata.uid}')
    inside redis-0 sh -c 'REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /etc/redis-auth/auth.conf)
        export REDISCLI_AUTH; while redis-cli -e INCR count; do :; done' >"$work/answered" 2>&1 3>&- &
    writer=$!
    until_true has_lines 20 "$work/answered"
    k rollout restart statefulset/redis
    until_true is_another redis-0 "$uid"
    until_true is_ready redis-0
    wait "$writer" || true
    [[ $(cli redis-0 GET count) -ge $(grep -E '^[0-9]+$' "$work/answered" | tail -n 1) ]]
    prepared redis-0 '.restored == false and .reason == "volume-holds-data"'
}

# has_lines N FILE: so many at least
has_lines() {
    [[ $(wc -l <"$2") -ge $1 ]]
}

is_another() {
    local now
    now=$(k get pod "$1" -o 'jsonpath={.metadata.uid}') && [[ -n $now && $now != "$2" ]]
}

@test "an object store that refuses: nothing starts on an empty volume; then all is back" {
    local before

    world refused
    volume data-redis-0
    overlay legacy
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    fill redis-0
    before=$(fingerprint redis-0)
    scale 0
    until_true is_gone redis-0
    volume data-redis-0
    keys WRONGACCESSKEY000001
    scale 1
    until_true prepare_ended redis-0 5
    [[ $(k get pod redis-0 -o 'jsonpath={.status.containerStatuses[?(@.name=="redis")].state.running}') == "" ]]
    keys RGWTESTACCESSKEY0001
    k delete pod redis-0
    until_true is_ready redis-0
    [[ $(fingerprint redis-0) == "$before" ]]
}

# keys ID: what the Secret of the object store says
keys() {
    k create secret generic redkeep-s3 --dry-run=client -o yaml \
        --from-literal=credentials="$(sed "s/^aws_access_key_id.*/aws_access_key_id = $1/" "$node/home/.aws/credentials")" |
        k replace -f - >/dev/null
}

# prepare_ended POD CODE: once at least
prepare_ended() {
    k get pod "$1" -o json | true_of '.status.initContainerStatuses[0] |
        [.state.terminated.exitCode, .lastState.terminated.exitCode] | index($code) != null' --argjson code "$2"
}

@test "what docs/README.md says parks a pod, lets hands in, and brings it back" {
    local before

    world parked
    volume data-redis-0
    overlay legacy
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    fill redis-0
    before=$(fingerprint redis-0)
    [[ $(in_kubernetes '`redis-cli …`' DBSIZE) == 2151 ]]
    # while another init container comes first, nothing is changed, and nothing starts
    parking | sed "s/^ *kubectl /&-n $space /" >"$work/park.sh"
    sed 's/"value": "prepare"/"value": "tune"/' "$work/park.sh" >"$work/refused.sh"
    run ! "$support/kubernetes.sh" inside "$node" bash -uo pipefail "$work/refused.sh"
    [[ $(k get statefulset redis -o 'jsonpath={.spec.replicas}') == 0 ]]
    "$support/kubernetes.sh" inside "$node" bash -euo pipefail "$work/park.sh"
    until_true parked redis-0
    run ! prepared redis-0 true
    # a volume that prepare would have restored or mended is as it was left, and as hands make it
    in_kubernetes '`ls`, `cp`, `truncate` … on the data' <<<'rm -r /data/appendonlydir; rm -f /data/dump.rdb'
    in_kubernetes '`redkeep …`' 'list --json' | tee "$work/list" | true_of '.backups | length >= 1'
    in_kubernetes '`redkeep …`' restore
    in_kubernetes 'stop the server'
    until_true is_gone redis-0
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    prepared redis-0 '.restored == false and .reason == "volume-holds-data"'
    [[ $(fingerprint redis-0) == "$before" ]]
}

# parked POD: its containers run, and none of them serves
parked() {
    k get pod "$1" -o json | true_of '.spec.initContainers[0].args == ["config"] and
        ([.status.containerStatuses[].state.running | . != null] | length == 2 and all)'
}

@test "replicas: an empty one is left to its primary, an empty primary comes back for all" {
    local before i

    world set
    for i in 0 1 2; do volume "data-redis-$i"; done
    overlay replicated legacy
    k apply -k "$work/overlay"
    for i in 0 1 2; do until_true is_ready "redis-$i"; done
    fill redis-0
    [[ $(cli redis-0 WAIT 2 60000) == 2 ]]
    before=$(fingerprint redis-0)
    [[ $(fingerprint redis-1) == "$before" && $(fingerprint redis-2) == "$before" ]]

    scale 2
    until_true is_gone redis-2
    volume data-redis-2
    scale 3
    until_true is_ready redis-2
    prepared redis-2 '.restored == false and .reason == "replica"'
    [[ $(fingerprint redis-2) == "$before" ]]

    cli redis-0 SET last word
    [[ $(cli redis-0 WAIT 2 60000) == 2 ]]
    before=$(fingerprint redis-0)
    scale 0
    for i in 0 1 2; do until_true is_gone "redis-$i"; done
    volume data-redis-0
    volume data-redis-1
    scale 3
    for i in 0 1 2; do until_true is_ready "redis-$i"; done
    prepared redis-0 '.restored == true'
    prepared redis-1 '.restored == false and .reason == "replica"'
    prepared redis-2 '.restored == false and .reason == "volume-holds-data"'
    for i in 0 1 2; do [[ $(fingerprint "redis-$i") == "$before" ]]; done

    # promoted by hand, as k8s/README.md says
    cli redis-1 REPLICAOF NO ONE
    cli redis-1 SET newer word
    before=$(fingerprint redis-1)
    sed -i 's/^    literals:$/&\n      - REDKEEP_PRIMARY=redis-1.redis-nodes:6379/' "$work/overlay/kustomization.yaml"
    k apply -k "$work/overlay"
    k rollout status statefulset/redis --timeout=5m
    for i in 0 1 2; do until_true holds "redis-$i" "$before"; done # they sync once more
    [[ $(cli redis-0 ROLE) == slave* && $(cli redis-1 ROLE) == master* ]]
}

# holds POD FINGERPRINT
holds() {
    [[ $(fingerprint "$1") == "$2" ]]
}

@test "a drill loads the newest backup as the image starts its server, and says so" {
    world drill
    server_lines 'databases 20' # only the entrypoint of the drill's image knows: see kubernetes_modules
    volume data-redis-0
    overlay single drills s3-keys legacy
    # batch/v1 is of 1.21
    kubectl kustomize "$work/overlay" | sed '/^apiVersion: batch\/v1$/s/$/beta1/' | k apply -f -
    until_true is_ready redis-0
    fill redis-0
    cli redis-0 -n 17 SET needs it
    scale 0 # the last backup is taken
    until_true is_gone redis-0
    # as `kubectl create job --from=cronjob/redkeep-drill` does where the CronJob is of batch/v1
    k get cronjob redkeep-drill -o json | jq '{apiVersion: "batch/v1", kind: "Job",
        metadata: {name: "drill"}, spec: .spec.jobTemplate.spec}' | k create -f -
    until_true job_succeeded drill
    k logs job/drill
    k logs job/drill | grep -q '2152'
}

job_succeeded() {
    [[ $(k get job "$1" -o 'jsonpath={.status.succeeded}') == 1 ]]
}

@test "with shared-pids the sidecar knows what it cannot know otherwise" {
    world seen
    volume data-redis-0
    overlay legacy shared-pids
    k apply -k "$work/overlay"
    until_true is_ready redis-0
    [[ $(inside redis-0 cat /proc/1/comm) == pause ]]
    run --separate-stderr k exec redis-0 -c redkeep -- /opt/redkeep/bin/redkeep check --json --only open-files
    true_of '.checks[0] | .id == "open-files" and .status != "unknown"' <<<"$output"
}

@test "the pod that tunes a node ends well when nothing is left to do, and says what it may not" {
    world tuning
    mkdir "$work/tuning"
    # as much as an unprivileged pod can show: it looks, and may not write
    cat >"$work/tuning/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: $space
resources: [$(realpath --relative-to="$work/tuning" "$top/k8s/tuning")]
patches:
  - target: {kind: Namespace}
    patch: |-
      \$patch: delete
      apiVersion: v1
      kind: Namespace
      metadata: {name: redis-tuning}
  - target: {kind: DaemonSet}
    patch: |-
      - {op: replace, path: /spec/template/spec/initContainers/0/securityContext/privileged, value: false}
      - {op: replace, path: /spec/template/spec/initContainers/0/args/3, value: "ONLY"}
YAML
    # clocksource and arm64-cow-bug are fine, or cannot be seen, on every machine that tests
    sed -i 's/ONLY/arm64-cow-bug/' "$work/tuning/kustomization.yaml"
    k apply -k "$work/tuning"
    until_true tuned
    k logs "$(k get pods -l app.kubernetes.io/name=redis-tuning -o name)" -c tune | grep arm64-cow-bug
    [[ $(k get pods -l app.kubernetes.io/name=redis-tuning \
        -o 'jsonpath={.items[0].spec.initContainers[0].image}') == redkeep:* ]]
}

tuned() {
    k get daemonset redis-tuning -o json | true_of '.status.numberReady == 1'
}

@test "a real API server takes every overlay, but for what it is too old for" {
    local name rendered

    world taken
    for name in single irsa web-identity replicated full; do
        rendered=$work/$name.yaml
        kubectl kustomize "$top/k8s/overlays/$name" >"$rendered"
        of_1_20 <"$rendered" >"$rendered.old"
        k apply --dry-run=server -f "$rendered.old"
    done
    of_1_20 < <(kubectl kustomize "$top/k8s/tuning") |
        jq 'select(.kind != "Namespace") | .metadata.namespace = "'"$space"'"' |
        k apply --dry-run=server -f -
    # a cluster that is too old for the native sidecar says so
    run ! k apply --dry-run=server -f "$work/single.yaml"
    [[ $output == *restartPolicy* ]]
}

# of_1_20: manifests as JSON, what 1.20 does not know in its words, or left out
of_1_20() {
    /usr/bin/python3 -c 'import json, sys, yaml
for one in yaml.safe_load_all(sys.stdin): print(json.dumps(one))' |
        jq 'if .kind == "CronJob" then .apiVersion = "batch/v1beta1"
            elif .kind == "PodDisruptionBudget" then .apiVersion = "policy/v1beta1"
            elif .kind == "StatefulSet" then del(.spec.template.spec.initContainers[]?.restartPolicy)
            elif .apiVersion == "monitoring.coreos.com/v1" then empty else . end'
}
