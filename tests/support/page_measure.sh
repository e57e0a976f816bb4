#!/bin/bash
# Lays the sidecar's page out in a real browser and measures it: a line for each state and width.
# usage: page_measure.sh STATUS_SHOW light|dark [NAME=FILE...]    more pages, under other names
set -euo pipefail

status_show=$1
scheme=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The listener's own policy holds in the test as well. Without the refresh: the frames would go away.
policy="default-src 'none'; style-src 'unsafe-inline'; img-src data:"
prepare() {
    sed -e '/http-equiv="refresh"/d' \
        -e "s|<head>|<head><meta http-equiv=\"Content-Security-Policy\" content=\"$policy\">|" |
        jq -Rs --arg name "$1" '{($name): .}'
}

for state in $("$status_show"); do
    TZ=UTC "$status_show" "$state" page | prepare "$state"
done >"$work/pages"
for more in "$@"; do
    prepare "${more%%=*}" <"${more#*=}" >>"$work/pages"
done

{
    echo "<!doctype html><html data-scheme=\"$scheme\"><meta charset=\"utf-8\"><body>"
    echo "<pre id=\"measured\"></pre><script>const pages ="
    jq -cs add "$work/pages" | sed 's/</\\u003c/g'
    cat "$here/page_measure.js"
    echo "</script></body></html>"
} >"$work/measure.html"

prefers=1
[[ $scheme == light ]] || prefers=0
timeout --kill-after=5 300 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --user-data-dir="$work/profile" --blink-settings=preferredColorScheme=$prefers \
    --window-size=1400,1000 --dump-dom "file://$work/measure.html" >"$work/dom" 2>"$work/log" || {
    tail -n 20 "$work/log" >&2
    exit 1
}
sed -n '/<pre id="measured">/,/<\/pre>/p' "$work/dom" | sed -e 's/.*<pre id="measured">//' \
    -e 's/<\/pre>.*//' -e '/^$/d'
