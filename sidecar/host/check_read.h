/*
 * Reads what the checks judge of the volume, and finds the server's process. Reads only, but for
 * the small file of the fsync measurement, which is made in the data directory without a name
 * (O_TMPFILE) so that nothing can be left behind; where that is not possible the latency stays
 * unknown.
 */
#ifndef HOST_CHECK_READ_H
#define HOST_CHECK_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "host/check_facts.h"

/* Owns the texts that facts.volume borrows. */
struct check_reading;

/* Fills facts->volume from the directory path (NULL: none), with the file system's kind from
 * facts->root_fd's proc/self/mountinfo. What cannot be read stays unknown. The caller frees *out
 * after the last use of facts. */
void check_read_volume(struct check_facts *facts, const char *path, const struct clock *clock,
                       bool measure_fsync, struct check_reading **out);
void check_reading_free(struct check_reading *reading); /* NULL is a no-op */

/* The process of the server that answered INFO with process_id, when root_fd's proc/ shows one of
 * that number that is a redis-server or valkey-server (also with other ones of the name, by comm
 * and exe); -1 when it does not: another PID namespace. */
int64_t check_find_server(int root_fd, const struct pairs *info);

/* A file below root_fd as one trimmed line or text of at most max bytes; NULL when it is not there
 * or cannot be read. The caller frees. */
char *check_read_text(int root_fd, const char *path, size_t max);
/* False when there is no whole number in it. */
bool check_read_i64(int root_fd, const char *path, int64_t *out);

#endif
