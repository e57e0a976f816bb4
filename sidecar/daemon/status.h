/*
 * What the running sidecar knows: plain data, written by the agent alone and turned into answers by
 * pure functions: status_json.c (/status, /readyz, /backupz), metrics.c, page.c. Wall-clock times
 * are milliseconds since 1970, -1 for never or unknown. Text is owned by the struct.
 */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/problem.h"
#include "daemon/history.h"
#include "host/check.h"
#include "redis/readiness.h"
#include "redis/redis_info.h"

enum job_kind {
    JOB_BACKUP,
    JOB_FINAL, /* the backup of what SHUTDOWN wrote */
    JOB_VERIFY,
    JOB_DRILL, /* a verification that a server takes part in */
    JOB_PRUNE, /* retention */
    JOB_LIST,  /* reads what the repository has */
    JOB_CHECK, /* host, limits, volume, server, backups */
    JOB_NOTIFY,
    JOB_HEARTBEAT,
    JOB_KIND_COUNT,
};

/* "backup", "final-backup", "verify", "drill", "prune", "list", "check", "notify", "heartbeat".
 * Static. */
const char *job_kind_name(enum job_kind kind);

struct status_backup { /* one restore point */
    char id[32];
    int64_t created_ms;
    bool has_keys;
    uint64_t keys;
    uint64_t expires; /* of them, those that may be gone by themselves */
    uint64_t size_bytes;
    uint64_t stored_bytes;
    char server[64]; /* "Redis 7.0.15" */
    int rdb_version; /* -1 unknown */
    bool proven;
    int64_t save_ms; /* how long the server's save took; -1 unknown */
    int64_t pack_ms; /* how long reading, compressing and storing took; -1 */
    int64_t verified_ms;
    bool verified_ok; /* when verified_ms is not -1 */
    bool drilled;     /* that was a drill; false too when it is not known */
    bool encrypted;
    bool pinned;
};

struct status_job { /* of one kind: what runs now, and what became of the last one */
    bool is_running;
    int64_t pid; /* while it runs */
    int64_t started_ms;
    int64_t ended_ms;     /* of the last one that ended */
    int64_t last_took_ms; /* of the same; -1 */
    bool last_ok;
    int last_exit_code;        /* -1: killed by a signal */
    enum problem last_problem; /* PROBLEM_NONE when it went well */
    char *last_message;        /* NULL when it went well */
    char *doing;               /* what it does now, in words; NULL, and when it has ended */
    uint64_t done_bytes;       /* while it runs, else 0, as the next two */
    uint64_t total_bytes;      /* 0 unknown */
    uint64_t bytes_per_s;
    unsigned attempt; /* backups: 1, 2, 3 of this turn */
    uint64_t count_started;
    uint64_t count_ok;
    uint64_t count_failed;
    uint64_t count_crashed; /* of the failed: died of a signal that was not ours */
    uint64_t count_hung;    /* of the failed: killed because nothing was heard of it */
};

struct status_problem {
    enum problem problem;
    int64_t since_ms;
    char *detail; /* what happened, in the words of the moment */
};

struct status_request_count { /* requests to the repository, by what came back */
    int http_code;            /* 0: no answer */
    uint64_t count;
};

struct status_check { /* one row of `check --json`; text that is NULL it did not give */
    char *id;
    enum check_scope scope;
    enum check_status status;
    char *value;
    char *wanted;
    char *why;
    char *fix;
    enum check_status told; /* as the log has it; CHECK_OK: not at all */
};

struct status_checks { /* the worst first */
    struct status_check *rows;
    size_t count;
};

enum { STATUS_CHECKS_MAX = 96 };
enum { STATUS_BACKUPS_MAX = 100, STATUS_PROBLEMS_MAX = PROBLEM_COUNT, STATUS_CODES_MAX = 32 };

struct status {
    const char *version; /* redkeep's; static */
    char *instance;
    char *repository; /* masked; NULL: none */
    char *server_url; /* without secrets */
    int64_t now_ms;   /* when this was last brought up to date */
    int64_t started_ms;
    bool is_stopping;

    /* the server */
    struct readiness readiness;
    bool has_info; /* info is the newest answer, seen_ms its time */
    struct redis_server_info info;
    int64_t seen_ms;
    struct history history;       /* what many looks tell */
    int64_t changes_since_backup; /* writes since the newest backup of this sidecar; -1 unknown */

    /* the volume, as redkeep sees it; -1 unknown */
    int64_t volume_free_bytes;
    int64_t volume_total_bytes;

