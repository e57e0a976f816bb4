/* Objects are kept sorted, so that a listing is a walk. Broken use of the store is an assert. */
#include "support/fake_store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define BYTES_MAX ((size_t)1 << 30)

enum verdict { GO, FAIL, LOSE };

struct fake_sink {
    struct sink base;
    struct fake_store *fake;
    char *key;
    uint64_t max_bytes;
    struct object_parts *parts;
    struct buf bytes;
};

struct fake_source {
    struct source base;
    struct fake_store *fake;
    char *key;
    uint64_t at;
    uint64_t left;
    uint64_t chunk_bytes;
    uint8_t *chunk; /* an allocation of its own, so that a sanitizer sees who holds on to it */
};

static struct fake_store *self(struct store *store)
{
    return (struct fake_store *)(void *)store;
}

static void append(struct buf *buf, const void *data, size_t len)
{
    struct err err = {0};
    int rc = buf_append(buf, data, len, &err);

    assert(rc == 0);
}

static size_t place_of(const struct fake_store *fake, const char *key, bool *out_found)
{
    size_t begin = 0;
    size_t end = fake->count;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;

        if (strcmp(fake->objects[middle].key, key) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    *out_found = begin < fake->count && strcmp(fake->objects[begin].key, key) == 0;
    return begin;
}

void fake_store_set(struct fake_store *fake, const char *key, const void *data, size_t len)
{
    bool found = false;
    size_t at = place_of(fake, key, &found);

    if (!found) {
        fake->objects = xreallocarray(fake->objects, fake->count + 1, sizeof(*fake->objects));
        memmove(&fake->objects[at + 1], &fake->objects[at],
                (fake->count - at) * sizeof(*fake->objects));
        fake->objects[at] = (struct fake_object){.key = xstrdup(key)};
        buf_init(&fake->objects[at].bytes, BYTES_MAX);
        fake->count++;
    }
    fake->objects[at].version = ++fake->last_version;
    fake->objects[at].modified_ms = fake->now_ms;
    buf_clear(&fake->objects[at].bytes);
    append(&fake->objects[at].bytes, data, len);
}

struct buf *fake_store_find(const struct fake_store *fake, const char *key)
{
    bool found = false;
    size_t at = place_of(fake, key, &found);

    return found ? &fake->objects[at].bytes : NULL;
}

static bool ends_in(const char *key, const char *tail)
{
    size_t len = strlen(key);

    return len >= strlen(tail) && strcmp(key + len - strlen(tail), tail) == 0;
}

size_t fake_store_count(const struct fake_store *fake, const char *tail)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->count; i++)
        count += ends_in(fake->objects[i].key, tail);
    return count;
}

struct buf *fake_store_only(const struct fake_store *fake, const char *tail)
{
    assert(fake_store_count(fake, tail) == 1);
    for (size_t i = 0; i < fake->count; i++)
        if (ends_in(fake->objects[i].key, tail))
            return &fake->objects[i].bytes;
    return NULL;
}

void fake_store_drop(struct fake_store *fake, const char *key)
{
    bool found = false;
    size_t at = place_of(fake, key, &found);

    if (!found)
        return;
    free(fake->objects[at].key);
    buf_release(&fake->objects[at].bytes);
    fake->count--;
    memmove(&fake->objects[at], &fake->objects[at + 1],
            (fake->count - at) * sizeof(*fake->objects));
}

static enum verdict judge(enum fake_fault fault, unsigned number, unsigned countdown)
{
    bool loses = fault != FAKE_FAILS && fault != FAKE_GONE;
    bool goes_on = fault != FAKE_FAILS && fault != FAKE_ANSWER_LOST;
    unsigned later = fault == FAKE_LOST_LATER ? 1 : 0;

    if (countdown == 0 || number < countdown)
        return GO;
    if (number == countdown)
        return loses ? LOSE : FAIL;
    return goes_on && number > countdown + later ? FAIL : GO;
}

/* Counts and logs an operation, and says what becomes of it. */
static enum verdict begin(struct fake_store *fake, const char *operation, const char *key,
                          struct err *err)
{
    struct err ignored;
    enum verdict verdict = judge(fake->fault, ++fake->operations, fake->countdown);

    (void)buf_printf(&fake->log, &ignored, "%s %s\n", operation, key);
    if (fake->hook != NULL)
        fake->hook(fake, operation, key);
    if (verdict == GO)
        return GO;
    fake->fired++;
    (void)err_set(err, ERR_STORE, "%s %s: fault %u", operation, key, fake->fired);
    return verdict;
}

static int fake_put_small(struct store *store, const char *key, const void *data, size_t len,
                          struct err *err)
{
    enum verdict verdict = begin(self(store), "put_small", key, err);

    assert(fake_store_find(self(store), key) == NULL); /* nothing is ever overwritten */
    if (verdict != FAIL)
        fake_store_set(self(store), key, data, len);
    return verdict == GO ? 0 : -1;
}

static int sink_take(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct fake_sink *to = (struct fake_sink *)(void *)sink;

    if (begin(to->fake, "write", to->key, err) != GO)
        return -1;
    append(&to->bytes, data, len);
    assert(to->bytes.len <= to->max_bytes);
    return 0;
}

