/*
 * The memory of the benchmark's S3 server: objects, multipart uploads and the memory they lie in.
 * Bodies are chains of 1 MiB slabs out of huge-page arenas, and slabs are used again, so that a
 * measured upload pays for no page faults of the server. Safe to use from any thread.
 */
#ifndef SUPPORT_S3SINK_STORE_H
#define SUPPORT_S3SINK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_SLAB_BYTES ((size_t)1 << 20)
#define SINK_PARTS_MAX 10000

struct sink_store;

struct sink_body {
    uint64_t size;
    size_t count;
    uint8_t *slabs[]; /* all but the last hold SINK_SLAB_BYTES; none when only counted (discard) */
};

struct sink_object { /* only read once it is stored */
    char *key;       /* "bucket/key" */
    char *meta;      /* the x-amz-meta-... lines of the request, each ended by CRLF */
    uint64_t size;
    uint64_t serial; /* what the ETag is made of */
    int64_t modified_s;
    size_t count;
    struct sink_body **bodies;
    unsigned refs;
};

struct sink_stats {
    uint64_t objects;
    uint64_t uploads; /* multipart uploads that are open */
    uint64_t stored_bytes;
    uint64_t slab_bytes; /* taken from the system, used or not */
};

struct sink_list {
    const char *prefix; /* with "bucket/" in front */
    const char *after;  /* only keys above it; "" = all */
    bool delimiter;     /* '/': deeper keys are folded into one entry */
    size_t max;
};

/* object is NULL for a folded entry, whose name is the first len bytes of name. */
typedef void sink_list_fn(void *context, const struct sink_object *object, const char *name,
                          size_t len);

/* At most max_bytes of memory for bodies. discard: bodies above 64 KiB are counted, not kept, and
 * read back as the bytes of one scratch slab. */
struct sink_store *sink_store_new(uint64_t max_bytes, bool discard);

/* Memory for size bytes, NULL when the store is full. */
struct sink_body *sink_body_new(struct sink_store *store, uint64_t size);
void sink_body_free(struct sink_store *store, struct sink_body *body);
/* Where the byte at offset lies, and in *out_len how many follow it in one piece. */
uint8_t *sink_body_at(struct sink_store *store, const struct sink_body *body, uint64_t offset,
                      size_t *out_len);

/* Takes body; an object of that key is replaced. Returns the serial. */
uint64_t sink_store_put(struct sink_store *store, const char *key, const char *meta,
                        struct sink_body *body);
/* A reference, given back with sink_object_release; NULL when there is none. */
struct sink_object *sink_store_get(struct sink_store *store, const char *key);
void sink_object_release(struct sink_store *store, struct sink_object *object);
void sink_store_remove(struct sink_store *store, const char *key);

/* Multipart: the id of a new upload, never 0. */
uint64_t sink_upload_begin(struct sink_store *store, const char *key, const char *meta);
/* Takes body, also on failure (-1: no such upload, or a number outside 1..SINK_PARTS_MAX). */
int sink_upload_part(struct sink_store *store, uint64_t id, uint64_t number,
                     struct sink_body *body);
/* Joins the parts in order of their numbers. The object's serial, 0 when there is no such upload.
 */
uint64_t sink_upload_complete(struct sink_store *store, uint64_t id);
/* -1 when there is no such upload. */
int sink_upload_abort(struct sink_store *store, uint64_t id);

/* At most list->max entries in byte order; true when there are more. The store is locked. */
bool sink_store_list(struct sink_store *store, const struct sink_list *list, sink_list_fn *each,
                     void *context);
void sink_store_stats(struct sink_store *store, struct sink_stats *out);
/* Forgets every object and upload; the memory is kept for the next ones. */
void sink_store_reset(struct sink_store *store);

#endif
