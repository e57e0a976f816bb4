/*
 *     store ranges -> proven parts -> decompressed blocks -> tar members -> [checked file] ->
 * caller
 *
 * Directories in the archive are passed over: whoever lays files out makes their directories.
 */
#include "backup/fetch.h"

#include <inttypes.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "stream/source_proven.h"
#include "stream/unframe.h"

struct fetching {
    const struct manifest *manifest;
    const struct fetch_options *options;
    bool *seen; /* by index of manifest->files */
};

struct checked { /* a sink that proves one file */
    struct sink base;
    struct sink *next; /* NULL: nowhere */
    const struct manifest_file *file;
    struct progress *progress;
    uint64_t crc;
};

static struct checked *self(struct sink *sink)
{
    return (struct checked *)(void *)sink;
}

static int checked_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct checked *checked = self(sink);

    checked->crc = crc64(checked->crc, data, len);
    progress_add(checked->progress, len);
    progress_tick(checked->progress);
    return checked->next != NULL ? sink_write(checked->next, data, len, err) : 0;
}

static int checked_finish(struct sink *sink, struct err *err)
{
    struct checked *checked = self(sink);

    if (checked->crc != checked->file->crc64)
        return err_set(err, ERR_CORRUPT,
                       "%s has CRC64 %016" PRIx64 ", the manifest says %016" PRIx64,
                       checked->file->name, checked->crc, checked->file->crc64);
    return checked->next != NULL ? sink_finish(checked->next, err) : 0;
}

static void checked_free(struct sink *sink)
{
    sink_free(self(sink)->next);
    free(sink);
}

static const struct sink_ops checked_ops = {
    .write = checked_write, .finish = checked_finish, .free = checked_free};

static int on_entry(void *context, const struct untar_entry *entry, struct sink **out,
                    struct err *err)
{
    struct fetching *fetching = context;
    const struct fetch_options *options = fetching->options;
    auto_sink struct sink *next = NULL;

    if (entry->is_dir)
        return 0;
    const struct manifest_file *file = manifest_find(fetching->manifest, entry->name);
    if (file == NULL)
        return err_set(err, ERR_CORRUPT, "the archive holds %s, which the manifest does not list",
                       entry->name);
    bool *seen = &fetching->seen[file - fetching->manifest->files];
    if (*seen)
        return err_set(err, ERR_CORRUPT, "the archive holds %s twice", entry->name);
    if (entry->size != file->size)
        return err_set(err, ERR_CORRUPT, "%s has %" PRIu64 " bytes, the manifest says %" PRIu64,
                       entry->name, entry->size, file->size);
    if (options->on_file != NULL &&
        options->on_file(options->context, file, entry, &next, err) != 0)
        return -1;

    *seen = true;
    struct checked *checked = xcalloc(1, sizeof(*checked));
    checked->base.ops = &checked_ops;
    checked->next = TAKE_PTR(next);
    checked->file = file;
    checked->progress = options->progress;
    *out = &checked->base;
    return 0;
}

/* The CRC64 finds every bit that flipped, at a tenth of what a SHA-256 costs, and a restore is
 * waited for. Somebody who can change the data on purpose can change the manifest with it, so the
 * SHA-256 would prove no more here; verify looks at both. */
static int open_stream(struct store *store, const struct manifest *manifest,
                       const struct fetch_options *options, struct source **out, struct err *err)
{
    const struct object_parts *parts = &manifest->parts;
    struct source_proof proof = {.count = parts->count, .crc64 = manifest->part_crcs.crc64};
    auto_free char *key = catalog_key(manifest->instance, manifest->id, manifest->object);
    struct store_get_request request = {
        .key = key, .size = parts->size, .chunk_bytes = parts->part_bytes};
    struct source *stored = NULL;

    if (store_get(store, &request, &stored, err) != 0)
        return -1;
    if (options->every_digest || proof.crc64 == NULL)
        proof.sha256 = (const uint8_t(*)[SHA256_BYTES])parts->sha256;
    return unframe_new(source_proven_new(stored, &proof), options->workers, out, err);
}

static int fetch_members(struct store *store, struct fetching *fetching, struct err *err)
{
    const struct manifest *manifest = fetching->manifest;
    auto_source struct source *tar = NULL;
    struct untar_handler handler = {.entry = on_entry, .context = fetching};

    if (open_stream(store, manifest, fetching->options, &tar, err) != 0 ||
        untar(tar, &handler, err) != 0)
        return -1;
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!fetching->seen[i])
            return err_set(err, ERR_CORRUPT, "the archive lacks %s", manifest->files[i].name);
    return 0;
}

int fetch(struct store *store, const struct manifest *manifest, const struct fetch_options *options,
          struct err *err)
{
    auto_free bool *seen = xcalloc(manifest->file_count + 1, sizeof(*seen));
    struct fetching fetching = {.manifest = manifest, .options = options, .seen = seen};

    if (fetch_members(store, &fetching, err) != 0) {
        /* a manifest without its data is a backup that lost bytes, not one that never was */
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_CORRUPT;
        return err_wrap(err, "read backup %s", manifest->id);
    }
    return 0;
}
