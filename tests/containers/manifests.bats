# The manifests without a cluster: every overlay is rendered by kubectl itself, every field judged by the
# API's own description, and what we ask beyond that (tests/support/kubernetes_check.py).

load ../support/kubernetes_helpers.sh

setup_file() {
    tools_up
    export rendered=$BATS_FILE_TMPDIR name
    for name in "$top"/k8s/overlays/* "$top/k8s/tuning"; do
        kubectl kustomize "$name" >"$rendered/$(basename "$name").yaml"
    done
    with_component shared-pids >"$rendered/shared-pids.yaml"
}

# with_component NAME: the overlay single, with one that no overlay has
with_component() {
    local work=$BATS_FILE_TMPDIR/$1 up

    mkdir "$work"
    up=$(realpath --relative-to="$work" "$top/k8s")
    printf '{"resources": ["%s/overlays/single"], "components": ["%s/components/%s"]}\n' "$up" "$up" "$1" \
        >"$work/kustomization.yaml"
    kubectl kustomize "$work"
}

setup() {
    models=$built/trixie/usr/lib/python3/dist-packages/kubernetes/client/models
    version=$(sed -n 's/^VERSION := //p' "$top/Makefile")
    redkeep=$(readlink -f "${REDKEEP_BIN:-$top/build/redkeep}")
    unset "${!REDKEEP_@}" # they would be settings
}

judge() {
    /usr/bin/python3 "$support/kubernetes_check.py" "$models" "$version" "$@"
}

@test "every overlay has the right fields, rights, names and times" {
    [[ $(find "$rendered" -maxdepth 1 -name '*.yaml' | wc -l) == $(($(find "$top"/k8s/overlays/* -maxdepth 0 | wc -l) + 2)) ]]
    judge "$rendered"/*.yaml
}

@test "every component is in an overlay, or rendered by itself" {
    local component

    for component in "$top"/k8s/components/*; do
        [[ -e $rendered/$(basename "$component").yaml ]] ||
            grep -q "components/$(basename "$component")$" "$top"/k8s/overlays/*/kustomization.yaml
        grep -q "^| \`components/$(basename "$component")\` |" "$top/k8s/README.md"
    done
    [[ $(grep -l 'shareProcessNamespace: true' "$rendered"/*.yaml) == "$rendered/shared-pids.yaml" ]]
}

@test "what is wrong is found" {
    local file script said

    while IFS='|' read -r file script said; do
        sed "$script" "$rendered/$file.yaml" >"$BATS_TEST_TMPDIR/wrong.yaml"
        run judge "$BATS_TEST_TMPDIR/wrong.yaml"
        [[ $status == 1 && $output == *"$said"* ]] || {
            printf '%s: exit %s\n%s\n' "$script" "$status" "$output"
            return 1
        }
    done <<'TABLE'
single|s#serviceName: redis-nodes#serviceNme: redis-nodes#|no such field
single|s#serviceName: redis-nodes#x: y#|serviceName is missing
single|s#replicas: 1#replicas: "1"#|is no int
single|s#terminationGracePeriodSeconds: 120#terminationGracePeriodSeconds: 60#|are over before drain-timeout
legacy|s#REDKEEP_DRAIN_TIMEOUT: 110s#REDKEEP_DRAIN_TIMEOUT: 60s#|before the server must have ended
single|s#restartPolicy: Always#restartPolicy: Never#|prepare first
single|s#name: prepare#name: renamed#|prepare first
single|s#readOnlyRootFilesystem: true#readOnlyRootFilesystem: false#|may write to its root
single|s#runAsNonRoot: true#runAsNonRoot: false#|may run as root
single|s#allowPrivilegeEscalation: false#allowPrivilegeEscalation: true#|may gain privileges
single|s#- ALL#- NET_RAW#|keeps capabilities
single|s#type: RuntimeDefault#type: Unconfined#|no seccomp profile
single|s#automountServiceAccountToken: false#automountServiceAccountToken: true#|a token of the API
single|s#memory: 1Gi#ephemeral-storage: 1Gi#|no resources
single|s#image: redis:8#image: redis#|whichever version
single|s#image: redkeep:.*#image: redkeep:9.9.9#|is not of version
single|s#readinessProbe#lifecycle#|no such field
single|s#port: 9742$#port: 9743#|nobody listens
single|s#targetPort: redis#targetPort: other#|no container has a port
single|s#        name: redkeep-[a-z0-9]*$#        name: redkeep-other#|no ConfigMap
single|s#secretName: redkeep-s3#secretName: other#|nobody is told to make
single|s#defaultMode: 288#defaultMode: 420#|is readable for all
single|s#REDKEEP_APPENDONLY: "yes"#REDKEEP_APPENDONLY: "no"#|redkeep something else
single|s#REDKEEP_REPOSITORY: .*#REDKEEP_KEEP_LAST: "3"#|no repository
single|s#- name: POD_NAMESPACE#- name: OTHER#|not set before it
full|0,/value: $(POD_NAMESPACE).redis$/s//value: $(POD_NAMESPACE).x/|prepare and run have different settings
full|/kind: CronJob/,$s/AWS_SHARED/AWS_OTHER/|has not the AWS_SHARED_CREDENTIALS_FILE
full|/kind: CronJob/,$s/NAMESPACE).redis/NAMESPACE).x/|is backed up
full|s#activeDeadlineSeconds#parallelism#|a drill that hangs
full|s#port: redkeep$#port: other#|no container has a port
full|s#podMetricsEndpoints#endpoints#|no such field
TABLE
}

# settings FILE: the variables of its ConfigMaps and of the sidecar, as an environment
settings() {
    /usr/bin/python3 - "$1" <<'PYTHON'
import sys
import yaml
for one in yaml.safe_load_all(open(sys.argv[1], encoding='utf-8')):
    if one['kind'] == 'ConfigMap' and one['metadata']['name'].startswith('redkeep-') and \
            'REDKEEP_REPOSITORY' in one['data']:
        for name, value in one['data'].items():
            print(f'{name}={value}')
    if one['kind'] == 'StatefulSet':
        spec = one['spec']['template']['spec']
        for container in spec['initContainers'] + spec['containers']:
            if container['name'] == 'redkeep':
                for variable in container['env']:
                    if not variable['name'].endswith('_FILE'): # those are where Secrets are mounted
                        print(f"{variable['name']}={variable.get('value', '')}")
PYTHON
}

@test "the settings in them are settings of this redkeep" {
    local file environment

    for file in "$rendered"/*.yaml; do
        [[ $file != */tuning.yaml ]] || continue
        mapfile -t environment < <(settings "$file")
        ((${#environment[@]} > 8))
        env -i PATH="$PATH" REDKEEP_CONFIG=/dev/null "${environment[@]}" "$redkeep" config --json >"$BATS_TEST_TMPDIR/config"
        run ! env -i PATH="$PATH" REDKEEP_CONFIG=/dev/null "${environment[@]}" REDKEEP_NONE=1 "$redkeep" config
    done
}

@test "the checks that the tuning asks for are checks" {
    local file ids

    for file in tuning full; do
        ids=$(sed -n 's/.*- \(overcommit-memory,.*\)/\1/p' "$rendered/$file.yaml")
        run "$redkeep" check --json --fix --dry-run --only "$ids"
        [[ $status == 0 || $status == 1 ]]
        [[ $(jq -r '[.checks[].id] | sort | join(",")' <<<"$output") == $(tr , '\n' <<<"$ids" | sort | paste -sd ,) ]]
    done
}

@test "the words of docs/README.md park every overlay; where another container is first, by its number" {
    local file patch work=$BATS_TEST_TMPDIR

    patch=$(parking | sed -n "s/.*'\[$/[/p; /^  {/p" | sed "s/]'.*/]/")
    true_of 'length == 5' <<<"$patch"
    for file in "$rendered"/*.yaml; do
        [[ $file != */tuning.yaml ]] || continue
        /usr/bin/python3 - "$file" >"$work/set.json" <<'PYTHON'
import json
import sys
import yaml
print(json.dumps(next(one for one in yaml.safe_load_all(open(sys.argv[1])) if one['kind'] == 'StatefulSet')))
PYTHON
        if [[ $file == */full.yaml ]]; then
            run ! parked_by "$patch"
            parked_by "${patch//initContainers\/0/initContainers\/1}"
        else
            parked_by "$patch"
        fi
    done
}

# parked_by PATCH: the set that it makes of $work/set.json serves nothing, and prepares nothing
parked_by() {
    kubectl patch --local --type json -p "$1" -f "$work/set.json" -o json >"$work/parked.json" || return
    true_of '.spec.template.spec | (.initContainers[] | select(.name == "prepare").args) == ["config"] and
        (.containers[] | select(.name == "redis") | .args[0] == "sh" and
            (has("startupProbe") or has("livenessProbe") | not))' <"$work/parked.json" >/dev/null
}

@test "the operator's alerts are those of monitoring/" {
    "$support/kubernetes_rules.sh" "$top/monitoring/redkeep-alerts.yaml" |
        diff - "$top/k8s/components/monitoring/prometheusrule.yaml"
    /usr/bin/python3 - "$rendered/full.yaml" "$top/monitoring/redkeep-alerts.yaml" <<'PYTHON'
import sys
import yaml
rules = [one for one in yaml.safe_load_all(open(sys.argv[1])) if one['kind'] == 'PrometheusRule']
assert len(rules) == 1 and rules[0]['spec'] == yaml.safe_load(open(sys.argv[2]))
PYTHON
}

@test "the dashboard is the file of monitoring/" {
    /usr/bin/python3 - "$rendered/full.yaml" "$top/monitoring/redkeep-dashboard.json" <<'PYTHON'
import json
import sys
import yaml
maps = [one for one in yaml.safe_load_all(open(sys.argv[1]))
        if one['kind'] == 'ConfigMap' and one['metadata']['name'] == 'redkeep-dashboard']
assert maps[0]['metadata']['labels']['grafana_dashboard'] == '1'
assert json.loads(maps[0]['data']['redkeep-dashboard.json']) == json.load(open(sys.argv[2]))
PYTHON
}

@test "what k8s/README.md has people write renders and is right" {
    local work=$BATS_TEST_TMPDIR

    ln -s "$top/k8s" "$top/monitoring" "$work/"
    (cd "$work" && block 'Five minutes' 2 | grep -v '^kubectl' | bash -euo pipefail)
    kubectl kustomize "$work/my-redis" | sed 's#image: registry.example/redkeep#image: redkeep#' >"$work/mine.yaml"
    judge "$work/mine.yaml"
    grep -q 'REDKEEP_REPOSITORY: s3://my-bucket/redis' "$work/mine.yaml"
}
