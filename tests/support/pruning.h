/*
 * What a test of prune() needs: a repository in memory that stands at noon of 20 November 2026, by
 * its own clock and ours, options that can be changed, and the result.
 */
#ifndef SUPPORT_PRUNING_H
#define SUPPORT_PRUNING_H

#include "backup/prune.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"

#define PRUNING_INSTANCE "cache-0"
#define PRUNING_NOON INT64_C(1795176000000)

struct pruning {
    struct fake_store fake;
    struct fake_clock clock;
    struct prune_options options; /* confirm, and keep the last 2 */
    struct prune_result result;   /* of the last run */
    struct err err;
};

void pruning_begin(struct pruning *run);
void pruning_end(struct pruning *run);

/* A whole backup; edit changes its manifest, NULL: nothing. */
void pruning_make(struct pruning *run, const char *id, void (*edit)(struct manifest *to));
/* Another object in the folder of id, hours old by the store's clock. */
void pruning_put(struct pruning *run, const char *id, const char *name, int hours_old);
struct buf *pruning_find(const struct pruning *run, const char *id, const char *name);
/* Does the folder of id hold anything? */
bool pruning_is_there(const struct pruning *run, const char *id);

/* What prune() returns. */
int pruning_run(struct pruning *run);
/* The fate of a folder in the result; PRUNE_GONE when it has no row. */
enum prune_fate pruning_fate(const struct pruning *run, const char *id);
/* The row's reasons, as for people; static. "" for none. */
const char *pruning_because(const struct pruning *run, const char *id);
/* Every backup that is listed is whole, byte for byte. Returns how many there are. */
size_t pruning_check_all(struct pruning *run);

#endif
