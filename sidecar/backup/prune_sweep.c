/*
 * Nothing here says anything that is not said by what stays: of several verifications the last one
 * counts, and a restore's record is only for people and the next start of the sidecar.
 */
#include "backup/prune_sweep.h"

#include <string.h>

#include "backup/prune_remove.h"
#include "backup/restore_record.h"
#include "base/cancel.h"
#include "base/mem.h"

struct last_notes { /* by the time in their names; -1: there is none */
    int64_t ok_ms;
    int64_t bad_ms;
};

static bool is_note(const char *name, struct last_notes *last, int64_t **out_newest,
                    int64_t *out_ms)
{
    switch (catalog_classify(name, out_ms)) {
    case CATALOG_VERIFIED_OK:
        *out_newest = &last->ok_ms;
        return true;
    case CATALOG_VERIFIED_BAD:
        *out_newest = &last->bad_ms;
        return true;
    case CATALOG_FOREIGN:
    case CATALOG_MANIFEST:
    case CATALOG_DATA:
    case CATALOG_PIN:
        break;
    }
    return false;
}

static int sweep_notes(struct store *store, const struct prune_options *options,
                       const struct catalog_folders *folders, const struct catalog_folder *folder,
                       struct prune_result *result, struct err *err)
{
    struct last_notes last = {.ok_ms = -1, .bad_ms = -1};
    const char *name = NULL;
    int64_t *newest = NULL;
    int64_t time_ms = -1;

    while ((name = catalog_folders_next_name(folders, folder, name)) != NULL)
        if (is_note(name, &last, &newest, &time_ms) && time_ms > *newest)
            *newest = time_ms;
    while ((name = catalog_folders_next_name(folders, folder, name)) != NULL) {
        auto_free char *key = catalog_key(options->instance, folder->id, name);

        if (!is_note(name, &last, &newest, &time_ms) || time_ms == *newest)
            continue;
        if (cancel_check(err) != 0 || (options->confirm && store_remove(store, key, err) != 0))
            return -1;
        result->swept.notes++;
    }
    return 0;
}

static int sweep_all_notes(struct store *store, const struct prune_options *options,
                           const struct catalog_folders *folders, struct prune_result *result,
                           struct err *err)
{
    const struct catalog_folder *folder = folders->folders;

    for (size_t i = 0; i < result->count; i++) {
        while (strcmp(folder->id, result->rows[i].id) != 0)
            folder++; /* rows are folders, in their order */
        if (!result->rows[i].is_orphan && result->rows[i].fate == PRUNE_KEPT &&
            sweep_notes(store, options, folders, folder, result, err) != 0)
            return -1;
    }
    return 0;
}

/* Only data is uploaded in parts. What somebody else uploads there is foreign, and stays. */
static bool is_data(const char *key)
{
    char id[CATALOG_ID_SIZE];
    const char *name = NULL;
    int64_t time_ms;

    return catalog_split_key(key, id, &name) && catalog_classify(name, &time_ms) == CATALOG_DATA;
}

static int sweep_unfinished(struct store *store, const struct prune_options *options,
                            struct prune_result *result, struct err *err)
{
    auto_free char *prefix = xasprintf("%s/", options->instance);
    const struct store_sweep sweep = {.prefix = prefix,
                                      .is_ours = is_data,
                                      .before_ms = result->now_ms - PRUNE_ORPHAN_AGE_MS,
                                      .confirm = options->confirm};

    return store_sweep(store, &sweep, &result->swept.unfinished, err);
}

int prune_sweep(struct store *store, const struct prune_options *options,
                const struct catalog_folders *folders, struct prune_result *result, struct err *err)
{
    struct err why = {0};

    if (sweep_all_notes(store, options, folders, result, &why) != 0 &&
        prune_take_refusal(result, &why, err) != 0)
        return -1;
    if (restore_record_sweep(store, options->instance, options->confirm, &result->swept.records,
                             &why) != 0 &&
        prune_take_refusal(result, &why, err) != 0)
        return -1;
    if (sweep_unfinished(store, options, result, &why) != 0 &&
        prune_take_refusal(result, &why, err) != 0)
        return -1;
    return 0;
}
