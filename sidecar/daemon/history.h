/*
 * What no single look at the server tells: how fast its last load was, and how often a write has
 * waited for the disk of late. Pure: answers to INFO in, two spans out.
 */
#ifndef DAEMON_HISTORY_H
#define DAEMON_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/redis_info.h"

enum {
    HISTORY_SAMPLES = 7,
    HISTORY_STEP_MS = 10 * 60 * 1000, /* between two of them: together an hour */
    HISTORY_LOAD_MS = 2000,           /* a load that was seen for less says nothing of the next */
};

/* As much of a load as was seen, by the server's own clock. */
struct history_load {
    int64_t bytes; /* of files; 0: none was seen */
    int64_t took_ms;
    int64_t at_ms; /* wall clock, of the last look at it */
};

/* aof_delayed_fsync. */
struct history_delays {
    int64_t count;
    int64_t span_ms; /* 0: not known */
};

struct history { /* zero-initialised: nothing is known; the first two are for everybody to read */
    struct history_load load;
    struct history_delays delays;

    int64_t load_start_s; /* of the load that goes on */
    int64_t load_from_usec;
    int64_t load_from_bytes;
    char run_id[sizeof(((struct redis_server_info *)NULL)->run_id)]; /* that the samples are of */
    struct {
        int64_t mono_ms;
        int64_t count;
    } samples[HISTORY_SAMPLES]; /* oldest first */
    size_t sample_count;
};

void history_look(struct history *history, const struct redis_server_info *info, int64_t wall_ms,
                  int64_t mono_ms);

#endif
