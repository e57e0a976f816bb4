#!/bin/bash
# Makes redkeep.8 of its prose (standard input) and of what the program says of itself: a line
# "@command NAME" becomes usage, help and options of that command, "@settings" the table of settings,
# "@exit-codes" the exit codes. A command that the prose does not name, or a name that is no command,
# is an error, so that a new command needs its lines.
# usage: manual.sh BINARY <redkeep.8.in >redkeep.8
set -euo pipefail

binary=$1
while IFS= read -r name; do unset "$name"; done < <(compgen -e | grep -E '^REDKEEP_')

# roff TEXT: as it stands, whatever roff would make of it
roff='function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    sub(/^[.\047]/, "\\\\\\&&", text)
    return text
}'

# entries FROM: of what --help lists behind the line that matches FROM, such as "  --name VALUE  help" and
# "    name (no flag)  help", one entry each
entries() {
    awk -v from="$1" "$roff"'
        on && !/^  / { if (seen) exit; next }
        on {
            seen = 1
            sub(/^ +/, "")
            match($0, /^[^ ]+( [A-Z][A-Z:]*| \(no flag\))?/)
            split(substr($0, 1, RLENGTH), word, " ")
            help = substr($0, RLENGTH + 1)
            sub(/^ +/, "", help)
            print ".TP"
            if (word[2] == "(no") print ".BR " roff(word[1]) " \" (no flag)\""
            else if (word[2] != "") print ".BI " roff(word[1]) " \" " roff(word[2]) "\""
            else print ".B " roff(word[1])
            print roff(help)
        }
        $0 ~ from { on = 1 }
    '
}

command_part() {
    local help

    help=$("$binary" "$1" --help) || return
    sed -n 1p <<<"$help" | awk "$roff"'{
        print ".SS " roff($3)
        print ".B redkeep " roff($3)
        $1 = $2 = $3 = ""
        sub(/^ +/, "")
        print roff($0)
        print ".PP"
    }'
    sed -n 2p <<<"$help" | awk "$roff"'{ print roff(toupper(substr($0, 1, 1)) substr($0, 2)) "." }'
    sed -n '1,/^settings/p' <<<"$help" | entries '^options:'
}

exit_codes() {
    "$binary" --help | awk '/^exit codes:/ { on = 1 } on' | tr '\n' ' ' |
        sed -e 's/^exit codes: //' -e 's/, \([0-9]\)/\n\1/g' |
        awk "$roff"'NF { code = $1; sub(/^[0-9]+ /, ""); sub(/ +$/, ""); print ".TP\n.B " code "\n" roff($0) }'
}

named=()
after_command=
while IFS= read -r line; do
    [[ -z $after_command || $line == [@.]* && $line != .B* ]] || echo .PP # before prose only
    after_command=
    case $line in
    "@command "*)
        named+=("${line#@command }")
        command_part "${line#@command }"
        after_command=yes
        ;;
    @settings) "$binary" config --help | entries '^line .name value.' ;;
    @exit-codes) exit_codes ;;
    *) printf '%s\n' "${line//@VERSION@/$("$binary" --version | cut -d ' ' -f 2)}" ;;
    esac
done

wanted=$("$binary" --help | awk '/^commands:/ { on = 1; next } on && !NF { exit } on { print $1 }')
if [[ $wanted != "$(printf '%s\n' "${named[@]}")" ]]; then
    echo "redkeep.8.in does not name the program's commands, in their order:" "$wanted" >&2
    exit 1
fi
