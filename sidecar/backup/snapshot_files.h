/*
 * What a snapshot is made of, file by file: into its bundle and its list of files. For those who
 * take one: of a server that runs (snapshot.c), and of one that has ended (offline_snapshot.c).
 */
#ifndef BACKUP_SNAPSHOT_FILES_H
#define BACKUP_SNAPSHOT_FILES_H

#include "backup/server_files.h"
#include "backup/snapshot.h"
#include "base/err.h"

/* Can a manifest give the names back as they are? Else ERR_CONFIG. */
int snapshot_check_names(const struct server_files *names, const struct snapshot_options *options,
                         struct err *err);
/* Adds snapshot->saved. */
int snapshot_add_rdb(struct snapshot *snapshot, const char *dbfilename, struct err *err);
/* Fills snapshot->aof. ERR_NOT_FOUND when there is no such directory, or no manifest in it; else as
 * aof_pin_open. */
int snapshot_pin_aof(const struct server_files *names, const struct snapshot_options *options,
                     struct snapshot *snapshot, struct err *err);
/* Adds snapshot->aof, and doubts it where there is reason to, unless it is doubted already. */
int snapshot_add_aof(const struct server_files *names, struct snapshot *snapshot, struct err *err);
/* The ACL file and the cluster's, as the options say and as far as they are there. */
int snapshot_add_small_files(const struct server_files *names,
                             const struct snapshot_options *options, struct snapshot *snapshot,
                             struct err *err);

#endif
