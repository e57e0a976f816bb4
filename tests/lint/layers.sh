#!/bin/bash
# A folder of sidecar/ may include itself and the folders to its left; redis/ only base/. entrypoint/
# stands between daemon/ and commands/.
set -euo pipefail
cd "$(dirname "$0")/../.."

find sidecar entrypoint -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
    BEGIN {
        n = split("base stream store redis host backup daemon entrypoint commands", layer, " ")
        for (i = 1; i <= n; i++)
            rank[layer[i]] = i
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split(FILENAME, path, "/")
        from = path[3] == "" ? "commands" : path[2] # main.c stands with the commands
        if (path[1] == "entrypoint") from = path[1]
        split($0, quoted, "\"")
        to = quoted[2]
        sub("/.*", "", to)
        if (!(from in rank))
            why = from "/ is no layer"
        else if (!(to in rank))
            why = "write it as \"folder/file.h\""
        else if (rank[to] > rank[from])
            why = from "/ may not look at " to "/"
        else if (from == "redis" && to != "redis" && to != "base")
            why = "redis/ may look at base/ only"
        else if (from == "host" && to != "host" && to != "redis" && to != "base")
            why = "host/ may look at redis/ and base/ only"
        else
            next
        print FILENAME ":" FNR ": includes " quoted[2] ": " why
        bad = 1
    }
    END { exit bad }'
