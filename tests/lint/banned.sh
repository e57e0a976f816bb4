#!/bin/bash
# Functions that have one home, or none, and third-party headers outside their cage.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0

# The C files given, as file:line:text without comments and string literals.
code_of() {
    local file
    for file in "$@"; do
        # -fpreprocessed strips comments and keeps the lines where they are
        { gcc -fpreprocessed -dD -E "$file" 2>/dev/null || cat "$file"; } |
            awk -v file="$file" '
                /^# [0-9]+ "/ { line = $2; next }
                !line { line = 1 }
                { gsub(/"([^"\\]|\\.)*"/, "\"\""); print file ":" line++ ":" $0 }'
    done
}

# refuse NAMES HOME WHY CODE: a call of one of NAMES in CODE, outside files that match HOME
refuse() {
    local names=$1 home=$2 why=$3 found
    found=$(grep -E "(^|[^A-Za-z0-9_.>])($names)[ ]*\(" <<<"$4" | grep -v -E "^($home):" || true)
    if [[ -n $found ]]; then
        printf '%s\n' "$found" | sed "s|\$|    <- $why|"
        bad=1
    fi
}

mapfile -t product < <(find sidecar entrypoint -name '*.[ch]' | sort)
mapfile -t tests < <(find tests -name '*.[ch]' | sort)
product_code=$(code_of "${product[@]}")
all_code=$product_code$'\n'$(code_of "${tests[@]}")

refuse 'strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|strtok_r|alloca' - \
    'unbounded: use buf, snprintf or xasprintf' "$all_code"
refuse 'atoi|atol|atoll|atof|strtol|strtoul|strtoll|strtoull|strtod|strtof|sscanf' \
    'sidecar/base/parse.c' 'use base/parse.h' "$product_code"
refuse 'system|tmpnam|mktemp|tempnam' - 'no shell, no race' "$all_code"
refuse 'popen' 'tests/.*' 'no shell' "$all_code"
refuse 'sleep|usleep' - 'use base/clock.h' "$all_code"

refuse 'nanosleep|clock_nanosleep|clock_gettime|gettimeofday|time|ftime' 'sidecar/base/clock.c' \
    'use base/clock.h' "$product_code"
refuse 'malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf' \
    'sidecar/base/mem.c' 'use base/mem.h' "$product_code"
refuse 'exit|quick_exit|atexit' - 'return from main, _exit in children' "$product_code"
refuse 'rand|srand|random|srandom|drand48|getrandom|getentropy' 'sidecar/base/fs.c' \
    'use fs_random' "$product_code"
refuse 'localtime|localtime_r|mktime|strftime|gmtime|ctime|asctime' 'sidecar/(store/s3_sign|base/zone).c' \
    'times are UTC and RFC 3339 (base/parse.h), or base/zone.h' "$product_code"
refuse 'signal|vfork' - 'use sigaction' "$product_code"
refuse 'perror|syslog|printf|puts|putchar' 'sidecar/(main|commands/.*).c' \
    'answers are written by commands, events by base/log.h' "$product_code"

if grep -n -H 'NDEBUG' "${product[@]}"; then
    echo "asserts stay on"
    bad=1
fi

# cage HEADER HOME: an include of HEADER in sidecar/ outside files that match HOME
cage() {
    local found
    found=$(grep -n -H -E "^[ \t]*#[ \t]*include[ \t]*<($1)" "${product[@]}" |
        grep -v -E "^($2):" || true)
    if [[ -n $found ]]; then
        printf '%s\n' "$found" | sed 's|$|    <- outside its cage|'
        bad=1
    fi
}

cage 'hiredis/' 'sidecar/redis/.*'
cage 'curl/' 'sidecar/(store/s3_http|base/http_client).c'
cage 'archive|zstd|zdict' 'sidecar/stream/.*'
cage 'c[jJ][sS][oO][nN]' 'sidecar/base/json.c'
cage 'openssl/' 'sidecar/(base/hash.c|redis/redis_tls.*)'
cage 'expat' 'sidecar/store/s3_xml.c'
cage 'microhttpd' 'sidecar/daemon/http.c'

exit "$bad"
