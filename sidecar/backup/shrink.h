/*
 * A backup that is much smaller than the one before it may be all that a FLUSHALL has left. Then
 * the one before is pinned, so that retention cannot let the good copies age out one by one.
 */
#ifndef BACKUP_SHRINK_H
#define BACKUP_SHRINK_H

#include "backup/backup.h"
#include "backup/manifest.h"
#include "store/store.h"

/* In words how after has fewer keys or bytes than before, by percent or more; heap. NULL when it
 * has not, or nothing can be compared. Bytes are those of the dumps, else of the append-only bases:
 * an increment shrinks whenever the server rewrites it. Pure. */
char *shrink_describe(const struct manifest *before, const struct manifest *after,
                      unsigned percent);

/* Compares a backup whose manifest is about to be stored with the one before it ("": there is
 * none), which is pinned if need be. What goes wrong here is a warning: no backup is lost for it.
 */
void shrink_guard(struct store *store, const struct backup_options *options, const char *before_id,
                  const struct manifest *manifest);

#endif
