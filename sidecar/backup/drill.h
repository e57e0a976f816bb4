/*
 * A drill: a backup is restored into a scratch directory and loaded by a throw-away server, its
 * keys are counted, and all of it is thrown away. Its RDBs are walked as well, as verify does. It
 * measures the recovery time, too.
 */
#ifndef BACKUP_DRILL_H
#define BACKUP_DRILL_H

#include <stdbool.h>
#include <stdint.h>

#include "backup/restore.h"

struct drill_options {
    const char *parent;  /* an existing directory: the scratch directory is made below it */
    const char *program; /* the server to load with: a path, or a name in PATH */
    /* How to restore: instance, backup_id, target, workers, clock, open_store, on_event, on_warning
     * and context are used; the rest is the drill's business. */
    struct restore_options restore;
    int64_t stall_ms; /* a server that makes no progress for so long hangs; 0: a minute */
};

struct drill_result {
    bool ok;
    bool too_new;  /* for the server, or for this redkeep: nothing was tried, and ok is false */
    char *id;      /* of the backup that was loaded; NULL: none was */
    bool walked;   /* every RDB in it, from its header to its end mark */
    char *why;     /* NULL when ok and there is nothing to say; else why not, or not walked */
    bool has_keys; /* the server told them */
    uint64_t keys; /* that it has, once loaded */
    int64_t restore_ms; /* fetching, proving, writing; -1: did not come so far */
    int64_t load_ms;    /* from the start of the server until it serves; -1 */
};

/* *out says whether a server serves it. Fails when that cannot be known: ERR_CONFIG (no such
 * program or directory), ERR_STORE, ERR_NOT_FOUND (no such backup), ERR_FAILED (no room, or asked
 * to stop). Nothing is left behind, but by a crash: the next drill removes what a dead one left.
 * The caller releases *out, which is filled in success only. */
int drill(const struct drill_options *options, struct drill_result *out, struct err *err);
void drill_result_release(struct drill_result *result);

static inline void cleanup_drill_result(struct drill_result *result)
{
    drill_result_release(result);
}
#define auto_drill_result auto_with(cleanup_drill_result)

#endif
