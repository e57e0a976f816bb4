/*
 * One mutex guards the tables; bodies are filled and read outside it, by the connection that owns
 * them or holds a reference. Keys lie in one sorted array: a benchmark stores hundreds of objects.
 */
#include "support/s3sink_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/mem.h"

enum { ARENA_BYTES = 64 << 20, SMALL_BYTES = 64 << 10, UPLOADS_MAX = 256 };

struct sink_upload {
    uint64_t id; /* 0 = free */
    char *key;
    char *meta;
    size_t cap;
    struct sink_body **parts; /* [number - 1] */
};

struct free_slab {
    struct free_slab *next;
};

struct sink_store {
    pthread_mutex_t lock;
    uint64_t max_bytes;
    bool discard;
    uint8_t *scratch;
    struct free_slab *free_slabs;
    uint64_t slab_bytes;
    uint64_t next_serial;
    size_t count, cap;
    struct sink_object **objects; /* sorted by key */
    struct sink_upload uploads[UPLOADS_MAX];
};

struct sink_store *sink_store_new(uint64_t max_bytes, bool discard)
{
    struct sink_store *store = xcalloc(1, sizeof(*store));

    pthread_mutex_init(&store->lock, NULL);
    store->max_bytes = max_bytes;
    store->discard = discard;
    store->next_serial = 1;
    if (discard)
        store->scratch = xcalloc(1, SINK_SLAB_BYTES);
    return store;
}

static bool add_arena(struct sink_store *store)
{
    if (store->slab_bytes + ARENA_BYTES > store->max_bytes)
        return false;

    uint8_t *arena =
        mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        return false;
    (void)madvise(arena, ARENA_BYTES, MADV_HUGEPAGE); /* without it: slower, not wrong */
    for (size_t at = ARENA_BYTES; at > 0; at -= SINK_SLAB_BYTES) {
        struct free_slab *slab = (struct free_slab *)(void *)(arena + at - SINK_SLAB_BYTES);

        slab->next = store->free_slabs;
        store->free_slabs = slab;
    }
    store->slab_bytes += ARENA_BYTES;
    return true;
}

static void give_slabs_back(struct sink_store *store, struct sink_body *body)
{
    for (size_t i = body->count; i > 0; i--) {
        struct free_slab *slab = (struct free_slab *)(void *)body->slabs[i - 1];

        slab->next = store->free_slabs;
        store->free_slabs = slab;
    }
}

static bool take_slabs(struct sink_store *store, struct sink_body *body, size_t wanted)
{
    while (body->count < wanted) {
        if (store->free_slabs == NULL && !add_arena(store)) {
            give_slabs_back(store, body);
            return false;
        }
        body->slabs[body->count++] = (uint8_t *)store->free_slabs;
        store->free_slabs = store->free_slabs->next;
    }
    return true;
}

struct sink_body *sink_body_new(struct sink_store *store, uint64_t size)
{
    if (size > store->max_bytes && !store->discard)
        return NULL;

    bool small = size <= SMALL_BYTES;
    bool counted = store->discard && !small;
    size_t wanted = small || counted ? 0 : (size + SINK_SLAB_BYTES - 1) / SINK_SLAB_BYTES;
    struct sink_body *body = xcalloc(1, sizeof(*body) + (wanted + 1) * sizeof(body->slabs[0]));
    body->size = size;
    if (small) {
        body->slabs[0] = xmalloc(size + 1);
        body->count = 1;
        return body;
    }

    pthread_mutex_lock(&store->lock);
    bool fits = take_slabs(store, body, wanted);
    pthread_mutex_unlock(&store->lock);
    if (!fits) {
        free(body);
        return NULL;
    }
    return body;
}

static void free_body_locked(struct sink_store *store, struct sink_body *body)
{
    if (body == NULL)
        return;
    if (body->size <= SMALL_BYTES)
        free(body->slabs[0]);
    else
        give_slabs_back(store, body);
    free(body);
}

void sink_body_free(struct sink_store *store, struct sink_body *body)
{
    pthread_mutex_lock(&store->lock);
    free_body_locked(store, body);
    pthread_mutex_unlock(&store->lock);
}

