/*
 * How far a long job is: a bar with rate and time left when stderr is a terminal, a log line every
 * few seconds elsewhere. progress_add may be called from any thread and costs an atomic add; the
 * drawing happens in progress_tick, called by whoever waits.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

#include "base/clock.h"

struct progress;

/* what: "backup 2026...: uploading"; copied. total_bytes 0 = not known. clock must outlive it. */
struct progress *progress_new(const char *what, uint64_t total_bytes, const struct clock *clock);
void progress_add(struct progress *progress, uint64_t bytes); /* NULL: no-op */
/* Draws or logs when it is time to (5 Hz on a terminal, every 5 s elsewhere); NULL: no-op. */
void progress_tick(struct progress *progress);
/* Ends the bar's line, if one was drawn. NULL is a no-op. */
void progress_free(struct progress *progress);

#endif
