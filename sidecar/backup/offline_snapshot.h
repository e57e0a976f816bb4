/*
 * The snapshot of a server that has ended: what it would load at its next start, by what lies on
 * its volume. Nobody is asked, and nothing is written.
 *
 *     appendonly yes, a set that is no first start's   the set, and a dump that is as new
 *     else                                             the dump
 */
#ifndef BACKUP_OFFLINE_SNAPSHOT_H
#define BACKUP_OFFLINE_SNAPSHOT_H

#include <stdint.h>

#include "backup/server_files.h"
#include "backup/snapshot.h"
#include "base/err.h"

/* How the server ran, by its files: "yes", "no", NULL when nothing tells. `said` ("yes", "no",
 * NULL) is what it said at said_ms, which holds until the append-only files were written to after
 * that, and after the dump. Static. */
const char *offline_appendonly(int data_dir_fd, const struct server_files *names, const char *said,
                               int64_t said_ms);

/* names->appendonly is how the server ran; save_timeout_ms and on_save are not used. An append-only
 * set is taken whatever include_aof says, since it is the data; with one, include_rdb decides about
 * the dump, and an older dump is left out: a server that runs with appendonly no would load it. A
 * snapshot without any file: there is no data. *out_shown_ms is the moment that the data shows.
 * ERR_CORRUPT (PROBLEM_RDB_CORRUPT, PROBLEM_AOF_CORRUPT) when a server could not load it. The
 * caller releases *out in success and failure; it tells whether there was a set. */
int offline_snapshot_take(const struct server_files *names, const struct snapshot_options *options,
                          struct snapshot *out, int64_t *out_shown_ms, struct err *err);

#endif
