/*
 * Retention carried out: what goes is removed, manifest first, and what killed runs have left is
 * swept. Deciding takes one listing and, when something goes, the manifests of what goes and of the
 * newest backups up to the first that is proven.
 *
 * It needs no lock. Two at once remove the same: a removal is done when the object is not there,
 * and a backup that is taken meanwhile is newer than all that goes.
 */
#ifndef BACKUP_PRUNE_H
#define BACKUP_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/catalog.h"
#include "backup/retention.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

#define PRUNE_ORPHAN_AGE_MS (INT64_C(24) * 60 * 60 * 1000)

struct prune_options {
    const char *instance;
    struct retention_rules rules;
    bool confirm;       /* else nothing is changed, and the result is what would be done */
    bool accept_shrink; /* pins are released first */
    const struct clock *clock;
};

enum prune_fate {
    PRUNE_KEPT,
    PRUNE_PLANNED, /* it goes; after a run with confirm: it did not come to it */
    PRUNE_REMOVED,
    PRUNE_REFUSED, /* the store does not let us */
    PRUNE_GONE,    /* somebody else was quicker, or an orphan became a backup */
};

struct prune_row {
    char id[CATALOG_ID_SIZE];
    bool is_orphan;
    bool is_released; /* its pin was, or would be, removed */
    enum prune_fate fate;
    uint64_t bytes;
    struct retention_item item;
    struct retention_decision decision;
    char *why; /* refused: why; kept although no rule wants it: why; else NULL */
};

/* What was removed beside the backups that stay, or would be. */
struct prune_swept {
    size_t notes;   /* of verifications, but the last good and the last bad one of each backup */
    size_t records; /* of restores, but the newest */
    struct store_swept unfinished; /* puts older than a day that never came to their end */
};

struct prune_result {
    struct prune_row *rows; /* backups and orphans, oldest first */
    size_t count;
    size_t young;         /* folders without a manifest that may still become a backup */
    uint64_t freed_bytes; /* or would be; of rows alone */
    struct prune_swept swept;
    int64_t now_ms;
    size_t refused;
    struct err refusal; /* the first, as err_set fills it */
};

/* Decides, and with confirm removes. 0 also when removals were refused: the others are done, and
 * result->refused says how many were not. On failure *result is what was done until then. The
 * caller releases *result, zero-initialised, in any case. */
int prune(struct store *store, const struct prune_options *options, struct prune_result *result,
          struct err *err);
void prune_result_release(struct prune_result *result);

static inline void cleanup_prune_result(struct prune_result *result)
{
    prune_result_release(result);
}
#define auto_prune_result auto_with(cleanup_prune_result)

#endif
