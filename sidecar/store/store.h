/*
 * Where objects live. One interface, one implementation per kind of place: a directory
 * (store_dir.c), an S3 bucket (store_s3.c). Keys are relative to the repository's own prefix,
 * '/'-separated, any other byte allowed but NUL; no empty, "." or ".." segment.
 *
 * Errors: ERR_NOT_FOUND means that the place answered and the object is not there; ERR_STORE that
 * the place could not be asked, or refuses (unreachable, no bucket, denied, expired): the two are
 * never confused (INVARIANT 4). ERR_FAILED is a local fault, ERR_CORRUPT bytes that arrived other
 * than they were sent. Retries happen inside; what comes out is final.
 *
 * A store and all that it hands out are used by one thread; implementations may use more inside.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/secret.h"
#include "stream/sink.h"
#include "stream/source.h"

struct store;

/* What a store takes. A part is one piece of memory, when it is stored and when it is read back; 5
 * TiB need parts of 553 MiB. */
#define STORE_PART_BYTES_MAX ((uint64_t)1 << 30)
#define STORE_OBJECT_BYTES_MAX ((uint64_t)5 << 40) /* S3's own limit */

/* What a finished put stored: part i holds the bytes from i * part_bytes on, the last one what is
 * left; sha256[i] is its digest, the one that signed the upload. An empty object has no parts. */
struct object_parts {
    uint64_t size;
    uint64_t part_bytes;
    size_t count;
    uint8_t (*sha256)[SHA256_BYTES];
};

void object_parts_release(struct object_parts *parts);

struct store_entry {
    const char *key; /* relative to the repository */
    uint64_t size;
    int64_t modified_ms;
};

/* One object or, with is_prefix, one "directory" (its key ends in '/'). Return -1 with *err set to
 * stop the listing with that error. The entry is borrowed for the call. */
typedef int store_list_fn(void *context, const struct store_entry *entry, struct err *err);

struct store_get_request {
    const char *key;
    uint64_t offset;      /* of the first byte wanted */
    uint64_t size;        /* bytes wanted, at least 1 */
    uint64_t chunk_bytes; /* what source_next returns at a time, the last may be shorter; more than
                             STORE_PART_BYTES_MAX no part has: ERR_CORRUPT */
};

/* A small object that is put only while nobody else has changed what is there. */
struct store_put_if {
    const char *key;
    const void *data; /* bytes that nobody else writes there, nor we a second time */
    size_t len;
    const char *tag;      /* the object is still the one of this tag; NULL: there is none */
    bool even_if_stopped; /* goes on although the process was asked to stop; gives up sooner */
};

/* What puts that never came to their end have left, and no listing shows. */
struct store_sweep {
    const char *prefix; /* of the keys they were for; ends in '/' */
    /* Can the upload of that key be one of ours? Files are known by their temporary names. */
    bool (*is_ours)(const char *key);
    int64_t before_ms; /* nothing was done since then, by the store's clock */
    bool confirm;      /* they are removed; else only counted */
};

struct store_swept {
    size_t count;
    bool is_unknown; /* the store does not let us ask */
};

struct store_ops {
    /* Stores a small object in one piece; atomic: readers see it whole or not at all. */
    int (*put_small)(struct store *store, const char *key, const void *data, size_t len,
                     struct err *err);
    /* A sink whose finish makes the object appear, whole; freed before that, nothing stays. At most
     * max_bytes will be written (it decides the part size; ERR_CONFIG: too much for one object).
     * *parts has part_bytes at once, the rest when finish
     * returns; it must outlive the sink and be released by the caller. */
    int (*put)(struct store *store, const char *key, uint64_t max_bytes, struct object_parts *parts,
               struct sink **out, struct err *err);
    /* The whole small object, appended to *out (its ceiling applies: ERR_CORRUPT above it). */
    int (*get_small)(struct store *store, const char *key, struct buf *out, struct err *err);
    /* The same with the tag of what was read: opaque text, never empty, that the caller frees.
     * ERR_STORE where objects have none. */
    int (*get_small_tagged)(struct store *store, const char *key, struct buf *out, char **out_tag,
                            struct err *err);
    /* put_small on a condition; *out_tag is the tag of what is there then. Of all who race for one
     * condition at most one succeeds. ERR_BUSY: the condition does not hold; ERR_STORE where the
     * place knows no conditions, or when it cannot be told whether it was done. */
    int (*put_small_if)(struct store *store, const struct store_put_if *put, char **out_tag,
                        struct err *err);
    /* A range, fetched ahead in parallel chunks, delivered in order. An object that ends early is
     * ERR_CORRUPT; bytes are not otherwise proven here. */
    int (*get)(struct store *store, const struct store_get_request *request, struct source **out,
               struct err *err);
    /* Every object whose key begins with prefix, in byte order of the keys. With a delimiter '/'
     * only the level below prefix: deeper keys are folded into one entry that ends in '/' (size 0).
     * prefix is "" or ends in '/'. Nothing there is success with no call. */
    int (*list)(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                void *context, struct err *err);
    int (*head)(struct store *store, const char *key, uint64_t *out_size, struct err *err);
    /* Not there is success. */
    int (*remove)(struct store *store, const char *key, struct err *err);
    /* *out, zeroed before, is what was found or removed until then also on failure. */
    int (*sweep)(struct store *store, const struct store_sweep *sweep, struct store_swept *out,
                 struct err *err);
    void (*free)(struct store *store);
};

