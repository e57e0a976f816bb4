#!/bin/bash
# A real Docker engine with Compose v2 and buildx, from trixie's packages (runc is this machine's own),
# without systemd. Each engine lives in a network namespace of its own: ports that containers publish,
# networks and firewall rules of several engines, or of this machine, never meet.
# usage: docker.sh up DIR              starts it, unless it runs; prints what to eval, also in DIR/env
#        docker.sh down DIR            stops it and all that ran in it; DIR keeps its images
#        docker.sh inside DIR COMMAND  in its network: published ports are at 127.0.0.1 there, and
#                                      what listens on 0.0.0.0 there, containers reach at host-gateway
# The environment: DOCKER_HOST, DOCKER_CONFIG, PATH, DOCKER_DIR (= DIR), and DOCKER_ADDRESS, where this
# machine finds the published ports (those published on 0.0.0.0) without going inside.
# Needs root and the packages of `deps.sh containers`. IP forwarding stays on, as Docker leaves it.
set -euo pipefail

readonly WAIT_SECONDS=60 # a ceiling for a slow machine, not an expectation

die() {
    echo "docker.sh: $*" >&2
    exit 1
}

# until_true COMMAND...
until_true() {
    local deadline=$((SECONDS + WAIT_SECONDS))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# stop_pid PID: asked first, then made to
stop_pid() {
    kill -TERM "$1" 2>/dev/null || return 0
    until_true is_gone "$1" || kill -KILL "$1" 2>/dev/null || true
}

# ---- the network: a namespace, a wire to it, and a way out ----

# A number for the wire's addresses, 10.213.N.1 here and 10.213.N.2 there, that nobody has.
free_number() {
    local n
    for n in {0..254}; do
        ip -o -4 addr show | grep -q " 10\.213\.$n\." || {
            echo "$n"
            return
        }
    done
    die "no network left"
}

# rules -A|-D: what the host lets through, its own rules first
rules() {
    local insert=-I
    [[ $1 == -A ]] || insert=-D
    iptables -t nat "$1" POSTROUTING -s "10.213.$number.2" ! -o "$wire" -j MASQUERADE
    iptables "$insert" FORWARD -i "$wire" -j ACCEPT
    iptables "$insert" FORWARD -o "$wire" -j ACCEPT
}

network_up() {
    number=$(free_number)
    echo "$number" >"$dir/number"
    ip netns del "$space" 2>/dev/null || true # left by an engine that was killed
    ip netns add "$space"
    ip link add "$wire" type veth peer name eth0 netns "$space"
    ip addr add "10.213.$number.1/30" dev "$wire"
    ip link set "$wire" up
    ip -n "$space" link set lo up
    ip -n "$space" addr add "10.213.$number.2/30" dev eth0
    ip -n "$space" link set eth0 up
    ip -n "$space" route add default via "10.213.$number.1"
    echo 1 >/proc/sys/net/ipv4/ip_forward
    rules -A
}

network_down() {
    [[ -e $dir/number ]] || return 0
    number=$(<"$dir/number")
    rules -D 2>/dev/null || true # half of them, after a start that failed
    ip link del "$wire" 2>/dev/null || true
    ip netns del "$space" 2>/dev/null || true
    rm -f "$dir/number"
}

# ---- the engine ----

binaries() {
    [[ ! -e $dir/opt/.complete ]] || return 0
    "$here/debian.sh" unpack trixie "$dir/opt" docker.io docker-cli docker-compose docker-buildx containerd
    mkdir -p "$dir/config/cli-plugins"
    ln -sf "$dir"/opt/usr/libexec/docker/cli-plugins/* "$dir/config/cli-plugins/"
    touch "$dir/opt/.complete"
}

environment() {
    echo "export DOCKER_HOST=unix://$dir/docker.sock DOCKER_CONFIG=$dir/config DOCKER_DIR=$dir"
    echo "export DOCKER_ADDRESS=10.213.$(<"$dir/number").2"
    echo "case :\$PATH: in *:$dir/opt/usr/bin:*) ;; *) export PATH=$dir/opt/usr/bin:\$PATH ;; esac"
}

answers() {
    "$dir/opt/usr/bin/docker" --host "unix://$dir/docker.sock" version
}

engine_up() {
    local pid
    cat >"$dir/daemon.json" <<JSON
{"hosts": ["unix://$dir/docker.sock"], "data-root": "$dir/data", "exec-root": "$dir/exec",
 "pidfile": "$dir/docker.pid", "shutdown-timeout": 5,
 "default-address-pools": [{"base": "172.28.0.0/16", "size": 24}]}
JSON
    # not --net by `ip netns exec`: that would hide the control groups
    PATH=$dir/opt/usr/sbin:$dir/opt/usr/bin:$PATH setsid nsenter --net="/run/netns/$space" \
        dockerd --config-file "$dir/daemon.json" >"$dir/dockerd.log" 2>&1 </dev/null 9>&- &
    pid=$!
    until_true answered_or_gone "$pid"
    answers >/dev/null 2>&1 || {
        tail -n 20 "$dir/dockerd.log" >&2
        return 1
    }
}

answered_or_gone() {
    is_gone "$1" || answers
}

engine_down() {
    local pid link mount docker=("$dir/opt/usr/bin/docker" --host "unix://$dir/docker.sock")
    if answers >/dev/null 2>&1; then
        "${docker[@]}" ps --quiet | xargs --no-run-if-empty "${docker[@]}" kill >/dev/null 2>&1 || true
    fi
    [[ ! -e $dir/docker.pid ]] || stop_pid "$(<"$dir/docker.pid")"
    # what an engine that was killed has left: its containerd, its shims and, with them, their containers
    for link in /proc/[0-9]*/exe; do
        [[ $(readlink "$link" 2>/dev/null) == "$dir/opt/"* ]] || continue
        pid=${link#/proc/}
        stop_pid "${pid%/exe}"
    done
    while read -r mount; do umount -l "$mount"; done \
        < <(awk -v dir="$dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r)
    rm -rf "$dir"/{exec,docker.pid,docker.sock,env}
}

up() {
    mkdir -p "$dir"
    exec 9>"$dir/lock"
    flock -w 300 9 || die "another one holds $dir/lock"
    if ! answers >/dev/null 2>&1; then
        binaries
        engine_down
        network_down
        exec 8>/run/lock/redkeep-docker.lock # the number stays free until the wire has it
        flock -w 60 8
        network_up
        exec 8>&-
        engine_up || {
            engine_down
            network_down
            die "the engine did not start"
        }
    fi
    environment | tee "$dir/env"
}

down() {
    [[ -d $dir ]] || return 0
    exec 9>"$dir/lock"
    flock -w 300 9 || die "another one holds $dir/lock"
    engine_down
    network_down
}

inside() {
    exec nsenter --net="/run/netns/$space" "$@"
}

case "${1:-}" in
up | down | inside) (($# >= 2)) || exit 2 ;;
*)
    sed -n '2,11s/^# //p' "$0" >&2
    exit 2
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
verb=$1
dir=$(readlink -m "$2")
shift 2
space=rk$(md5sum <<<"$dir" | head -c 8)
wire=${space}h
"$verb" "$@"