    /* the repository: newest first, at most STATUS_BACKUPS_MAX of backup_count */
    bool has_backups;        /* it could be listed once */
    int64_t backups_read_ms; /* when it was listed last */
    struct status_backup *backups;
    size_t backup_count;
    uint64_t backups_total; /* how many the repository holds */

    /* the schedule */
    char *schedule; /* as set */
    char *timezone;
    int64_t next_backup_ms;     /* -1: none */
    int64_t backup_max_age_ms;  /* 0: no bound */
    int64_t last_backup_ok_ms;  /* when the newest proven backup's data was forked; -1 */
    int64_t unchanged_ms;       /* when the newest backup was last known to equal the server's
                                   data (backup-on-changes); counts for freshness like a backup */
    uint64_t skipped_unchanged; /* scheduled backups that were not needed */
    uint64_t skipped_role;      /* scheduled backups that were another's */
    char *waiting_for;          /* why no backup is taken now, in words; NULL */

    /* the last restore into this instance that was recorded */
    int64_t restored_ms; /* -1: none known */
    char restored_backup[32];
    bool restored_has_keys;
    uint64_t restored_keys;
    uint64_t restored_skipped; /* restore points that were passed over */
    int64_t restore_took_ms;

    /* the last drill of this sidecar */
    int64_t drilled_ms; /* -1: none */
    bool drill_ok;
    int64_t drill_took_ms; /* until the server served: the recovery time; -1 */
    int64_t drill_load_ms; /* of that, its load; -1 */
    uint64_t drill_bytes;  /* what it loaded: the files of that backup; 0 unknown */

    /* the report on what the data stands on */
    int64_t checks_read_ms; /* when it was made; -1 */
    struct status_checks checks;

    struct status_job jobs[JOB_KIND_COUNT];
    struct status_problem problems[STATUS_PROBLEMS_MAX]; /* oldest first */
    size_t problem_count;

    struct status_request_count requests[STATUS_CODES_MAX];
    size_t request_count;
    uint64_t store_retries;
    uint64_t notify_dropped; /* messages that could not be delivered */
    uint64_t log_lost;       /* log lines that could not be written */
    uint64_t http_requests;
    uint64_t http_refused; /* clients over a limit */
};

/* Everything unknown. */
void status_init(struct status *status);
void status_release(struct status *status);

/* Raises a problem, or gives a standing one its newest words (its since stays; detail may be NULL).
 * True when it was not there before. */
bool status_raise(struct status *status, enum problem problem, int64_t now_ms, const char *detail);
/* True when it was there. */
bool status_clear(struct status *status, enum problem problem);
const struct status_problem *status_find(const struct status *status, enum problem problem);

/* The age of the newest proven backup. Those of the future do not count where there are others, and
 * have no age where there are none; -1: none is known. */
int64_t status_backup_age_ms(const struct status *status);
/* How much of the past a lost volume would cost: that age, or less when the server's data was found
 * unchanged since. -1: not known. */
int64_t status_lag_ms(const struct status *status);
/* Is the newest proven backup within bounds? Never when there is none. *out_why is a sentence
 * (heap) when it is not, else untouched. */
bool status_backup_is_fresh(const struct status *status, char **out_why);

/* The body of /status and /backupz (that of /readyz is readiness_to_json); roots that the caller
 * frees. Members are called as the fields of these structs: a time `now_ms` is `now_at`, a span
 * `last_took_ms` is `last_took_seconds`, a flag `is_running` is `running`; the fields of
 * readiness_to_json stand at the top. Unknown is null. */
struct json *status_to_json(const struct status *status);
struct json *status_backupz_json(const struct status *status);

/* From the objects of `list --json` (backups[], total, last_restore) and the manifest of `backup
 * --json`. What a field does not say stays unknown, and what only this process knows of a backup
 * (when it was verified, how long it took) is kept; ERR_CORRUPT when it is no such answer, and then
 * nothing is changed. */
int status_read_list(struct status *status, const struct json *answer, int64_t now_ms,
                     struct err *err);
int status_read_manifest(const struct json *manifest, struct status_backup *out, struct err *err);
/* From the object of `check --json`; the caller releases *out. ERR_CORRUPT when it is none. */
int status_read_checks(const struct json *answer, struct status_checks *out, struct err *err);
void status_checks_release(struct status_checks *checks);
const struct status_check *status_checks_find(const struct status_checks *checks, const char *id);
/* checks[] of /status; a root. */
struct json *status_checks_json(const struct status_checks *checks);
/* Puts backup in front of the others, where it may stand already. */
void status_add_backup(struct status *status, const struct status_backup *backup);

#endif
