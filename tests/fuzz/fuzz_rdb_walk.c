/*
 * RDBs: every slicing finds the same, what is walked is whole, and what is cut from it is not.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/rdb_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static struct rdb_walk *walk(const uint8_t *data, size_t size, size_t piece,
                             struct rdb_walk_result *out)
{
    struct rdb_walk *walk = rdb_walk_new(false);

    for (size_t at = 0; at < size; at += piece)
        rdb_walk_feed(walk, data + at, size - at < piece ? size - at : piece);
    rdb_walk_end(walk, out);
    return walk;
}

static void check_same(const struct rdb_walk_result *a, const struct rdb_walk_result *b)
{
    check(a->walked == b->walked);
    check(strcmp(a->why, b->why) == 0);
    check(a->magic == b->magic && a->version == b->version);
    check(a->db_count == b->db_count && a->keys == b->keys);
    check(a->functions == b->functions && a->takes_in_slots == b->takes_in_slots);
    for (size_t i = 0; i < a->db_count; i++)
        check(memcmp(&a->dbs[i], &b->dbs[i], sizeof(a->dbs[i])) == 0);
}

/* A key takes three bytes at least, and databases are in order. */
static void check_plausible(const struct rdb_walk_result *result, size_t size)
{
    check((result->why[0] == '\0') == (result->walked == RDB_WALKED));
    check(result->walked == RDB_WALKED || result->db_count == 0);
    check(result->keys <= size / 3);
    for (size_t i = 0; i < result->db_count; i++) {
        check(result->dbs[i].expires <= result->dbs[i].keys);
        check(i == 0 || result->dbs[i - 1].db < result->dbs[i].db);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rdb_walk_result whole;
    struct rdb_walk_result sliced;
    struct rdb_walk_result cut;
    size_t piece = size > 0 ? data[size - 1] % 23 + 1 : 1;
    struct rdb_walk *first = walk(data, size, size + 1, &whole);
    struct rdb_walk *second = walk(data, size, piece, &sliced);
    struct rdb_walk *third = walk(data, size > 0 ? size - 1 : 0, 64, &cut);
    check_same(&whole, &sliced);
    check_plausible(&whole, size);
    check(whole.walked != RDB_WALKED || cut.walked != RDB_WALKED);
    rdb_walk_free(first);
    rdb_walk_free(second);
    rdb_walk_free(third);
    return 0;
}
