#!/bin/bash
# README.md tells of every setting and command, and of none that does not exist.
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
exit "$bad"
