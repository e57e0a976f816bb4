#!/usr/bin/env bats
# Messages to a hook, pings of a heartbeat, and what the sidecar is asked: with a peer that answers
# as it is told to.

load helpers

setup() {
    world
    unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
}

teardown() {
    end_world
}

# peer ANSWER...: one after the other, the last one again and again; each a status and a body, "hang"
# (no answer) or "reset". $peer is its address, $dir/heard.N the requests.
peer() {
    # shellcheck disable=SC2016 # perl's own
    perl -MSocket -e '
        my ($dir, @answers) = @ARGV;
        socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
        bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
        listen($s, 9) or die;
        open(my $f, ">", "$dir/peer.tmp") or die;
        print $f "127.0.0.1:", (sockaddr_in(getsockname($s)))[0];
        close($f);
        rename("$dir/peer.tmp", "$dir/peer") or die;
        my @kept;
        for (my $n = 1; accept(my $c, $s); $n++) {
            my $heard = "";
            while ($heard !~ /\r\n\r\n/) { sysread($c, $heard, 9999, length $heard) or last; }
            my $body = $heard =~ /Content-Length: (\d+)/ ? $1 : 0;
            while ($heard =~ /\r\n\r\n(.*)/s && length $1 < $body) {
                sysread($c, $heard, 9999, length $heard) or last;
            }
            open(my $h, ">", "$dir/heard.$n") or die;
            print $h $heard;
            close($h);
            my $answer = @answers > 1 ? shift @answers : $answers[0];
            if ($answer eq "hang") { push @kept, $c; next; }
            if ($answer =~ /^(\d+) ?(.*)/s) {
                syswrite($c, "HTTP/1.1 $1 X\r\nContent-Length: " . length($2) .
                    "\r\nConnection: close\r\n\r\n$2");
            }
            close($c);
        }' "$dir" "$@" </dev/null >"$dir/peer.out" 2>&1 3>&- &
    echo $! >>"$pids"
    until_true test -s "$dir/peer"
    peer=$(cat "$dir/peer")
    export REDKEEP_NOTIFY_URL=http://$peer/hook/s3cret REDKEEP_HEARTBEAT_URL=http://$peer/ping/s3cret
    export REDKEEP_HTTP_LISTEN=$peer
}

heard() {
    find "$dir" -name 'heard.*' | wc -l
}

discreet() {
    [[ $output$stderr != *s3cret* ]]
}

@test "a message from the command line arrives as a chat takes it" {
    peer "200 ok"
    does 0 notify --text 'hello <world>'
    [[ $output == "notify-url http://$peer/*** answered 200" ]]
    [[ $(head -n 1 "$dir/heard.1") == "POST /hook/s3cret HTTP/1.1"* ]]
    grep -q '^Content-Type: application/json' "$dir/heard.1"
    tail -n 1 "$dir/heard.1" | true_of '.text == "redkeep db-0: hello &lt;world&gt;"
        and .event == "test" and .instance == "db-0" and .what == "hello <world>" and .code == null'
}

@test "a message from standard input arrives as it is" {
    peer 204
    run -0 --separate-stderr "$redkeep" notify --json <<<'{ "text": "é \" x", "n": [1, 2] }'
    json --arg to "notify-url http://$peer/***" '.sent and .to == $to and .http_status == 204'
    [[ $(tail -n 1 "$dir/heard.1") == '{"text":"é \" x","n":[1,2]}' ]]
}

@test "a heartbeat is a GET" {
    peer "200 ok"
    does 0 notify --heartbeat
    [[ $(head -n 1 "$dir/heard.1") == "GET /ping/s3cret HTTP/1.1"* ]]
    [[ $(heard) == 1 ]]
    discreet
}

@test "what cannot be sent is a matter of usage, and nobody is asked" {
    peer 200
    for message in '' '[]' '"text"' 'text' '{' '{} {}'; do
        run -2 --separate-stderr "$redkeep" notify <<<"$message"
    done
    run -1 --separate-stderr "$redkeep" notify < <(head -c 100000 /dev/zero | tr '\0' ' ')
    refused 2 config notify --heartbeat --text x
    unset REDKEEP_NOTIFY_URL REDKEEP_HEARTBEAT_URL
    refused 2 config notify --text x
    says "notify-url is not set" REDKEEP_NOTIFY_URL_FILE
    refused 2 config notify --heartbeat
    says "heartbeat-url is not set"
    [[ $(heard) == 0 ]]
}

@test "what the hook refuses is not said twice" {
    for answer in 301 400 404 429; do
        rm -f "$dir"/heard.* "$dir/peer"
        peer "$answer"
        refused 1 failed notify --text x
        says "notify-url http://$peer/***: it answered $answer"
        [[ $(heard) == 1 ]]
        discreet
    done
}

