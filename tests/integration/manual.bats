#!/usr/bin/env bats
# The manual page tells of every command, option, setting and exit code of the program, is roff that the
# readers of it do not complain of, and its examples do what they say.

load helpers

paths() {
    manual=$BATS_TEST_DIRNAME/../../docs/manual.sh
    prose=$BATS_TEST_DIRNAME/../../docs/redkeep.8.in
    page=$BATS_FILE_TMPDIR/redkeep.8
    read=$BATS_FILE_TMPDIR/read # the same as it is read, without what makes letters bold
}

setup_file() {
    paths
    "$manual" "${REDKEEP_BIN:-build/redkeep}" <"$prose" >"$page"
    mandoc -Tutf8 -O width=400 "$page" | perl -pe 's/.\x08//g' >"$read"
}

setup() {
    world
    paths
}

teardown() {
    end_world
}

# has LINE: as the first words of a line, at any indentation
has() {
    grep -q -E -- "^ *$1( |\$)" "$read" || {
        echo "the manual page has no line: $1"
        return 1
    }
}

@test "every command and every option of it is there" {
    for name in $("$redkeep" --help | awk '/^commands:/ { on = 1; next } on && !NF { exit } on { print $1 }'); do
        has "redkeep $name"
        # what stands below the command and above the next
        awk -v name="$name" '/^   [a-z]/ { on = $1 == name } /^[A-Z]/ { on = 0 } on' "$read" >"$dir/part"
        "$redkeep" "$name" --help | sed -n '/^options:/,/^settings/s/^  \(--[^ ]*\).*/\1/p' >"$dir/options"
        while IFS= read -r option; do
            grep -q -E -- "^ *$option( |\$)" "$dir/part" || {
                echo "redkeep $name: $option is not there"
                return 1
            }
        done <"$dir/options"
    done
    [[ $name == config ]]
}

@test "every setting is there, with its default, and secrets have no flag" {
    "$redkeep" config --config /dev/null --json >"$dir/config"
    "$redkeep" config --help >"$dir/help"
    count=0
    for name in $(jq -r '.settings | keys[]' "$dir/config"); do
        count=$((count + 1))
        if grep -q -E -- "^ *$name \(no flag\)" "$dir/help"; then
            has "$name \(no flag\)"
        else
            has "--$name"
        fi
    done
    ((count > 50))
    sed -n 's/^  --\([a-z0-9-]*\).*\[\([^]]*\)\]$/\1 \2/p' "$dir/help" >"$dir/defaults"
    [[ $(wc -l <"$dir/defaults") -gt 20 ]]
    while read -r name default; do
        grep -A 2 -E -- "^ *--$name( |\$)" "$read" | grep -qF "[$default]" || {
            echo "$name: its default $default is not there"
            return 1
        }
    done <"$dir/defaults"
}

@test "every exit code is there" {
    awk '/^EXIT STATUS/ { on = 1; next } /^[A-Z]/ { on = 0 } on' "$read" >"$dir/codes"
    for code in 0 1 2 3 4 5 6 7 8 9; do
        grep -q -E "^ *$code +[a-z]" "$dir/codes"
    done
}

@test "a command that the prose does not name is an error" {
    run "$manual" "$redkeep" < <(grep -v '^@command guard' "$prose")
    [[ $status == 1 && $output == *'does not name'* ]]
    run "$manual" "$redkeep" < <(sed 's/^@command guard/@command gard/' "$prose")
    [[ $status != 0 ]]
}

@test "the readers of manual pages have nothing to say against it" {
    run mandoc -T lint -W warning "$page"
    [[ $status == 0 && -z $output ]] || { show; return 1; }
    run env LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page"
    [[ $status == 0 ]]
    run bash -c 'groff -man -ww -Tutf8 "$0" 2>&1 >/dev/null' "$page"
    [[ $status == 0 && -z $output ]] || { show; return 1; }
    run ! grep -nP '[^\x00-\x7f]' "$page" # any locale can show it
}

@test "the examples do what they say" {
    server_start
    fill 100
    export REDKEEP_INSTANCE=db-0
    unset REDKEEP_REPOSITORY REDKEEP_DATA_DIR
    sed -n '/^\.EX/,/^\.EE/p' "$prose" | grep '^redkeep ' |
        sed -e 's/\\-/-/g' -e "s|/backups|$dir/repository|; s|/var/lib/redis|$data|; s|/tmp/look|$dir/look|" \
            -e "s|^redkeep|'$redkeep'|" >"$dir/examples"
    [[ $(wc -l <"$dir/examples") -ge 6 ]]
    grep -v ' prepare ' "$dir/examples" | bash -e
    [[ -s $dir/look/dump.rdb ]]
    server_kill
    lose_volume
    grep ' prepare ' "$dir/examples" | bash -e
    server_start --appendonly yes
    [[ $(cli DBSIZE) -gt 20 ]]
}

@test "make install puts program and page where they belong" {
    local b=${BUILD:-build}
    # what is tested is installed as it is, whatever has changed in the sources meanwhile
    make -s -C "$BATS_TEST_DIRNAME/../.." B="$b" -o "$b/redkeep" install DESTDIR="$dir/root" PREFIX=/usr
    [[ $(cd "$dir/root" && find . -type f -printf '%p %m\n' | sort) == "./usr/bin/redkeep 755
./usr/share/man/man8/redkeep.8 644" ]]
    "$dir/root/usr/bin/redkeep" --version
    run man -l "$dir/root/usr/share/man/man8/redkeep.8"
    [[ $output == *redkeep* ]]
}
