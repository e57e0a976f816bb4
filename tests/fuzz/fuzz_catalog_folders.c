/*
 * What others may have put into a bucket: the input's lines are keys, sorted as a store lists them.
 * Whatever is called a folder has an id, and every name that a removal would use is one of ours.
 */
#include "backup/catalog_folders.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { KEYS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct keys {
    struct store store; /* first: the store is these keys */
    char *keys[KEYS_MAX];
    size_t count;
};

static int list_keys(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                     void *context, struct err *err)
{
    const struct keys *keys = (const struct keys *)(void *)store;

    (void)prefix;
    (void)delimiter;
    for (size_t i = 0; i < keys->count; i++) {
        const struct store_entry entry = {
            .key = keys->keys[i], .size = i, .modified_ms = (int64_t)i - 1};

        if (each(context, &entry, err) != 0)
            return -1;
    }
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void split(char *text, struct keys *keys)
{
    for (char *line; (line = strsep(&text, "\n")) != NULL && keys->count < KEYS_MAX;)
        keys->keys[keys->count++] = line;
    qsort(keys->keys, keys->count, sizeof(*keys->keys), by_bytes);
}

static void check(const struct catalog_folders *folders, const struct catalog_folder *folder)
{
    const char *name = NULL;
    int64_t time_ms = -1;
    size_t names = 0;

    must(catalog_is_id(folder->id));
    must(folder->time_ms == catalog_id_time(folder->id));
    while ((name = catalog_folders_next_name(folders, folder, name)) != NULL) {
        enum catalog_object object = catalog_classify(name, &time_ms);

        must(object != CATALOG_FOREIGN && object != CATALOG_MANIFEST);
        must(strchr(name, '/') == NULL);
        names++;
    }
    must(names > 0 || folder->has_manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct store_ops ops = {.list = list_keys};
    struct keys keys = {.store.ops = &ops};
    auto_free char *text = xstrndup((const char *)data, size);
    auto_catalog_folders struct catalog_folders folders = {0};
    struct err err = {0};

    split(text, &keys);
    if (catalog_folders_list(&keys.store, "me", &folders, &err) != 0) {
        /* keys of several instances, which no store gives, may be in no order of their ids */
        must(err.kind == ERR_STORE);
        return 0;
    }
    for (size_t i = 0; i < folders.count; i++)
        check(&folders, &folders.folders[i]);
    return 0;
}
