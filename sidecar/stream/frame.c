/*
 * Frames by libzstd. Level 0 has no counterpart there, so that frame is laid out by hand: RFC 8878
 * section 3.1.1, single segment, four bytes of content size, raw blocks of at most 128 KiB.
 */
#include "stream/frame.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

#define RAW_BLOCK_MAX ((size_t)128 << 10)
#define RAW_HEADER_BYTES 9 /* magic, descriptor, content size */
#define RAW_BLOCK_HEADER_BYTES 3

struct frame_writer {
    ZSTD_CCtx *context; /* NULL at level 0 */
};

struct frame_reader {
    ZSTD_DCtx *context;
};

size_t frame_bound(size_t content)
{
    size_t blocks = content / RAW_BLOCK_MAX + 1;
    size_t raw = RAW_HEADER_BYTES + content + blocks * RAW_BLOCK_HEADER_BYTES;
    size_t compressed = ZSTD_compressBound(content);

    return raw > compressed ? raw : compressed;
}

static void *must(void *object)
{
    if (object == NULL)
        return xmalloc(SIZE_MAX); /* aborts with the message of an allocation that failed */
    return object;
}

struct frame_writer *frame_writer_new(int level)
{
    struct frame_writer *writer = xcalloc(1, sizeof(*writer));

    if (level > 0) {
        writer->context = must(ZSTD_createCCtx());
        size_t rc = ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, level);
        assert(!ZSTD_isError(rc));
    }
    return writer;
}

void frame_writer_free(struct frame_writer *writer)
{
    if (writer == NULL)
        return;
    ZSTD_freeCCtx(writer->context);
    free(writer);
}

static void put_le(uint8_t *out, size_t bytes, uint32_t value)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static size_t store_raw(const uint8_t *data, size_t len, uint8_t *out)
{
    uint8_t *at = out;

    put_le(at, 4, ZSTD_MAGICNUMBER);
    at[4] = 0xa0; /* content size in 4 bytes, single segment, no checksum, no dictionary */
    put_le(at + 5, 4, (uint32_t)len);
    at += RAW_HEADER_BYTES;
    do {
        size_t block = len < RAW_BLOCK_MAX ? len : RAW_BLOCK_MAX;
        uint32_t is_last = block == len;

        put_le(at, RAW_BLOCK_HEADER_BYTES, is_last | (uint32_t)block << 3);
        at += RAW_BLOCK_HEADER_BYTES;
        if (block > 0)
            memcpy(at, data, block);
        at += block;
        data += block;
        len -= block;
    } while (len > 0);
    return (size_t)(at - out);
}

int frame_compress(struct frame_writer *writer, const uint8_t *data, size_t len, uint8_t *out,
                   size_t *out_len, struct err *err)
{
    assert(len <= FRAME_CONTENT_MAX);
    if (writer->context == NULL) {
        *out_len = store_raw(data, len, out);
        return 0;
    }

    size_t n = ZSTD_compress2(writer->context, out, frame_bound(len), data, len);
    if (ZSTD_isError(n))
        return err_set(err, ERR_FAILED, "compress %zu bytes: %s", len, ZSTD_getErrorName(n));
    *out_len = n;
    return 0;
}

static bool has_our_magic(const uint8_t *data, size_t len)
{
    uint32_t magic = 0;

    if (len < 4)
        return true; /* not known yet */
    for (size_t i = 0; i < 4; i++)
        magic |= (uint32_t)data[i] << (8 * i);
    return magic == ZSTD_MAGICNUMBER ||
           (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

enum frame_state frame_measure(const uint8_t *data, size_t len, size_t *out_stored,
                               size_t *out_content)
{
    size_t stored_max = frame_bound(FRAME_CONTENT_MAX);

    if (!has_our_magic(data, len)) /* libzstd would take its own formats from before RFC 8878 */
        return FRAME_MALFORMED;

    /* Also an error while the header is not all there. */
    unsigned long long content = ZSTD_getFrameContentSize(data, len);
    if (content != ZSTD_CONTENTSIZE_ERROR &&
        (content == ZSTD_CONTENTSIZE_UNKNOWN || content > FRAME_CONTENT_MAX))
        return FRAME_MALFORMED;

    size_t stored = ZSTD_findFrameCompressedSize(data, len);
    if (ZSTD_isError(stored)) {
        bool is_cut = ZSTD_getErrorCode(stored) == ZSTD_error_srcSize_wrong;
        return is_cut && len < stored_max ? FRAME_PARTIAL : FRAME_MALFORMED;
    }
    if (content == ZSTD_CONTENTSIZE_ERROR || stored > stored_max)
        return FRAME_MALFORMED;
    *out_stored = stored;
    *out_content = (size_t)content;
    return FRAME_WHOLE;
}

struct frame_reader *frame_reader_new(void)
{
    struct frame_reader *reader = xcalloc(1, sizeof(*reader));

    reader->context = must(ZSTD_createDCtx());
    return reader;
}

void frame_reader_free(struct frame_reader *reader)
{
    if (reader == NULL)
        return;
    ZSTD_freeDCtx(reader->context);
    free(reader);
}

int frame_decompress(struct frame_reader *reader, const uint8_t *frame, size_t stored, uint8_t *out,
                     size_t content, struct err *err)
{
    size_t n = ZSTD_decompressDCtx(reader->context, out, content, frame, stored);

    if (ZSTD_isError(n))
        return err_set(err, ERR_CORRUPT, "decompress a frame of %zu bytes: %s", stored,
                       ZSTD_getErrorName(n));
    if (n != content)
        return err_set(err, ERR_CORRUPT, "a frame holds %zu bytes where its header says %zu", n,
                       content);
    return 0;
}
