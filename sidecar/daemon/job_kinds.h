/*
 * The command of each kind of job.
 */
#ifndef DAEMON_JOB_KINDS_H
#define DAEMON_JOB_KINDS_H

#include "base/err.h"
#include "daemon/job.h"
#include "daemon/status.h"

struct job_kind_options {
    const char *program;      /* see struct job_options */
    const char *const *flags; /* settings that were given as flags; ended by NULL */
    const char *input;        /* what it reads; NULL: nothing */
    const char *last;         /* one more option, which wins; NULL: none */
};

/* Starts it: its command, the flags, and its own options, which win. The caller frees *out. */
int job_kind_start(enum job_kind kind, const struct job_kind_options *options, struct job **out,
                   struct err *err);

#endif
