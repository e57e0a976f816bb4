/*
 * The process with number one: starts server and sidecar, waits for signals and children, hands
 * signals on, reaps whatever was left to it, and decides nothing (pair.h).
 */
#ifndef ENTRYPOINT_PAIR_RUN_H
#define ENTRYPOINT_PAIR_RUN_H

#include "base/clock.h"
#include "base/err.h"
#include "entrypoint/pair.h"

struct pair_program {
    const char *path; /* a path, or a name in PATH */
    char *const *words;
    char *const *environment;
};

struct pair_options {
    struct pair_program programs[PAIR_COUNT];
    int64_t drain_ms;
    const struct clock *clock;
};

/* Until the server and what follows it have ended. ERR_CONFIG: the server could not be started;
 * then nothing runs. Call it in a process without other threads and without children. */
int pair_run(const struct pair_options *options, int *out_exit_code, struct err *err);

/* Puts back what main() changed for redkeep, before the server takes this process's place. */
void pair_reset_signals(void);

#endif
