/*
 * What the two kinds of S3 store share: the bucket as it is, and as it was. Internal to
 * store_s3*.c.
 */
#ifndef STORE_STORE_S3_H
#define STORE_STORE_S3_H

#include "store/s3_call.h"
#include "store/store.h"

struct store_s3 {
    struct store base;
    struct s3 s3;
};

static inline struct s3 *s3_of(struct store *store)
{
    return &((struct store_s3 *)store)->s3;
}

void store_s3_free(struct store *store);

/* The bucket as it was at s3->as_of_ms; all that would change it is ERR_FAILED. */
extern const struct store_ops store_s3_past_ops;

#endif
