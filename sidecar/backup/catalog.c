/* One flat listing below "<instance>/backups/" finds every manifest by its name. */
#include "backup/catalog.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/parse.h"
#include "stream/untar.h"

#define MANIFEST_NAME "backup.json"
#define INSTANCES_SHOWN 10
#define TAIL_MAX 0xffffffU

static const char id_form[] = "00000000T000000Z-xxxxxx"; /* 0: digit, x: hex digit */

void catalog_release(struct catalog *catalog)
{
    free(catalog->ids);
    *catalog = (struct catalog){0};
}

char *catalog_key(const char *instance, const char *id, const char *name)
{
    return xasprintf("%s/backups/%s/%s", instance, id, name);
}

void catalog_make_id(int64_t time_ms, uint32_t tail, char out[CATALOG_ID_SIZE])
{
    char time[32];
    size_t at = 0;

    format_rfc3339(time_ms, time, sizeof(time));
    for (const char *from = time; *from != '\0' && at < strlen("00000000T000000Z"); from++)
        if (*from != '-' && *from != ':')
            out[at++] = *from;
    (void)snprintf(out + at, CATALOG_ID_SIZE - at, "-%06x", tail & 0xffffffU);
}

static uint32_t tail_of(const char *id)
{
    uint8_t bytes[3] = {0};
    struct err ignored;

    (void)hex_decode(strrchr(id, '-') + 1, bytes, sizeof(bytes), &ignored); /* catalog_is_id */
    return (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
}

/* The last one of the second that id begins with; NULL. */
static const char *last_of_second(const struct catalog *catalog, const char *id)
{
    for (size_t i = catalog->count; i > 0; i--)
        if (strncmp(catalog->ids[i - 1], id, strlen("00000000T000000Z")) == 0)
            return catalog->ids[i - 1];
    return NULL;
}

int catalog_new_id(struct store *store, const char *instance, const struct clock *clock,
                   struct catalog_new *out, struct err *err)
{
    auto_catalog struct catalog catalog = {0};
    struct catalog_new new = {.id = ""};
    const char *before = NULL;
    uint32_t tail = 0;

    if (catalog_list(store, instance, &catalog, err) != 0)
        return -1;
    fs_random(&tail, sizeof(tail));
    for (;;) {
        new.time_ms = clock_wall_ms(clock);
        catalog_make_id(new.time_ms, tail, new.id);
        before = last_of_second(&catalog, new.id);
        if (before == NULL || tail_of(before) < TAIL_MAX)
            break;
        clock_sleep_ms(clock, 1000 - new.time_ms % 1000);
    }
    if (before != NULL) {
        uint32_t least = tail_of(before) + 1;
        catalog_make_id(new.time_ms, least + tail % (TAIL_MAX - least + 1), new.id);
    }
    if (catalog.count > 0 && strcmp(catalog.ids[catalog.count - 1], new.id) > 0)
        memcpy(new.later, catalog.ids[catalog.count - 1], CATALOG_ID_SIZE);
    *out = new;
    return 0;
}

bool catalog_is_id(const char *text)
{
    if (strlen(text) != sizeof(id_form) - 1)
        return false;
    for (size_t i = 0; id_form[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_hex = isdigit(c) || (c >= 'a' && c <= 'f');
        bool fits = id_form[i] == '0'   ? isdigit(c) != 0
                    : id_form[i] == 'x' ? is_hex
                                        : text[i] == id_form[i];
        if (!fits)
            return false;
    }
    return true;
}

int catalog_check_instance(const char *instance, struct err *err)
{
    if (!untar_name_is_safe(instance) || strchr(instance, '/') != NULL || strlen(instance) > 200 ||
        !manifest_can_hold(instance))
        return err_set(err, ERR_CONFIG,
                       "instance '%.64s' cannot name a folder of the repository. HINT: give a "
                       "name without '/', such as the host's or the pod's",
                       instance);
    return 0;
}

static int on_entry(void *context, const struct store_entry *entry, struct err *err)
{
    struct catalog *catalog = context;
    const char *rest = strstr(entry->key, "/backups/");
    char id[CATALOG_ID_SIZE];

    (void)err;
    if (rest == NULL)
        return 0;
    rest += strlen("/backups/");
    const char *slash = strchr(rest, '/');
    if (slash == NULL || strcmp(slash + 1, MANIFEST_NAME) != 0 ||
        (size_t)(slash - rest) != CATALOG_ID_SIZE - 1)
        return 0;
    memcpy(id, rest, CATALOG_ID_SIZE - 1);
    id[CATALOG_ID_SIZE - 1] = '\0';
    if (!catalog_is_id(id))
        return 0;
    catalog->ids = xreallocarray(catalog->ids, catalog->count + 1, sizeof(*catalog->ids));
    memcpy(catalog->ids[catalog->count++], id, CATALOG_ID_SIZE);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

int catalog_list(struct store *store, const char *instance, struct catalog *out, struct err *err)
{
    auto_catalog struct catalog catalog = {0};
    auto_free char *prefix = xasprintf("%s/backups/", instance);

    if (store_list(store, prefix, '\0', on_entry, &catalog, err) != 0)
        return err_wrap(err, "list the backups of instance '%s'", instance);
    if (catalog.count > 1)
        qsort(catalog.ids, catalog.count, sizeof(*catalog.ids), compare_ids);
    *out = catalog;
    catalog = (struct catalog){0};
    return 0;
}

static int on_instance(void *context, const struct store_entry *entry, struct err *err)
{
    char **names = context;
    size_t len = strlen(entry->key);
    size_t commas = 0;

    (void)err;
    if (len < 2 || entry->key[len - 1] != '/')
        return 0;
    for (const char *at = *names; at != NULL && *at != '\0'; at++)
        commas += *at == ',';
    if (commas + 1 >= INSTANCES_SHOWN)
        return 0;
    char *joined = *names == NULL ? xasprintf("%.*s", (int)(len - 1), entry->key)
                                  : xasprintf("%s, %.*s", *names, (int)(len - 1), entry->key);
    free(*names);
    *names = joined;
    return 0;
}

int catalog_instances(struct store *store, char **out, struct err *err)
{
    auto_free char *names = NULL;

    if (store_list(store, "", '/', on_instance, &names, err) != 0)
        return -1;
    *out = TAKE_PTR(names);
    return 0;
}

int catalog_read(struct store *store, const char *instance, const char *id, struct manifest *out,
                 struct err *err)
{
    auto_free char *key = catalog_key(instance, id, MANIFEST_NAME);
    auto_buf struct buf text = {0};

    buf_init(&text, MANIFEST_BYTES_MAX);
    if (store_get_small(store, key, &text, err) != 0)
        return err_wrap(err, "read backup %s", id);

    auto_manifest struct manifest manifest = {0};
    if (manifest_parse(buf_text(&text), text.len, key, &manifest, err) != 0)
        return -1;
    if (strcmp(manifest.id, id) != 0 || strcmp(manifest.instance, instance) != 0)
        return err_set(err, ERR_CORRUPT, "manifest %s is that of backup %.64s of instance '%.64s'",
                       key, manifest.id, manifest.instance);
    *out = manifest;
    manifest = (struct manifest){0};
    return 0;
}
