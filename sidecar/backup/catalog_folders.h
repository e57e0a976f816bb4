/*
 * What a listing alone tells of each folder below "<instance>/backups/": one request per thousand
 * objects, and nothing is read. A folder with a manifest is a backup; one without is what a backup,
 * or a removal, that was killed has left: an orphan.
 */
#ifndef BACKUP_CATALOG_FOLDERS_H
#define BACKUP_CATALOG_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/catalog.h"
#include "base/buf.h"
#include "store/store.h"

struct catalog_folder {
    char id[CATALOG_ID_SIZE];
    int64_t time_ms; /* catalog_id_time */
    bool has_manifest;
    bool has_data;
    bool is_pinned;
    bool verified_ok;    /* the last verification; with several of one second, the worse one */
    int64_t verified_ms; /* -1: never */
    uint64_t data_bytes;
    uint64_t bytes;      /* of all that is ours */
    int64_t modified_ms; /* the newest object in it, whosever it is, by the store's clock; INT64_MAX
 when it does not say */

    size_t names_at; /* private: where its objects, without the manifest, begin in `names` */
    size_t names_len;
};

struct catalog_folders {
    struct catalog_folder *folders; /* in the order of their ids; each has an object of ours */
    size_t count;
    struct buf names; /* private */
};

/* Lists them. Foreign objects are passed over, but for their times. The caller releases *out; on
 * failure there is nothing to release. */
int catalog_folders_list(struct store *store, const char *instance, struct catalog_folders *out,
                         struct err *err);
void catalog_folders_release(struct catalog_folders *folders);
/* The names of our objects in a folder, but the manifest's: the one behind `last`, the first for
 * NULL; NULL behind the end. Borrowed. */
const char *catalog_folders_next_name(const struct catalog_folders *folders,
                                      const struct catalog_folder *folder, const char *last);

static inline void cleanup_catalog_folders(struct catalog_folders *folders)
{
    catalog_folders_release(folders);
}
#define auto_catalog_folders auto_with(cleanup_catalog_folders)

#endif
