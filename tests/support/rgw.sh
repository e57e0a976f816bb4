#!/bin/bash
# A real S3 server for the tests: a one-node Ceph (monitor, one OSD in memory) with radosgw, on the
# loopback, on ports that the kernel picks. Needs root and ceph-mon, ceph-osd, radosgw.
#
#   rgw.sh up DIR            starts it and prints RGW_ENDPOINT, RGW_ACCESS_KEY, RGW_SECRET_KEY
#   rgw.sh bucket DIR NAME [locked]   makes a bucket; one whose objects can be locked
#   rgw.sh session DIR       prints temporary keys (STS): ACCESS_KEY, SECRET_KEY, SESSION_TOKEN
#   rgw.sh gateway DIR       starts radosgw again, after it was killed
#   rgw.sh down DIR          stops it and removes DIR
#
# With TLS_CERT and TLS_KEY (PEM files) in the environment the endpoint is https. DIR must be new or
# empty, and short: unix sockets live in it.
set -eu

ACCESS_KEY=RGWTESTACCESSKEY0001
SECRET_KEY=rgwTestSecretKey/0123456789+abcdefABCDEF
MEMORY_BYTES=$((4 << 30))

die() {
    echo "rgw.sh: $*" >&2
    exit 1
}

# Three ports that were free a moment ago; held together so that they differ.
free_ports() {
    perl -MSocket -e '
        for (1 .. 3) {
            socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
            bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
            push @held, $s;
            print((sockaddr_in(getsockname($s)))[0], "\n");
        }'
}

