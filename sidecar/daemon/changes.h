/*
 * How many writes the server took since the newest backup. Its counter
 * (rdb_changes_since_last_save) begins again at every save, also at those that are not ours, so it
 * is followed from look to look. "Nothing changed" is only said when it is certain. Pure.
 */
#ifndef DAEMON_CHANGES_H
#define DAEMON_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/redis_info.h"

struct changes {
    bool is_known; /* false: nothing is certain */
    char run_id[48];
    int64_t saves;       /* rdb_saves at the last look */
    int64_t last;        /* the counter at the last look */
    int64_t count;       /* writes since the backup, at least */
    int64_t begin_saves; /* rdb_saves when our backup began; -1 unknown */
    bool is_ended;       /* our backup is done, and no look came since */
};

/* A backup begins: info is the newest look (NULL: none). */
void changes_begin(struct changes *changes, const struct redis_server_info *info);
/* It ended. What counts from now on is what the server counts since its save; the next look tells
 * it, and is believed when there was no save but ours. */
void changes_end(struct changes *changes, bool ok);
void changes_look(struct changes *changes, const struct redis_server_info *info);
/* Writes since the newest backup; -1 unknown. */
int64_t changes_count(const struct changes *changes);

#endif
