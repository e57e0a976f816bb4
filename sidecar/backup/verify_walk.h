/*
 * Walking the RDBs of a backup while it is read back: that the structure of the dump, and of an
 * append-only base in that format, is whole, and that the dump holds as many keys as the server
 * had.
 */
#ifndef BACKUP_VERIFY_WALK_H
#define BACKUP_VERIFY_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/manifest.h"
#include "base/err.h"
#include "stream/sink.h"
#include "stream/untar.h"

struct verify_walk {                 /* zero-initialised but for the manifest */
    const struct manifest *manifest; /* borrowed */
    size_t walked;                   /* so many RDBs, from end to end */
    char *why;                       /* the first that could not be, and why; NULL */
    bool has_keys;                   /* the dump was walked: it has */
    uint64_t keys;
};

void verify_walk_release(struct verify_walk *walk);

/* For fetch_options.on_file, with a struct verify_walk as its context. The fetch fails with
 * ERR_CORRUPT when an RDB is one that no server writes, or the dump's keys are not those that the
 * manifest says; one that cannot be walked is no failure. */
int verify_walk_on_file(void *context, const struct manifest_file *file,
                        const struct untar_entry *entry, struct sink **out, struct err *err);

static inline void cleanup_verify_walk(struct verify_walk *walk)
{
    verify_walk_release(walk);
}
#define auto_verify_walk auto_with(cleanup_verify_walk)

#endif