struct store { /* the first member of every implementation */
    const struct store_ops *ops;
    /* What a list has shown: the clock that modified_ms is by, less ours, where they are so far
     * apart that the store has complained of it; else 0. */
    int64_t clock_offset_ms;
};

static inline int store_put_small(struct store *store, const char *key, const void *data,
                                  size_t len, struct err *err)
{
    return store->ops->put_small(store, key, data, len, err);
}

static inline int store_put(struct store *store, const char *key, uint64_t max_bytes,
                            struct object_parts *parts, struct sink **out, struct err *err)
{
    return store->ops->put(store, key, max_bytes, parts, out, err);
}

static inline int store_get_small(struct store *store, const char *key, struct buf *out,
                                  struct err *err)
{
    return store->ops->get_small(store, key, out, err);
}

static inline int store_get_small_tagged(struct store *store, const char *key, struct buf *out,
                                         char **out_tag, struct err *err)
{
    return store->ops->get_small_tagged(store, key, out, out_tag, err);
}

static inline int store_put_small_if(struct store *store, const struct store_put_if *put,
                                     char **out_tag, struct err *err)
{
    return store->ops->put_small_if(store, put, out_tag, err);
}

static inline int store_get(struct store *store, const struct store_get_request *request,
                            struct source **out, struct err *err)
{
    return store->ops->get(store, request, out, err);
}

static inline int store_list(struct store *store, const char *prefix, char delimiter,
                             store_list_fn *each, void *context, struct err *err)
{
    return store->ops->list(store, prefix, delimiter, each, context, err);
}

static inline int store_head(struct store *store, const char *key, uint64_t *out_size,
                             struct err *err)
{
    return store->ops->head(store, key, out_size, err);
}

static inline int store_remove(struct store *store, const char *key, struct err *err)
{
    return store->ops->remove(store, key, err);
}

static inline int store_sweep(struct store *store, const struct store_sweep *sweep,
                              struct store_swept *out, struct err *err)
{
    return store->ops->sweep(store, sweep, out, err);
}

static inline void store_free(struct store *store)
{
    if (store != NULL)
        store->ops->free(store);
}

DEFINE_CLEANUP(cleanup_store, struct store *, store_free);
#define auto_store auto_with(cleanup_store)

/* Which objects nobody can remove for a while: those that a sink puts, and small ones whose last
 * part of the key is small_name. */
struct store_lock {
    unsigned days;      /* 0 = none is locked; else it has to be an s3:// repository */
    bool is_compliance; /* else governance: who may bypass it can */
    const char *small_name;
};

struct store_options {
    const char *url;          /* file:///path or s3://bucket/prefix[?style=path|virtual] */
    unsigned upload_parallel; /* parts in flight; 0 = auto: few, up to 12 while the store is slow */
    uint64_t part_bytes;      /* 0 = auto */
    uint64_t bandwidth_limit; /* bytes a second over all connections; 0 = none */
    const char *ca_file;      /* CA bundle for https; NULL = the system's (AWS_CA_BUNDLE applies) */
    struct store_lock lock;
    bool is_past; /* as it was at as_of_ms, and only to be read: all that changes is
                     ERR_FAILED. ERR_CONFIG where the place keeps no versions */
    int64_t as_of_ms;
    const char *writes_below; /* where objects will be put, a key; NULL: it is only read */
    const struct clock *clock;
};

/* Opens the repository named by options->url (ERR_CONFIG when it is not one we know, or cannot lock
 * what is to be locked), and asks once
 * whether it can be used: ERR_STORE when the directory or bucket is not there or refuses. Whether
 * it can be written to is asked of a directory only: S3 has no question for it. */
int store_open(const struct store_options *options, struct store **out, struct err *err);

/* Is key one that a store takes? Else ERR_FAILED, quoting it. */
int store_check_key(const char *key, struct err *err);
/* The same for all that is asked of put and get. */
int store_check_put(const char *key, uint64_t max_bytes, struct err *err);
int store_check_get(const struct store_get_request *request, struct err *err);
/* Grows *parts by one, whose digest it is. */
void object_parts_push(struct object_parts *parts, const uint8_t sha256[SHA256_BYTES]);
/* The size of equal parts for an object of at most max_bytes, itself at most
 * STORE_OBJECT_BYTES_MAX: wanted, or at least 5 MiB and so large that 9500 parts are enough; never
 * more than STORE_PART_BYTES_MAX. */
uint64_t store_choose_part_bytes(uint64_t wanted, uint64_t max_bytes);

/* Memory for a part of the object, to be unmapped. Its size is what a setting or a manifest says,
 * so that there may be none is an error, ERR_FAILED. */
int store_map_buffer(uint64_t bytes, const char *key, uint8_t **out, struct err *err);

/* The environment as an argument; get returns NULL for what is not set. */
struct store_env {
    const char *(*get)(void *context, const char *name);
    void *context;
};

/* What only tests set otherwise. */
struct store_s3_tuning {
    struct store_env env;
    uint32_t (*random)(void *context); /* for the jitter of retries */
    void *random_context;
    unsigned connect_timeout_ms;
    unsigned stall_s; /* a transfer that stands still for so long is begun again */
};

/* options->url without its scheme is `place`. Borrowed: options->clock, for the store's life. */
int store_dir_open(const struct store_options *options, const char *place, struct store **out,
                   struct err *err);
int store_s3_open(const struct store_options *options, const struct store_s3_tuning *tuning,
                  const char *place, struct store **out, struct err *err);

#endif