static int sink_end(struct sink *sink, struct err *err)
{
    struct fake_sink *to = (struct fake_sink *)(void *)sink;
    enum verdict verdict = begin(to->fake, "finish", to->key, err);

    if (verdict == FAIL)
        return -1;
    assert(fake_store_find(to->fake, to->key) == NULL);
    fake_store_set(to->fake, to->key, to->bytes.data, to->bytes.len);
    *to->parts = (struct object_parts){.size = to->bytes.len, .part_bytes = to->fake->part_bytes};
    for (size_t at = 0; at < to->bytes.len; at += to->fake->part_bytes) {
        uint8_t digest[SHA256_BYTES];
        size_t left = to->bytes.len - at;

        sha256_of(to->bytes.data + at, left < to->fake->part_bytes ? left : to->fake->part_bytes,
                  digest);
        object_parts_push(to->parts, digest);
    }
    return verdict == GO ? 0 : -1;
}

static void sink_drop(struct sink *sink)
{
    struct fake_sink *to = (struct fake_sink *)(void *)sink;

    to->fake->open_uploads--;
    buf_release(&to->bytes);
    free(to->key);
    free(to);
}

static const struct sink_ops sink_ops = {.write = sink_take, .finish = sink_end, .free = sink_drop};

static int fake_put(struct store *store, const char *key, uint64_t max_bytes,
                    struct object_parts *parts, struct sink **out, struct err *err)
{
    struct fake_store *fake = self(store);

    if (begin(fake, "put", key, err) != GO)
        return -1;
    struct fake_sink *to = xcalloc(1, sizeof(*to));
    to->base.ops = &sink_ops;
    to->fake = fake;
    to->key = xstrdup(key);
    to->max_bytes = max_bytes;
    to->parts = parts;
    buf_init(&to->bytes, BYTES_MAX);
    *parts = (struct object_parts){.part_bytes = fake->part_bytes};
    fake->open_uploads++;
    *out = &to->base;
    return 0;
}

/* NULL with ERR_NOT_FOUND, or with the fault. */
static const struct buf *look_up(struct fake_store *fake, const char *operation, const char *key,
                                 struct err *err)
{
    if (begin(fake, operation, key, err) != GO)
        return NULL;
    const struct buf *bytes = fake_store_find(fake, key);
    if (bytes == NULL)
        (void)err_set(err, ERR_NOT_FOUND, "%s is not there", key);
    return bytes;
}

static int give_small(struct fake_store *fake, const char *operation, const char *key,
                      struct buf *out, struct err *err)
{
    const struct buf *from = look_up(fake, operation, key, err);

    if (from == NULL)
        return -1;
    if (from->len > out->max - out->len)
        return err_set(err, ERR_CORRUPT, "%s is too large", key);
    return buf_append(out, from->data, from->len, err);
}

static int fake_get_small(struct store *store, const char *key, struct buf *out, struct err *err)
{
    return give_small(self(store), "get_small", key, out, err);
}

/* "": there is no such object. */
static char *tag_of(const struct fake_store *fake, const char *key)
{
    bool found = false;
    size_t at = place_of(fake, key, &found);

    return found ? xasprintf("\"v%u\"", fake->objects[at].version) : xstrdup("");
}

static int fake_get_small_tagged(struct store *store, const char *key, struct buf *out,
                                 char **out_tag, struct err *err)
{
    if (give_small(self(store), "get_small_tagged", key, out, err) != 0)
        return -1;
    *out_tag = tag_of(self(store), key);
    return 0;
}

static int fake_put_small_if(struct store *store, const struct store_put_if *put, char **out_tag,
                             struct err *err)
{
    struct fake_store *fake = self(store);
    enum verdict verdict = begin(fake, "put_small_if", put->key, err);

    if (verdict == FAIL || store_check_key(put->key, err) != 0)
        return -1;
    if (fake->knows_no_conditions)
        return err_set(err, ERR_STORE, "put_small_if %s: HTTP 501", put->key);

    auto_free char *tag = tag_of(fake, put->key);
    if (strcmp(tag, put->tag != NULL ? put->tag : "") != 0)
        return verdict == GO ? err_set(err, ERR_BUSY, "%s is another", put->key) : -1;
    fake_store_set(fake, put->key, put->data, put->len);
    if (verdict != GO)
        return -1;
    *out_tag = tag_of(fake, put->key);
    return 0;
}

static int source_give(struct source *source, const uint8_t **out, size_t *out_len, struct err *err)
{
    struct fake_source *from = (struct fake_source *)(void *)source;
    uint64_t len = from->left < from->chunk_bytes ? from->left : from->chunk_bytes;

    free(TAKE_PTR(from->chunk));
    const struct buf *bytes = look_up(from->fake, "next", from->key, err);
    if (bytes == NULL)
        return -1;
    if (from->at + len > bytes->len)
        return err_set(err, ERR_CORRUPT, "%s ends early", from->key);
    from->chunk = xmalloc((size_t)len + 1);
    memcpy(from->chunk, bytes->data + from->at, (size_t)len);
    from->at += len;
    from->left -= len;
    *out = from->chunk;
    *out_len = (size_t)len;
    return 0;
}

