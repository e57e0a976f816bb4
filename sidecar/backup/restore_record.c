/* Records are called as backups are, so that their names sort by time. */
#include "backup/restore_record.h"

#include <string.h>

#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"

#define RECORD_BYTES_MAX                                                     \
    ((size_t)16 << 20) /* thousands of skipped ones, with the reason of each \
                        */

/* Heap. */
static char *folder_of(const char *instance)
{
    return xasprintf("%s/restores/", instance);
}

int restore_record_store(struct store *store, const char *instance, const struct clock *clock,
                         struct json *answer, struct err *err)
{
    auto_free char *folder = folder_of(instance);
    char id[CATALOG_ID_SIZE];
    uint32_t tail = 0;
    int64_t now_ms = clock_wall_ms(clock);

    json_set_time(answer, "time", now_ms);
    fs_random(&tail, sizeof(tail));
    catalog_make_id(now_ms, tail, id);
    auto_free char *key = xasprintf("%s%s.json", folder, id);
    auto_free char *text = json_print(answer, true);
    auto_free char *line = xasprintf("%s\n", text);
    return store_put_small(store, key, line, strlen(line), err);
}

/* Is that the name of a record? Then its id. */
static bool is_record(const char *name, char id[CATALOG_ID_SIZE])
{
    if (strlen(name) != CATALOG_ID_SIZE - 1 + strlen(".json") ||
        strcmp(name + CATALOG_ID_SIZE - 1, ".json") != 0)
        return false;
    memcpy(id, name, CATALOG_ID_SIZE - 1);
    id[CATALOG_ID_SIZE - 1] = '\0';
    return catalog_is_id(id);
}

struct search {
    size_t folder_len;
    char newest[CATALOG_ID_SIZE]; /* "": none */
};

static int on_entry(void *context, const struct store_entry *entry, struct err *err)
{
    struct search *search = context;
    char id[CATALOG_ID_SIZE];

    (void)err;
    if (is_record(entry->key + search->folder_len, id) && strcmp(id, search->newest) > 0)
        memcpy(search->newest, id, sizeof(id));
    return 0;
}

int restore_record_newest(struct store *store, const char *instance, struct restore_record *out,
                          struct err *err)
{
    auto_free char *folder = folder_of(instance);
    auto_buf struct buf text = {0};
    struct search search = {.folder_len = strlen(folder)};

    if (store_list(store, folder, '\0', on_entry, &search, err) != 0)
        return err_wrap(err, "list the restores of instance '%s'", instance);
    if (search.newest[0] == '\0')
        return err_set(err, ERR_NOT_FOUND, "no restore of instance '%s' is recorded", instance);
    auto_free char *key = xasprintf("%s%s.json", folder, search.newest);
    buf_init(&text, RECORD_BYTES_MAX);
    if (store_get_small(store, key, &text, err) != 0)
        return -1;
    return restore_record_parse(buf_text(&text), text.len, key, out, err);
}

struct records {
    size_t folder_len;
    char (*ids)[CATALOG_ID_SIZE];
    size_t count;
    size_t room;
};

static int note_record(void *context, const struct store_entry *entry, struct err *err)
{
    struct records *records = context;
    char id[CATALOG_ID_SIZE];

    (void)err;
    if (!is_record(entry->key + records->folder_len, id))
        return 0;
    if (records->count == records->room) {
        records->room = records->room * 2 + RESTORE_RECORDS_KEPT;
        records->ids = xreallocarray(records->ids, records->room, sizeof(*records->ids));
    }
    memcpy(records->ids[records->count++], id, sizeof(id));
    return 0;
}

/* All but the newest; they are listed oldest first. */
static int remove_old(struct store *store, const char *folder, const struct records *records,
                      bool confirm, size_t *out_count, struct err *err)
{
    for (size_t i = 0; i + RESTORE_RECORDS_KEPT < records->count; i++) {
        auto_free char *key = xasprintf("%s%s.json", folder, records->ids[i]);

        if (cancel_check(err) != 0 || (confirm && store_remove(store, key, err) != 0))
            return -1;
        (*out_count)++;
    }
    return 0;
}

int restore_record_sweep(struct store *store, const char *instance, bool confirm, size_t *out_count,
                         struct err *err)
{
    auto_free char *folder = folder_of(instance);
    struct records records = {.folder_len = strlen(folder)};
    int rc = store_list(store, folder, '\0', note_record, &records, err);

    *out_count = 0;
    if (rc != 0)
        rc = err_wrap(err, "list the restores of instance '%s'", instance);
    else
        rc = remove_old(store, folder, &records, confirm, out_count, err);
    free(records.ids);
    return rc;
}

static int parse(const char *text, size_t len, struct restore_record *out, struct err *err)
{
    auto_json struct json *root = NULL;
    const struct json *skipped = NULL;
    const char *backup = NULL;

    if (json_parse(text, len, &root, err) != 0 ||
        json_get_time(root, "time", &out->time_ms, err) != 0 ||
        json_get_string(root, "backup", &backup, err) != 0 ||
        json_get(root, "skipped", &skipped, err) != 0)
        return -1;
    if (!catalog_is_id(backup))
        return err_set(err, ERR_CORRUPT, "its \"backup\" is not the id of one");
    memcpy(out->backup, backup, sizeof(out->backup));
    out->has_keys = json_has(root, "keys");
    if (out->has_keys && json_get_u64(root, "keys", &out->keys, err) != 0)
        return -1;
    out->skipped = json_size(skipped);
    out->took_ms = json_get_duration_ms(root, "seconds");
    return 0;
}

int restore_record_parse(const char *text, size_t len, const char *label,
                         struct restore_record *out, struct err *err)
{
    struct restore_record record = {.time_ms = -1};

    if (parse(text, len, &record, err) != 0)
        return err_wrap(err, "%s", label);
    *out = record;
    return 0;
}
