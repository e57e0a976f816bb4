/*
 * The process that stays: it only waits, on signals, the watcher, the listener and its jobs, and
 * does what the agent decides. Every job is a child (daemon/job.h).
 */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "daemon/agent.h"
#include "redis/redis_conn.h"

struct supervisor_options { /* copied where it is kept, but for program, flags and clock */
    struct agent_config agent;
    struct redis_options redis;
    const char *data_dir;
    const char *instance;
    const char *repository;  /* masked: only to be shown */
    const char *server_url;  /* the same */
    const char *schedule;    /* as set */
    const char *timezone;    /* see base/zone.h */
    const char *http_listen; /* NULL: no listener */
    const struct secret *http_token;
    enum log_level log_level;
    enum log_format log_format;
    const char *program;      /* what jobs are started from: "/proc/self/exe" */
    const char *const *flags; /* the settings that were given as flags, for the jobs; NULL-ended */
    const struct clock *clock;
    void (*settle)(void); /* called when a job has ended, to give memory back; NULL: nothing */
};

/* Reads the settings again. The options are valid until the next call. */
typedef int supervisor_reload_fn(void *context, struct supervisor_options *out, struct err *err);

/* Stays until it is told to stop (SIGTERM, SIGINT). *out_exit_code is 0 when nothing that the
 * server wrote was left behind. ERR_CONFIG for a bad time zone or listen address, ERR_BUSY when
 * another supervisor has the data directory. */
int supervisor_run(const struct supervisor_options *options, supervisor_reload_fn *reload,
                   void *context, int *out_exit_code, struct err *err);

#endif
