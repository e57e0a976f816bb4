#!/usr/bin/env bats
# What a restore leaves behind when it is over: a record in the repository, of which `list` tells, and
# a message to the hook. Neither may hold up the server that waits for the restore.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup_file() {
    s3_up
}

teardown_file() {
    s3_down
}

setup() {
    world
    in_memory # a record has two seconds, and a disk may take longer
    unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
}

teardown() {
    end_world
}

# backed_up: two backups, $old and $new, and a volume that is lost
backed_up() {
    server_start
    cli SET one 1 >/dev/null
    backup
    old=$id
    cli SET two 2 >/dev/null
    backup
    new=$id
    server_kill
    lose_volume
}

records() {
    find "$dir/repository/db-0/restores" -type f 2>/dev/null | wc -l
}

# Records are told apart by the second.
is_later_than_records() {
    [[ $(ls "$dir/repository/db-0/restores") < $(date -u +%Y%m%dT%H%M%SZ) ]]
}

# last_restore FILTER [ARGUMENT...]: it holds for what list tells
last_restore() {
    does 0 list --json || return 1
    json ".last_restore | $1" "${@:2}"
}

# logged LEVEL TEXT: by the last run
logged() {
    jq -se --arg level "$1" --arg text "$2" \
        'any(.[]; .level == $level and (.msg | contains($text)))' <<<"$stderr" >/dev/null || {
        echo "not logged at $1: $2"
        show
        return 1
    }
}

