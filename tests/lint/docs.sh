#!/bin/bash
# README.md tells of every setting and command, and of none that does not exist; no page names a command
# or an option that there is not; every link leads somewhere; every runbook is in the index.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
make -s build/redkeep
if [[ ! -f README.md ]]; then
    echo "README.md is not there"
    exit 1
fi

mapfile -t settings < <(env -i PATH="$PATH" build/redkeep config --config /dev/null | awk '{print $1}')
mapfile -t commands < <(build/redkeep --help | awk '/^commands:/ {on = 1; next} on && !NF {exit} on {print $1}')
((${#settings[@]} > 0 && ${#commands[@]} > 0)) || { echo "build/redkeep lists nothing"; exit 1; }

for name in "${settings[@]}"; do
    if ! grep -q -E "^\|.*\`$name\`" README.md; then
        echo "README.md: the setting $name has no row in a table"
        bad=1
    fi
done
for name in "${commands[@]}"; do
    if ! grep -q -F "\`$name\`" README.md && ! grep -q "redkeep $name" README.md; then
        echo "README.md: the command $name is not there"
        bad=1
    fi
done

# the first cell of each row below "## Settings"
while IFS= read -r name; do
    if [[ " ${settings[*]} " != *" $name "* ]]; then
        echo "README.md: there is no setting $name"
        bad=1
    fi
done < <(awk '/^## / {on = /[Ss]ettings/} on && /^\| *`/ {split($0, cell, "|"); print cell[2]}' README.md |
    grep -o '`[^`]*`' | tr -d '`')

# ---- all the pages ----
mapfile -t pages < <(git ls-files '*.md' && git ls-files -o --exclude-standard '*.md')
mapfile -t operators < <(printf '%s\n' "${pages[@]}" | grep -E '^(README.md|docs/|monitoring/|compose/|k8s/)')
help=$(mktemp -d)
trap 'rm -rf "$help"' EXIT
for name in "${commands[@]}"; do
    build/redkeep "$name" --help | grep -o -E '^ *--[a-z0-9-]+' | tr -d ' ' >"$help/$name"
    printf '%s\n' --help --config >>"$help/$name"
done

# `redkeep COMMAND --option`: what stands on one line, up to what ends a command
while IFS=: read -r file line text; do
    name=$(awk '{print $2}' <<<"$text")
    if [[ ! -e $help/$name ]]; then
        echo "$file:$line: there is no command $name"
        bad=1
        continue
    fi
    while IFS= read -r option; do
        [[ -z $option ]] || grep -qxF -e "$option" "$help/$name" || {
            echo "$file:$line: redkeep $name has no option $option"
            bad=1
        }
    done < <(grep -o -E -- ' --[a-z0-9-]+' <<<"${text%% -- *}" | tr -d ' ')
done < <(grep -n -o -E -H '(`|^ *|\$ |&& |; )redkeep [a-z]+( [^`|#;,()]*)?' "${operators[@]}" |
    sed -E 's/^([^:]*:[0-9]+:)[^r]*(redkeep )/\1\2/' |
    grep -E '`|^[^:]*:[0-9]+:redkeep [a-z]+( (--|-|ID|[0-9]|latest)|$)')

# anchors FILE: of its headings, as the forges make them
anchors() {
    awk '/^ *```/ {fence = !fence} !fence && /^#+ /' "$1" | sed -E 's/^#+ //; s/\[([^]]*)\]\([^)]*\)/\1/g' |
        tr '[:upper:]' '[:lower:]' | sed -E "s/[^a-z0-9 _-]//g; s/ /-/g"
}

for file in "${pages[@]}"; do
    while IFS= read -r link; do
        to=${link%%#*}
        anchor=
        [[ $link != *'#'* ]] || anchor=${link#*#}
        if [[ -z $to ]]; then to=$file; else to=$(dirname "$file")/$to; fi
        if [[ ! -e $to ]]; then
            echo "$file: $link leads nowhere"
            bad=1
        elif [[ -n $anchor ]] && ! anchors "$to" | grep -qxF -e "$anchor"; then
            echo "$file: $link: there is no such heading"
            bad=1
        fi
    done < <(awk '/^ *```/ {fence = !fence} !fence' "$file" |
        grep -o -E '\]\([^) ]+\)' | sed -E 's/^\]\(//; s/\)$//' | grep -v -E '^[a-z]+:')
done

for file in docs/runbooks/*.md; do
    grep -qF "(${file#docs/})" docs/README.md || {
        echo "docs/README.md: $file is not in it"
        bad=1
    }
done
shellcheck docs/manual.sh || bad=1
exit "$bad"
