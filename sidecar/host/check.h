/*
 * The report on what the data stands on: host, limits, volume, server, backups. Each item is a row
 * of a table (its id, who can fix it, why it matters) with a function that judges facts and asks
 * nobody: struct check_facts holds all that was read before. What a row cannot see it calls unknown
 * and says what it would need, never ok.
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "host/check_facts.h"

/* From good to bad, but for fixed. In this order they count: the worst one is the report's. */
enum check_status {
    CHECK_OK,
    CHECK_FIXED, /* by this run */
    CHECK_UNKNOWN,
    CHECK_WARN,
    CHECK_FAIL, /* data is being lost, or will be at the next crash, save or start */
    CHECK_STATUS_COUNT,
};

enum check_scope {               /* who can fix it */
                   CHECK_HOST,   /* the node: sysctl, THP, kernel */
                   CHECK_POD,    /* limits and security context of the container */
                   CHECK_SERVER, /* redis.conf */
                   CHECK_VOLUME,
                   CHECK_BACKUP, /* redkeep's own settings, the bucket's policy */
};

/* "ok", "fixed", "unknown", "warn", "fail". Static. */
const char *check_status_name(enum check_status status);
/* "host", "pod", "server", "volume", "backup". Static. */
const char *check_scope_name(enum check_scope scope);

/* What fix may do; the way to do it is check_fix.h's. */
enum check_act {
    CHECK_ACT_NONE,
    CHECK_ACT_FILE,   /* write act_value to the file act_name, below root_fd */
    CHECK_ACT_CONFIG, /* CONFIG SET act_name act_value */
};

struct check_result {
    const char *id; /* kebab-case, stable: other people's scripts rely on it; static */
    enum check_scope scope;
    enum check_status status;
    const char *why; /* why it matters, one sentence; static */
    /* Heap text, NULL where there is none. */
    char *value;  /* what is; of an unknown one: "unknown: ..." with what it needs */
    char *wanted; /* what should be */
    char *fix;    /* the exact line to paste, in the place that the scope names; NULL when ok */
    char *before; /* of a fixed one: value as it was */
    enum check_act act;
    const char *act_name; /* static */
    char *act_value;
    size_t place; /* in the tables */
};

/* One row of a table; look fills status, value, wanted, fix and act of a result that has all else.
 */
struct check_row {
    const char *id;
    enum check_scope scope;
    const char *why;
    void (*look)(const struct check_facts *facts, struct check_result *result);
};

/* The tables, ended by a row without id; in the file of their name. */
extern const struct check_row check_host_rows[];
extern const struct check_row check_limit_rows[];
extern const struct check_row check_volume_rows[];
extern const struct check_row check_server_rows[];
extern const struct check_row check_backup_rows[];

struct check_report {
    struct check_result *results; /* worst first; those of one status in the order of the tables */
    size_t count;
};

/* Every row of every table. The caller releases *out. */
void check_run(const struct check_facts *facts, struct check_report *out);
void check_report_release(struct check_report *report);
enum check_status check_worst(const struct check_report *report);
const struct check_result *check_find(const struct check_report *report, const char *id);
/* Leaves only the results whose ids are in the list (id,id). ERR_CONFIG, and nothing is changed:
 * one of them is no id of the report. */
int check_keep(struct check_report *report, const char *ids, struct err *err);
/* After a fix changed a status: worst first again, in the order of the tables. */
void check_sort(struct check_report *report);

/* {"checks": [{id, status, value, wanted, scope, why, fix, before?}], "worst": status}; the caller
 * frees. */
struct json *check_to_json(const struct check_report *report);

/* What to say when facts.server_pid is needed and is -1. */
#define CHECK_NEEDS_PID \
    "this needs the server's PID namespace (shareProcessNamespace: true / pid: service:redis)"
#define CHECK_NEEDS_CONFIG "this needs CONFIG GET (ACL: +config|get)"

/* For the rows: each sets its status and text (heap copies, printf-like; what was there is freed).
 * Control characters, which foreign files and answers may hold, are escaped; a fix may have several
 * lines. A row that says nothing is unknown. */
void check_ok(struct check_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* status WARN or FAIL; wanted and fix may be set after it. */
void check_bad(struct check_result *result, enum check_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "unknown: " and what it needs. */
void check_unknown(struct check_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void check_wants(struct check_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void check_fix_by(struct check_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What check_fix may do about it; name is static. */
void check_act_by(struct check_result *result, enum check_act act, const char *name,
                  const char *value);

#endif
