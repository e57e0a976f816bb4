/*
 * Which server loads which RDB: a table of what was seen and read in the servers' sources. Pure.
 * A server that is too old exits at start, so a restore asks here before it places a file.
 */
#ifndef REDIS_RDB_COMPAT_H
#define REDIS_RDB_COMPAT_H

#include "redis/rdb_probe.h"
#include "redis/server_version.h"

enum rdb_load {
    RDB_LOAD_YES,
    RDB_LOAD_NO,
    RDB_LOAD_UNKNOWN, /* an opaque file, or a server older than the table: nothing is promised */
};

#define RDB_LOAD_WHY_MAX 200

/* Would target load an RDB of this magic and version? why (never empty) says so for people. A
 * server newer than the table is assumed to load what the newest one in it does. Module types and
 * values are not looked at. */
enum rdb_load rdb_can_load(const struct server_version *target, enum rdb_magic magic, int version,
                           char why[RDB_LOAD_WHY_MAX]);

#endif
