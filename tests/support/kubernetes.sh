#!/bin/bash
# A real Kubernetes of one node: etcd, containerd, and what kubernetes_build.sh makes. It lives in a
# network namespace of its own without a way out: its ports are fixed and meet nobody's, several may run
# at once, and kubectl has to be called inside, too. Headless services have names (kubernetes_dns.py),
# addresses of services do not work; a port of 127.0.0.1 in there is at 10.244.77.1 for pods.
# usage: kubernetes.sh up DIR BIN           starts it and waits for the node; BIN has the binaries
#        kubernetes.sh inside DIR COMMAND   in its network, with KUBECONFIG
#        kubernetes.sh load DIR IMAGE...    from the Docker engine of the environment to the node
#        kubernetes.sh down DIR             stops it, with all that ran in it; removes DIR
# Needs root and the packages of `deps.sh kubernetes`; DIR is short: unix sockets live in it.
set -euo pipefail

readonly WAIT_SECONDS=120 # a ceiling for a slow machine, not an expectation
readonly GATEWAY=10.244.77.1 PAUSE=registry.k8s.io/pause:3.10

die() {
    echo "kubernetes.sh: $*" >&2
    [[ ! -d $dir/log ]] || tail -n 3 "$dir"/log/*.log >&2
    exit 1
}

# alive PID: and not only waiting for somebody who asks how it ended
alive() {
    grep -q '^State:[[:blank:]]*[^Z]' "/proc/$1/status" 2>/dev/null
}

# until_true COMMAND...: unless one of ours dies meanwhile
until_true() {
    local deadline=$((SECONDS + WAIT_SECONDS)) file
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        for file in "$dir"/pid/*; do alive "$(<"$file")" || return 1; done
        sleep 0.2
    done
}

# start NAME COMMAND...: in the network of the node, until `down`
start() {
    local name=$1
    shift
    AWS_EC2_METADATA_DISABLED=true setsid nsenter --net="/run/netns/$space" "$@" \
        >"$dir/log/$name.log" 2>&1 </dev/null 3>&- 9>&- &
    echo $! >"$dir/pid/$name"
}

kube() {
    nsenter --net="/run/netns/$space" kubectl --kubeconfig "$dir/kubeconfig" "$@"
}

ctr_here() {
    ctr --address "$dir/containerd/containerd.sock" --namespace k8s.io "$@"
}

# ---- what they are told ----

certificates() {
    cd "$dir/pki"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 30 \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
    # signed NAME SUBJECT NAMES
    signed() {
        openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2"
        openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" \
            -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$3")
    }
    signed apiserver /CN=kube-apiserver IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc
    signed client /O=system:masters/CN=client DNS:client
    signed kubelet /CN=localhost IP:127.0.0.1,DNS:localhost
    openssl genrsa -out sa.key 2048
    openssl rsa -in sa.key -pubout -out sa.pub
    cd - >/dev/null
}

configuration() {
    cat >"$dir/kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters:
  - {name: here, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $dir/pki/ca.crt}}
users:
  - {name: me, user: {client-certificate: $dir/pki/client.crt, client-key: $dir/pki/client.key}}
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
YAML
    # soon is what matters here; an idle node costs nothing that anybody would miss
    cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: $dir/pki/ca.crt}
authorization: {mode: AlwaysAllow}
tlsCertFile: $dir/pki/kubelet.crt
tlsPrivateKeyFile: $dir/pki/kubelet.key
cgroupDriver: cgroupfs
cgroupRoot: /$space
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
evictionHard: {memory.available: 50Mi, nodefs.available: 100Mi}
imageGCHighThresholdPercent: 100
syncFrequency: 5s
nodeStatusUpdateFrequency: 1s
clusterDNS: [$GATEWAY]
clusterDomain: cluster.local
YAML
    # who may not lower a score must not be asked to
    cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd/root"
state = "$dir/containerd/state"
oom_score = 0
[grpc]
  address = "$dir/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
TOML
    cat >"$dir/cni/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods", "isGateway": true,
 "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "routes": [{"dst": "0.0.0.0/0"}],
  "ranges": [[{"subnet": "10.244.77.0/24", "rangeEnd": "10.244.77.200"}]]}}]}
JSON
}

# ---- the network ----

network_up() {
    ip netns add "$space"
    ip -n "$space" link set lo up
    ip -n "$space" link add pods type bridge
    ip -n "$space" addr add "$GATEWAY/24" dev pods
    ip -n "$space" link set pods up
    ip -n "$space" route add default via 10.244.77.254 # nobody: the kubelet only wants one
    # shellcheck disable=SC2016 # the inner shell expands it
    nsenter --net="/run/netns/$space" bash -c 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
        echo 1 >/proc/sys/net/ipv4/ip_forward
        iptables -t nat -A PREROUTING -d "$1" -p tcp -j DNAT --to-destination 127.0.0.1' - "$GATEWAY"
}

# ---- control groups: below one of our own, since a kubelet ends whatever it finds beside its pods ----

hierarchies() {
    awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts
}

groups_up() {
    local mount file
    for mount in $(hierarchies); do
        mkdir "$mount/$space"
        for file in cpuset.cpus cpuset.mems; do # of version 1: nothing runs where these are empty
            [[ ! -e $mount/$file ]] || cat "$mount/$file" >"$mount/$space/$file"
        done
    done
}

groups_down() {
    local mount
    for mount in $(hierarchies); do
        find "$mount/$space" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
}

# ---- up ----

api_ready() {
    [[ $(kube get --raw /readyz) == ok ]]
}

node_ready() {
    kube get node localhost | grep -q ' Ready '
}

pause_image() {
    mkdir "$dir/pause"
    printf '%s\n' '#include <signal.h>' '#include <unistd.h>' 'static void end(int s) { _exit(s * 0); }' \
        'int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, SIG_IGN);' \
        'for (;;) pause(); }' | gcc -x c -static -O2 -s -o "$dir/pause/pause" -
    tar -C "$dir/pause" -c pause | docker import -c 'ENTRYPOINT ["/pause"]' - "$PAUSE" >/dev/null
    load "$PAUSE"
}

servers() {
    local pki=$dir/pki
    start etcd etcd --data-dir "$dir/etcd" --unsafe-no-fsync
    start containerd containerd -c "$dir/containerd.toml"
    start apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address=127.0.0.1 \
        --secure-port=6443 --insecure-port=0 --tls-cert-file="$pki/apiserver.crt" \
        --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
        --authorization-mode=RBAC --service-account-key-file="$pki/sa.pub" \
        --service-account-signing-key-file="$pki/sa.key" \
        --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/16 \
        --kubelet-client-certificate="$pki/client.crt" --kubelet-client-key="$pki/client.key" \
        --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=Hostname \
        --endpoint-reconciler-type=none --allow-privileged=true
    until_true api_ready || die "the API server does not start"
    start controllers "$bin/kube-controller-manager" --port=0 --kubeconfig="$dir/kubeconfig" \
        --bind-address=127.0.0.1 --service-account-private-key-file="$pki/sa.key" \
        --root-ca-file="$pki/ca.crt" --leader-elect=false
    start scheduler "$bin/kube-scheduler" --port=0 --kubeconfig="$dir/kubeconfig" \
        --bind-address=127.0.0.1 --leader-elect=false
    start dns /usr/bin/python3 "$here/kubernetes_dns.py" "$GATEWAY" https://127.0.0.1:6443 "$pki"
    until_true ctr_here version || die "containerd does not start"
    pause_image
    start kubelet "$bin/kubelet" --container-runtime=remote --config="$dir/kubelet.yaml" \
        --container-runtime-endpoint="unix://$dir/containerd/containerd.sock" \
        --kubeconfig="$dir/kubeconfig" --hostname-override=localhost --root-dir="$dir/kubelet" \
        --cert-dir="$dir/kubelet/pki"
    until_true node_ready || die "the node does not come up"
}

up() {
    bin=$(readlink -f "$1")
    [[ ${#dir} -le 60 ]] || die "$dir: too long a path for unix sockets"
    [[ -z $(ls -A "$dir" 2>/dev/null) ]] || die "$dir: not empty"
    mkdir -p "$dir"/{pki,log,pid,cni,etcd,kubelet,containerd/root,containerd/state}
    chmod 700 "$dir/etcd"
    certificates >"$dir/log/openssl.log" 2>&1
    configuration
    network_up
    groups_up
    servers
}

# load IMAGE...
load() {
    docker save "$@" | ctr_here images import - >/dev/null
}

# ---- down ----

# stop NAME: nothing of it is worth an orderly end
stop() {
    [[ ! -s $dir/pid/$1 ]] || kill -KILL "$(<"$dir/pid/$1")" 2>/dev/null || true
}

# Names of the networks of the pods that run.
pod_networks() {
    local file pid inodes=" "
    while read -r pid; do inodes+="$(stat -Lc %i "/proc/$pid/ns/net" 2>/dev/null) "; done \
        < <(ctr_here tasks ls 2>/dev/null | awk 'NR > 1 {print $2}')
    for file in /run/netns/cni-*; do
        [[ ! -e $file || $inodes != *" $(stat -Lc %i "$file") "* ]] || basename "$file"
    done
}

down() {
    local name task mount link networks
    [[ -d $dir ]] || return 0
    for name in kubelet scheduler controllers dns apiserver; do stop "$name"; done
    networks=$(pod_networks)
    for task in $(ctr_here tasks ls -q 2>/dev/null || true); do
        ctr_here tasks kill --signal KILL "$task" >/dev/null 2>&1 || true
    done
    for name in containerd etcd; do stop "$name"; done
    # the shims live on without their containerd
    for link in /proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$link"; } 2>/dev/null | grep -q "containerd-shim.* -address $dir/" || continue
        link=${link#/proc/}
        kill -KILL "${link%/cmdline}" 2>/dev/null || true
    done
    while read -r mount; do umount -l "$mount" || true; done \
        < <(awk -v dir="$dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r)
    for name in $networks; do ip netns del "$name" || true; done
    ip netns del "$space" 2>/dev/null || true
    groups_down
    rm -rf "$dir"
}

inside() {
    KUBECONFIG=$dir/kubeconfig exec nsenter --net="/run/netns/$space" "$@"
}

case "${1:-}" in
up | inside | load) (($# >= 3)) || exit 2 ;;
down) (($# == 2)) || exit 2 ;;
*)
    sed -n '2,11s/^# //p' "$0" >&2
    exit 2
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
verb=$1
dir=$(readlink -m "$2")
shift 2
space=kube$(md5sum <<<"$dir" | head -c 8)
"$verb" "$@"