write_conf() {
    local frontend="beast endpoint=127.0.0.1:$3"

    [ -z "${TLS_CERT:-}" ] ||
        frontend="beast ssl_endpoint=127.0.0.1:$3 ssl_certificate=$TLS_CERT ssl_private_key=$TLS_KEY"
    # paxos: the default interval makes the start take 12 s instead of 1 s
    # osd class dir: some packages have a relative path there
    cat > "$DIR/ceph.conf" <<CONF
[global]
fsid = $FSID
mon host = [v2:127.0.0.1:$1/0,v1:127.0.0.1:$2/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
keyring = $DIR/keyring
run dir = $DIR/run
admin socket = $DIR/run/\$name.asok
pid file = $DIR/run/\$name.pid
log file = $DIR/log/\$name.log
log to stderr = false
mon cluster log file = $DIR/log/cluster.log
crash dir = $DIR/log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail warn = 1
mon data avail crit = 1
paxos propose interval = 0.02
paxos min wait = 0.01
[mon]
mon data = $DIR/mon
mon initial members = a
[osd]
osd data = $DIR/osd
osd objectstore = memstore
memstore device bytes = $MEMORY_BYTES
osd class dir = /usr/lib/x86_64-linux-gnu/rados-classes
[client.rgw.a]
rgw data = $DIR/rgw
rgw frontends = $frontend
rgw thread pool size = 32
rgw dns name = localhost
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
CONF
}

start_daemons() {
    local osd_id
    osd_id=$(cat /proc/sys/kernel/random/uuid)

    ceph-authtool --create-keyring "$DIR/keyring" --gen-key -n mon. --cap mon 'allow *'
    for name in client.admin client.rgw.a osd.0; do
        ceph-authtool "$DIR/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *'
    done
    monmaptool --create --fsid "$FSID" --addv a "[v2:127.0.0.1:$1,v1:127.0.0.1:$2]" "$DIR/monmap"
    ceph-mon -i a --mkfs --monmap "$DIR/monmap" --keyring "$DIR/keyring" &&
        ceph-mon -i a &&
        timeout 120 ceph osd new "$osd_id" 0 &&
        ceph-osd -i 0 --mkfs --osd-uuid "$osd_id" &&
        ceph-osd -i 0 &&
        radosgw -n client.rgw.a
}

# Its pid file may not be there yet, and on a slow machine all of it takes long.
wait_for_answer() {
    local file=$DIR/run/client.rgw.a.pid

    for _ in $(seq 1 1200); do
        curl -sk -o /dev/null --max-time 20 "$1/" && return 0
        [ ! -s "$file" ] || kill -0 "$(cat "$file")" 2> /dev/null || return 1
        sleep 0.1
    done
    return 1
}

stop_daemons() {
    local pids=()

    for file in "$DIR"/run/*.pid; do
        [ -s "$file" ] || continue
        pids+=("$(cat "$file")")
        kill -9 "${pids[-1]}" 2> /dev/null || true
    done
    for pid in ${pids[@]+"${pids[@]}"}; do
        for _ in $(seq 1 100); do
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.05
        done
    done
}

try_up() {
    local ports scheme=http

    mapfile -t ports < <(free_ports)
    [ -z "${TLS_CERT:-}" ] || scheme=https
    mkdir -p "$DIR"/{mon,osd,rgw,run,log}
    FSID=$(cat /proc/sys/kernel/random/uuid)
    ENDPOINT=$scheme://127.0.0.1:${ports[2]}
    write_conf "${ports[@]}"
    start_daemons "${ports[@]}" >> "$DIR/log/start.log" 2>&1 && wait_for_answer "$ENDPOINT" &&
        radosgw-admin user create --uid=test --display-name=Test --access-key="$ACCESS_KEY" \
            --secret-key="$SECRET_KEY" --caps='roles=*' >> "$DIR/log/start.log" 2>&1
}

up() {
    [ "${#DIR}" -le 70 ] || die "$DIR: too long a path for unix sockets"
    [ -z "$(ls -A "$DIR" 2> /dev/null)" ] || die "$DIR: not empty"
    command -v ceph-mon ceph-osd radosgw > /dev/null || die "ceph-mon, ceph-osd, radosgw are needed"

    for _ in 1 2 3; do # another process may take a port before we do
        if try_up && echo "$ENDPOINT" > "$DIR/endpoint"; then # no set -e in a condition
            echo "RGW_ENDPOINT=$(cat "$DIR/endpoint")"
            echo "RGW_ACCESS_KEY=$ACCESS_KEY"
            echo "RGW_SECRET_KEY=$SECRET_KEY"
            return
        fi
        tail -n 5 "$DIR"/log/*.log >&2 || true
        stop_daemons
        rm -rf "${DIR:?}"/*
    done
    die "it does not start"
}

# curl's own signer does without the query's order and the payload's digest, neither needed here
signed() {
    local service=$1
    shift
    curl -sk --fail-with-body --aws-sigv4 "aws:amz:us-east-1:$service" \
        --user "$ACCESS_KEY:$SECRET_KEY" "$@"
}

session() {
    local trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/test"]},"Action":["sts:AssumeRole"]}]}'
    local grant='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}'
    local answer

    radosgw-admin role get --role-name=visitor > /dev/null 2>&1 ||
        radosgw-admin role create --role-name=visitor \
            --assume-role-policy-doc="$trust" > /dev/null
    radosgw-admin role-policy put --role-name=visitor --policy-name=all \
        --policy-doc="$grant" > /dev/null
    answer=$(signed sts -X POST "$(cat "$DIR/endpoint")/" -d \
        'Action=AssumeRole&RoleArn=arn:aws:iam:::role/visitor&RoleSessionName=tests&DurationSeconds=3600') ||
        die "AssumeRole: $answer"
    for pair in ACCESS_KEY:AccessKeyId SECRET_KEY:SecretAccessKey SESSION_TOKEN:SessionToken; do
        echo "${pair%%:*}=$(sed -n "s|.*<${pair##*:}>\([^<]*\)<.*|\1|p" <<< "$answer")"
    done
}

[ $# -ge 2 ] || die "usage: rgw.sh up|down|session|gateway DIR, rgw.sh bucket DIR NAME"
mkdir -p "$2"
DIR=$(readlink -f "$2")
export CEPH_CONF=$DIR/ceph.conf

case $1 in
up) up ;;
bucket)
    signed s3 -X PUT -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        ${4:+-H 'x-amz-bucket-object-lock-enabled: true'} "$(cat "$DIR/endpoint")/$3"
    ;;
session) session ;;
gateway)
    rm -f "$DIR/run/client.rgw.a.pid" # of the one that was killed
    radosgw -n client.rgw.a >> "$DIR/log/start.log" 2>&1
    wait_for_answer "$(cat "$DIR/endpoint")" || die "radosgw does not start again"
    ;;
down)
    stop_daemons
    rm -rf "$DIR"
    ;;
*) die "$1: no such command" ;;
esac
