/*
 * The last part of prune(): what piles up beside the backups that stay. Private to prune.c.
 */
#ifndef BACKUP_PRUNE_SWEEP_H
#define BACKUP_PRUNE_SWEEP_H

#include "backup/catalog_folders.h"
#include "backup/prune.h"

/* Counts in result->swept what goes, and removes it when it is confirmed: of each backup that stays
 * the notes of verifications but the last good and the last bad one, and the instance's records of
 * restores but the newest, and what puts have left that never came to their end. 0 also when the
 * store refuses some of it; else as prune_remove. */
int prune_sweep(struct store *store, const struct prune_options *options,
                const struct catalog_folders *folders, struct prune_result *result,
                struct err *err);

#endif
