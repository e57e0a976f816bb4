/*
 * Backups made by hand, whole ones and ones that no honest redkeep would write.
 */
#ifndef SUPPORT_BACKUP_MAKER_H
#define SUPPORT_BACKUP_MAKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backup/manifest.h"
#include "base/buf.h"
#include "support/fake_store.h"

struct made_file {
    const char *name;
    enum manifest_kind kind;
    const void *data;
    size_t len;
    mode_t mode; /* 0: 0644 */
};

struct made_backup {
    const char *id; /* its time is that of the data */
    const char *instance;
    const struct made_file *files;
    size_t count;
    const struct buf *tar;             /* stored instead of an archive of files; may be NULL */
    void (*edit)(struct manifest *to); /* before it is stored; may be NULL */
};

/* Stores both objects. */
void backup_make(struct fake_store *fake, const struct made_backup *made);

/* The key of the manifest, or of the data; heap. */
char *made_manifest_key(const struct made_backup *made);
char *made_data_key(const struct made_backup *made);

/* The covered bytes with their digest behind them; heap. */
char *made_seal(const char *covered, size_t len);
/* A manifest's text with the first `from` in it (which must be there) replaced, sealed anew; heap.
 */
char *made_edit(const char *text, const char *from, const char *to);

#endif
