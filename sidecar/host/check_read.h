/*
 * Reads what the checks judge: files below a root, the volume, the clock; and finds the server's
 * process. What it reads is foreign: it may be huge, binary, empty, or no file at all. Reads only,
 * but for the small file of the fsync measurement, which is made in the data directory without a
 * name (O_TMPFILE) so that nothing can be left behind; where that is not possible the latency stays
 * unknown.
 */
#ifndef HOST_CHECK_READ_H
#define HOST_CHECK_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "host/check_facts.h"

/* Owns the texts that facts.volume borrows. */
struct check_reading;

/* Fills facts->volume, but for repository_is_inside, from the directory path (NULL: none), with the
 * file system's kind from facts->root_fd's proc/self/mountinfo; facts->now_ms tells which leftovers
 * are old. What cannot be read stays unknown. The caller frees *out after the last use of facts. */
void check_read_volume(struct check_facts *facts, const char *path, const struct clock *clock,
                       bool measure_fsync, struct check_reading **out);
void check_reading_free(struct check_reading *reading); /* NULL is a no-op */

/* Asks this machine's kernel for facts->clock_sync. */
void check_read_clock(struct check_facts *facts);
/* Measures facts->clock_cost, as redis-server --check-system does: it reads the clock, the
 * system's, for some fifty milliseconds. */
void check_measure_clock(struct check_facts *facts, const struct clock *clock);

/* The process of the server that answered INFO with process_id: the one below root_fd's proc/ that
 * has that number for itself, in its own PID namespace, and is called redis-server, valkey-server
 * or as INFO's executable, by comm or exe; of several (hostPID) the one that runs for as long as
 * INFO says. -1 when there is none, or no telling them apart: another PID namespace. */
int64_t check_find_server(int root_fd, const struct pairs *info);
/* Was this process started by redkeep (entrypoint --with-sidecar)? */
bool check_is_child_of_redkeep(int root_fd, int64_t pid);

/* A regular file below root_fd without the blanks around it, of at most max bytes and without NULs;
 * NULL when it is not there, cannot be read, or is anything else. The caller frees. */
char *check_read_text(int root_fd, const char *path, size_t max);
/* False when it is not one whole number. */
bool check_read_i64(int root_fd, const char *path, int64_t *out);
/* The number of the first line "name  number" or "name:  number", as in proc/meminfo, of a file of
 * at most 256 KiB. False when there is none. */
bool check_read_field(int root_fd, const char *path, const char *name, int64_t *out);
/* The lines of a file, counted to at most max; -1 when it cannot be read. */
int64_t check_count_lines(int root_fd, const char *path, int64_t max);

#endif
