/*
 * Which server, and which version of it: from INFO, from an RDB's AUX fields, from a manifest, or
 * from the line that `redis-server --version` prints. Pure.
 */
#ifndef REDIS_SERVER_VERSION_H
#define REDIS_SERVER_VERSION_H

#include <stddef.h>

#include "base/err.h"

enum redis_flavour {
    REDIS_FLAVOUR_REDIS,
    REDIS_FLAVOUR_VALKEY,
};

struct server_version {
    enum redis_flavour flavour;
    unsigned major;
    unsigned minor;
    unsigned patch;
};

/* Takes "7.0.15", "7.2" and "v8.0.2-rc1" (Redis is assumed), "valkey 9.1.2", "redis 8.0.2", and the
 * output of --version: "Redis server v=7.0.15 sha=...", "Valkey server v=8.1.1 ...". Anything else
 * is ERR_CONFIG. */
int server_version_parse(const char *text, struct server_version *out, struct err *err);
/* "redis" or "valkey". */
const char *server_flavour_name(enum redis_flavour flavour);
/* "Redis 7.0.15", "Valkey 9.1.2", for people; out holds at least 48 bytes. */
void server_version_format(const struct server_version *version, char *out, size_t out_size);

#endif
