/*
 * How far a long job is: a bar with rate and time left when stderr is a terminal, a log line every
 * few seconds elsewhere, a report every second in a job (base/report.h). progress_add may be called
 * from any thread and costs an atomic add; the drawing happens in progress_tick, called by whoever
 * waits.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct progress;

/* what: "backup 2026...: uploading"; copied. total_bytes 0 = not known. clock must outlive it. */
struct progress *progress_new(const char *what, uint64_t total_bytes, const struct clock *clock);
void progress_add(struct progress *progress, uint64_t bytes); /* NULL: no-op */
/* Draws, logs or reports when it is time to (5 Hz, every 5 s, every second), also when nothing has
 * moved since. NULL: no-op. */
void progress_tick(struct progress *progress);
/* Draws the bar a last time and ends its line, if one was drawn. NULL is a no-op. */
void progress_free(struct progress *progress);

/* What there is to show; pure functions make text of it that the caller frees. */
struct progress_view {
    const char *what;
    uint64_t done_bytes;
    uint64_t total_bytes; /* 0 = not known */
    uint64_t rate;        /* bytes a second */
};
/* "what: [=====>    ]  45%  612 MB / 1.3 GB  512 MB/s  0:02 left", at most width columns. */
char *progress_bar(const struct progress_view *view, size_t width);
/* "what: 45%, 612 MB of 1.3 GB, 512 MB/s, 0:02 left" */
char *progress_line(const struct progress_view *view);

DEFINE_CLEANUP(cleanup_progress, struct progress *, progress_free);
#define auto_progress auto_with(cleanup_progress)

#endif
