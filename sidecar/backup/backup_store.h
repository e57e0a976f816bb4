/*
 * From a snapshot to a backup: what is the same whether its server runs (backup.c) or has ended
 * (offline.c).
 */
#ifndef BACKUP_BACKUP_STORE_H
#define BACKUP_BACKUP_STORE_H

#include "backup/backup.h"
#include "backup/catalog.h"
#include "backup/snapshot.h"

#define BACKUP_MANIFEST_INIT                            \
    {                                                   \
        .save_ms = -1, .pack_ms = -1, .repl_offset = -1 \
    }

void backup_tell(const struct backup_options *options, const char *text);
void backup_warn(const struct backup_options *options, enum problem problem, const char *text);

/* Opens the data directory and locks it (ERR_BUSY); the lock lasts as long as the descriptor. */
int backup_begin(const struct backup_options *options, int *out_dir_fd, struct err *err);
/* The id of a backup that is asked for now. */
int backup_choose_id(struct store *store, const struct backup_options *options,
                     struct catalog_new *out, struct err *err);
/* Fills *manifest, which is BACKUP_MANIFEST_INIT, with what the snapshot itself tells. */
void backup_describe(const struct snapshot *snapshot, const struct server_files *names,
                     const struct backup_options *options, const struct catalog_new *new,
                     struct manifest *manifest);
/* Stores the data, looks whether it has collapsed since the backup before (shrink.h), and stores
 * the manifest, which is complete when this returns. ERR_CORRUPT when the bytes are not what they
 * must be; then, as after every other failure, nothing counts. */
int backup_store(struct store *store, const struct snapshot *snapshot,
                 const struct backup_options *options, const struct catalog_new *new,
                 struct manifest *manifest, struct err *err);

#endif
