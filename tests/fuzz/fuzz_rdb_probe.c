/*
 * Heads of RDB files: complete stays complete with more bytes behind it, and never says another
 * thing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/rdb_compat.h"
#include "redis/rdb_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct server_version server = {REDIS_FLAVOUR_REDIS, 7, 0, 15};
    struct rdb_head whole;
    struct rdb_head half;
    struct rdb_tail tail;
    char why[RDB_LOAD_WHY_MAX];
    enum rdb_probe probe = rdb_probe_head(data, size, &whole);

    if (size >= RDB_TAIL_BYTES)
        rdb_probe_tail(data + size - RDB_TAIL_BYTES, &tail);
    if (probe == RDB_PROBE_OK)
        (void)rdb_can_load(&server, whole.magic, whole.version, why);
    if (whole.body_opcode >= 0 && (whole.body_offset >= size || !whole.aux_complete))
        abort();
    if (rdb_probe_head(data, size / 2, &half) == RDB_PROBE_OK &&
        (probe != RDB_PROBE_OK || half.body_offset != whole.body_offset ||
         half.ctime_s != whole.ctime_s || half.first_db_keys != whole.first_db_keys))
        abort();
    return 0;
}
