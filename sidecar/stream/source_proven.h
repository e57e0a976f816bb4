/*
 * A source whose every chunk is proven by a SHA-256 before it is handed on.
 */
#ifndef STREAM_SOURCE_PROVEN_H
#define STREAM_SOURCE_PROVEN_H

#include "base/hash.h"
#include "stream/source.h"

/* Owns inner. Chunk i of inner must have the digest sha256[i]; another one, or another number of
 * chunks than count, is ERR_CORRUPT. sha256 is borrowed and must outlive the source. */
struct source *source_proven_new(struct source *inner, const uint8_t (*sha256)[SHA256_BYTES],
                                 size_t count);

#endif
