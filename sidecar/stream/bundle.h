/*
 * Several files as one tar stream whose layout is known before the first byte is read: pieces of at
 * most BUNDLE_PIECE file bytes, cut at multiples of it within each file, that any thread may read
 * in any order. The headers are libarchive's (pax where ustar cannot say it); the file bytes go
 * straight from pread into the caller's block, with their CRC64 taken while they are in the cache.
 */
#ifndef STREAM_BUNDLE_H
#define STREAM_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "stream/frame.h"

#define BUNDLE_PIECE FRAME_TYPICAL

struct bundle;

struct bundle_file {
    const char *name; /* path inside the tar; copied */
    uint64_t size;
    mode_t mode; /* permission bits */
    uid_t uid;
    gid_t gid;
    int64_t mtime_s;
};

struct bundle *bundle_new(void);
void bundle_free(struct bundle *bundle);
/* A file of exactly file->size bytes from offset 0 of fd, which stays the caller's and must outlive
 * the bundle. A directory is an entry whose mode has S_IFDIR set, with fd -1 and size 0. */
int bundle_add_fd(struct bundle *bundle, const struct bundle_file *file, int fd, struct err *err);
/* A file whose file->size bytes are copied from data. */
int bundle_add_bytes(struct bundle *bundle, const struct bundle_file *file, const void *data,
                     struct err *err);

size_t bundle_count(const struct bundle *bundle);
/* Length of the whole tar stream in bytes; of the file bytes alone. */
uint64_t bundle_tar_bytes(const struct bundle *bundle);
uint64_t bundle_file_bytes(const struct bundle *bundle);

struct bundle_piece {
    size_t member;   /* index in order of adding */
    uint64_t offset; /* of the file bytes */
    size_t file_len; /* file bytes in it; may be 0 */
    size_t len;      /* all bytes: header, file bytes, padding, end of archive */
};

struct bundle_cursor { /* zero-initialised: the start */
    size_t member;
    uint64_t offset;
    bool ended;
};

/* The next piece in stream order; false at the end. A bundle with no members is its end alone. */
bool bundle_next(const struct bundle *bundle, struct bundle_cursor *cursor,
                 struct bundle_piece *out);
/* The longest piece of this bundle, for sizing blocks; at most FRAME_CONTENT_MAX. */
size_t bundle_piece_max(const struct bundle *bundle);
/* Fills out with the piece's len bytes, and *out_crc with the CRC64 of its file bytes alone. Pages
 * that the read brought into the page cache are dropped from it; those that were there stay. A file
 * that has become shorter is ERR_CORRUPT. Any number of threads at once. */
int bundle_read(const struct bundle *bundle, const struct bundle_piece *piece, uint8_t *out,
                uint64_t *out_crc, struct err *err);

DEFINE_CLEANUP(cleanup_bundle, struct bundle *, bundle_free);
#define auto_bundle auto_with(cleanup_bundle)

#endif
