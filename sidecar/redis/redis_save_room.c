/*
 * Is there room for a save? The estimates are the planning figures of the servers' own behaviour: a
 * dump is about 0.6 of used_memory when the values do not compress, and while the child runs, the
 * pages that the server writes are copied.
 */
#include <stdio.h>

#include "base/parse.h"
#include "redis/redis_save.h"

#define MEMORY_SHARE 10 /* one part in ten of used_memory, when no earlier fork tells better */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t known(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static int check_disk(const struct redis_server_info *info, const struct redis_save_room *room,
                      struct err *err)
{
    uint64_t need =
        max_u64(room->dump_bytes + room->dump_bytes / 5, known(info->used_memory) / 10 * 6);
    char need_text[16];
    char free_text[16];

    if (room->disk_free_bytes >= need)
        return 0;
    format_size(need, need_text, sizeof(need_text));
    format_size(room->disk_free_bytes, free_text, sizeof(free_text));
    (void)err_set(err, ERR_FAILED,
                  "no save was started: it may need %s on the server's volume, and %s are free. A "
                  "save that fails makes the server refuse writes. HINT: make the volume larger",
                  need_text, free_text);
    return err_as(err, PROBLEM_DISK_FULL);
}

static int check_memory(const struct redis_server_info *info, const struct redis_save_room *room,
                        struct err *err)
{
    uint64_t need =
        max_u64(known(info->rdb_last_cow_bytes), known(info->used_memory) / MEMORY_SHARE);
    char need_text[16];
    char free_text[16];

    if (room->memory_free_bytes < 0 || (uint64_t)room->memory_free_bytes >= need)
        return 0;
    format_size(need, need_text, sizeof(need_text));
    format_size((uint64_t)room->memory_free_bytes, free_text, sizeof(free_text));
    (void)err_set(err, ERR_FAILED,
                  "no save was started: its fork may need %s of memory, and %s are free. A child "
                  "that is killed makes the server refuse writes. HINT: raise the memory limit, or "
                  "lower maxmemory",
                  need_text, free_text);
    return err_as(err, PROBLEM_MEMORY_LOW);
}

int redis_save_preflight(const struct redis_server_info *info, const struct redis_save_room *room,
                         struct err *err)
{
    if (check_disk(info, room, err) < 0)
        return -1;
    return check_memory(info, room, err);
}