uint8_t *sink_body_at(struct sink_store *store, const struct sink_body *body, uint64_t offset,
                      size_t *out_len)
{
    uint64_t left = body->size - offset;
    size_t in_slab = offset % SINK_SLAB_BYTES;
    size_t room = SINK_SLAB_BYTES - in_slab;

    *out_len = left < room ? (size_t)left : room;
    if (body->count == 0)
        return store->scratch + in_slab;
    return body->slabs[offset / SINK_SLAB_BYTES] + in_slab;
}

static void release_locked(struct sink_store *store, struct sink_object *object)
{
    if (--object->refs > 0)
        return;
    for (size_t i = 0; i < object->count; i++)
        free_body_locked(store, object->bodies[i]);
    free(object->bodies);
    free(object->key);
    free(object->meta);
    free(object);
}

/* The index of key, or where it belongs. */
static size_t find_locked(const struct sink_store *store, const char *key, bool *out_found)
{
    size_t low = 0, high = store->count;

    *out_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(store->objects[middle]->key, key);

        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes all that it is given. */
static uint64_t insert_locked(struct sink_store *store, struct sink_object *object)
{
    bool found;
    size_t i = find_locked(store, object->key, &found);

    object->refs = 1;
    object->serial = store->next_serial++;
    object->modified_s = (int64_t)time(NULL);
    for (size_t part = 0; part < object->count; part++)
        object->size += object->bodies[part]->size;
    if (found) {
        release_locked(store, store->objects[i]);
        store->objects[i] = object;
        return object->serial;
    }
    if (store->count == store->cap) {
        store->cap = store->cap == 0 ? 256 : store->cap * 2;
        store->objects = xreallocarray(store->objects, store->cap, sizeof(*store->objects));
    }
    memmove(store->objects + i + 1, store->objects + i,
            (store->count - i) * sizeof(*store->objects));
    store->objects[i] = object;
    store->count++;
    return object->serial;
}

uint64_t sink_store_put(struct sink_store *store, const char *key, const char *meta,
                        struct sink_body *body)
{
    struct sink_object *object = xcalloc(1, sizeof(*object));

    object->key = xstrdup(key);
    object->meta = xstrdup(meta);
    object->count = 1;
    object->bodies = xcalloc(1, sizeof(*object->bodies));
    object->bodies[0] = body;
    pthread_mutex_lock(&store->lock);
    uint64_t serial = insert_locked(store, object);
    pthread_mutex_unlock(&store->lock);
    return serial;
}

struct sink_object *sink_store_get(struct sink_store *store, const char *key)
{
    struct sink_object *object = NULL;
    bool found;

    pthread_mutex_lock(&store->lock);
    size_t i = find_locked(store, key, &found);
    if (found) {
        object = store->objects[i];
        object->refs++;
    }
    pthread_mutex_unlock(&store->lock);
    return object;
}

void sink_object_release(struct sink_store *store, struct sink_object *object)
{
    if (object == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    release_locked(store, object);
    pthread_mutex_unlock(&store->lock);
}

void sink_store_remove(struct sink_store *store, const char *key)
{
    bool found;

    pthread_mutex_lock(&store->lock);
    size_t i = find_locked(store, key, &found);
    if (found) {
        release_locked(store, store->objects[i]);
        store->count--;
        memmove(store->objects + i, store->objects + i + 1,
                (store->count - i) * sizeof(*store->objects));
    }
    pthread_mutex_unlock(&store->lock);
}

uint64_t sink_upload_begin(struct sink_store *store, const char *key, const char *meta)
{
    uint64_t id = 0;

    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < UPLOADS_MAX && id == 0; i++) {
        struct sink_upload *upload = &store->uploads[i];

        if (upload->id != 0)
            continue;
        id = store->next_serial++;
        *upload = (struct sink_upload){.id = id, .key = xstrdup(key), .meta = xstrdup(meta)};
    }
    pthread_mutex_unlock(&store->lock);
    return id;
}

static struct sink_upload *upload_locked(struct sink_store *store, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < UPLOADS_MAX; i++) {
        if (store->uploads[i].id == id)
            return &store->uploads[i];
    }
    return NULL;
}

