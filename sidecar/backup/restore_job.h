/*
 * What the parts of a restore share: restore.c begins and finishes, restore_choose.c picks a backup
 * and stages it, restore_checks.c refuses. For them alone.
 */
#ifndef BACKUP_RESTORE_JOB_H
#define BACKUP_RESTORE_JOB_H

#include "backup/restore.h"
#include "backup/volume.h"

struct restore_job { /* all borrowed */
    const struct restore_options *options;
    int dir_fd;
    bool made_dir; /* the target directory is ours, and goes again when nothing comes of it */
    struct restore_result *result;
};

/* In words, to whoever listens. */
void restore_tell(const struct restore_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void restore_warn(const struct restore_options *options, enum problem problem, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

/* INVARIANT (a restore never touches a volume that holds data): asked again before everything that
 * writes, since a server can be started at any time. ERR_HOLDS_DATA when one runs on the directory;
 * force does not help. */
int restore_check_server(const struct restore_job *job, struct err *err);
/* *out_go_on: the volume holds no data, or what it holds is to be replaced. Else it is success with
 * if_empty, and ERR_HOLDS_DATA without. */
int restore_check_volume(const struct restore_job *job, const struct volume_names *names,
                         bool *out_go_on, struct err *err);
/* Both once more, right before the commit. ERR_HOLDS_DATA, also with if_empty. */
int restore_check_again(const struct restore_job *job, const struct volume_names *names,
                        struct err *err);

/* Can the target load this backup, as it would be laid out? ERR_TOO_NEW, ERR_CONFIG. */
int restore_check_target(const struct restore_options *options, const struct manifest *manifest,
                         struct err *err);
/* Is there room for it and more_bytes? */
int restore_check_room(const struct restore_job *job, const struct manifest *manifest,
                       uint64_t more_bytes, struct err *err);

/* Could the backup of that id be the one that was asked for? Pure. */
bool restore_is_candidate(const struct restore_options *options, const char *id);
/* Everything that needs the repository. */
int restore_from_store(const struct restore_job *job, struct err *err);

#endif
