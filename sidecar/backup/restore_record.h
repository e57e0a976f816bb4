/*
 * What restores leave in the repository: `<instance>/restores/<time>-<hex>.json`, the answer of
 * `redkeep restore --json` and when that was. For the sidecar, which starts after a restore and
 * tells of the last one; nothing depends on it.
 */
#ifndef BACKUP_RESTORE_RECORD_H
#define BACKUP_RESTORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/catalog.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "store/store.h"

struct restore_record {
    int64_t time_ms;
    char backup[CATALOG_ID_SIZE];
    bool has_keys;
    uint64_t keys;
    uint64_t skipped; /* restore points that were passed over */
    int64_t took_ms;  /* -1 unknown */
};

/* Stores answer, a root without a "time", to which it is added. */
int restore_record_store(struct store *store, const char *instance, const struct clock *clock,
                         struct json *answer, struct err *err);
/* Reads the newest one: a request per thousand records, and one more. ERR_NOT_FOUND when there is
 * none, ERR_CORRUPT when it cannot be read. */
int restore_record_newest(struct store *store, const char *instance, struct restore_record *out,
                          struct err *err);
#define RESTORE_RECORDS_KEPT 100
/* *out_count is how many are older than the newest RESTORE_RECORDS_KEPT; with confirm they are
 * removed, and it is how many were, also on failure. A request per thousand records. */
int restore_record_sweep(struct store *store, const char *instance, bool confirm, size_t *out_count,
                         struct err *err);
/* Pure. ERR_CORRUPT when text is no record; label names it in messages. */
int restore_record_parse(const char *text, size_t len, const char *label,
                         struct restore_record *out, struct err *err);

#endif
