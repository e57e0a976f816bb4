/*
 * Reading one backup back, proving every byte on the way: each part against its SHA-256, each file
 * against the size and CRC64 of the manifest, and that all of them are there. Restore and verify
 * differ only in where the bytes go.
 */
#ifndef BACKUP_FETCH_H
#define BACKUP_FETCH_H

#include "backup/manifest.h"
#include "base/err.h"
#include "base/progress.h"
#include "store/store.h"
#include "stream/sink.h"
#include "stream/untar.h"

struct fetch_options {
    unsigned workers;          /* decompressing threads, at least 1 */
    bool every_digest;         /* prove the parts by SHA-256 as well, not by CRC64 alone */
    struct progress *progress; /* borrowed, NULL: none; counts file bytes */
    /* Where the bytes of a file go: *out is the fetch's from then on; left NULL they are only
     * proven. entry comes from the archive, file (never NULL) from the manifest. May be NULL. */
    int (*on_file)(void *context, const struct manifest_file *file, const struct untar_entry *entry,
                   struct sink **out, struct err *err);
    void *context;
};

/* ERR_CORRUPT when any byte is not what was backed up, or the data is gone; ERR_STORE when the
 * store cannot be asked; else what on_file's sinks answer. */
int fetch(struct store *store, const struct manifest *manifest, const struct fetch_options *options,
          struct err *err);

#endif
