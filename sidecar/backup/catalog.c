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
#define DATA_NAME "data.tar.zst"
#define PIN_NAME "pinned.json"
#define VERIFIED_PREFIX "verified-"
#define TIME_LEN (sizeof("00000000T000000Z") - 1)
#define INSTANCES_SHOWN 10
#define TAIL_MAX 0xffffffU

static const char id_form[] = "00000000T000000Z-xxxxxx"; /* 0: digit, x: hex digit */

void catalog_release(struct catalog *catalog)
{
    free(catalog->ids);
    free(catalog->pins);
    *catalog = (struct catalog){0};
}

char *catalog_key(const char *instance, const char *id, const char *name)
{
    return xasprintf("%s/backups/%s/%s", instance, id, name);
}

/* "20261120T173000Z", as in ids and in the names of notes. */
static void format_time(int64_t time_ms, char out[TIME_LEN + 1])
{
    char time[32];
    size_t at = 0;

    format_rfc3339(time_ms, time, sizeof(time));
    for (const char *from = time; *from != '\0' && at < TIME_LEN; from++)
        if (*from != '-' && *from != ':')
            out[at++] = *from;
    out[at] = '\0';
}

/* The inverse of TIME_LEN characters; -1 when they are no moment. */
static int64_t read_time(const char *text)
{
    char time[32];
    int64_t time_ms = -1;
    struct err ignored;

    if (strnlen(text, TIME_LEN) < TIME_LEN)
        return -1;
    (void)snprintf(time, sizeof(time), "%.4s-%.2s-%.5s:%.2s:%.3s", text, text + 4, text + 6,
                   text + 11, text + 13);
    (void)parse_rfc3339(time, &time_ms, &ignored);
    return time_ms;
}

void catalog_make_id(int64_t time_ms, uint32_t tail, char out[CATALOG_ID_SIZE])
{
    char time[TIME_LEN + 1];

    format_time(time_ms, time);
    (void)snprintf(out, CATALOG_ID_SIZE, "%s-%06x", time, tail & 0xffffffU);
}

int64_t catalog_id_time(const char *id)
{
    return read_time(id);
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
        if (strncmp(catalog->ids[i - 1], id, TIME_LEN) == 0)
            return catalog->ids[i - 1];
    return NULL;
}

static void note_neighbours(const struct catalog *catalog, struct catalog_new *new)
{
    size_t before = catalog->count;

    if (catalog->count > 0 && strcmp(catalog->ids[catalog->count - 1], new->id) > 0)
        memcpy(new->later, catalog->ids[catalog->count - 1], CATALOG_ID_SIZE);
    while (before > 0 && strcmp(catalog->ids[before - 1], new->id) > 0)
        before--;
    if (before > 0)
        memcpy(new->before, catalog->ids[before - 1], CATALOG_ID_SIZE);
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
    note_neighbours(&catalog, &new);
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

bool catalog_split_key(const char *key, char out_id[CATALOG_ID_SIZE], const char **out_name)
{
    const char *rest = strstr(key, "/backups/");
    char id[CATALOG_ID_SIZE] = "";

    if (rest == NULL)
        return false;
    rest += strlen("/backups/");
    const char *slash = strchr(rest, '/');
    if (slash == NULL || (size_t)(slash - rest) != CATALOG_ID_SIZE - 1)
        return false;
    memcpy(id, rest, CATALOG_ID_SIZE - 1);
    if (!catalog_is_id(id))
        return false;
    memcpy(out_id, id, CATALOG_ID_SIZE);
    *out_name = slash + 1;
    return true;
}

enum catalog_object catalog_classify(const char *name, int64_t *out_time_ms)
{
    static const struct {
        const char *name;
        enum catalog_object object;
    } whole[] = {
        {MANIFEST_NAME, CATALOG_MANIFEST}, {DATA_NAME, CATALOG_DATA}, {PIN_NAME, CATALOG_PIN}};
    int64_t time_ms;

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (strcmp(name, whole[i].name) == 0)
            return whole[i].object;
    if (strncmp(name, VERIFIED_PREFIX, strlen(VERIFIED_PREFIX)) != 0)
        return CATALOG_FOREIGN;
    name += strlen(VERIFIED_PREFIX);
    time_ms = read_time(name);
    if (time_ms < 0)
        return CATALOG_FOREIGN;
    name += TIME_LEN;
    bool ok = strcmp(name, "-ok.json") == 0;
    if (!ok && strcmp(name, "-bad.json") != 0)
        return CATALOG_FOREIGN;
    *out_time_ms = time_ms;
    return ok ? CATALOG_VERIFIED_OK : CATALOG_VERIFIED_BAD;
}

static int on_entry(void *context, const struct store_entry *entry, struct err *err)
{
    struct catalog *catalog = context;
    char id[CATALOG_ID_SIZE];
    const char *name = NULL;

    (void)err;
    if (!catalog_split_key(entry->key, id, &name))
        return 0;
    if (strcmp(name, MANIFEST_NAME) == 0) {
        catalog->ids = xreallocarray(catalog->ids, catalog->count + 1, sizeof(*catalog->ids));
        memcpy(catalog->ids[catalog->count++], id, CATALOG_ID_SIZE);
    } else if (strcmp(name, PIN_NAME) == 0) {
        catalog->pins =
            xreallocarray(catalog->pins, catalog->pin_count + 1, sizeof(*catalog->pins));
        memcpy(catalog->pins[catalog->pin_count++], id, CATALOG_ID_SIZE);
    }
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
    if (catalog.pin_count > 1)
        qsort(catalog.pins, catalog.pin_count, sizeof(*catalog.pins), compare_ids);
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

char *catalog_other_instances(struct store *store, const char *instance)
{
    auto_free char *all = NULL;
    auto_free char *others = NULL;
    struct err ignored;
    char *rest;
    char *name;

    if (catalog_instances(store, &all, &ignored) != 0)
        return NULL;
    rest = all;
    while ((name = strsep(&rest, ",")) != NULL) {
        name += *name == ' ';
        if (strcmp(name, instance) == 0) /* objects without a manifest */
            continue;
        char *longer = others == NULL ? xstrdup(name) : xasprintf("%s, %s", others, name);
        free(others);
        others = longer;
    }
    return TAKE_PTR(others);
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

int catalog_pin(struct store *store, const char *instance, const char *id, const char *text,
                struct err *err)
{
    auto_free char *key = catalog_key(instance, id, PIN_NAME);
    uint64_t size = 0;

    if (store_head(store, key, &size, err) == 0)
        return 0; /* nothing is ever overwritten */
    if (err->kind != ERR_NOT_FOUND || store_put_small(store, key, text, strlen(text), err) != 0)
        return err_wrap(err, "pin backup %s", id);
    return 0;
}

int catalog_unpin(struct store *store, const char *instance, const char *id, struct err *err)
{
    auto_free char *key = catalog_key(instance, id, PIN_NAME);

    if (store_remove(store, key, err) != 0)
        return err_wrap(err, "release backup %s", id);
    return 0;
}

int catalog_note_verified(struct store *store, const char *instance,
                          const struct catalog_verified *verified, struct err *err)
{
    char time[TIME_LEN + 1];

    format_time(verified->time_ms, time);
    auto_free char *name =
        xasprintf(VERIFIED_PREFIX "%s-%s.json", time, verified->ok ? "ok" : "bad");
    auto_free char *key = catalog_key(instance, verified->id, name);

    if (store_put_small(store, key, verified->text, strlen(verified->text), err) != 0)
        return err_wrap(err, "note that backup %s was verified", verified->id);
    return 0;
}