@test "a second try helps a hook that is not well" {
    for answer in 500 503 reset; do
        rm -f "$dir"/heard.* "$dir/peer"
        peer "$answer" 200
        does 0 notify --text x
        [[ $(heard) == 2 ]]
        cmp <(tail -n 1 "$dir/heard.1") <(tail -n 1 "$dir/heard.2")
    done
}

@test "two tries are all" {
    peer 500
    refused 1 failed notify --heartbeat
    says "heartbeat-url http://$peer/***: it answered 500" HINT
    [[ $(heard) == 2 ]]
    discreet
}

@test "a hook that hangs is given up on" {
    local begin=$SECONDS
    peer hang
    refused 1 failed notify --text x
    ((SECONDS - begin < 100)) # ten, but the machine may be busy
    [[ $(heard) == 2 ]]
    discreet
}

@test "nobody at the hook is a failure" {
    export REDKEEP_NOTIFY_URL=http://127.0.0.1:1/hook/s3cret
    refused 1 failed notify --text x
    says "notify-url http://127.0.0.1:1/***"
    discreet
}

@test "a hook that hangs does not keep a signal waiting" {
    peer hang
    launch notify --text x
    until_true test -e "$dir/heard.1"
    kill -TERM "$job"
    ended 1
    says interrupted
    [[ $(heard) == 1 ]]
}

@test "hooks are shown by their host, wherever they are shown" {
    export REDKEEP_NOTIFY_URL=https://hooks.example/services/s3cret
    export REDKEEP_HEARTBEAT_URL=https://u:s3cret@ping.example/s3cret
    does 0 config
    [[ $output == *"https://hooks.example/***"* && $output == *"https://***@ping.example/***"* ]]
    discreet
    does 0 config --json
    discreet
    refused 2 config config --notify-url https://u:s3cret@h/x
    discreet
}

@test "without a sidecar there is no status" {
    export REDKEEP_HTTP_LISTEN=127.0.0.1:1
    refused 1 failed status
    says "no sidecar answers at http://127.0.0.1:1/status" "HINT: is \`redkeep run\` running"
    export REDKEEP_HTTP_LISTEN=off
    refused 2 config status
    export REDKEEP_HTTP_LISTEN=127.0.0.1:0
    refused 2 config status
    export REDKEEP_HTTP_LISTEN=http://127.0.0.1:1
    refused 2 config status
    says "it is a URL"
}

@test "what is no sidecar is told from one" {
    for answer in 404 "200 hello" "200 {}" "200 []" "500 {\"state\":\"ready\"}" 302; do
        rm -f "$dir"/heard.* "$dir/peer"
        peer "$answer"
        refused 1 failed status
        says "is no sidecar"
        [[ $(heard) == 1 ]]
    done
}

@test "status says in words what a sidecar knows, and no more than is known" {
    peer '200 {"state":"ready"}' '200 {"state":"loading","why":"the server is loading","ready":false,
        "loaded_bytes":50,"total_bytes":200,"version":"1.2","instance":"a\u001b[31m",
        "now_at":"2026-11-20T18:00:00Z","started_at":"2026-11-20T17:00:00Z",
        "next_backup_at":"2026-11-20T18:30:00Z","backups_read_at":"2026-11-20T17:59:00Z",
        "backups":[{"id":"20261120T173000Z-4f3a9c","created_at":"2026-11-20T17:30:00Z",
            "size_bytes":2000000,"stored_bytes":1000000,"proven":true}],
        "jobs":[{"kind":"verify","running":false},{"kind":"backup","running":true,
            "started_at":"2026-11-20T17:59:30Z","doing":"stores","done_bytes":1,"total_bytes":4}],
        "problems":[{"code":"DISK_FULL","since":"2026-11-20T17:00:00Z","cause":"No room.",
            "remedy":"Make room.","detail":null}]}'
    does 0 status
    [[ $output == *"server       ready"* && $output == *"last backup  unknown"* ]]
    does 0 status
    [[ $output == *'redkeep      1.2 keeps a\x1b[31m, for 1h 00m'* ]]
    [[ $output == *'server       loading: the server is loading, 25 % of 200 B'* ]]
    [[ $output == *'last backup  20261120T173000Z-4f3a9c, 30m 00s ago, 2.0 MB, 1.0 MB stored'* ]]
    [[ $output == *'next backup  2026-11-20T18:30:00Z, in 30m 00s'* ]]
    [[ $output == *'running      backup for 30 s, stores, 25 % of 4 B'* && $output != *verify* ]]
    [[ $output == *'problem      DISK_FULL for 1h 00m'*'No room.'*'Make room.'* ]]
    does 0 status --json
    json '.jobs[1].doing == "stores"'
}

@test "status is asked for on this machine, whatever the proxy" {
    peer '200 {"state":"ready"}'
    export http_proxy=http://127.0.0.1:1
    does 0 status
}
