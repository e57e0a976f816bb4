/*
 * The metrics that are one field of the record, a row each: those of the whole, without labels, and
 * those of every kind of job, by kind. metrics.c adds those that have to be worked out.
 */
#ifndef DAEMON_METRICS_TABLE_H
#define DAEMON_METRICS_TABLE_H

#include <stddef.h>

/* What the field holds; the negative of a signed one is unknown. */
enum metric_field {
    METRIC_BOOL,   /* bool */
    METRIC_INT,    /* int: 0, 1 or unknown */
    METRIC_I64,    /* int64_t */
    METRIC_U64,    /* uint64_t */
    METRIC_I64_MS, /* int64_t, shown in seconds */
    METRIC_I64_US, /* the same from microseconds */
};

enum metric_when {
    METRIC_ALWAYS,
    METRIC_RUNNING, /* while the job runs */
    METRIC_ENDED,   /* once one of the kind has ended */
};

struct metric {
    const char *name;
    const char *type; /* "gauge", "counter" */
    const char *help; /* one sentence without a stop, a backslash or a line's end */
    size_t offset;
    enum metric_field field;
    enum metric_when when; /* of jobs only */
};

extern const struct metric metrics_table[]; /* of struct status */
extern const size_t metrics_table_count;
extern const struct metric metrics_job_table[]; /* of struct status_job */
extern const size_t metrics_job_table_count;

#endif
