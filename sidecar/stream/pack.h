/*
 * A bundle, through compressing threads, into a sink: tar bytes out as independent zstd frames, one
 * per piece, in order. Memory is bounded by the number of workers, whatever the size of the data.
 */
#ifndef STREAM_PACK_H
#define STREAM_PACK_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "stream/bundle.h"
#include "stream/sink.h"

struct pack_options {
    unsigned workers;          /* at least 1 */
    int level;                 /* zstd's 1 to 19; 0 stores */
    struct progress *progress; /* borrowed, NULL: none; counts tar bytes */
};

/* Writes the whole bundle into out (and does not finish it). out_crc has one CRC64 per member of
 * the bundle, of its file bytes. Returns early with ERR_FAILED when cancel_requested. */
int pack_bundle(const struct bundle *bundle, const struct pack_options *options, struct sink *out,
                uint64_t *out_crc, struct err *err);

/* The most bytes that pack_bundle can write for this bundle. */
uint64_t pack_bound(const struct bundle *bundle);

#endif
