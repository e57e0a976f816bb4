/*
 * The bucket behind s3_peer: what a request does, and its answer. One caller at a time.
 */
#ifndef SUPPORT_S3_PEER_BUCKET_H
#define SUPPORT_S3_PEER_BUCKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct peer_object {
    char *name;      /* "/bucket/key" */
    char *upload_id; /* NULL = an object, else a part of this upload */
    unsigned part;   /* 0 = the upload itself */
    unsigned etag;   /* another with every put of an object */
    struct buf data;
};

struct peer_bucket {
    struct peer_object *objects;
    size_t count;
    unsigned last_upload;
    unsigned last_etag;
};

struct peer_request {
    const char *method;
    const char *path;  /* decoded */
    const char *query; /* as sent, "" when there is none */
    const char *range; /* the header's value, as those below; NULL = none */
    const char *if_match;
    const char *if_none_match;
    const uint8_t *body;
    size_t body_len;
};

struct peer_answer {
    int status;
    char headers[512]; /* whole lines */
    struct buf body;
    uint64_t head_length; /* Content-Length of the answer to a HEAD */
};

void peer_bucket_do(struct peer_bucket *bucket, const struct peer_request *request,
                    struct peer_answer *out);
struct peer_object *peer_bucket_find(struct peer_bucket *bucket, const char *name,
                                     const char *upload_id, unsigned part);
struct peer_object *peer_bucket_put(struct peer_bucket *bucket, const char *name, const void *data,
                                    size_t len);
void peer_bucket_release(struct peer_bucket *bucket);

#endif
