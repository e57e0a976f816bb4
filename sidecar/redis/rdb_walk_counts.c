/* Arrays that double. The servers number templates from 0 on, so that an array is a dense table. */
#include "redis/rdb_walk_counts.h"

#include <string.h>

#include "base/mem.h"

#define FIRST_ROOM 16

void rdb_counts_release(struct rdb_counts *counts)
{
    free(counts->done);
    free(counts->templates);
    *counts = (struct rdb_counts){0};
}

void rdb_counts_slot(struct rdb_counts *counts, uint64_t keys)
{
    counts->db.left_out += counts->slot_keys;
    counts->slot_keys = keys;
}

bool rdb_counts_end_db(struct rdb_counts *counts)
{
    rdb_counts_slot(counts, 0);
    if (counts->db.keys == 0 && counts->db.left_out == 0)
        return true;
    if (counts->done_count == RDB_WALK_DBS_MAX)
        return false;
    if (counts->done_count == counts->done_room) {
        counts->done_room = counts->done_room == 0 ? FIRST_ROOM : 2 * counts->done_room;
        counts->done = xreallocarray(counts->done, counts->done_room, sizeof(*counts->done));
    }
    counts->done[counts->done_count++] = counts->db;
    return true;
}

static void make_room(struct rdb_counts *counts, uint64_t id)
{
    size_t room = counts->template_count == 0 ? FIRST_ROOM : counts->template_count;

    while (room <= id)
        room *= 2;
    counts->templates = xreallocarray(counts->templates, room, sizeof(*counts->templates));
    memset(counts->templates + counts->template_count, 0,
           (room - counts->template_count) * sizeof(*counts->templates));
    counts->template_count = room;
}

bool rdb_counts_define(struct rdb_counts *counts, uint64_t id, uint64_t fields)
{
    if (id >= RDB_WALK_TEMPLATES_MAX || fields > UINT32_MAX)
        return false;
    if (id >= counts->template_count)
        make_room(counts, id);
    counts->templates[id] = (uint32_t)fields;
    return true;
}

uint64_t rdb_counts_fields(const struct rdb_counts *counts, uint64_t id)
{
    return id < counts->template_count ? counts->templates[id] : 0;
}
