/*
 * What stage.c and stage_switch.c share; for them alone.
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

/* Everything after the commit. *aside (heap) is the directory for what is replaced; it becomes NULL
 * when there was nothing to move there, by this run or the one that was interrupted. */
int stage_switch(int dir_fd, const struct volume_names *names, char **aside, struct err *err);

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
