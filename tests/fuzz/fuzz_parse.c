/*
 * Numbers, sizes, durations and moments as people and files write them: what is accepted must be
 * within its bounds, and a moment must survive being formatted and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_moment(const char *text)
{
    struct err err;
    char formatted[32];
    int64_t ms;
    int64_t again;

    if (parse_rfc3339(text, &ms, &err) != 0)
        return;
    must(ms >= 0 && ms <= INT64_C(253402300799999));
    format_rfc3339_ms(ms, formatted, sizeof(formatted));
    must(parse_rfc3339(formatted, &again, &err) == 0 && again == ms);
    format_rfc3339(ms, formatted, sizeof(formatted));
    must(parse_rfc3339(formatted, &again, &err) == 0 && again == ms - ms % 1000);
}

static void try_formats(int64_t number)
{
    char out[32];

    format_size((uint64_t)number, out, 16);
    must(strlen(out) < 16);
    format_duration(number, out, sizeof(out));
    format_rfc3339(number, out, sizeof(out));
    format_rfc3339_ms(number, out, sizeof(out));
    must(out[strlen(out) - 1] == 'Z'); /* nothing was cut */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = xstrndup((const char *)data, size);
    struct err err;
    uint64_t number;
    int64_t signed_number = 0;
    bool yes;

    if (parse_u64(text, &number, &err) == 0) {
        must(parse_size(text, &number, &err) == 0);
        try_formats((int64_t)number);
    }
    if (parse_duration(text, &signed_number, &err) == 0)
        must(signed_number >= 0);
    (void)parse_size(text, &number, &err);
    (void)parse_bool(text, &yes, &err);
    try_moment(text);
    return 0;
}
