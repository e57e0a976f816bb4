#!/usr/bin/env bats
# The listener of the real sidecar, among clients that mean no good; and `redkeep status`, which asks
# it. There is no server: what it answers is no matter here.

load helpers

setup() {
    world
    export REDKEEP_HTTP_LISTEN=127.0.0.1:0 REDKEEP_LOG_FORMAT=json
    "$redkeep" run </dev/null >"$dir/sidecar.out" 2>"$dir/sidecar.log" 3>&- &
    sidecar=$!
    echo "$sidecar" >>"$pids"
    until_true listens
    export REDKEEP_HTTP_LISTEN=${url#http://}
}

teardown() {
    end_world
}

listens() {
    url=$(jq -Rr 'fromjson? | .msg | capture("^(?<u>http://\\S+) answers").u' "$dir/sidecar.log")
    [[ -n $url ]]
}

descriptors() {
    find "/proc/$sidecar/fd" -type l | wc -l
}

has_descriptors() {
    (($(descriptors) <= $1))
}

# crowd COUNT TEXT: so many clients that send the text and wait; ends when the sidecar has dropped
# them all
crowd() {
    # shellcheck disable=SC2016 # perl's own
    perl -MSocket -e '
        my ($address, $count, $text) = @ARGV;
        my ($host, $port) = split /:/, $address;
        $text =~ s/\\r\\n/\r\n/g;
        my @clients;
        for (1 .. $count) {
            socket(my $c, PF_INET, SOCK_STREAM, 0) or die;
            setsockopt($c, SOL_SOCKET, SO_RCVBUF, 1) or die;
            connect($c, sockaddr_in($port, inet_aton($host))) or die;
            send($c, $text, MSG_NOSIGNAL);
            push @clients, $c;
        }
        print "there\n";
        for my $c (@clients) { 1 while sysread($c, my $heard, 9999); }' \
        "${url#http://}" "$@" </dev/null >"$dir/crowd.out" 2>"$dir/crowd.err" 3>&- &
    crowd=$!
    echo "$crowd" >>"$pids"
}

is_there() {
    [[ $(cat "$dir/crowd.out") == there ]]
}

@test "clients that take their time keep nobody out, and do not stay" {
    local before text
    before=$(descriptors)
    for text in '' 'GET /status HTTP/1.1\r\nX: ' 'POST /backup HTTP/1.1\r\nContent-Length: 9\r\n\r\n' \
        'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'; do
        crowd 300 "$text"
        until_true is_there
        for _ in {1..20}; do
            [[ $(curl -sS -o "$dir/body" -w '%{http_code}' --max-time 20 "$url/livez") == 200 ]]
        done
        until_true is_gone "$crowd"
        wait "$crowd"
        until_true has_descriptors "$before"
    done
    curl -sS "$url/status" | true_of '.http_refused > 100 and .http_requests > 80'
}

@test "nonsense harms nobody" {
    for text in '' '\r\n\r\n' 'PING\r\n' '\x16\x03\x01 TLS' 'GET / HTTP/1.1\r\nHost' \
        'GET /\xff%00%zz HTTP/1.1\r\nHost: x\r\n\r\n' "GET /$(head -c 100000 /dev/zero | tr '\0' a)"; do
        printf '%b' "$text" | timeout 300 bash -c "exec 9<>/dev/tcp/${REDKEEP_HTTP_LISTEN/://}; cat >&9" ||
            true # it may hang up first
        [[ $(curl -sS -o "$dir/body" -w '%{http_code}' --max-time 20 "$url/livez") == 200 ]]
    done
    kill -0 "$sidecar"
}

@test "no answer is kept by anybody, and the page may do nothing" {
    for path in /livez /readyz /backupz /metrics /status / /nothing; do
        curl -sS -D "$dir/head" -o "$dir/body" "$url$path"
        grep -q -i '^cache-control: no-store' "$dir/head"
        grep -q -i '^x-content-type-options: nosniff' "$dir/head"
        curl -sS -I "$url$path" | grep -q -i "^content-type: "
    done
    curl -sS -D - -o "$dir/body" "$url/" | grep -q -i "^content-security-policy: default-src 'none'"
    for method in PUT DELETE OPTIONS PATCH; do
        [[ $(curl -sS -o "$dir/body" -w '%{http_code}' -X "$method" "$url/status") == 405 ]]
    done
}

@test "status says what the sidecar knows" {
    does 0 status
    [[ $output == *"keeps db-0"* && $output == *"server       unreachable"* ]]
    [[ $output == *"last backup"* && $output == *"next backup"* && $output == *"problems"* ]]
    does 0 status --json
    json '.instance == "db-0" and .state == "unreachable"'
    REDKEEP_HTTP_LISTEN=0.0.0.0:${url##*:} does 0 status
}

@test "an address that is taken, or is none, ends a sidecar at once" {
    mkdir "$dir/other"
    refused 2 config run --data-dir "$dir/other"
    says "the port is taken"
    refused 2 config run --data-dir "$dir/other" --http-listen 192.0.2.1:0
    says "no such address"
    refused 2 config run --http-listen 9742
    says "the port is missing"
}
