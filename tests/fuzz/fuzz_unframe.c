/*
 * Streams of zstd frames from foreign hands. The first byte says in what chunks the rest comes and
 * to how many workers. What measures as a frame must decompress to its size or be corrupt.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/frame.h"
#include "stream/unframe.h"
#include "support/memory_source.h"

#define BYTES_MAX ((size_t)1 << 26)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Walks the frames one by one; the bytes that they hold, SIZE_MAX when one of them is bad. */
static size_t measure_all(const uint8_t *data, size_t size)
{
    auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
    size_t total = 0;

    while (size > 0 && total <= BYTES_MAX) {
        size_t stored = 0;
        size_t content = 0;
        struct err err = {0};

        if (frame_measure(data, size, &stored, &content) != FRAME_WHOLE)
            return SIZE_MAX;
        must(stored > 0 && stored <= size && content <= FRAME_CONTENT_MAX);
        auto_free uint8_t *out = malloc(content + 1);
        must(out != NULL);
        if (frame_decompress(reader, data, stored, out, content, &err) != 0) {
            must(err.kind == ERR_CORRUPT);
            return SIZE_MAX;
        }
        total += content;
        data += stored;
        size -= stored;
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;

    size_t expected = measure_all(data + 1, size - 1);
    struct memory_source state = {
        .data = data + 1, .len = size - 1, .chunk = (size_t)(data[0] >> 1) * (data[0] >> 1)};
    struct source *opened = NULL;
    struct err err = {0};
    size_t total = 0;
    size_t len = 0;
    int rc;

    if (expected != SIZE_MAX && expected > BYTES_MAX)
        return 0; /* more than a fuzzer has time for */
    must(unframe_new(memory_source_open(&state), 1 + data[0] % 2, &opened, &err) == 0);
    auto_source struct source *blocks = opened;
    do {
        const uint8_t *block = NULL;
        rc = source_next(blocks, &block, &len, &err);
        if (rc == 0)
            total += len;
    } while (rc == 0 && len > 0);
    must(rc == 0 || err.kind == ERR_CORRUPT);
    must((rc == 0) == (expected != SIZE_MAX));
    must(rc != 0 || total == expected);
    return 0;
}
