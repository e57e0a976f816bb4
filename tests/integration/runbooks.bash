# The pages of docs/runbooks, followed to the letter: their own commands, taken out of the markdown, on a
# machine that looks like theirs. Behind a block of `sh`, a block of `text` is what it says: each of its
# lines is in some line of what was said, … stands for anything, and numbers, times, sizes and ids for
# each other; a last line "exit code N" is how it ends (else 0). A `text` before the first `sh` of a
# section is the symptom, which the test compares with the server's log and the like (`sees`).
# shellcheck shell=bash disable=SC2034,SC2154 # bats and helpers.bash set and read

pages=$BATS_TEST_DIRNAME/../../docs/runbooks
aof=appendonlydir/appendonly.aof # on the server's volume

# ---- the machine ----

# A Debian machine: a server of the user redis with a configuration file, systemctl, redis-cli; a
# repository. What the pages call /var/lib/redis, /etc/redis and so on is below $dir.
machine() {
    world
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/file "$BATS_RUN_TMPDIR"/test "$dir"
    chmod -f a+x "$BATS_FILE_TMPDIR" || true
    mkdir "$dir/run" "$dir/bin"
    socket=$dir/run/redis.sock
    log=$dir/run/redis.log
    conf=$dir/redis.conf
    PATH=/usr/sbin:/usr/bin:/sbin:/bin # the server of this machine, whose words the pages quote
    export REDKEEP_INSTANCE=sessions REDKEEP_REDIS_URL=unix://$socket REDKEEP_LOG_FORMAT=text
    chown redis:redis "$data" "$dir/run"
    configured 'appendonly no'
    ln -s "$redkeep" "$dir/bin/redkeep"
    printf '#!/bin/bash\nexec /usr/bin/redis-cli -s %q --no-raw "$@"\n' "$socket" >"$dir/bin/redis-cli"
    cat >"$dir/bin/systemctl" <<END
#!/bin/bash
# start|stop redis-server
machine=$dir
socket=$socket
conf=$conf
$(declare -f is_zombie_or_gone systemctl_redis)
systemctl_redis "\$1"
END
    chmod +x "$dir"/bin/*
}

machine_ends() {
    "$dir/bin/systemctl" kill || true
    end_world
}

# configured LINE...: the server's redis.conf, with these lines
configured() {
    printf '%s\n' "port 0" "unixsocket $socket" "dir $data" "logfile $log" "enable-debug-command yes" \
        "$@" >"$conf"
}

is_zombie_or_gone() {
    local state

    ! state=$(ps -o stat= -p "$1") || [[ $state == Z* ]]
}

# What systemd does with a server that says when it has loaded.
systemctl_redis() {
    local pid

    if [[ $1 == start ]]; then
        setpriv --reuid redis --regid redis --clear-groups env -i PATH=/usr/bin LC_ALL=C.UTF-8 \
            redis-server "$conf" </dev/null >"$machine/run/redis.out" 2>&1 3>&- &
        pid=$!
        echo "$pid" >"$machine/server.pid"
        until redis-cli -s "$socket" INFO persistence 2>/dev/null | grep -q ^loading:0; do
            if is_zombie_or_gone "$pid"; then
                echo "Job for redis-server.service failed because the control process exited with error code."
                return 1
            fi
            read -rt 0.02 <> <(:) || true
        done
    elif pid=$(cat "$machine/server.pid" 2>/dev/null); then
        if [[ $1 == kill ]]; then kill -KILL "$pid"; else kill "$pid"; fi 2>/dev/null
        until is_zombie_or_gone "$pid"; do read -rt 0.02 <> <(:) || true; done
        rm "$machine/server.pid"
        rm -f "$socket"
    fi
}

systemctl() {
    "$dir/bin/systemctl" "$@"
}

# serving [LINE...]: a server with those lines in its configuration, and data, that has started once more
# since (see filled_server); $before
serving() {
    configured "$@"
    systemctl start
    fill
    systemctl stop
    systemctl start
    before=$(fingerprint)
}

# all_there: and the same once more after a clean stop and a start
all_there() {
    same
    systemctl stop
    systemctl start
    same
}

same() {
    diff <(echo "$before") <(fingerprint) >"$dir/difference" || {
        head -n 20 "$dir/difference"
        return 1
    }
}

does_not_start() {
    run systemctl start
    [[ $status == 1 ]]
}

# a_backup: $id
a_backup() {
    does 0 backup --json
    id=$(jq -r .id <<<"$output")
}

# ---- the pages ----

# section PAGE HEADING: its blocks as $dir/steps/NN.sh and NN.text; 00.text is the symptom
section() {
    rm -rf "$dir/steps"
    mkdir "$dir/steps"
    awk -v heading="## $2" -v out="$dir/steps" '
        /^ *```/ {
            fence = !fence
            if (fence && on) {
                lang = substr($0, index($0, "`") + 3)
                indent = index($0, "`")
                if (lang == "sh") n++
                file = sprintf("%s/%02d.%s", out, n, lang)
                printf "" >file
            }
            next
        }
        fence && on { print substr($0, indent) >file }
        !fence && /^## / { on = $0 == heading }
    ' "$pages/$1.md"
    compgen -G "$dir/steps/*" >/dev/null || {
        echo "$1.md has no blocks below \"## $2\""
        return 1
    }
}

# follow PAGE HEADING [FROM=TO]...: runs every block of the section; FROM stands in the page for what is
# here called TO, such as the id of a backup
follow() {
    local page=$1 heading=$2 step wanted rc
    shift 2

    section "$page" "$heading" || return 1
    for step in "$dir"/steps/*.sh; do
        here "$@" <"$step" >"$dir/step"
        rc=0
        (cd / && PATH=$dir/bin:$PATH timeout 300 bash -euo pipefail "$dir/step") \
            </dev/null >"$dir/said" 2>&1 3>&- || rc=$?
        there "$@" <"$dir/said" >>"$dir/said.all"
        wanted=0
        [[ ! -e ${step%.sh}.text ]] ||
            wanted=$(sed -n 's/^exit code \([0-9]*\)$/\1/p' "${step%.sh}.text")
        if [[ $rc != "${wanted:=0}" ]] || ! { [[ ! -e ${step%.sh}.text ]] ||
            there "$@" <"$dir/said" | tells "${step%.sh}.text"; }; then
            printf '%s.md, %s\n--- run\n%s\n--- said\n%s\nexit code %s\n' "$page" "$heading" \
                "$(cat "$dir/step")" "$(there "$@" <"$dir/said")" "$rc"
            return 1
        fi
    done
}

# sees PAGE HEADING [TEXT...]: the symptom of the page is what the server logs or the texts say
sees() {
    section "$1" "$2" || return 1
    {
        cat "$log" "$dir/run/redis.out" 2>/dev/null || true
        printf '%s\n' "${@:3}"
    } | there >"$dir/seen"
    tells "$dir/steps/00.text" <"$dir/seen" || {
        tail -n 30 "$dir/seen"
        return 1
    }
}

# What the page calls things, as they are called here; and back.
here() {
    local pair args=()

    for pair in "$@"; do args+=(-e "s|${pair%%=*}|${pair#*=}|g"); done
    sed ${args[@]+"${args[@]}"} -e "s|/var/lib/redis|$data|g" -e "s|/etc/redis/redis.conf|$conf|g" \
        -e "s|/var/log/redis/redis-server.log|$log|g" -e "s|/srv/redkeep|$dir/repository|g" \
        -e "s|127.0.0.1:9742|${address:-127.0.0.1:9742}|g"
}

there() {
    sed -e "s|$data|/var/lib/redis|g" -e "s|$conf|/etc/redis/redis.conf|g" \
        -e "s|$dir/repository|/srv/redkeep|g" -e "s|unix://$socket|redis://127.0.0.1:6379|g" -e "s|$log|/var/log/redis/redis-server.log|g" \
        -e "s|$dir|…|g"
}

# tells FILE: each line of it is in some line of standard input
tells() {
    perl -Mutf8 -CSDA -e '
        sub plain {
            my $line = shift;
            $line =~ s/\d{8}T\d{6}Z-[0-9a-f]{6}/ID/g;
            $line =~ s/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/TIME/g;
            $line =~ s/\d[\d.,]* ?([kKMG]i?)?B\b/SIZE/g;
            $line =~ s/\d[\d.,]*/N/g;
            $line =~ s/\s+/ /g;
            $line =~ s/^ | $//g;
            return $line;
        }
        open(my $page, "<", shift) or die;
        my @said = map { plain($_) } <STDIN>;
        my $bad = 0;
        for my $line (map { plain($_) } grep { !/^exit code \d+$/ } <$page>) {
            my $like = join(".*", map { quotemeta } split(/ ?… ?/, $line, -1));
            next if grep { /$like/ } @said;
            print "not said: $line\n";
            $bad = 1;
        }
        exit $bad;
    ' "$1"
}
