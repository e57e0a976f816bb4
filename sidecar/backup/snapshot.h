/*
 * A consistent set of the server's files, pinned by open descriptors: the dump of a proven save,
 * the multi-part AOF up to a command boundary, the ACL file. What the server does to its directory
 * afterwards does not change it. Nothing is written to the volume (INVARIANT 10).
 */
#ifndef BACKUP_SNAPSHOT_H
#define BACKUP_SNAPSHOT_H

#include <stdbool.h>

#include "backup/manifest.h"
#include "backup/server_files.h"
#include "base/clock.h"
#include "base/err.h"
#include "redis/aof_pin.h"
#include "redis/redis_conn.h"
#include "redis/redis_save.h"
#include "stream/bundle.h"

struct snapshot_options {
    int data_dir_fd; /* borrowed */
    const char *data_dir;
    bool include_rdb;
    bool include_aof;
    bool include_acl;
    bool include_cluster;
    int64_t save_timeout_ms; /* 0: none */
    const struct clock *clock;
    void (*on_save)(void *context, int percent); /* NULL: none */
    /* Told what is going on, in words for a log; may be NULL. */
    void (*on_event)(void *context, const char *text);
    void *context;
};

struct snapshot {
    struct bundle *bundle;       /* members in the order of files */
    struct manifest_file *files; /* crc64 is 0: only reading the bytes tells it */
    size_t file_count;
    struct redis_saved saved; /* fd -1 without an RDB */
    struct aof_pin aof;
    const char *aof_doubt; /* why the append-only files prove nothing; static text, NULL: they do */
    struct redis_server_info info; /* of the server, when the snapshot began */
};

/* Asks the server for a save, and pins. Errors are those of redis_save_proven and aof_pin_open;
 * ERR_CONFIG when nothing of what is to be included exists. The caller releases *out; on failure
 * there is nothing to release. */
int snapshot_take(struct redis *redis, const struct server_files *names,
                  const struct snapshot_options *options, struct snapshot *out, struct err *err);
void snapshot_release(struct snapshot *snapshot);

static inline void cleanup_snapshot(struct snapshot *snapshot)
{
    snapshot_release(snapshot);
}
#define auto_snapshot auto_with(cleanup_snapshot)
#define SNAPSHOT_INIT             \
    {                             \
        .saved = REDIS_SAVED_INIT \
    }

#endif
