/*
 * A world for the agent: a server, a repository, jobs and two clocks, all of them made up. It does
 * what the supervisor does (events, then a tick, then the actions), as fast as the machine can, and
 * writes down what the agent decides. What is never right is asserted after every step.
 */
#ifndef SUPPORT_AGENT_SIM_H
#define SUPPORT_AGENT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/agent.h"
#include "daemon/status.h"

#define AGENT_SIM_NOON INT64_C(1795176000000) /* 2026-11-20T12:00:00Z, a Friday */
#define AGENT_SIM_S INT64_C(1000)
#define AGENT_SIM_MIN (60 * AGENT_SIM_S)
#define AGENT_SIM_H (60 * AGENT_SIM_MIN)

enum { AGENT_SIM_FOR_EVER = -1 };

struct agent_sim_outcome { /* how a job goes; all 0 is: well, after the usual time */
    int64_t took_ms;       /* 0: the usual; -1: it does not end by itself */
    int64_t save_ms;       /* backups: before something is stored; 0: 1 s */
    int exit_code;         /* -1: killed by signal */
    int signal;
    const char *code; /* of its error report; NULL: it makes none */
    const char *message;
    const char *answer; /* NULL: what is right for the job; "": none */
    bool is_silent;     /* it does not say that it lives */
    bool is_deaf;       /* to SIGTERM */
    bool is_stuck;      /* to SIGKILL too */
    bool cannot_start;
};

struct agent_sim_job {
    struct agent_sim_outcome outcome;
    bool is_running;
    int64_t fork_ms; /* wall */
    int64_t fork_changes;
    int64_t save_ms;  /* monotonic: when it is to report its progress; INT64_MAX: it has */
    int64_t end_ms;   /* monotonic */
    int64_t alive_ms; /* monotonic: its next sign of life */
    bool is_stopped;
    unsigned started; /* how often it was started at all */
};

struct agent_sim_server { /* change it as you like; the next look shows it */
    bool is_down;         /* nobody listens */
    bool is_lost;         /* it is there, and cannot be reached */
    bool is_busy;         /* a script: no answer to INFO */
    bool refuses;         /* the password */
    bool is_loading;
    bool is_replica;
    bool is_syncing;
    int64_t link_down_s; /* of a replica; -1: its link is up */
    uint64_t keys;
    uint64_t expires;
    uint64_t key_bytes;
    int64_t saves;   /* -1: INFO does not say */
    int64_t changes; /* the same */
    bool bgsave_failed;
    bool aof_failed;
    unsigned process;   /* the run_id */
    int64_t started_ms; /* monotonic */
};

struct agent_sim {
    struct agent *agent;
    struct status status;
    struct agent_config config;
    struct agent_time now;
    struct agent_sim_server server;
    struct readiness seen; /* the last look's */
    int64_t look_ms;       /* between two looks; 0: none */
    int64_t next_look_ms;  /* monotonic */

    struct agent_sim_job jobs[JOB_KIND_COUNT];
    struct agent_sim_outcome next[JOB_KIND_COUNT]; /* of the next `times` starts */
    int times[JOB_KIND_COUNT];

    struct status_backup backups[STATUS_BACKUPS_MAX]; /* the repository, newest first */
    size_t backup_count;
    unsigned backups_made;
    bool unproven; /* new backups are not */

    char check_input[32]; /* what the last check was told; "": nothing */

    struct buf story; /* what it did */
    struct buf shown; /* what agent_sim_story gave out last */
    struct buf log;   /* what it logged: "warn CODE: text", "info -: text" */
    bool is_quiet;    /* neither is written */
    bool has_exited;
    int exit_code;
    int64_t exit_ms; /* monotonic */
    unsigned told;   /* notifications */
    unsigned looks;
};

/* An agent with this schedule and a server of 1000 keys that is ready; the first tick is done by
 * agent_sim_run. The struct may not move. */
void agent_sim_init(struct agent_sim *sim, const char *schedule, int64_t wall_ms);
/* The same with a config of the test's own (agent_sim_config makes the usual one). */
void agent_sim_init_with(struct agent_sim *sim, const struct agent_config *config, int64_t wall_ms);
struct agent_config agent_sim_config(const char *schedule);
void agent_sim_release(struct agent_sim *sim);

/* Puts a backup into the repository, age_ms old, before the agent looks there. */
void agent_sim_has_backup(struct agent_sim *sim, int64_t age_ms, uint64_t keys);
/* The next `times` starts of this job go like that (AGENT_SIM_FOR_EVER: all). */
void agent_sim_next(struct agent_sim *sim, enum job_kind job, int times,
                    struct agent_sim_outcome outcome);
/* The next starts of backup and list fail as they do when the store is away. */
void agent_sim_store_away(struct agent_sim *sim);
void agent_sim_store_back(struct agent_sim *sim);
/* The server's process ends and another one begins, with so many keys. */
void agent_sim_restart_server(struct agent_sim *sim, uint64_t keys);
/* A line of report.h from a job. */
void agent_sim_report(struct agent_sim *sim, enum job_kind job, const char *line);

/* Lets so much time pass. */
void agent_sim_run(struct agent_sim *sim, int64_t ms);
/* Moves the wall clock alone. */
void agent_sim_jump(struct agent_sim *sim, int64_t ms);
/* Somebody asks for a job, and what comes of it at once. */
bool agent_sim_ask(struct agent_sim *sim, enum job_kind job);
/* SIGTERM, and what comes of it at once. */
void agent_sim_stop(struct agent_sim *sim);

/* What was done since the last call: lines such as "20 12:00:00 start backup" (the day of the month
 * and the time in UTC), "stop verify", "kill backup", "tell failed STORE_DENIED", "exit 0". Lists
 * and heartbeats are left out. Borrowed, until the next call. */
const char *agent_sim_story(struct agent_sim *sim);
/* How many lines of the log hold this text? */
unsigned agent_sim_logged(const struct agent_sim *sim, const char *text);
bool agent_sim_has(const struct agent_sim *sim, enum problem problem);

#define auto_agent_sim auto_with(agent_sim_release)

#endif
