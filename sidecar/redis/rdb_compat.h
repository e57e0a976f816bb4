/*
 * Which server loads which RDB: a table of what was seen and read in the servers' sources. Pure.
 * A server that is too old exits at start, so a restore asks here before it places a file.
 */
#ifndef REDIS_RDB_COMPAT_H
#define REDIS_RDB_COMPAT_H

#include <stdbool.h>

#include "redis/rdb_probe.h"
#include "redis/server_version.h"

enum rdb_load {
    RDB_LOAD_YES,
    RDB_LOAD_NO,
    RDB_LOAD_UNKNOWN, /* an opaque file, or a server older than the table: nothing is promised */
};

#define RDB_LOAD_WHY_MAX 200

struct rdb_load_parts {
    bool has_rdb;
    bool has_commands;
};

/* Would target load an RDB of this magic and version? why (never empty) says so for people. A
 * server newer than the table is assumed to load what the newest one in it does. Module types and
 * values are not looked at. */
enum rdb_load rdb_can_load(const struct server_version *target, enum rdb_magic magic, int version,
                           char why[RDB_LOAD_WHY_MAX]);

/* What no version of a file tells: may a server of this version have written what target does not
 * understand all the same, into an RDB (has_rdb) that rdb_can_load says yes to, or as commands
 * (has_commands)? Then why says what for people; otherwise it is untouched. A writer that is not
 * known, all zero, gives no doubt. */
bool rdb_load_doubt(const struct server_version *target, const struct server_version *writer,
                    struct rdb_load_parts parts, char why[RDB_LOAD_WHY_MAX]);

#endif
