/*
 * A sink that takes the CRC64 of each part of what passes through it.
 */
#ifndef STREAM_SINK_PART_CRCS_H
#define STREAM_SINK_PART_CRCS_H

#include <stddef.h>
#include <stdint.h>

#include "stream/sink.h"

struct part_crcs {
    uint64_t *crc64; /* heap */
    size_t count;
};

/* Owns next, into which everything goes on. Part i holds the bytes from i * part_bytes on. *out is
 * complete once the sink is finished; it must outlive the sink, and the caller frees its array. */
struct sink *sink_part_crcs_new(struct sink *next, uint64_t part_bytes, struct part_crcs *out);

#endif
