/*
 * A sink of fetch: its bytes are proven against the manifest before the walk's verdict is asked
 * for, so that what is wrong here was wrong when it was backed up.
 */
#include "backup/verify_walk.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "redis/rdb_walk.h"

struct sink_walk {
    struct sink base;
    struct verify_walk *to;
    const struct manifest_file *file;
    struct rdb_walk *walk;
    uint8_t first; /* of its bytes */
};

static struct sink_walk *self(struct sink *sink)
{
    return (struct sink_walk *)(void *)sink;
}

void verify_walk_release(struct verify_walk *walk)
{
    free(TAKE_PTR(walk->why));
}

static int walk_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct sink_walk *walk = self(sink);

    (void)err; /* what is wrong is told at the end */
    if (len > 0 && sink->bytes == len)
        walk->first = *(const uint8_t *)data;
    rdb_walk_feed(walk->walk, data, len);
    return 0;
}

static uint64_t keys_of(const struct rdb_walk_result *result, uint64_t db)
{
    size_t from = 0;
    size_t to = result->db_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (result->dbs[middle].db < db)
            from = middle + 1;
        else
            to = middle;
    }
    return from < result->db_count && result->dbs[from].db == db
               ? result->dbs[from].keys + result->dbs[from].left_out
               : 0;
}

/* The manifest's counts are the server's own, of the moment of its fork: expired keys that were
 * still there are in both. Of what a slot import brings no INFO tells. */
static int compare_keys(const struct manifest *manifest, const struct manifest_file *file,
                        const struct rdb_walk_result *result, struct err *err)
{
    uint64_t held = 0;

    if (!manifest->has_keys || result->takes_in_slots)
        return 0;
    for (size_t i = 0; i < manifest->db_count; i++) {
        const struct manifest_db *db = &manifest->dbs[i];
        uint64_t keys = keys_of(result, db->db);

        if (keys != db->keys)
            return err_set(err, ERR_CORRUPT,
                           "%s holds %" PRIu64 " keys in database %" PRIu64
                           ", where the server had "
                           "%" PRIu64 " when it forked",
                           file->name, keys, db->db, db->keys);
    }
    for (size_t i = 0; i < result->db_count; i++)
        held += result->dbs[i].keys + result->dbs[i].left_out;
    if (held != manifest_keys(manifest))
        return err_set(err, ERR_CORRUPT,
                       "%s holds %" PRIu64 " keys, where the server had %" PRIu64 " when it forked",
                       file->name, held, manifest_keys(manifest));
    return 0;
}

static int walk_finish(struct sink *sink, struct err *err)
{
    struct sink_walk *walk = self(sink);
    struct verify_walk *to = walk->to;
    struct rdb_walk_result result;

    rdb_walk_end(walk->walk, &result);
    if (result.walked == RDB_WALK_CORRUPT)
        return err_set(err, ERR_CORRUPT, "%s is not what a server writes: %s", walk->file->name,
                       result.why);
    if (result.walked == RDB_NOT_WALKED) {
        bool is_commands = walk->file->kind == MANIFEST_AOF_BASE &&
                           result.magic == RDB_MAGIC_OPAQUE &&
                           (walk->first == '*' || walk->first == '#');

        if (!is_commands && to->why == NULL)
            to->why = xasprintf("%s: %s", walk->file->name, result.why);
        return 0;
    }
    to->walked++;
    if (walk->file->kind != MANIFEST_RDB)
        return 0;
    to->has_keys = true;
    to->keys = result.keys;
    return compare_keys(to->manifest, walk->file, &result, err);
}

static void walk_free(struct sink *sink)
{
    rdb_walk_free(self(sink)->walk);
    free(sink);
}

static const struct sink_ops walk_ops = {
    .write = walk_write, .finish = walk_finish, .free = walk_free};

int verify_walk_on_file(void *context, const struct manifest_file *file,
                        const struct untar_entry *entry, struct sink **out, struct err *err)
{
    /* an RDB may be the beginning of an AOF that has commands behind it; an empty AOF is none */
    bool is_base = file->kind == MANIFEST_AOF_BASE && file->size > 0;

    (void)entry;
    (void)err;
    if (file->kind != MANIFEST_RDB && !is_base)
        return 0;
    struct sink_walk *walk = xcalloc(1, sizeof(*walk));
    walk->base.ops = &walk_ops;
    walk->to = context;
    walk->file = file;
    walk->walk = rdb_walk_new(is_base);
    *out = &walk->base;
    return 0;
}
