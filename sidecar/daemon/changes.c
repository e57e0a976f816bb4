/*
 * Between two looks with the same number of saves the counter only grows. A save that came in
 * between took writes with it that no look saw: then one more is counted than was seen, so that
 * "none" is never said by mistake.
 */
#include "daemon/changes.h"

#include <stdio.h>
#include <string.h>

static void remember(struct changes *changes, const struct redis_server_info *info)
{
    (void)snprintf(changes->run_id, sizeof(changes->run_id), "%s", info->run_id);
    changes->saves = info->rdb_saves;
    changes->last = info->rdb_changes_since_last_save;
}

static bool is_same_server(const struct changes *changes, const struct redis_server_info *info)
{
    return changes->run_id[0] != '\0' && strcmp(changes->run_id, info->run_id) == 0;
}

void changes_begin(struct changes *changes, const struct redis_server_info *info)
{
    changes->begin_saves = info != NULL && is_same_server(changes, info) ? info->rdb_saves : -1;
    changes->is_ended = false;
}

void changes_end(struct changes *changes, bool ok)
{
    changes->is_ended = ok;
}

/* The first look behind our backup: its save began the counter anew. */
static void begin_count(struct changes *changes, const struct redis_server_info *info)
{
    bool only_ours = is_same_server(changes, info) && changes->begin_saves >= 0 &&
                     info->rdb_saves == changes->begin_saves + 1;
    int64_t seen = info->rdb_changes_since_last_save;

    changes->is_known = true;
    changes->is_ended = false;
    changes->count = only_ours ? seen : seen + 1;
}

void changes_look(struct changes *changes, const struct redis_server_info *info)
{
    int64_t seen = info->rdb_changes_since_last_save;

    if (seen < 0 || info->rdb_saves < 0 || info->run_id[0] == '\0') {
        changes->is_known = false;
        return;
    }
    if (changes->is_ended)
        begin_count(changes, info);
    else if (!is_same_server(changes, info) || info->rdb_saves != changes->saves)
        changes->count += seen + 1;
    else if (seen > changes->last)
        changes->count += seen - changes->last;
    remember(changes, info);
}

int64_t changes_count(const struct changes *changes)
{
    return changes->is_known ? changes->count : -1;
}
