/*
 * Parts that follow one another are asked for in one range. Nothing is decompressed: frames do not
 * begin where parts do.
 */
#include "backup/verify_sample.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "backup/catalog.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "stream/source_proven.h"

struct sampling {
    struct store *store;
    const struct manifest *manifest;
    const char *key;
    struct source_proof proof;
    struct progress *progress;
    struct verify_sample *out;
};

static size_t count_wanted(size_t count, unsigned percent)
{
    size_t wanted = (count * percent + 99) / 100;

    return wanted == 0 ? 1 : wanted;
}

/* Below n, evenly enough: a part's chance is off by less than one in 400,000. */
static size_t random_below(const struct verify_sample_options *options, size_t n)
{
    return (size_t)((uint64_t)options->random(options->random_context) * n >> 32);
}

/* Every set of so many parts is as likely as any other. Heap. */
static bool *pick(const struct verify_sample_options *options, size_t count)
{
    bool *picked = xcalloc(count + 1, sizeof(*picked)); /* the last one ends the last run */
    size_t wanted = count_wanted(count, options->percent);

    for (size_t i = 0; i < count && wanted > 0; i++) {
        picked[i] = random_below(options, count - i) < wanted;
        wanted -= picked[i] ? 1 : 0;
    }
    return picked;
}

static uint64_t end_of(const struct object_parts *parts, size_t count)
{
    return count == parts->count ? parts->size : count * parts->part_bytes;
}

/* Parts [from, to). */
static int read_run(struct sampling *sampling, size_t from, size_t to, struct err *err)
{
    const struct object_parts *parts = &sampling->manifest->parts;
    auto_source struct source *source = NULL;
    const struct store_get_request request = {
        .key = sampling->key,
        .offset = from * parts->part_bytes,
        .size = end_of(parts, to) - from * parts->part_bytes,
        .chunk_bytes = parts->part_bytes,
    };

    if (store_get(sampling->store, &request, &source, err) != 0)
        return -1;
    for (size_t i = from; i < to; i++) {
        const uint8_t *data = NULL;
        size_t len = 0;

        if (cancel_check(err) != 0 || source_next(source, &data, &len, err) != 0 ||
            source_proof_check(&sampling->proof, i, data, len, err) != 0)
            return -1;
        sampling->out->parts++;
        sampling->out->bytes += len;
        progress_add(sampling->progress, len);
        progress_tick(sampling->progress);
    }
    return 0;
}

/* A HEAD costs nothing, and an object that was cut is found whatever part is read. */
static int check_size(struct sampling *sampling, struct err *err)
{
    uint64_t size = 0;

    if (store_head(sampling->store, sampling->key, &size, err) != 0)
        return -1;
    if (size != sampling->manifest->parts.size)
        return err_set(err, ERR_CORRUPT, "it has %" PRIu64 " bytes, the manifest says %" PRIu64,
                       size, sampling->manifest->parts.size);
    return 0;
}

static int read_picked(struct sampling *sampling, const bool *picked, struct err *err)
{
    size_t count = sampling->manifest->parts.count;

    if (check_size(sampling, err) != 0)
        return -1;
    for (size_t from = 0; from < count; from++) {
        size_t to = from;

        while (picked[to])
            to++;
        if (to > from && read_run(sampling, from, to, err) != 0)
            return -1;
        from = to;
    }
    return 0;
}

int verify_sample(struct store *store, const struct manifest *manifest,
                  const struct verify_sample_options *options, struct verify_sample *out,
                  struct err *err)
{
    const struct object_parts *parts = &manifest->parts;
    auto_free bool *picked = pick(options, parts->count);
    auto_free char *key = catalog_key(manifest->instance, manifest->id, manifest->object);
    auto_free char *what = xasprintf("sample %s", manifest->id);
    uint64_t total = 0;

    for (size_t i = 0; i < parts->count; i++)
        total += picked[i] ? end_of(parts, i + 1) - end_of(parts, i) : 0;
    auto_progress struct progress *progress = progress_new(what, total, options->clock);
    struct sampling sampling = {
        .store = store,
        .manifest = manifest,
        .key = key,
        .proof = {.count = parts->count,
                  .sha256 = (const uint8_t(*)[SHA256_BYTES])parts->sha256,
                  .crc64 = manifest->part_crcs.crc64},
        .progress = progress,
        .out = out,
    };
    if (read_picked(&sampling, picked, err) != 0)
        return err_wrap(err, "read backup %s", manifest->id);
    return 0;
}
