/*
 * Where the requests go: endpoint, bucket, prefix, region, and which of the two styles of address.
 * Pure. Names of AWS' own endpoints: https://docs.aws.amazon.com/general/latest/gr/s3.html
 */
#ifndef STORE_S3_TARGET_H
#define STORE_S3_TARGET_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct s3_target {
    char *bucket;
    char *prefix; /* "" or "a/b/": what every key begins with */
    char *region;
    char *scheme;    /* "https" */
    char *host;      /* as in the Host header, the bucket's name in it in virtual style */
    char *base_path; /* "" or "/path": what the endpoint puts before everything */
    bool is_virtual;
    bool is_aws; /* no endpoint was given: the host follows the region */
};

struct s3_place {
    const char *url_rest; /* bucket/prefix[?style=path|virtual] */
    const char *endpoint; /* NULL = AWS */
    const char *region;   /* NULL = us-east-1 */
};

/* ERR_CONFIG when the place does not make sense. Release *out in any case. */
int s3_target_parse(const struct s3_place *place, struct s3_target *out, struct err *err);
void s3_target_release(struct s3_target *target);
void s3_target_set_region(struct s3_target *target, const char *region);
/* Appends the encoded path of key, NULL for the bucket itself. */
int s3_target_format_path(const struct s3_target *target, const char *key, struct buf *out,
                          struct err *err);

#endif
