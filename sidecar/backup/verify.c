/* A fetch whose bytes are walked, and go nowhere. */
#include "backup/verify.h"

#include <stdlib.h>

#include "backup/catalog.h"
#include "backup/fetch.h"
#include "backup/verify_sample.h"
#include "backup/verify_walk.h"
#include "base/mem.h"

void verify_result_release(struct verify_result *result)
{
    free(result->id);
    free(result->why);
    *result = (struct verify_result){0};
}

/* The manifest goes first. What cannot be known leaves what was found as it is. */
static bool is_removed(struct store *store, const struct manifest *manifest)
{
    auto_manifest struct manifest again = {0};
    struct err err;

    return catalog_read(store, manifest->instance, manifest->id, &again, &err) != 0 &&
           err.kind == ERR_NOT_FOUND;
}

/* What is to be said of a backup that is ok; unwalked: why it was not walked, or NULL. */
static char *describe_doubts(const struct manifest *manifest, const char *unwalked)
{
    const char *unproven =
        manifest->unproven_why != NULL ? manifest->unproven_why : "no reason given";

    if (manifest->proven)
        return unwalked != NULL ? xasprintf("not walked: %s", unwalked) : NULL;
    return unwalked != NULL ? xasprintf("unproven: %s; not walked: %s", unproven, unwalked)
                            : xasprintf("unproven: %s", unproven);
}

static int read_all(struct store *store, const struct manifest *manifest,
                    const struct verify_options *options, struct verify_result *result,
                    struct err *err)
{
    auto_verify_walk struct verify_walk walk = {.manifest = manifest};
    auto_free char *what = xasprintf("verify %s", manifest->id);
    auto_progress struct progress *progress =
        progress_new(what, manifest_file_bytes(manifest), options->clock);
    struct fetch_options fetch_options = {.workers = options->workers,
                                          .every_digest = true,
                                          .progress = progress,
                                          .on_file = verify_walk_on_file,
                                          .context = &walk};
    int rc = fetch(store, manifest, &fetch_options, err);
    result->has_keys = manifest->has_keys || walk.has_keys;
    if (walk.has_keys)
        result->keys = walk.keys;
    if (rc != 0)
        return -1;
    result->walked = walk.walked > 0 && walk.why == NULL;
    result->why = describe_doubts(manifest, walk.why != NULL  ? walk.why
                                            : walk.walked > 0 ? NULL
                                                              : "it holds no RDB");
    return 0;
}

static int read_some(struct store *store, const struct manifest *manifest,
                     const struct verify_options *options, struct verify_result *result,
                     struct err *err)
{
    const struct verify_sample_options wanted = {.percent = options->percent,
                                                 .random = options->random,
                                                 .random_context = options->random_context,
                                                 .clock = options->clock};
    struct verify_sample sample = {0};
    int rc = verify_sample(store, manifest, &wanted, &sample, err);

    result->checked_bytes = sample.bytes;
    if (rc != 0) {
        if (err->kind == ERR_NOT_FOUND) /* a manifest without its data has lost it */
            err->kind = ERR_CORRUPT;
        return -1;
    }
    auto_free char *unwalked =
        xasprintf("%zu of %zu parts were read", sample.parts, manifest->parts.count);
    result->why = describe_doubts(manifest, unwalked);
    return 0;
}

static int read_back(struct store *store, const char *id, const struct verify_options *options,
                     struct verify_result *result, struct err *err)
{
    auto_manifest struct manifest manifest = {0};

    if (catalog_read(store, options->instance, id, &manifest, err) != 0)
        return -1;
    result->has_keys = manifest.has_keys;
    result->keys = manifest_keys(&manifest);
    int rc = options->percent > 0 ? read_some(store, &manifest, options, result, err)
                                  : read_all(store, &manifest, options, result, err);
    if (rc != 0 && err->kind == ERR_CORRUPT && is_removed(store, &manifest))
        return err_set(err, ERR_NOT_FOUND, "backup %s was removed while it was read", id);
    return rc;
}

int verify(struct store *store, const char *id, const struct verify_options *options,
           struct verify_result *out, struct err *err)
{
    struct verify_result result = {.sampled = options->percent > 0};
    int64_t began_ms = clock_mono_ms(options->clock);

    result.ok = read_back(store, id, options, &result, err) == 0;
    if (!result.ok && err->kind != ERR_CORRUPT && err->kind != ERR_TOO_NEW)
        return -1;
    if (!result.ok) {
        result.why = xstrdup(err->msg);
        result.too_new = err->kind == ERR_TOO_NEW;
    }
    result.id = xstrdup(id);
    result.took_ms = clock_mono_ms(options->clock) - began_ms;
    *out = result;
    return 0;
}
