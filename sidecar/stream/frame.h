/*
 * One block of bytes <-> one independent zstd frame (RFC 8878) with its content size in the header.
 * Frames are what makes a stored stream restorable in parallel and from the middle; a plain
 * `zstd -d` reads them one after another. The only user of libzstd.
 */
#ifndef STREAM_FRAME_H
#define STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* The most that one frame may hold, before and after compression: a ceiling against hostile bytes.
 * What pack writes is about FRAME_TYPICAL. */
#define FRAME_CONTENT_MAX ((size_t)4 << 20)
#define FRAME_TYPICAL ((size_t)1 << 20)

/* Bytes that a frame of `content` bytes never exceeds. */
size_t frame_bound(size_t content);

struct frame_writer; /* one thread at a time */

/* level 1 to 19 is zstd's; 0 stores the bytes uncompressed (still a valid frame). */
struct frame_writer *frame_writer_new(int level);
void frame_writer_free(struct frame_writer *writer);
/* out holds at least frame_bound(len) bytes; len <= FRAME_CONTENT_MAX. *out_len: bytes written. */
int frame_compress(struct frame_writer *writer, const uint8_t *data, size_t len, uint8_t *out,
                   size_t *out_len, struct err *err);

enum frame_state { FRAME_WHOLE, FRAME_PARTIAL, FRAME_MALFORMED };

/* Looks at the frame that begins at data. FRAME_WHOLE: it ends within len; *out_stored is its size
 * in bytes, *out_content what it decompresses to (0 for a skippable frame). FRAME_PARTIAL: give
 * more bytes. FRAME_MALFORMED: not a frame, one without its content size, or above the ceiling.
 * Pure. */
enum frame_state frame_measure(const uint8_t *data, size_t len, size_t *out_stored,
                               size_t *out_content);

struct frame_reader; /* one thread at a time */

struct frame_reader *frame_reader_new(void);
void frame_reader_free(struct frame_reader *reader);
/* Decompresses one whole frame into exactly content bytes at out; ERR_CORRUPT when it is not so. */
int frame_decompress(struct frame_reader *reader, const uint8_t *frame, size_t stored, uint8_t *out,
                     size_t content, struct err *err);

DEFINE_CLEANUP(cleanup_frame_writer, struct frame_writer *, frame_writer_free);
DEFINE_CLEANUP(cleanup_frame_reader, struct frame_reader *, frame_reader_free);

#endif
