/*
 * A backup of what lies on the volume of a server that has ended: what its SHUTDOWN wrote, or what
 * it had written when it died. Whether one runs is for the caller to find out.
 */
#ifndef BACKUP_OFFLINE_H
#define BACKUP_OFFLINE_H

#include <stdbool.h>

#include "backup/backup.h"
#include "backup/catalog.h"
#include "backup/manifest.h"
#include "base/err.h"
#include "store/store.h"

struct backup_offline_options {
    const char *appendonly; /* how the server ran, if that is known: "yes", "no"; else NULL */
    bool if_new;            /* to have nothing to store is success */
};

struct backup_offline_result {
    bool is_stored;
    const char *reason;           /* when nothing was: "nothing-new", "no-data"; static */
    char newest[CATALOG_ID_SIZE]; /* nothing-new: the backup that holds the same */
    struct manifest manifest;     /* as stored */
};

/* What is not known of the server is taken from the newest manifest that can be read. Takes the
 * lock of the data directory (ERR_BUSY). Of options, save_timeout_ms is not used, and include_rdb
 * and include_aof as offline_snapshot.h says. ERR_NOT_FOUND when the volume holds no data (and not
 * if_new); ERR_CORRUPT when a server could not load it; ERR_FAILED when an interrupted restore has
 * to be finished first; else as backup. The caller releases *out; on failure there is nothing to
 * release. */
int backup_offline(struct store *store, const struct backup_options *options,
                   const struct backup_offline_options *offline, struct backup_offline_result *out,
                   struct err *err);
void backup_offline_result_release(struct backup_offline_result *result);

static inline void cleanup_backup_offline_result(struct backup_offline_result *result)
{
    backup_offline_result_release(result);
}
#define auto_backup_offline_result auto_with(cleanup_backup_offline_result)

#endif
