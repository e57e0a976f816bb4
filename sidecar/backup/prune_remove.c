/*
 * A backup goes manifest first: killed behind that, it is an orphan like any other, and swept by a
 * later run. What was true when the plan was made is asked again of each before it goes: was it
 * pinned since, has the orphan become a backup?
 */
#include "backup/prune_remove.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/progress.h"

#define MANIFEST_NAME "backup.json"
#define PIN_NAME "pinned.json"

struct removing {
    struct store *store;
    const struct prune_options *options;
    const struct catalog_folders *folders;
    struct prune_result *result;
    struct progress *progress;
};

/* Does it say no to this one object: a policy, a lock on it, a directory that may not be written
 * to? Others may go well. */
static bool is_refusal(const struct err *err)
{
    static const int codes[] = {400, 403, 405, 409, EACCES, EPERM, EROFS};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (err->kind == ERR_STORE && err->code == codes[i])
            return true;
    return false;
}

int prune_take_refusal(struct prune_result *result, const struct err *why, struct err *err)
{
    if (!is_refusal(why)) {
        *err = *why;
        return -1;
    }
    if (result->refused++ == 0)
        result->refusal = *why;
    return 0;
}

/* 0 when it was a refusal, which is noted. */
static int note_refusal(struct removing *removing, struct prune_row *row, const struct err *why,
                        struct err *err)
{
    if (prune_take_refusal(removing->result, why, err) != 0)
        return -1;
    row->fate = PRUNE_REFUSED;
    row->why = xstrdup(why->msg);
    return 0;
}

static int ask(struct removing *removing, const char *id, const char *name, bool *out_is_there,
               struct err *err)
{
    auto_free char *key = catalog_key(removing->options->instance, id, name);
    auto_buf struct buf content = {0};

    buf_init(&content, MANIFEST_BYTES_MAX);
    *out_is_there = store_get_small(removing->store, key, &content, err) == 0;
    return *out_is_there || err->kind == ERR_NOT_FOUND ? 0 : -1;
}

static int remove_object(struct removing *removing, const char *id, const char *name,
                         struct err *err)
{
    auto_free char *key = catalog_key(removing->options->instance, id, name);

    return store_remove(removing->store, key, err);
}

/* INVARIANT (a backup exists if and only if its manifest does): the manifest goes first, and when
 * it does not, nothing does. */
static int remove_folder(struct removing *removing, const struct catalog_folder *folder,
                         struct err *err)
{
    const char *name = NULL;

    if (folder->has_manifest && remove_object(removing, folder->id, MANIFEST_NAME, err) != 0)
        return -1;
    while ((name = catalog_folders_next_name(removing->folders, folder, name)) != NULL)
        if (remove_object(removing, folder->id, name, err) != 0)
            return -1;
    return 0;
}

/* The pin of a backup is set while the one behind it is stored, so it may be there only now; and so
 * may the manifest of a backup that took more than a day. */
static int look_again(struct removing *removing, struct prune_row *row, struct err *err)
{
    bool is_there = false;

    if (row->is_orphan) {
        if (ask(removing, row->id, MANIFEST_NAME, &is_there, err) != 0)
            return -1;
        row->fate = is_there ? PRUNE_GONE : row->fate;
        return 0;
    }
    if (removing->options->accept_shrink)
        return 0;
    if (ask(removing, row->id, PIN_NAME, &is_there, err) != 0)
        return -1;
    if (is_there) {
        row->fate = PRUNE_KEPT;
        row->decision.because |= RETENTION_PINNED;
    }
    return 0;
}

static int remove_row(struct removing *removing, const struct catalog_folder *folder,
                      struct prune_row *row, struct err *err)
{
    struct err why = {0};

    assert(!row->item.is_pinned && !row->item.is_newest_proven && row->decision.because == 0);
    if (cancel_check(err) != 0)
        return -1;
    if (look_again(removing, row, &why) != 0)
        return note_refusal(removing, row, &why, err);
    if (row->fate != PRUNE_PLANNED)
        return 0;
    if (remove_folder(removing, folder, &why) != 0)
        return note_refusal(removing, row, &why, err);
    row->fate = PRUNE_REMOVED;
    removing->result->freed_bytes += row->bytes;
    progress_add(removing->progress, row->bytes);
    progress_tick(removing->progress);
    return 0;
}

/* One that cannot be released is not removed either. */
static int release_pins(struct removing *removing, struct err *err)
{
    for (size_t i = 0; i < removing->result->count; i++) {
        struct prune_row *row = &removing->result->rows[i];
        struct err why = {0};

        if (!row->is_released)
            continue;
        if (cancel_check(err) != 0)
            return -1;
        if (catalog_unpin(removing->store, removing->options->instance, row->id, &why) == 0)
            continue;
        row->is_released = false;
        if (note_refusal(removing, row, &why, err) != 0)
            return -1;
    }
    return 0;
}

int prune_remove(struct store *store, const struct prune_options *options,
                 const struct catalog_folders *folders, struct prune_result *result,
                 struct err *err)
{
    struct removing removing = {
        .store = store, .options = options, .folders = folders, .result = result};
    const struct catalog_folder *folder = folders->folders;
    uint64_t planned_bytes = 0;

    if (release_pins(&removing, err) != 0)
        return -1;
    for (size_t i = 0; i < result->count; i++)
        planned_bytes += result->rows[i].fate == PRUNE_PLANNED ? result->rows[i].bytes : 0;
    auto_progress struct progress *progress = progress_new("remove", planned_bytes, options->clock);
    removing.progress = progress;
    for (size_t i = 0; i < result->count; i++) {
        while (strcmp(folder->id, result->rows[i].id) != 0)
            folder++; /* rows are folders, in their order */
        if (result->rows[i].fate == PRUNE_PLANNED &&
            remove_row(&removing, folder, &result->rows[i], err) != 0)
            return -1;
    }
    return 0;
}
