/*
 * Walking an RDB from its header to its end mark, over its bytes as they come, in any slices: are
 * all the lengths that make its structure right, and how many keys are there? Of the values it
 * proves no more than that, and it computes no checksum. Memory is bounded, whatever the bytes:
 * strings are skipped, not held.
 *
 * "Corrupt" is said only of what no server writes: a file that is cut off, an encoding that does
 * not exist in a version that is fully known, bytes behind the checksum. Whatever else cannot be
 * followed (another magic, a newer version, a type or an opcode without a row in
 * rdb_walk_shapes.c) is "not walked", and says nothing against the file.
 */
#ifndef REDIS_RDB_WALK_H
#define REDIS_RDB_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "redis/rdb_probe.h"

#define RDB_WALK_DBS_MAX 65536
#define RDB_WALK_TEMPLATES_MAX 65536 /* sets of field names that hashes share (Redis 8.10) */
#define RDB_WALK_WHY_MAX 160

enum rdb_walked {
    RDB_WALKED,
    RDB_NOT_WALKED,
    RDB_WALK_CORRUPT,
};

struct rdb_walk_db {
    uint64_t db;
    uint64_t keys;
    uint64_t expires;  /* keys of these that expire */
    uint64_t left_out; /* announced and not written: of a slot that the cluster gives away */
};

struct rdb_walk_result {
    enum rdb_walked walked;
    char why[RDB_WALK_WHY_MAX]; /* "" when walked; else what, and at which byte */
    enum rdb_magic magic;
    int version; /* -1 when not known */
    /* Only when walked: */
    uint64_t keys; /* of all databases */
    uint64_t functions;
    const struct rdb_walk_db *dbs; /* ascending; borrowed from the walk */
    size_t db_count;
    uint64_t size;       /* in bytes, with the checksum */
    bool takes_in_slots; /* holds keys of a slot import (Valkey 9), which no INFO counts */
};

struct rdb_walk;

/* may_have_tail: what follows the checksum is no fault (an AOF whose beginning is an RDB). */
struct rdb_walk *rdb_walk_new(bool may_have_tail);
void rdb_walk_free(struct rdb_walk *walk);

/* Takes the next bytes. It cannot fail: what is found is told at the end. */
void rdb_walk_feed(struct rdb_walk *walk, const void *data, size_t len);
/* All bytes have come. Call it once. */
void rdb_walk_end(struct rdb_walk *walk, struct rdb_walk_result *out);

DEFINE_CLEANUP(cleanup_rdb_walk, struct rdb_walk *, rdb_walk_free);
#define auto_rdb_walk auto_with(cleanup_rdb_walk)

#endif
