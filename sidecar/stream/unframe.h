/*
 * A stream of zstd frames, decompressed by several threads, handed out as blocks in order. Memory
 * is bounded by the number of workers.
 */
#ifndef STREAM_UNFRAME_H
#define STREAM_UNFRAME_H

#include "stream/source.h"

/* A source of decompressed blocks, one per frame (skippable ones left out). Owns compressed, which
 * is read by the workers, one at a time. Bytes that are no frames, a frame above FRAME_CONTENT_MAX,
 * a stream that ends inside one: ERR_CORRUPT. ERR_FAILED when no thread can be started. */
int unframe_new(struct source *compressed, unsigned workers, struct source **out, struct err *err);

#endif
