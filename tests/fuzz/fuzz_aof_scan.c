/*
 * Append-only files: every slicing finds the same, and what is cut at safe_end is whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "redis/aof_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_same(const struct aof_scan *a, const struct aof_scan *b)
{
    check(a->offset == b->offset);
    check(a->safe_end == b->safe_end);
    check(a->commands == b->commands);
    check(a->last_ts == b->last_ts);
    check(a->in_multi == b->in_multi);
    check(a->multi_offset == b->multi_offset);
    check(a->nested_multi == b->nested_multi);
    check(a->nul_offset == b->nul_offset);
    check(a->nul_bytes == b->nul_bytes);
    check(a->bad_offset == b->bad_offset);
    check(a->bad_why == b->bad_why);
    check(aof_scan_at_boundary(a) == aof_scan_at_boundary(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aof_scan whole;
    struct aof_scan sliced;
    struct aof_scan cut;
    size_t piece = size > 0 ? data[size - 1] % 7 + 1 : 1;

    aof_scan_init(&whole);
    aof_scan_init(&sliced);
    aof_scan_init(&cut);
    (void)aof_scan_feed(&whole, data, size);
    for (size_t at = 0; at < size; at += piece)
        (void)aof_scan_feed(&sliced, data + at, size - at < piece ? size - at : piece);
    check_same(&whole, &sliced);

    check(whole.safe_end <= whole.offset && whole.offset <= size);
    (void)aof_scan_feed(&cut, data, (size_t)whole.safe_end);
    check(aof_scan_at_boundary(&cut));
    check(cut.safe_end == whole.safe_end && cut.last_ts == whole.last_ts);
    return 0;
}