# hook ANSWER: takes one request into $dir/heard, and answers with that status, or hangs
hook() {
    # shellcheck disable=SC2016 # perl's own
    perl -MSocket -e '
        my ($dir, $answer) = @ARGV;
        socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
        bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
        listen($s, 9) or die;
        open(my $f, ">", "$dir/hook.tmp") or die;
        print $f "127.0.0.1:", (sockaddr_in(getsockname($s)))[0];
        close($f);
        rename("$dir/hook.tmp", "$dir/hook") or die;
        while (accept(my $c, $s)) {
            my $heard = "";
            while ($heard !~ /\r\n\r\n/) { sysread($c, $heard, 9999, length $heard) or last; }
            my $body = $heard =~ /Content-Length: (\d+)/ ? $1 : 0;
            while ($heard =~ /\r\n\r\n(.*)/s && length $1 < $body) {
                sysread($c, $heard, 9999, length $heard) or last;
            }
            open(my $h, ">>", "$dir/heard") or die;
            print $h "$heard\n";
            close($h);
            sleep(1000) if $answer eq "hang";
            syswrite($c, "HTTP/1.1 $answer X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            close($c);
        }' "$dir" "$1" </dev/null >"$dir/hook.out" 2>&1 3>&- &
    echo $! >>"$pids"
    until_true test -s "$dir/hook"
    REDKEEP_NOTIFY_URL=http://$(cat "$dir/hook")/s3cret
    export REDKEEP_NOTIFY_URL
}

@test "a restore is recorded, and list tells of the last one" {
    backed_up
    last_restore '. == null'
    restore --backup "$old"
    [[ $(records) == 1 ]]
    last_restore '.backup == $id and .keys == 1 and .skipped == 0 and .seconds >= 0 and
        (.time | fromdate) > 0' --arg id "$old"
    jq -e --arg id "$old" '.restored and .reason == "restored" and .backup == $id and .keys == 1 and
        (.files | length) > 0 and .error == null and (.time | fromdate) > 0' \
        "$dir"/repository/db-0/restores/*.json
    until_true is_later_than_records
    lose_volume
    restore
    [[ $(records) == 2 ]]
    last_restore '.backup == $id and .keys == 2' --arg id "$new"
}

@test "what put nothing in place is not recorded, nor what went elsewhere" {
    backed_up
    hook 200
    does 0 restore --dry-run
    does 0 restore --target "$dir/look"
    does 0 restore --instance db-9 --if-backup-exists
    refused 3 not-found restore --instance db-9
    echo x >"$data/dump.rdb"
    does 0 restore --if-empty
    refused 4 holds-data restore
    [[ $(records) == 0 && ! -e $dir/heard ]]
}

@test "records are in nobody's way" {
    backed_up
    restore
    does 0 list --json
    json '(.backups | length) == 2 and .total == 2 and .unreadable == []'
    does 0 verify --all
    lose_volume
    restore
    server_start
    backup
    does 0 backup --instance db-7
    server_kill
}

@test "a record that cannot be read is none, and spoils no list" {
    backed_up
    restore
    local bad=$dir/repository/db-0/restores/99991231T000000Z-ffffff.json text
    for text in '' '{' '[]' '{"time": 1}' '{"time": "2026-11-20T17:30:00Z", "backup": "x", "skipped": []}'; do
        printf %s "$text" >"$bad"
        last_restore '. == null'
        json '.backups | length == 2'
        logged info 'the last restore is not known'
    done
    mv "$bad" "$dir/repository/db-0/restores/notes.json" # whatever it is, no record
    last_restore '.keys == 2'
}

@test "a repository that takes no record changes nothing" {
    backed_up
    : >"$dir/repository/db-0/restores"
    restore
    json '.error == null'
    logged info 'is not recorded'
    rm "$dir/repository/db-0/restores"
    last_restore '. == null'
}

@test "the hook is told what was restored, and what was passed over" {
    backed_up
    flip "$(object_dir "$new")/backup.json" 100
    hook 200
    restore
    last_restore '.skipped == 1 and .backup == $id' --arg id "$old"
    output=$(tail -n 1 "$dir/heard")
    json --arg old "$old" --arg new "$new" '.event == "restored" and
        .instance == "db-0" and .code == null and (.what | contains("restored \($old)") and
        contains("1 keys") and contains("passed over \($new)") and contains("digest"))'
    [[ $(grep -c ^POST "$dir/heard") == 1 ]]
}

@test "a hook that refuses, hangs or is not there spoils no restore" {
    local how
    backed_up
    for how in 500 hang nobody; do
        if [[ $how == nobody ]]; then
            REDKEEP_NOTIFY_URL=http://127.0.0.1:$(free_port)/s3cret
        else
            rm -f "$dir/hook"
            hook "$how"
        fi
        lose_volume
        SECONDS=0
        restore
        ((SECONDS < 100)) # five, and what a busy machine needs
        logged warn 'nobody was told of the restore'
        [[ $output$stderr != *s3cret* ]]
    done
    [[ $(records) == 3 ]]
}

# A way to the S3 server that passes everything on but what begins with a record.
deaf_to_records() {
    # shellcheck disable=SC2016 # perl's own
    perl -MIO::Socket::INET -MIO::Select -e '
        my ($dir, $to) = @ARGV;
        my $s = IO::Socket::INET->new(Listen => 9, LocalAddr => "127.0.0.1") or die;
        open(my $f, ">", "$dir/way.tmp") or die;
        print $f $s->sockport;
        close($f);
        rename("$dir/way.tmp", "$dir/way") or die;
        my ($all, %peer, %client) = (IO::Select->new($s));
        while (my @ready = $all->can_read) {
            for my $c (@ready) {
                if ($c == $s) {
                    my $in = $s->accept or next;
                    my $out = IO::Socket::INET->new(PeerAddr => $to) or die;
                    ($peer{$in}, $peer{$out}, $client{$in}) = ($out, $in, 1);
                    $all->add($in, $out);
                } elsif (!sysread($c, my $bytes, 65536)) {
                    my $other = delete $peer{$c} or next;
                    delete $peer{$other};
                    $all->remove($c, $other);
                    close($c);
                    close($other);
                } elsif ($client{$c} && $bytes =~ m{^PUT [^ ]*/restores/}) {
                    open(my $h, ">", "$dir/deaf") or die;
                    $all->remove($c);
                } else {
                    for (my $done = 0; $done < length $bytes;) {
                        $done += syswrite($peer{$c}, $bytes, length($bytes) - $done, $done) // last;
                    }
                }
            }
        }' "$dir" "${endpoint#http://}" </dev/null >"$dir/way.out" 2>&1 3>&- &
    echo $! >>"$pids"
    until_true test -s "$dir/way"
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(cat "$dir/way")
}

@test "a repository that hangs when it is to take the record does not hold up the server" {
    in_s3
    backed_up
    deaf_to_records
    hook 200
    SECONDS=0
    restore
    ((SECONDS < 100)) # left to itself the store would try for minutes
    [[ -e $dir/deaf ]]
    logged info 'is not recorded'
    [[ $(grep -c ^POST "$dir/heard") == 1 ]] # and being given up on is not being asked to stop
    last_restore '. == null'
}

restored_and_recorded() {
    lose_volume
    restore && last_restore '.keys == 2 and .backup == $id' --arg id "$new"
}

@test "the record goes to S3 as well" {
    in_s3
    backed_up
    until_true restored_and_recorded # on a slow machine its two seconds may be over
}