static void source_drop(struct source *source)
{
    struct fake_source *from = (struct fake_source *)(void *)source;

    from->fake->open_sources--;
    free(from->chunk);
    free(from->key);
    free(from);
}

static const struct source_ops source_ops = {.next = source_give, .free = source_drop};

static int fake_get(struct store *store, const struct store_get_request *request,
                    struct source **out, struct err *err)
{
    struct fake_store *fake = self(store);

    assert(request->size > 0 && request->chunk_bytes > 0);
    if (look_up(fake, "get", request->key, err) == NULL)
        return -1;
    struct fake_source *from = xcalloc(1, sizeof(*from));
    from->base.ops = &source_ops;
    from->fake = fake;
    from->key = xstrdup(request->key);
    from->at = request->offset;
    from->left = request->size;
    from->chunk_bytes = request->chunk_bytes;
    fake->open_sources++;
    *out = &from->base;
    return 0;
}

/* The entry for an object: itself, or the "directory" that it is in. */
static char *entry_key(const char *key, size_t prefix_len, char delimiter)
{
    const char *end = delimiter != '\0' ? strchr(key + prefix_len, delimiter) : NULL;

    return end != NULL ? xstrndup(key, (size_t)(end - key) + 1) : xstrdup(key);
}

static int fake_list(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                     void *context, struct err *err)
{
    struct fake_store *fake = self(store);
    auto_free char *last = xstrdup("");

    if (begin(fake, "list", prefix, err) != GO)
        return -1;
    for (size_t i = 0; i < fake->count; i++) {
        const struct fake_object *object = &fake->objects[i];

        if (strncmp(object->key, prefix, strlen(prefix)) != 0)
            continue;
        char *key = entry_key(object->key, strlen(prefix), delimiter);
        bool is_new = strcmp(key, last) != 0;
        bool is_prefix = strcmp(key, object->key) != 0;
        struct store_entry entry = {.key = key,
                                    .size = is_prefix ? 0 : object->bytes.len,
                                    .modified_ms = object->modified_ms};

        free(last);
        last = key;
        if (is_new && each(context, &entry, err) != 0)
            return -1;
    }
    return 0;
}

static int fake_head(struct store *store, const char *key, uint64_t *out_size, struct err *err)
{
    const struct buf *bytes = look_up(self(store), "head", key, err);

    if (bytes == NULL)
        return -1;
    *out_size = bytes->len;
    return 0;
}

static int fake_remove(struct store *store, const char *key, struct err *err)
{
    enum verdict verdict = begin(self(store), "remove", key, err);

    if (verdict != FAIL)
        fake_store_drop(self(store), key);
    return verdict == GO ? 0 : -1;
}

static int fake_sweep(struct store *store, const struct store_sweep *sweep, struct store_swept *out,
                      struct err *err)
{
    struct fake_store *fake = self(store);
    enum verdict verdict = begin(fake, "sweep", sweep->prefix, err);

    if (verdict == FAIL)
        return -1;
    bool is_ours = fake->unfinished_key == NULL || sweep->is_ours(fake->unfinished_key);

    out->is_unknown = fake->knows_no_uploads;
    out->count = fake->knows_no_uploads || !is_ours ? 0 : fake->unfinished;
    fake->unfinished -= sweep->confirm ? out->count : 0;
    return verdict == GO ? 0 : -1;
}

static void fake_free(struct store *store)
{
    self(store)->freed++;
}

static const struct store_ops fake_ops = {
    .put_small = fake_put_small,
    .put = fake_put,
    .get_small = fake_get_small,
    .get_small_tagged = fake_get_small_tagged,
    .put_small_if = fake_put_small_if,
    .get = fake_get,
    .list = fake_list,
    .head = fake_head,
    .remove = fake_remove,
    .sweep = fake_sweep,
    .free = fake_free,
};

void fake_store_init(struct fake_store *fake, uint64_t part_bytes)
{
    *fake = (struct fake_store){.store.ops = &fake_ops, .part_bytes = part_bytes};
    buf_init(&fake->log, BYTES_MAX);
}

void fake_store_release(struct fake_store *fake)
{
    while (fake->count > 0)
        fake_store_drop(fake, fake->objects[fake->count - 1].key);
    free(fake->objects);
    buf_release(&fake->log);
}

void fake_store_arm(struct fake_store *fake, unsigned countdown, enum fake_fault fault)
{
    fake->countdown = countdown;
    fake->fault = fault;
    fake->operations = 0;
    fake->fired = 0;
    buf_clear(&fake->log);
}

size_t fake_store_asked(const struct fake_store *fake, const char *operation)
{
    size_t count = 0;
    size_t len = strlen(operation);

    for (const char *line = buf_text(&fake->log); *line != '\0'; line = strchr(line, '\n') + 1)
        count += strncmp(line, operation, len) == 0 && line[len] == ' ';
    return count;
}
