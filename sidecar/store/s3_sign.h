/*
 * AWS Signature Version 4 as S3 wants it: the path is encoded once, the digest of the payload is
 * part of what is signed and is sent as x-amz-content-sha256. Pure: time, keys and digest are
 * arguments. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
#ifndef STORE_S3_SIGN_H
#define STORE_S3_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/secret.h"

struct s3_param {
    const char *name;
    const char *value; /* not encoded; NULL is the same as "" */
};

struct s3_header {
    const char *name; /* lower case */
    const char *value;
};

struct s3_keys {
    char *access_key;
    struct secret secret_key;
    struct secret session_token; /* not set for long-lived keys */
    int64_t expires_ms;          /* wall time; 0 = never */
};

void s3_keys_release(struct s3_keys *keys);

struct s3_request {
    const char *method;
    const char *host;  /* as the Host header has it */
    const char *path;  /* encoded, from '/' on, as it goes over the wire */
    const char *query; /* encoded and sorted (s3_query_format), without '?'; "" = none */
    const struct s3_header *headers; /* those to be signed besides host and x-amz-... of our own */
    size_t header_count;
    const uint8_t *payload_sha256;
    const char *region;
    const char *service; /* "s3" adds x-amz-content-sha256 */
};

/* What to send: x-amz-date, x-amz-content-sha256 and authorization; with a session token also
 * x-amz-security-token, which the caller has in its keys. */
struct s3_headers {
    char amz_date[17];
    char content_sha256[SHA256_HEX_SIZE];
    char *authorization;
};

void s3_headers_release(struct s3_headers *headers);

int s3_sign(const struct s3_request *request, const struct s3_keys *keys, int64_t now_s,
            struct s3_headers *out, struct err *err);

/* Appends text with every byte encoded but A-Z a-z 0-9 - . _ ~ and, with keep_slash, '/'. */
int s3_uri_encode(const char *text, bool keep_slash, struct buf *out, struct err *err);
/* Appends name=value pairs, encoded, sorted as the signature wants them, joined by '&'. */
int s3_query_format(const struct s3_param *params, size_t count, struct buf *out, struct err *err);

static inline void cleanup_s3_keys(struct s3_keys *keys)
{
    s3_keys_release(keys);
}
#define auto_s3_keys auto_with(cleanup_s3_keys)

static inline void cleanup_s3_headers(struct s3_headers *headers)
{
    s3_headers_release(headers);
}
#define auto_s3_headers auto_with(cleanup_s3_headers)

#endif
