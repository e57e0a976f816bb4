/*
 * The inside of the agent, shared by its files: agent.c (events and actions), agent_backup.c (when
 * and whether), agent_server.c (what a look at the server means), agent_jobs.c (how jobs end),
 * agent_drain.c (the end).
 */
#ifndef DAEMON_AGENT_STATE_H
#define DAEMON_AGENT_STATE_H

#include "daemon/agent.h"
#include "daemon/changes.h"
#include "daemon/notify.h"

enum {
    AGENT_TRIES = 3,
    AGENT_RETRY_MS = 5000,           /* before the second try; doubled before the third */
    AGENT_BUSY_MS = 30 * 1000,       /* before it is tried again, when another redkeep works */
    AGENT_STALL_MS = 10 * 60 * 1000, /* a job of which nothing is heard for so long hangs */
    AGENT_DRAIN_KILL_MS = 5 * 1000,  /* the same at the end, when there is no time */
    AGENT_KILL_MS = 30 * 1000,       /* between SIGTERM and SIGKILL */
    AGENT_LIST_MS = 60 * 60 * 1000,  /* between two looks into the repository */
    AGENT_RELIST_MS = 60 * 1000,     /* the same, while a backup seems to be too old */
    AGENT_LIST_RETRY_MS = 5 * 1000,  /* after one that failed; doubled up to the next */
    AGENT_LIST_RETRY_MAX_MS = 5 * 60 * 1000, /* a repository that is back is seen soon */
    AGENT_HEARTBEAT_MS = 60 * 1000,
    AGENT_UNREACHABLE_MS = 30 * 1000, /* a server that restarts is no alarm */
    AGENT_NO_LOOK_MS = 15 * 1000,     /* the watcher's own limits are much shorter */
    AGENT_CERTAIN_MS = 5000,          /* an answer that is older says nothing of changes */
    AGENT_EARLY_MS = 60 * 1000,       /* at least, between two backups because of many changes */
    AGENT_LINK_DOWN_S = 5 * 60,       /* a replica without its primary is backed up all the same */
    AGENT_JUMP_MS = 5000,             /* the wall clock and the other one part by more: a jump */
    AGENT_DRAIN_POLL_MS = 200,
    AGENT_DRAIN_MARGIN_MS = 1500,     /* of drain_ms, to stop jobs and to leave */
    AGENT_FINAL_MS = 1000,            /* between two tries of the final backup */
    AGENT_SILENCE_MS = 1000,          /* at the end: an answer that is older is none */
    AGENT_PROGRESS_MS = 10 * 1000,    /* between two log lines while the server loads */
    AGENT_CHECK_MS = 10 * 60 * 1000,  /* between two reports on what the data stands on */
    AGENT_CHECK_FIRST_MS = 30 * 1000, /* so long the first one waits for server and repository */
    AGENT_DELETE_MS = 24 * 60 * 60 * 1000, /* between two DELETEs that it tries */
    AGENT_CHECK_LINES_MAX = 64,            /* of the log, for one report */
    AGENT_ACTIONS_MAX = 128,
    AGENT_MESSAGES_MAX = 16,
};

enum agent_why { /* a backup is wanted, because */
                 AGENT_WHY_NOTHING,
                 AGENT_WHY_SCHEDULE,
                 AGENT_WHY_CATCH_UP,
                 AGENT_WHY_FIRST,
                 AGENT_WHY_CHANGES,
                 AGENT_WHY_ASKED,
                 AGENT_WHY_RETRY,
};

struct agent_job {      /* what is known of a running job beside its struct status_job */
    int64_t heard_ms;   /* monotonic */
    int64_t stopped_ms; /* when it was told to stop; 0: it was not */
    bool is_killed;
    bool is_hung;
    char *warnings[PROBLEM_COUNT]; /* that it gave, by problem; NULL: none of this kind */
    enum problem problem;          /* of its error report; PROBLEM_NONE: none came */
    char *message;
    int64_t started_mono_ms;
};

struct agent {
    struct agent_config config;
    struct status *status;
    struct agent_time last; /* of the last tick */
    struct agent_time started;
    int64_t jump_ms; /* wall minus monotonic, at the last tick */

    struct agent_action actions[AGENT_ACTIONS_MAX];
    size_t action_first;
    size_t action_count;
    char *messages[AGENT_MESSAGES_MAX]; /* notifications that wait for their turn */
    size_t message_count;
    uint64_t told; /* bits: the problems that were told, and whose end is to be told */

    /* backups */
    bool is_planned;         /* status->next_backup_ms is what the schedule says */
    enum agent_why slot_why; /* what a backup at that time is for */
    enum agent_why wanted;
    enum agent_why running_why;
    unsigned attempt; /* failed tries of this turn */
    int64_t retry_ms; /* monotonic; 0: none waits */
    bool is_failing;  /* the alarm was raised */
    bool verify_wanted;
    enum job_kind verify_kind; /* of the one that is wanted */
    int64_t verify_ms;         /* wall: when the next one is scheduled, -1 none */
    bool prune_wanted;
    int64_t early_ms; /* monotonic: when the last backup because of changes began */

