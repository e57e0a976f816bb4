/*
 * What a test of backup_offline() needs: a data directory whose files are made by hand, a
 * repository in memory, options that can be changed, and the result.
 */
#ifndef SUPPORT_OFFLINE_CASE_H
#define SUPPORT_OFFLINE_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "backup/offline.h"
#include "base/buf.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/leaks.h"

#define OFFLINE_INSTANCE "cache-0"
#define OFFLINE_NOON_S INT64_C(1795176000) /* what the clock says */
#define OFFLINE_NOON (OFFLINE_NOON_S * 1000)
#define OFFLINE_SET "appendonlydir/"
#define OFFLINE_INCR OFFLINE_SET "appendonly.aof.1.incr.aof"
#define OFFLINE_SET_KEY "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"

struct offline_case {
    struct fake_store fake;
    struct fake_clock clock;
    char *dir;
    int dir_fd;
    struct backup_options options;
    struct backup_offline_options offline;
    struct backup_offline_result result; /* of the last run */
    struct err err;
    struct buf warnings; /* a line each: "CODE: text" */
    struct leaks held;
};

void offline_case_begin(struct offline_case *run);
void offline_case_end(struct offline_case *run);

struct offline_rdb {
    const char *magic;       /* 9 characters */
    const char *version_key; /* of the AUX field that says 7.4.1; NULL: none does */
    int64_t ctime_s;
    unsigned keys;
};

/* An RDB that ends with its own checksum. */
void offline_case_put_rdb(struct offline_case *run, const char *path,
                          const struct offline_rdb *rdb);
/* The dump of a Redis, with two keys. */
void offline_case_put_dump(struct offline_case *run, int64_t ctime_s);
void offline_case_put_text(struct offline_case *run, const char *path, const char *text);
/* An increment with this text, written to last then, and a manifest that lists it. */
void offline_case_put_set(struct offline_case *run, const char *text, int64_t ms);

/* What backup_offline() returns. */
int offline_case_run(struct offline_case *run);
/* The same; it must store a backup, which is whole. */
void offline_case_must_store(struct offline_case *run);
/* What was stored has that file, or has not. */
void offline_case_must_hold(const struct offline_case *run, const char *name, bool wanted);

#endif
