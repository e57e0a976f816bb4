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

/* Fsyncs the directory and those directly in it. */
int stage_sync_dirs(int stage_fd, struct err *err);

/* Everything after the commit. */
int stage_switch(int dir_fd, const struct volume_names *names, char **out_aside, struct err *err);

#endif
