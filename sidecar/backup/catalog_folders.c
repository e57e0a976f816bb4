/*
 * The objects of a folder follow one another, since a store lists in the order of the keys. That is
 * checked: were a folder listed in two halves, the one without the manifest would look like an
 * orphan, and be swept.
 */
#include "backup/catalog_folders.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_FOLDERS 64

struct listing {
    struct catalog_folders *folders;
    size_t room;
};

void catalog_folders_release(struct catalog_folders *folders)
{
    free(folders->folders);
    buf_release(&folders->names);
    *folders = (struct catalog_folders){0};
}

const char *catalog_folders_next_name(const struct catalog_folders *folders,
                                      const struct catalog_folder *folder, const char *last)
{
    const char *first = buf_text(&folders->names) + folder->names_at;
    const char *next = last != NULL ? last + strlen(last) + 1 : first;

    return next < first + folder->names_len ? next : NULL;
}

/* The folder of id, which is the last one or a new one behind it. */
static int find_folder(struct listing *listing, const char *id, struct catalog_folder **out,
                       struct err *err)
{
    struct catalog_folders *folders = listing->folders;
    struct catalog_folder *last = folders->count > 0 ? &folders->folders[folders->count - 1] : NULL;
    int order = last != NULL ? strcmp(id, last->id) : 1;

    if (order < 0)
        return err_set(err, ERR_STORE,
                       "the repository lists %s behind %s: what it lists in no order cannot be "
                       "relied on",
                       id, last->id);
    if (order > 0) {
        if (folders->count == listing->room) {
            listing->room = listing->room > 0 ? listing->room * 2 : FIRST_FOLDERS;
            folders->folders =
                xreallocarray(folders->folders, listing->room, sizeof(*folders->folders));
        }
        assert(folders->folders != NULL); /* there is room */
        last = &folders->folders[folders->count++];
        *last = (struct catalog_folder){
            .time_ms = catalog_id_time(id), .verified_ms = -1, .names_at = folders->names.len};
        memcpy(last->id, id, CATALOG_ID_SIZE);
    }
    *out = last;
    return 0;
}

static void note_verified(struct catalog_folder *folder, int64_t time_ms, bool ok)
{
    if (time_ms < folder->verified_ms || (time_ms == folder->verified_ms && ok))
        return;
    folder->verified_ms = time_ms;
    folder->verified_ok = ok;
}

static void note_object(struct catalog_folder *folder, enum catalog_object object,
                        int64_t verified_ms, uint64_t size)
{
    switch (object) {
    case CATALOG_MANIFEST:
        folder->has_manifest = true;
        break;
    case CATALOG_DATA:
        folder->has_data = true;
        folder->data_bytes = size;
        break;
    case CATALOG_PIN:
        folder->is_pinned = true;
        break;
    case CATALOG_VERIFIED_OK:
    case CATALOG_VERIFIED_BAD:
        note_verified(folder, verified_ms, object == CATALOG_VERIFIED_OK);
        break;
    case CATALOG_FOREIGN:
        return;
    }
    folder->bytes += size;
}

static int on_entry(void *context, const struct store_entry *entry, struct err *err)
{
    struct listing *listing = context;
    struct catalog_folders *folders = listing->folders;
    struct catalog_folder *folder = NULL;
    char id[CATALOG_ID_SIZE];
    const char *name = NULL;
    int64_t verified_ms = -1;

    if (!catalog_split_key(entry->key, id, &name))
        return 0;
    enum catalog_object object = catalog_classify(name, &verified_ms);
    if (find_folder(listing, id, &folder, err) != 0)
        return -1;
    note_object(folder, object, verified_ms, entry->size);
    int64_t modified_ms = entry->modified_ms < 0 ? INT64_MAX : entry->modified_ms;
    if (modified_ms > folder->modified_ms)
        folder->modified_ms = modified_ms;
    if (object == CATALOG_FOREIGN || object == CATALOG_MANIFEST)
        return 0;
    if (buf_append(&folders->names, name, strlen(name) + 1, err) != 0)
        return -1;
    folder->names_len = folders->names.len - folder->names_at;
    return 0;
}

/* What holds nothing of ours is nobody's orphan. */
static void drop_foreign(struct catalog_folders *folders)
{
    size_t kept = 0;

    for (size_t i = 0; i < folders->count; i++)
        if (folders->folders[i].has_manifest || folders->folders[i].names_len > 0)
            folders->folders[kept++] = folders->folders[i];
    folders->count = kept;
}

int catalog_folders_list(struct store *store, const char *instance, struct catalog_folders *out,
                         struct err *err)
{
    auto_catalog_folders struct catalog_folders folders = {0};
    struct listing listing = {.folders = &folders};
    auto_free char *prefix = xasprintf("%s/backups/", instance);

    buf_init(&folders.names, SIZE_MAX);
    if (store_list(store, prefix, '\0', on_entry, &listing, err) != 0)
        return err_wrap(err, "list the backups of instance '%s'", instance);
    drop_foreign(&folders);
    *out = folders;
    folders = (struct catalog_folders){0};
    return 0;
}
