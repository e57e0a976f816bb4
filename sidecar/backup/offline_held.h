/*
 * Is what would be stored there already?
 */
#ifndef BACKUP_OFFLINE_HELD_H
#define BACKUP_OFFLINE_HELD_H

#include <stdbool.h>

#include "backup/manifest.h"
#include "backup/snapshot.h"
#include "base/err.h"

/* Does the backup hold every file of the snapshot, byte for byte, and would a restore of it be laid
 * out the same? An RDB is told by its size and its own checksum; anything else is read, once all
 * names and sizes are the same. */
int offline_is_held(const struct snapshot *snapshot, const struct manifest *by, bool *out,
                    struct err *err);

#endif
