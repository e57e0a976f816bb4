/*
 * A bucket as it was: of each key the version that was the current one at s3->as_of_ms. For the day
 * on which everything was deleted or overwritten by somebody who cannot end versions. Only reads.
 *
 * Nothing is remembered: each question lists the versions that it needs, one page at a time.
 */
#ifndef STORE_S3_VERSIONS_H
#define STORE_S3_VERSIONS_H

#include "store/s3_call.h"

/* Does the bucket keep versions, and may they be listed? ERR_CONFIG: it never did. */
int s3_versions_check(struct s3 *s3, struct err *err);

/* As the list of struct store_ops. */
int s3_versions_list(struct s3 *s3, const char *prefix, char delimiter, store_list_fn *each,
                     void *context, struct err *err);

struct s3_version {
    char *id;
    uint64_t size;
};

/* The version of key that was there; ERR_NOT_FOUND when none was. The caller frees out->id. */
int s3_versions_find(struct s3 *s3, const char *key, struct s3_version *out, struct err *err);

#endif
