/*
 * The plan: one listing, a decision, and then the doubts. What nobody can read is kept, since a
 * newer redkeep may have written it, or somebody may want to look at it; what is pinned and the
 * newest proven one are kept by the decision itself.
 */
#include "backup/prune.h"

#include <stdlib.h>
#include <string.h>

#include "backup/catalog_folders.h"
#include "backup/prune_remove.h"
#include "backup/prune_sweep.h"
#include "base/cancel.h"
#include "base/mem.h"

void prune_result_release(struct prune_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        free(result->rows[i].why);
    free(result->rows);
    *result = (struct prune_result){0};
}

/* A backup that is being stored has no manifest yet. By its id, which is by the clock of the host
 * that took it, and by the store's own times it must be older than any backup takes; and if our
 * clock is days ahead of the store's, it is not ours that counts. */
static bool is_old(const struct catalog_folder *folder, const struct store *store, int64_t now_ms)
{
    int64_t ahead_ms = store->clock_offset_ms < 0 ? -store->clock_offset_ms : 0;
    int64_t before_ms = now_ms - ahead_ms - PRUNE_ORPHAN_AGE_MS;

    return folder->time_ms <= before_ms && folder->modified_ms <= before_ms;
}

static void add_row(const struct store *store, const struct prune_options *options,
                    const struct catalog_folder *folder, struct prune_result *result)
{
    struct prune_row *row = &result->rows[result->count];

    if (!folder->has_manifest && !is_old(folder, store, result->now_ms)) {
        result->young++;
        return;
    }
    *row = (struct prune_row){
        .is_orphan = !folder->has_manifest,
        .is_released = folder->has_manifest && folder->is_pinned && options->accept_shrink,
        .fate = folder->has_manifest ? PRUNE_KEPT : PRUNE_PLANNED,
        .bytes = folder->bytes,
        .item = {.time_ms = folder->time_ms,
                 .is_pinned = folder->has_manifest && folder->is_pinned && !options->accept_shrink},
    };
    memcpy(row->id, folder->id, CATALOG_ID_SIZE);
    result->count++;
}

/* By retention alone. *out_goes: does any backup go? */
static void decide(const struct prune_options *options, struct prune_result *result, bool *out_goes)
{
    auto_free struct retention_item *items = xcalloc(result->count + 1, sizeof(*items));
    auto_free struct retention_decision *decisions = xcalloc(result->count + 1, sizeof(*decisions));
    size_t count = 0;

    *out_goes = false;
    for (size_t i = 0; i < result->count; i++)
        if (!result->rows[i].is_orphan)
            items[count++] = result->rows[i].item;
    retention_decide(&options->rules, items, count, result->now_ms, decisions);
    count = 0;
    for (size_t i = 0; i < result->count; i++) {
        struct prune_row *row = &result->rows[i];

        if (row->is_orphan)
            continue;
        row->decision = decisions[count++];
        row->fate = row->decision.because != 0 ? PRUNE_KEPT : PRUNE_PLANNED;
        *out_goes = *out_goes || row->fate == PRUNE_PLANNED;
    }
}

static bool is_about_one_backup(const struct err *err)
{
    return err->kind == ERR_CORRUPT || err->kind == ERR_TOO_NEW || err->kind == ERR_NOT_FOUND;
}

/* Does its manifest call it proven, and is its data there, as large as it should be? */
static int is_proven(struct store *store, const struct prune_options *options,
                     const struct catalog_folder *folder, bool *out, struct err *err)
{
    auto_manifest struct manifest manifest = {0};

    *out = false;
    if (!folder->has_data)
        return 0;
    if (catalog_read(store, options->instance, folder->id, &manifest, err) != 0)
        return is_about_one_backup(err) ? 0 : -1;
    *out = manifest.proven && manifest.parts.size == folder->data_bytes;
    return 0;
}

/* INVARIANT (retention never removes): the newest proven backup. One that a verification has found
 * bad is it only when no other is left. Those from the future are kept anyhow, and may be old. */
static int mark_newest_proven(struct store *store, const struct prune_options *options,
                              const struct catalog_folders *folders, struct prune_result *result,
                              struct err *err)
{
    struct prune_row *bad = NULL;
    size_t at = folders->count;

    for (size_t i = result->count; i-- > 0;) {
        struct prune_row *row = &result->rows[i];
        bool proven = false;

        while (strcmp(folders->folders[--at].id, row->id) != 0)
            continue;
        const struct catalog_folder *folder = &folders->folders[at];
        if (row->is_orphan || (row->decision.because & RETENTION_FUTURE) != 0)
            continue;
        if (cancel_check(err) != 0 || is_proven(store, options, folder, &proven, err) != 0)
            return -1;
        if (!proven)
            continue;
        if (folder->verified_ms < 0 || folder->verified_ok) {
            row->item.is_newest_proven = true;
            return 0;
        }
        bad = bad == NULL ? row : bad;
    }
    if (bad != NULL)
        bad->item.is_newest_proven = true;
    return 0;
}

/* What cannot be read stays. */
static int check_readable(struct store *store, const struct prune_options *options,
                          struct prune_row *row, struct err *err)
{
    auto_manifest struct manifest manifest = {0};
    struct err why = {0};

    if (cancel_check(err) != 0)
        return -1;
    if (catalog_read(store, options->instance, row->id, &manifest, &why) == 0)
        return 0;
    if (!is_about_one_backup(&why)) {
        *err = why;
        return -1;
    }
    row->fate = why.kind == ERR_NOT_FOUND ? PRUNE_GONE : PRUNE_KEPT;
    row->why = xstrdup(why.msg);
    return 0;
}

static int make_plan(struct store *store, const struct prune_options *options,
                     const struct catalog_folders *folders, struct prune_result *result,
                     struct err *err)
{
    bool goes = false;

    result->rows = xcalloc(folders->count + 1, sizeof(*result->rows));
    for (size_t i = 0; i < folders->count; i++)
        add_row(store, options, &folders->folders[i], result);
    decide(options, result, &goes);
    if (!goes)
        return 0;
    if (mark_newest_proven(store, options, folders, result, err) != 0)
        return -1;
    decide(options, result, &goes);
    for (size_t i = 0; i < result->count; i++) {
        struct prune_row *row = &result->rows[i];

        if (!row->is_orphan && row->fate == PRUNE_PLANNED &&
            check_readable(store, options, row, err) != 0)
            return -1;
    }
    return 0;
}

int prune(struct store *store, const struct prune_options *options, struct prune_result *result,
          struct err *err)
{
    auto_catalog_folders struct catalog_folders folders = {0};

    if (catalog_check_instance(options->instance, err) != 0 ||
        catalog_folders_list(store, options->instance, &folders, err) != 0)
        return -1;
    result->now_ms = clock_wall_ms(options->clock);
    if (make_plan(store, options, &folders, result, err) != 0)
        return err_wrap(err, "prune instance '%s'", options->instance);
    if (options->confirm && prune_remove(store, options, &folders, result, err) != 0)
        return -1;
    for (size_t i = 0; i < result->count && !options->confirm; i++)
        if (result->rows[i].fate == PRUNE_PLANNED)
            result->freed_bytes += result->rows[i].bytes;
    return prune_sweep(store, options, &folders, result, err);
}
