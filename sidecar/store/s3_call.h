/*
 * One request to S3 with everything around it: address, signature, attempts and the pauses between
 * them, the error document made into a message. A call is a small state machine driven by its owner
 * (s3_call_step), so that many can be under way at a time; s3_call_run is the whole of one.
 */
#ifndef STORE_S3_CALL_H
#define STORE_S3_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/s3_counts.h"
#include "store/s3_creds.h"
#include "store/s3_http.h"
#include "store/s3_lock.h"
#include "store/s3_retry.h"
#include "store/s3_sign.h"
#include "store/s3_target.h"
#include "store/s3_xml.h"
#include "store/store.h"

/* What all calls of a store share. */
struct s3 {
    struct s3_target target;
    struct s3_http *http;
    struct s3_creds *creds;
    const struct clock *clock;
    uint32_t (*random)(void *context);
    void *random_context;
    int64_t clock_offset_ms; /* the server's clock less ours, once it complained */
    bool was_moved;          /* to the region that the server named: once is enough */
    bool is_opening;         /* a person waits: give up sooner */
    bool wants_bare_etags;   /* in conditions: without their quotes */
    bool is_cleaning_up;     /* goes on although the process was asked to stop */
    int64_t quickest_ms;     /* shortest answer to a small request so far; -1: none yet */
    unsigned stall_s;
    unsigned upload_parallel;
    uint64_t part_bytes;
    struct store_lock lock;
    bool is_past; /* read as it was at as_of_ms */
    int64_t as_of_ms;
    struct s3_counts counts; /* of all attempts that came back */
};

struct s3_call_request {
    const char *doing; /* for messages: "store", "read part 3 of"; borrowed like all below */
    const char *method;
    const char *key;     /* relative to the repository; NULL = the bucket itself */
    const char *version; /* of the object that is read; NULL = as it is now */
    struct s3_param query[8];
    size_t query_count;
    struct s3_header
        headers[4]; /* signed as well; names and values are borrowed until it is freed */
    size_t header_count;
    bool is_locked;      /* they ask for a lock */
    uint64_t range_from; /* of a GET into `into`: exactly into_size bytes from here on */
    uint8_t *into;
    size_t into_size;
    size_t body_max; /* of a small object; 0 = the answer is an XML document, or none */
    const void *body;
    size_t body_len;
    const uint8_t *sha256; /* of body; NULL = to be computed */
    unsigned patience;     /* times the usual time to stand still; 0 is the same as 1 */
};

struct s3_call;

/* Copies key and query; into, body and sha256 are borrowed until the call is freed. */
struct s3_call *s3_call_new(struct s3 *s3, const struct s3_call_request *request);
/* NULL is a no-op. One under way is cancelled. */
void s3_call_free(struct s3_call *call);

/* Does what can be done without waiting. True when the call has settled. */
bool s3_call_step(struct s3_call *call);
/* Steps all calls until one has settled, or may have. -1 with "interrupted" when asked to stop. */
int s3_call_wait_any(struct s3_call *const *calls, size_t count, int64_t timeout_ms,
                     struct err *err);
/* Steps it until it has settled, then its result: 0 when S3 did it, else *err says why not. */
int s3_call_wait(struct s3_call *call, struct err *err);

/* Of a settled call. */
int s3_call_get_result(const struct s3_call *call, struct err *err);
const struct s3_answer *s3_call_get_answer(const struct s3_call *call);
/* The code of the error document, "" when there was none. */
const char *s3_call_get_code(const struct s3_call *call);
/* May S3 have done it in an attempt whose answer never came? */
bool s3_call_is_ambiguous(const struct s3_call *call);
/* How long the current attempt has been under way; once settled, how long the last one took. */
int64_t s3_call_get_elapsed_ms(const struct s3_call *call);

/* New, wait: *out is the settled call, to be freed by the caller whatever the result. */
int s3_call_run(struct s3 *s3, const struct s3_call_request *request, struct s3_call **out,
                struct err *err);

DEFINE_CLEANUP(cleanup_s3_call, struct s3_call *, s3_call_free);
#define auto_s3_call auto_with(cleanup_s3_call)

/* Sinks and sources of the store, in files of their own. */
int s3_put_new(struct s3 *s3, const char *key, uint64_t max_bytes, struct object_parts *parts,
               struct sink **out, struct err *err);
/* version NULL: as it is now. */
int s3_get_new(struct s3 *s3, const struct store_get_request *request, const char *version,
               struct source **out, struct err *err);
/* Makes an upload in parts go away, or all that the key has: nobody else uploads it. Best effort.
 */
void s3_abort_upload(struct s3 *s3, const char *key, const char *upload_id);
void s3_abort_uploads(struct s3 *s3, const char *key);
int s3_sweep(struct s3 *s3, const struct store_sweep *sweep, struct store_swept *out,
             struct err *err);
/* The size of an object; ERR_NOT_FOUND only when S3 says that the bucket is there. */
int s3_head(struct s3 *s3, const char *key, uint64_t *out_size, struct err *err);

struct s3_object {
    const char *key;
    const char *version; /* NULL: as it is now */
};

/* A whole object; its tag too where that is asked for. */
int s3_get_small(struct s3 *s3, const struct s3_object *object, struct buf *out,
                 char **out_tag_or_null, struct err *err);
int s3_put_small_if(struct s3 *s3, const struct store_put_if *put, char **out_tag, struct err *err);
/* Adds what locks the object (s3_lock.h), where objects are to be locked. */
void s3_lock_request(const struct s3 *s3, const uint8_t *sha256, struct s3_lock_text *text,
                     struct s3_call_request *request);
/* Locks what is stored, where objects are to be locked. */
int s3_lock_stored(struct s3 *s3, const char *key, struct err *err);
/* Not there is success. */
int s3_remove(struct s3 *s3, const char *key, struct err *err);

/* May one more transfer be under way, when all are and the owner has to wait? observed_ms: how long
 * they take. Memory stays small while the store is near, however busy this machine makes it look; a
 * far or a slow one gets many connections. */
bool s3_may_grow(const struct s3 *s3, unsigned count, unsigned max, int64_t observed_ms);

#endif
