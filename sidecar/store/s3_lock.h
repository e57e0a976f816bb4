/*
 * Object lock: the headers by which an object cannot be removed, nor its lock be shortened, before
 * a day. S3 wants a checksum of its own beside them: the digest that signs the request is used once
 * more. Pure. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
#ifndef STORE_S3_LOCK_H
#define STORE_S3_LOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "store/s3_sign.h"
#include "store/store.h"

#define S3_CHECKSUM_SIZE 45 /* base64 of a SHA-256, with the NUL */

void s3_lock_format_checksum(const uint8_t sha256[SHA256_BYTES], char out[S3_CHECKSUM_SIZE]);

enum { S3_LOCK_HEADERS = 3 };

struct s3_lock_text {
    char until[32];
    char checksum[S3_CHECKSUM_SIZE];
};

/* The headers of a put that begins at now_ms, S3_LOCK_HEADERS; sha256 NULL: of the beginning of an
 * upload in parts, each of which has a checksum. They point into *text. None when lock->days is 0.
 * Returns how many. */
size_t s3_lock_format(const struct store_lock *lock, int64_t now_ms, const uint8_t *sha256,
                      struct s3_lock_text *text, struct s3_header *out);

#endif
