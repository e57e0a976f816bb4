/*
 * Putting a restored set of files into a data directory, all or nothing. Everything is built in a
 * staging directory on the same file system, fsynced, and then switched in by rename:
 *
 *     .redkeep-restore.partial/   being built; found at a start: thrown away, begun again
 *     .redkeep-restore.replace/   complete; what stands in its way is being moved aside
 *     .redkeep-restore.ready/     complete; its entries are being renamed to where they belong;
 *                                 then it becomes `partial` again, to be thrown away
 *
 * Leaving `partial`, by rename, is the commit: from then on every start finishes the switch,
 * without a download. The names are fixed, because whoever works here holds the lock of the
 * directory.
 */
#ifndef BACKUP_STAGE_H
#define BACKUP_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backup/volume.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "stream/sink.h"

struct stage; /* an open staging directory; borrowed: the data directory's descriptor */

enum stage_found {
    STAGE_NONE,
    STAGE_PARTIAL, /* not committed, or switched in and not cleaned up */
    STAGE_COMMITTED,
};

/* Does path begin with a name that a restore uses for itself? Pure. */
bool stage_is_own_name(const char *path);
/* What an earlier run has left. */
int stage_find(int dir_fd, enum stage_found *out, struct err *err);
/* Throws away what an earlier run has left uncommitted. None there is success. */
int stage_discard(int dir_fd, struct err *err);

struct stage_owner {
    uid_t uid;
    gid_t gid;
};

/* Begins: throws away a partial one, creates the directory. dir_fd must outlive the stage.
 * ERR_FAILED when files cannot be given to owner. The caller frees. */
int stage_new(int dir_fd, const struct stage_owner *owner, struct stage **out, struct err *err);
/* Not committed: removes what was staged, as far as that works. */
void stage_free(struct stage *stage);

/* Adds a directory, unless it is staged already, or a file; all but the last name of their path
 * must be staged. */
int stage_add_dir(struct stage *stage, const char *name, mode_t mode, struct err *err);
int stage_add_file(struct stage *stage, const char *path, mode_t mode, struct sink **out,
                   struct err *err);
int stage_add_bytes(struct stage *stage, const char *path, mode_t mode, const char *text,
                    struct err *err);
/* Do hard links work there? To be asked while nothing is staged. */
int stage_links_work(struct stage *stage, bool *out, struct err *err);
/* A second name for a staged file, by hard link; by copy where links do not work. */
int stage_add_link(struct stage *stage, const char *from, const char *path, struct err *err);

/* Notes what is staged, for a run that finishes the switch of another. */
int stage_note(struct stage *stage, const char *id, const struct volume_names *names,
               struct err *err);

/* Fsyncs, commits, and switches in. Nothing is visible under its own name when it fails before the
 * commit: ERR_BUSY when another restore has taken the staging directory's place (no locks there),
 * ERR_FAILED when data that is to be replaced cannot be moved. ERR_HOLDS_DATA: somebody has put
 * data where ours was to go meanwhile; that stays, and ours of that name was dropped. Entries that
 * stand in the data directory already stay, and what was staged for them is dropped (of a
 * directory: what it has already), but for an append-only directory without data, which is
 * exchanged. With replace, every entry that holds data or stands in the way is first moved into a
 * new directory beside them, whose name goes to *out_aside (heap; NULL when there was nothing to
 * move), except what holds no data and cannot be moved; when data cannot be moved, all is put back
 * as it was. */
int stage_commit(struct stage *stage, const struct volume_names *names, bool replace,
                 char **out_aside, struct err *err);

/* Without a commit: fsyncs, and puts one staged directory where nothing stands, or an empty one, by
 * one rename. */
int stage_put(struct stage *stage, const char *entry, struct err *err);

/* What stage_resume would say in *out_id. Changes nothing. */
int stage_committed_id(int dir_fd, char **out, struct err *err);
/* Finishes the switch that an earlier run has committed. *out_id: the backup that it noted (heap);
 * NULL when a server has put data of its own there meanwhile, so that what was staged is dropped.
 */
int stage_resume(int dir_fd, char **out_id, char **out_aside, struct err *err);

DEFINE_CLEANUP(cleanup_stage, struct stage *, stage_free);
#define auto_stage auto_with(cleanup_stage)

#endif
