/*
 * Some of the stored parts of a backup, by chance, each read and proven by its digests: what a
 * repository of terabytes can afford often. What was read proves nothing of the rest.
 */
#ifndef BACKUP_VERIFY_SAMPLE_H
#define BACKUP_VERIFY_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "backup/manifest.h"
#include "base/err.h"
#include "base/progress.h"
#include "store/store.h"

struct verify_sample_options {
    unsigned percent; /* 1 to 100; at least one part is read */
    uint32_t (*random)(void *context);
    void *random_context;
    const struct clock *clock;
};

struct verify_sample {
    size_t parts; /* that were read and are as they were written */
    uint64_t bytes;
};

/* Adds to *out what was read, also on failure. ERR_CORRUPT: a part is not what was stored, or the
 * object is not as large as it was; ERR_NOT_FOUND: it is not there; else as the store fails. */
int verify_sample(struct store *store, const struct manifest *manifest,
                  const struct verify_sample_options *options, struct verify_sample *out,
                  struct err *err);

#endif
