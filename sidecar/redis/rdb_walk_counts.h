/*
 * What a walk counts and has to remember: keys by database, and how many fields the templates of
 * hashes have. Both grow with the file, to a ceiling.
 */
#ifndef REDIS_RDB_WALK_COUNTS_H
#define REDIS_RDB_WALK_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/rdb_walk.h"

struct rdb_counts {        /* zero-initialised */
    struct rdb_walk_db db; /* the one that is being filled */
    bool next_expires;
    uint64_t slot_keys; /* of a slot that was announced, as long as none of them came */

    struct rdb_walk_db *done; /* those before, without empty ones */
    size_t done_count;
    size_t done_room;
    uint32_t *templates; /* fields, by id; 0: there is none */
    size_t template_count;
};

void rdb_counts_release(struct rdb_counts *counts);

static inline void rdb_counts_key(struct rdb_counts *counts)
{
    counts->db.keys++;
    counts->db.expires += counts->next_expires ? 1 : 0;
    counts->next_expires = false;
    counts->slot_keys = 0;
}

/* A slot begins, with so many keys. Those of one that is being given away are not written. */
void rdb_counts_slot(struct rdb_counts *counts, uint64_t keys);
/* The database is complete. False when there are too many of them. */
bool rdb_counts_end_db(struct rdb_counts *counts);

/* False when it is beyond the ceilings. */
bool rdb_counts_define(struct rdb_counts *counts, uint64_t id, uint64_t fields);
/* The fields of a template, 0 when there is none of that id. */
uint64_t rdb_counts_fields(const struct rdb_counts *counts, uint64_t id);

#endif
