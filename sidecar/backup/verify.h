/*
 * Reading one backup back without keeping it: every byte, every digest, and its RDBs walked; or
 * some of its bytes, by chance (verify_sample.h).
 */
#ifndef BACKUP_VERIFY_H
#define BACKUP_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

struct verify_options {
    const char *instance;
    unsigned workers;
    const struct clock *clock;
    unsigned percent; /* of its parts are read, 1 to 100, and nothing is walked; 0: everything is */
    uint32_t (*random)(void *context); /* which ones; with percent only */
    void *random_context;
};

struct verify_result {
    char *id;
    bool ok;
    bool walked;   /* every RDB in it, from its header to its end mark */
    bool has_keys; /* as they were counted when walked; else from the manifest */
    uint64_t keys;
    char *why;              /* of one that is ok: NULL, or why it was never proven, or not walked */
    bool sampled;           /* what was read is as it was written; the rest was not looked at */
    uint64_t checked_bytes; /* of the stored object, when sampled */
    bool too_new;           /* not ok because this redkeep cannot read it */
    int64_t took_ms;
};

/* *out says whether the backup is whole. Fails only when that cannot be known: ERR_STORE when the
 * store cannot be asked, ERR_NOT_FOUND when there is no such backup, or none any more: one
 * that is removed while it is read, by retention say, is not damaged. The caller releases *out. */
int verify(struct store *store, const char *id, const struct verify_options *options,
           struct verify_result *out, struct err *err);
void verify_result_release(struct verify_result *result);

#endif
