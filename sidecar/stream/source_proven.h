/*
 * A source whose every chunk is proven before it is handed on.
 */
#ifndef STREAM_SOURCE_PROVEN_H
#define STREAM_SOURCE_PROVEN_H

#include "base/hash.h"
#include "stream/source.h"

struct source_proof { /* of `count` chunks; at least one of the arrays */
    size_t count;
    const uint8_t (*sha256)[SHA256_BYTES]; /* NULL: not looked at */
    const uint64_t *crc64;                 /* NULL: not looked at */
};

/* Is that chunk i? ERR_CORRUPT: no. */
int source_proof_check(const struct source_proof *proof, size_t i, const uint8_t *data, size_t len,
                       struct err *err);

/* Owns inner. A chunk whose digest is another one, or another number of chunks, is ERR_CORRUPT.
 * What proof points to is borrowed and must outlive the source; proof itself is copied. */
struct source *source_proven_new(struct source *inner, const struct source_proof *proof);

#endif
