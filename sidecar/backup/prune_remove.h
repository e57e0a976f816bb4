/*
 * The second half of prune(): the plan carried out. Private to prune.c.
 */
#ifndef BACKUP_PRUNE_REMOVE_H
#define BACKUP_PRUNE_REMOVE_H

#include "backup/catalog_folders.h"
#include "backup/prune.h"

/* Releases pins, removes what is planned, oldest first, and sweeps orphans. 0 also when the store
 * refuses some of it; -1 at the first failure that says nothing of one object alone. */
int prune_remove(struct store *store, const struct prune_options *options,
                 const struct catalog_folders *folders, struct prune_result *result,
                 struct err *err);

/* 0 when the store says no to this one object (a policy, a lock on it, a directory that may not be
 * written to), which is counted in *result; else -1, and *err is why. */
int prune_take_refusal(struct prune_result *result, const struct err *why, struct err *err);

#endif
