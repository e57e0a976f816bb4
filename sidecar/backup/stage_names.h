/*
 * What stage.c, stage_clear.c, stage_switch.c and volume.c share; for them alone.
 */
#ifndef BACKUP_STAGE_NAMES_H
#define BACKUP_STAGE_NAMES_H

#include "backup/volume.h"
#include "base/err.h"

#define STAGE_PARTIAL_NAME ".redkeep-restore.partial"
#define STAGE_REPLACE_NAME ".redkeep-restore.replace"
#define STAGE_READY_NAME ".redkeep-restore.ready"
#define STAGE_NOTE_NAME ".backup" /* inside the staging directory; never switched in */

/* Is there an entry of that name, be it a link to nowhere? */
int stage_is_there(int dir_fd, const char *name, bool *out, struct err *err);

/* Fsyncs the directory and all below it. */
int stage_sync_dirs(int stage_fd, struct err *err);

/* renameat that never replaces: errno EEXIST when something stands there. */
int stage_rename_new(int from_fd, const char *from, int to_fd, const char *to);

/* Could what is in the way be moved out of it? To be asked before the commit. */
int stage_check_way(int dir_fd, int stage_fd, const struct volume_names *names, bool replace,
                    struct err *err);
/* With .replace there: moves what is in the way into *aside (heap), then it is .ready. When data
 * cannot be moved, what was is put back, and the restore is uncommitted. */
int stage_clear_the_way(int dir_fd, const struct volume_names *names, char **aside,
                        struct err *err);
/* Everything after the commit. *aside (heap) is the directory for what is replaced; it becomes NULL
 * when there was nothing to move there, by this run or the one that was interrupted. *out_overtaken
 * (VOLUME_WHAT_MAX bytes): data of somebody else that stood where ours was to go, so that ours was
 * dropped; else "". */
int stage_switch(int dir_fd, const struct volume_names *names, char **aside,
                 char out_overtaken[VOLUME_WHAT_MAX], struct err *err);

/* The entries of the staging directory, a line each, but for the note; heap. */
int stage_list(int stage_fd, char **out, struct err *err);
/* With .ready there: is there data in the data directory that is not ours? ours is such a list. */
int stage_is_overtaken(int dir_fd, const struct volume_names *names, const char *ours, bool *out,
                       struct err *err);
/* .ready becomes .partial, which is removed, now or by the next run. */
int stage_drop(int dir_fd, struct err *err);

/* A new name for that directory; heap. */
char *stage_aside_name(void);

#endif
