/* A fetch whose bytes go nowhere. */
#include "backup/verify.h"

#include <stdlib.h>

#include "backup/catalog.h"
#include "backup/fetch.h"
#include "base/mem.h"

void verify_result_release(struct verify_result *result)
{
    free(result->id);
    free(result->why);
    *result = (struct verify_result){0};
}

static int read_back(struct store *store, const char *id, const struct verify_options *options,
                     struct verify_result *result, struct err *err)
{
    auto_manifest struct manifest manifest = {0};

    if (catalog_read(store, options->instance, id, &manifest, err) != 0)
        return -1;
    result->has_keys = manifest.has_keys;
    result->keys = manifest_keys(&manifest);

    auto_free char *what = xasprintf("verify %s", id);
    auto_progress struct progress *progress =
        progress_new(what, manifest_file_bytes(&manifest), options->clock);
    struct fetch_options fetch_options = {
        .workers = options->workers, .every_digest = true, .progress = progress};
    return fetch(store, &manifest, &fetch_options, err);
}

int verify(struct store *store, const char *id, const struct verify_options *options,
           struct verify_result *out, struct err *err)
{
    struct verify_result result = {0};
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
