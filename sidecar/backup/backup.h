/*
 * One backup: snapshot, pack, store, and the manifest last.
 */
#ifndef BACKUP_BACKUP_H
#define BACKUP_BACKUP_H

#include <stdbool.h>

#include "backup/manifest.h"
#include "backup/server_files.h"
#include "backup/snapshot.h"
#include "base/clock.h"
#include "base/err.h"
#include "redis/redis_conn.h"
#include "store/store.h"

struct backup_options {
    const char *data_dir;
    const char *instance;
    struct server_names names;
    bool include_rdb;
    bool include_aof;
    bool include_acl;
    bool include_cluster;
    int64_t save_timeout_ms; /* 0: none */
    unsigned workers;
    int level;               /* zstd's; 0 stores */
    unsigned shrink_percent; /* smaller by so much, and the backup before is pinned; 0: never */
    const struct clock *clock;
    /* Told what is going on, in words for a log; may be NULL. */
    void (*on_event)(void *context, const char *text);
    /* The same for what somebody should look at; may be NULL. */
    void (*on_warning)(void *context, enum problem problem, const char *text);
    void *context;
};

/* Takes the lock of the data directory (ERR_BUSY), a proven snapshot, and stores it. *out is the
 * manifest as stored; the caller releases it. On failure nothing counts as a backup, and what was
 * uploaded is removed as far as that is safe: data whose manifest may still be on its way stays,
 * and a crash leaves at worst such an orphan too (INVARIANT 1). */
int backup(struct redis *redis, struct store *store, const struct backup_options *options,
           struct manifest *out, struct err *err);

#endif
