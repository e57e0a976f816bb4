/*
 * One backup at a time among the pods of one server set: a lease in the repository, an object that
 * only conditional writes change ("leases/<name>.json", see FORMAT.md).
 *
 * No clocks are compared. A holder renews its lease; who wants it and sees it unchanged for longer
 * than its term, by a monotonic clock of its own, takes it over with a write that only succeeds on
 * what it saw. It is given back by a last write that says "free" (nothing is deleted: the right to
 * delete is not needed). It spares the machines, it proves nothing: a backup that loses its lease
 * goes on, and says so.
 */
#ifndef BACKUP_LEASE_H
#define BACKUP_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

#define LEASE_TERM_MS 60000
#define LEASE_WAIT_MAX_MS (60 * 60 * 1000)

struct lease_options {
    const char *name;     /* one segment of a key */
    const char *instance; /* who we are, for others to read; copied, like name */
    int64_t term_ms;
    int64_t wait_max_ms;
    const struct clock *clock;
    /* Told whom it waits for, now and then; may be NULL. */
    void (*on_event)(void *context, const char *text);
    /* May be NULL. Also called by the thread that renews, which ends in lease_free. */
    void (*on_warning)(void *context, enum problem problem, const char *text);
    void *context;
};

struct lease;

/* Waits for the lease and takes it; a thread renews it from then on with `store`, which is the
 * lease's own: nobody else may use it, and it is freed with the lease, at once when this fails. A
 * store that knows no conditional writes, or fails in any other way, is a warning, and *out a lease
 * that excludes nobody: a backup is worth more. ERR_BUSY when it cannot be had within wait_max_ms;
 * ERR_FAILED when interrupted. */
int lease_take(struct store *store, const struct lease_options *options, struct lease **out,
               struct err *err);
/* Gives it back, if it still is ours, also when the process was asked to stop. NULL is a no-op. */
void lease_free(struct lease *lease);

DEFINE_CLEANUP(cleanup_lease, struct lease *, lease_free);
#define auto_lease auto_with(cleanup_lease)

#endif
