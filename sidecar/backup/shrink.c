/*
 * One manifest is read, and only a collapse costs more. The pin is there before the manifest of the
 * small backup is: whoever sees that one, and decides what may go, sees the pin too.
 */
#include "backup/shrink.h"

#include <inttypes.h>

#include "backup/backup_store.h"
#include "backup/catalog.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/parse.h"

static bool has_fallen(uint64_t before, uint64_t after, unsigned percent)
{
    return after < before && after * 100 <= before * (100 - percent); /* at most 2^53 each */
}

static const struct manifest_file *find_kind(const struct manifest *manifest,
                                             enum manifest_kind kind)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (manifest->files[i].kind == kind)
            return &manifest->files[i];
    return NULL;
}

char *shrink_describe(const struct manifest *before, const struct manifest *after, unsigned percent)
{
    static const enum manifest_kind kinds[] = {MANIFEST_RDB, MANIFEST_AOF_BASE};
    char sizes[2][32];

    if (percent == 0)
        return NULL;
    if (before->has_keys && after->has_keys &&
        has_fallen(manifest_keys(before), manifest_keys(after), percent))
        return xasprintf("%" PRIu64 " keys instead of %" PRIu64, manifest_keys(after),
                         manifest_keys(before));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct manifest_file *was = find_kind(before, kinds[i]);
        const struct manifest_file *is = find_kind(after, kinds[i]);

        if (was == NULL || is == NULL)
            continue;
        if (!has_fallen(was->size, is->size, percent))
            return NULL;
        format_size(was->size, sizes[0], sizeof(sizes[0]));
        format_size(is->size, sizes[1], sizeof(sizes[1]));
        return xasprintf("%s instead of %s", sizes[1], sizes[0]);
    }
    return NULL;
}

static char *pin_text(const struct backup_options *options, const struct manifest *manifest,
                      const char *how)
{
    auto_json struct json *root = json_object();
    auto_free char *why = xasprintf("the backup after it holds %s", how);

    json_set_string(root, "why", why);
    json_set_time(root, "pinned_at", clock_wall_ms(options->clock));
    json_set_string(root, "next", manifest->id);
    auto_free char *text = json_print(root, true);
    return xasprintf("%s\n", text);
}

/* INVARIANT (retention never removes): the last backup from before a collapse in size. */
static void pin(struct store *store, const struct backup_options *options, const char *before_id,
                const struct manifest *manifest, const char *how)
{
    auto_free char *text = pin_text(options, manifest, how);
    struct err err = {0};
    bool is_pinned = catalog_pin(store, options->instance, before_id, text, &err) == 0;
    auto_free char *told =
        xasprintf("backup %s holds %s in backup %s, the one before it, which %s", manifest->id, how,
                  before_id,
                  is_pinned ? "is kept from now on, until `redkeep prune --accept-shrink "
                              "--confirm`"
                            : "could not be pinned, so that retention may remove it in time");

    backup_warn(options, PROBLEM_SHRUNK, told);
    if (!is_pinned)
        backup_warn(options, err_problem(&err), err.msg);
}

void shrink_guard(struct store *store, const struct backup_options *options, const char *before_id,
                  const struct manifest *manifest)
{
    auto_manifest struct manifest before = {0};
    struct err err = {0};

    if (options->shrink_percent == 0 || before_id[0] == '\0')
        return;
    if (catalog_read(store, options->instance, before_id, &before, &err) != 0) {
        if (err.kind == ERR_NOT_FOUND) /* removed since it was listed */
            return;
        (void)err_wrap(&err, "backup %s is not compared with the one before it", manifest->id);
        backup_warn(options, err_problem(&err), err.msg);
        return;
    }
    auto_free char *how = shrink_describe(&before, manifest, options->shrink_percent);
    if (how != NULL)
        pin(store, options, before_id, manifest, how);
}
