/*
 * Rows are the first release that loads more than the one before. Redis 7.0 to 8.6 and Valkey 7.2
 * to 9.1 were tried, each with the files of all others; 8.10 and 9.2 are from their documents.
 */
#include "redis/rdb_compat.h"

#include <stddef.h>
#include <stdio.h>

/* From this release on, RDBs up to redis_max under the magic REDIS and valkey_max under VALKEY. */
struct row {
    unsigned major;
    unsigned minor;
    int redis_max;
    int valkey_max; /* 0: none at all */
};

static const struct row redis_rows[] = {
    {5, 0, 9, 0}, {7, 0, 10, 0}, {7, 2, 11, 0}, {7, 4, 12, 0}, {8, 4, 13, 0}, {8, 10, 15, 0},
};

/* Redis 12 and newer share numbers with Valkey but not meanings: never loaded by default. */
static const struct row valkey_rows[] = {
    {7, 2, 11, 0},
    {9, 0, 11, 80},
    {9, 2, 11, 81},
};

/* Releases of which only the neighbours are known: what the next row adds may be in them. */
static bool is_between(const struct server_version *v)
{
    return v->flavour == REDIS_FLAVOUR_REDIS && v->major == 8 && v->minor > 6 && v->minor < 10;
}

static bool is_before(const struct server_version *v, const struct row *row)
{
    return v->major < row->major || (v->major == row->major && v->minor < row->minor);
}

static bool is_newer_than(const struct server_version *v, const struct row *row)
{
    return v->major > row->major || (v->major == row->major && v->minor > row->minor);
}

static enum rdb_load say(enum rdb_load load, const struct server_version *target,
                         const char *reason, char why[RDB_LOAD_WHY_MAX])
{
    char name[48];

    server_version_format(target, name, sizeof(name));
    (void)snprintf(why, RDB_LOAD_WHY_MAX, "%s %s", name, reason);
    return load;
}

enum rdb_load rdb_can_load(const struct server_version *target, enum rdb_magic magic, int version,
                           char why[RDB_LOAD_WHY_MAX])
{
    bool is_redis = target->flavour == REDIS_FLAVOUR_REDIS;
    const struct row *rows = is_redis ? redis_rows : valkey_rows;
    size_t count = is_redis ? sizeof(redis_rows) / sizeof(redis_rows[0])
                            : sizeof(valkey_rows) / sizeof(valkey_rows[0]);
    const struct row *row = NULL;
    char reason[120];

    if (magic == RDB_MAGIC_OPAQUE || version < 0)
        return say(RDB_LOAD_UNKNOWN, target, "may or may not load a file of unknown format", why);
    for (size_t i = 0; i < count && !is_before(target, &rows[i]); i++)
        row = &rows[i];
    if (row == NULL)
        return say(RDB_LOAD_UNKNOWN, target, "is older than the servers that redkeep knows", why);

    const char *kind = magic == RDB_MAGIC_VALKEY ? "VALKEY" : "REDIS";
    int max = magic == RDB_MAGIC_VALKEY ? row->valkey_max : row->redis_max;
    if (max == 0)
        return say(RDB_LOAD_NO, target, "does not load RDB files in Valkey's own format", why);
    (void)snprintf(reason, sizeof(reason), "loads %s RDB files up to version %d; this one is %d",
                   kind, max, version);
    if (version <= max)
        return say(RDB_LOAD_YES, target, reason, why);

    bool foreign = !is_redis && magic == RDB_MAGIC_REDIS;
    bool unknown = is_between(target) || is_newer_than(target, &rows[count - 1]);
    return say(unknown && !foreign ? RDB_LOAD_UNKNOWN : RDB_LOAD_NO, target, reason, why);
}

static bool is_at_least(const struct server_version *v, unsigned major, unsigned minor,
                        unsigned patch)
{
    if (v->major != major)
        return v->major > major;
    return v->minor != minor ? v->minor > minor : v->patch >= patch;
}

/* How vector sets lie in an RDB, with no number that an older server could refuse the newer form by
 * (Redis' pull request 14144). 0: this server has none. */
static int vector_set_form(const struct server_version *v)
{
    if (v->flavour != REDIS_FLAVOUR_REDIS || !is_at_least(v, 8, 0, 0))
        return 0;
    return is_at_least(v, 8, 0, 4) ? 2 : 1;
}

/* Valkey began as Redis 7.2. */
static bool may_know_more_commands(const struct server_version *writer,
                                   const struct server_version *target)
{
    static const struct server_version common = {.flavour = REDIS_FLAVOUR_REDIS, 7, 2, 0};
    const struct server_version *other =
        writer->flavour == target->flavour || !is_at_least(target, 7, 2, 0) ? target : &common;

    return writer->major > other->major ||
           (writer->major == other->major && writer->minor > other->minor);
}

bool rdb_load_doubt(const struct server_version *target, const struct server_version *writer,
                    struct rdb_load_parts parts, char why[RDB_LOAD_WHY_MAX])
{
    const char *what = NULL;
    char name[48];
    char writer_name[48];

    if (writer->major == 0)
        return false;
    if (parts.has_rdb && vector_set_form(writer) > vector_set_form(target))
        what = "does not load vector sets";
    else if (parts.has_commands && may_know_more_commands(writer, target))
        what = "may not know every command";
    if (what == NULL)
        return false;
    server_version_format(target, name, sizeof(name));
    server_version_format(writer, writer_name, sizeof(writer_name));
    (void)snprintf(why, RDB_LOAD_WHY_MAX, "%s %s that %s writes", name, what, writer_name);
    return true;
}