    /* the server */
    struct changes changes;
    int64_t look_ms;        /* monotonic: the last look */
    int64_t ready_ms;       /* monotonic: the last answer of a server that is ready; 0: none */
    int64_t unreachable_ms; /* monotonic, since when; 0: it answers */
    char run_id[48];        /* of the process whose load was looked at */
    bool load_unchecked;    /* it has loaded, and there is no list to compare with yet */
    uint64_t loaded_keys;
    int64_t loaded_at_ms; /* wall: when it was started */
    int64_t progress_ms;  /* monotonic: when its loading was logged */

    /* the repository */
    int64_t list_ms; /* monotonic: when it is to be listed */
    int64_t list_retry_ms;
    uint64_t list_problems; /* bits: those that lists raised since one went well */
    int64_t heartbeat_ms;   /* monotonic: when the next one is due */

    /* the checks */
    int64_t check_ms;        /* monotonic: when the next one is due */
    int64_t delete_tried_ms; /* monotonic: when a check has last tried a DELETE; 0: not known */
    bool may_delete;         /* what came of it */
    bool check_was_early;    /* the last one began before there was anything to see */

    /* the end */
    bool is_leaving;    /* AGENT_EXIT was given out */
    int64_t stop_ms;    /* monotonic: when the signal came; 0: none did */
    int64_t poke_ms;    /* monotonic: when the server was last asked for its end */
    int64_t give_up_ms; /* monotonic: since when nothing is waited for; 0: not yet */
    bool server_is_gone;
    bool final_is_done;
    unsigned final_tries;
    int64_t final_ms; /* monotonic: not before */
    bool drain_failed;

    struct agent_job jobs[JOB_KIND_COUNT];
    /* of the last prune, verification and drill, which no other job disproves; PROBLEM_NONE: none
     */
    enum problem held[JOB_KIND_COUNT];
};

/* agent.c */
void agent_log(struct agent *agent, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same about a problem, whose code stands beside the text. */
void agent_log_problem(struct agent *agent, enum log_level level, enum problem problem,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
void agent_start(struct agent *agent, enum job_kind job, char *input, struct agent_time now);
void agent_push(struct agent *agent, struct agent_action action);
void agent_stop_job(struct agent *agent, enum job_kind job, struct agent_time now);
/* Raises a problem; a new one is logged with its remedy, and told to notify-url when tell is set.
 */
void agent_raise(struct agent *agent, enum problem problem, bool tell, struct agent_time now,
                 const char *detail);
/* The end of a problem: logged, and told when the problem was. */
void agent_clear(struct agent *agent, enum problem problem, struct agent_time now);
/* Its end is said by something else, or is no good news. */
void agent_forget_told(struct agent *agent, enum problem problem);
void agent_tell(struct agent *agent, enum notify_event event, enum problem problem,
                const char *what, struct agent_time now);
bool agent_is_running(const struct agent *agent, enum job_kind job);

/* agent_backup.c */
/* The next backup is the schedule's first behind after_ms, plus jitter. */
void agent_plan(struct agent *agent, int64_t after_ms);
/* What the repository holds is known now: is a run to be made up for? */
void agent_catch_up(struct agent *agent, struct agent_time now);
/* May this server be backed up, by backup-role? Not known is yes. */
bool agent_role_fits(const struct agent *agent);
void agent_backup_tick(struct agent *agent, struct agent_time now);
/* No backup is wanted any more. */
void agent_backup_drop(struct agent *agent);
void agent_backup_ended(struct agent *agent, const struct agent_end *end, struct agent_time now);
void agent_check_freshness(struct agent *agent, struct agent_time now);

/* agent_jobs.c */
/* Did a list raise it, and did none go well since? */
bool agent_list_has(const struct agent *agent, enum problem problem);
/* What a job that went well has warned of is a problem, until one goes well without. */
void agent_raise_warnings(struct agent *agent, enum job_kind job, struct agent_time now);
/* Forgets what the job said. */
void agent_job_clear(struct agent_job *inside);

/* agent_verify.c: what is done to backups that are there */
void agent_verify_plan(struct agent *agent, struct agent_time now);
/* Does one of those jobs run? NULL: no; else which, in words. */
const char *agent_verify_running(const struct agent *agent);
void agent_verify_tick(struct agent *agent, struct agent_time now);
/* Did the last prune, verification or drill fail of that? It stands until one of the same kind goes
 * well, whatever else does. */
bool agent_is_held(const struct agent *agent, enum problem problem);
/* What the job failed of is over: one went well, or none is wanted any more. */
void agent_let_go(struct agent *agent, enum job_kind job, struct agent_time now);
/* A list was read: what somebody has verified since, by hand or elsewhere, counts as ours does. */
void agent_verify_listed(struct agent *agent, struct agent_time now);
void agent_verify_ended(struct agent *agent, enum job_kind job, const struct agent_end *end,
                        struct agent_time now);

/* agent_check.c */
void agent_check_tick(struct agent *agent, struct agent_time now);
void agent_check_ended(struct agent *agent, const struct agent_end *end, struct agent_time now);

/* agent_server.c */
void agent_compare_load(struct agent *agent, struct agent_time now);
void agent_server_tick(struct agent *agent, struct agent_time now);

/* agent_drain.c */
void agent_drain_look(struct agent *agent, bool nobody_listens);
void agent_drain_tick(struct agent *agent, struct agent_time now);
void agent_final_ended(struct agent *agent, const struct agent_end *end, struct agent_time now);

#endif
