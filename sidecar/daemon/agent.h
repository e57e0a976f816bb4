/*
 * What the sidecar decides: pure. Events go in (a look at the server, a job that reports or ends, a
 * request, a signal, time), actions come out (start a job, stop one, say something, exit). It owns
 * no process, descriptor or clock; what it knows it writes into a struct status.
 *
 * Backups: due by the schedule plus jitter; one catch-up run when a time passed since the newest
 * backup; never two at once; held back until the server has loaded; tried three times (5 s, then
 * 10 s in between), then an alarm and the next scheduled time. A clock that jumps is noticed by
 * comparing both clocks, and the plan is made anew.
 *
 * The end: no new work; the server is given its time; once nobody listens where it was, what its
 * SHUTDOWN wrote is backed up (JOB_FINAL); all inside drain_ms.
 */
#ifndef DAEMON_AGENT_H
#define DAEMON_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/schedule.h"
#include "daemon/status.h"
#include "daemon/watcher.h"

enum agent_role { AGENT_ROLE_ANY, AGENT_ROLE_PRIMARY, AGENT_ROLE_REPLICA };

struct agent_config {
    struct schedule schedule;
    struct schedule verify_schedule;
    bool has_drill; /* a scheduled verification is a drill */
    bool prunes;    /* retention is applied after each backup */
    int64_t jitter_ms;
    int64_t max_age_ms; /* 0: twice the schedule's longest pause */
    enum agent_role role;
    uint64_t on_changes; /* 0: off */
    int64_t drain_ms;
    bool has_notify;
    bool has_heartbeat;
};

struct agent_time {
    int64_t wall_ms;
    int64_t mono_ms;
};

enum agent_action_kind {
    AGENT_START, /* job, with input */
    AGENT_STOP,  /* SIGTERM to job */
    AGENT_KILL,  /* SIGKILL to job */
    AGENT_LOG,   /* text at level */
    AGENT_POKE,  /* look at the server now */
    AGENT_EXIT,  /* with exit_code; the last action */
};

struct agent_action {
    enum agent_action_kind kind;
    enum job_kind job;
    char *text; /* AGENT_LOG: the line; AGENT_START: what the job reads from stdin, NULL: nothing */
    enum log_level level;
    enum problem problem; /* AGENT_LOG: what the line is about; PROBLEM_NONE: none */
    int exit_code;
};

struct agent;

/* status is borrowed, and the agent alone writes to it; its texts of the settings (instance,
 * schedule, ...) are the caller's business. */
struct agent *agent_new(const struct agent_config *config, struct status *status,
                        struct agent_time now);
void agent_free(struct agent *agent); /* NULL is a no-op */
/* The settings were read again. */
void agent_configure(struct agent *agent, const struct agent_config *config, struct agent_time now);

/* A look at the server; takes look->info. */
void agent_on_look(struct agent *agent, struct watcher_look *look, struct agent_time now);
/* A line of report.h. */
void agent_on_report(struct agent *agent, enum job_kind job, const struct json *line,
                     struct agent_time now);

struct agent_end {             /* how a job ended */
    int exit_code;             /* -1: killed by signal */
    int signal;                /* 0: none */
    const struct json *answer; /* what it wrote to stdout; NULL: nothing that is JSON */
};
void agent_on_started(struct agent *agent, enum job_kind job, int64_t pid);
void agent_on_end(struct agent *agent, enum job_kind job, const struct agent_end *end,
                  struct agent_time now);

/* Somebody asks for a backup or a verification now. False: one is running or waiting already, or
 * redkeep is about to stop. */
bool agent_ask(struct agent *agent, enum job_kind job, struct agent_time now);
/* SIGTERM or SIGINT; the second one does not wait any longer. */
void agent_on_stop(struct agent *agent, struct agent_time now);
/* Time passed; call whenever agent_due_ms says so, and after everything else that happened. */
void agent_on_tick(struct agent *agent, struct agent_time now);
/* The monotonic time at which agent_on_tick is to be called at the latest. */
int64_t agent_due_ms(const struct agent *agent);

/* The next thing to do; false: nothing. The caller frees out->text. */
bool agent_take(struct agent *agent, struct agent_action *out);

DEFINE_CLEANUP(cleanup_agent, struct agent *, agent_free);
#define auto_agent auto_with(cleanup_agent)

#endif