int sink_upload_part(struct sink_store *store, uint64_t id, uint64_t number, struct sink_body *body)
{
    pthread_mutex_lock(&store->lock);
    struct sink_upload *upload = upload_locked(store, id);
    bool taken = upload != NULL && number >= 1 && number <= SINK_PARTS_MAX;
    if (taken) {
        while (upload->cap < number) {
            size_t cap = upload->cap == 0 ? 64 : upload->cap * 2;

            upload->parts = xreallocarray(upload->parts, cap, sizeof(*upload->parts));
            memset(upload->parts + upload->cap, 0, (cap - upload->cap) * sizeof(*upload->parts));
            upload->cap = cap;
        }
        free_body_locked(store, upload->parts[number - 1]);
        upload->parts[number - 1] = body;
    } else {
        free_body_locked(store, body);
    }
    pthread_mutex_unlock(&store->lock);
    return taken ? 0 : -1;
}

uint64_t sink_upload_complete(struct sink_store *store, uint64_t id)
{
    uint64_t serial = 0;

    pthread_mutex_lock(&store->lock);
    struct sink_upload *upload = upload_locked(store, id);
    if (upload != NULL) {
        struct sink_object *object = xcalloc(1, sizeof(*object));

        object->key = upload->key;
        object->meta = upload->meta;
        for (size_t i = 0; i < upload->cap; i++) {
            if (upload->parts[i] != NULL)
                upload->parts[object->count++] = upload->parts[i];
        }
        object->bodies = upload->parts;
        *upload = (struct sink_upload){0};
        serial = insert_locked(store, object);
    }
    pthread_mutex_unlock(&store->lock);
    return serial;
}

static void drop_upload_locked(struct sink_store *store, struct sink_upload *upload)
{
    for (size_t i = 0; i < upload->cap; i++)
        free_body_locked(store, upload->parts[i]);
    free(upload->parts);
    free(upload->key);
    free(upload->meta);
    *upload = (struct sink_upload){0};
}

int sink_upload_abort(struct sink_store *store, uint64_t id)
{
    pthread_mutex_lock(&store->lock);
    struct sink_upload *upload = upload_locked(store, id);
    if (upload != NULL)
        drop_upload_locked(store, upload);
    pthread_mutex_unlock(&store->lock);
    return upload != NULL ? 0 : -1;
}

bool sink_store_list(struct sink_store *store, const struct sink_list *list, sink_list_fn *each,
                     void *context)
{
    size_t prefix_len = strlen(list->prefix);
    size_t given = 0, folded_len = 0;
    const char *folded = NULL; /* the last folded entry, in its first object's key */
    bool more = false, found;

    pthread_mutex_lock(&store->lock);
    for (size_t i = find_locked(store, list->prefix, &found); i < store->count && !more; i++) {
        const struct sink_object *object = store->objects[i];

        if (strncmp(object->key, list->prefix, prefix_len) != 0)
            break;

        const char *slash = list->delimiter ? strchr(object->key + prefix_len, '/') : NULL;
        size_t len = slash != NULL ? (size_t)(slash + 1 - object->key) : strlen(object->key);
        if (strcmp(object->key, list->after) <= 0 ||
            (slash != NULL && strncmp(object->key, list->after, len) == 0))
            continue;
        if (slash != NULL && len == folded_len && strncmp(object->key, folded, len) == 0)
            continue;
        more = given == list->max;
        if (more)
            break;
        folded = slash != NULL ? object->key : NULL;
        folded_len = slash != NULL ? len : 0;
        each(context, slash != NULL ? NULL : object, object->key, len);
        given++;
    }
    pthread_mutex_unlock(&store->lock);
    return more;
}

void sink_store_stats(struct sink_store *store, struct sink_stats *out)
{
    *out = (struct sink_stats){0};
    pthread_mutex_lock(&store->lock);
    out->objects = store->count;
    out->slab_bytes = store->slab_bytes;
    for (size_t i = 0; i < store->count; i++)
        out->stored_bytes += store->objects[i]->size;
    for (size_t i = 0; i < UPLOADS_MAX; i++)
        out->uploads += store->uploads[i].id != 0;
    pthread_mutex_unlock(&store->lock);
}

void sink_store_reset(struct sink_store *store)
{
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++)
        release_locked(store, store->objects[i]);
    store->count = 0;
    for (size_t i = 0; i < UPLOADS_MAX; i++)
        drop_upload_locked(store, &store->uploads[i]);
    pthread_mutex_unlock(&store->lock);
}
