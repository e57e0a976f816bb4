/*
 * Fetching one backup into a staging directory and laying it out; the part of a restore that knows
 * what servers load. For restore.c alone.
 */
#ifndef BACKUP_RESTORE_STAGE_H
#define BACKUP_RESTORE_STAGE_H

#include "backup/restore.h"
#include "backup/stage.h"
#include "backup/volume.h"

/* Names that are not set come from the manifest. Borrowed from both. */
struct volume_names restore_names(const struct restore_options *options,
                                  const struct manifest *manifest);

/* The files that a restore of manifest lays out, in *result (those of an earlier try are dropped).
 * ERR_CORRUPT when two of them would be one, or stand where a restore keeps its own. */
int restore_plan(const struct restore_options *options, const struct manifest *manifest,
                 struct restore_result *result, struct err *err);

/* The bytes of the dump when it is laid out under two names, which costs them twice where links do
 * not work; else 0. */
uint64_t restore_linked_bytes(const struct restore_options *options,
                              const struct manifest *manifest);

/* Fetches, proves, and stages. Errors as fetch, and those of the disk. */
int restore_fetch(const struct restore_options *options, struct store *store,
                  const struct manifest *manifest, struct stage *stage, struct err *err);

#endif
