#!/bin/bash
# Sizes: functions of at most 80 lines and 5 parameters (beside the struct err that comes last), files
# of at most 500 lines; and no function that mixes goto with cleanup by scope. No exceptions but one.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t files < <(find sidecar entrypoint tests -name '*.[ch]' | sort)
bad=0

for file in "${files[@]}"; do
    lines=$(wc -l <"$file")
    if ((lines > 500)); then
        echo "$file:1: $lines lines, 500 is the most"
        bad=1
    fi
done

# one line a function: file, first and last line, name, signature
ctags --languages=C --langmap=C:.c.h --kinds-C=f --fields=neS --sort=no -o - "${files[@]}" |
    awk -F '\t' '
    /^!/ { next }
    {
        line = end = signature = ""
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) line = substr($i, 6)
            if ($i ~ /^end:/) end = substr($i, 5)
            if ($i ~ /^signature:/) signature = substr($i, 11)
        }
        # a case of check is START_TEST(name) { ... } to ctags
        if (end != "") print $2 "\t" line "\t" end "\t" $1 "\t" signature
    }' |
    awk -F '\t' '
    # commas outside inner parentheses, plus one
    function parameters(signature,    depth, commas, i, c) {
        if (signature == "(void)" || signature == "()") return 0
        for (i = 1; i <= length(signature); i++) {
            c = substr(signature, i, 1)
            if (c == "(") depth++
            if (c == ")") depth--
            if (c == "," && depth == 1) commas++
        }
        return commas + (signature !~ /struct err ?\* ?err\)$/)
    }
    # the text of a file by line, without comments and strings as far as they stand on one line
    function read_file(file,    text, n) {
        n = 0
        while ((getline text < file) > 0) {
            gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
            gsub(/\/\*.*\*\//, "", text)
            sub(/\/\/.*/, "", text)
            source[++n] = text
        }
        close(file)
    }
    {
        where = $1 ":" $2 ": " $4 "(): "
        if ($3 - $2 + 1 > 80) {
            print where ($3 - $2 + 1) " lines, 80 is the most"
            bad = 1
        }
        # libmicrohttpd says what its callbacks are given
        if (parameters($5) > 5 && $5 !~ /\.\.\.|struct MHD_Connection/) {
            print where parameters($5) " parameters, 5 beside err is the most"
            bad = 1
        }
        if ($1 != last) {
            read_file($1)
            last = $1
        }
        has_goto = has_cleanup = 0
        for (i = $2; i <= $3; i++) {
            if (source[i] ~ /(^|[^A-Za-z0-9_])goto[ \t]/) has_goto = 1
            if (source[i] ~ /(^|[^A-Za-z0-9_])auto_[a-z]/) has_cleanup = 1
            if (source[i] ~ /__attribute__\(\(cleanup/) has_cleanup = 1
        }
        if (has_goto && has_cleanup) {
            print where "goto and cleanup by scope in one function"
            bad = 1
        }
    }
    END { exit bad }' || bad=1

exit "$bad"
