/*
 * What a real Redis 7.0.15 said of itself, and a healthy volume and repository beside it, for tests
 * that spoil one thing and ask one check.
 */
#ifndef SUPPORT_CHECK_CASE_H
#define SUPPORT_CHECK_CASE_H

#include "host/check.h"

struct check_case {
    struct pairs info;
    struct pairs config;
    struct check_facts facts; /* borrows both */
    struct check_result result;
    char *root; /* a directory of its own, which facts.root_fd is */
};

/* kind is "rdb" or "aof": tests/data/info/redis-7.0-<kind>.info and .config. */
void check_case_init(struct check_case *c, const char *kind);
void check_case_release(struct check_case *c);
/* Nothing is known any more, of anything. */
void check_case_forget(struct check_case *c);

/* Replaces what is there, or adds it; a value of NULL takes it away. */
void check_case_put(struct pairs *pairs, const char *name, const char *value);

/* Runs the row of that id of the tables of volume, server and backup, and proves what holds for
 * every result. Borrowed until the next call. */
const struct check_result *check_case_look(struct check_case *c, const char *id);

/* Holds result to what is expected of it: status, a part of value, and the whole fix unless NULL.
 */
void check_case_expect(struct check_case *c, const char *id, enum check_status status,
                       const char *says, const char *fix);

#define CHECK_FINDING_EDITS 6

/* What some changed lines of the server's texts make of one check. */
struct check_finding {
    const char *id;
    const char *kind; /* of check_case_init */
    /* "info:name=value", "config:name=value"; without "=" the line is taken away, and "config"
     * alone is a server that does not allow CONFIG GET; "cache", "prepared", "default-user" and
     * "cluster-kept" are facts that become true */
    const char *edits[CHECK_FINDING_EDITS];
    enum check_status status;
    const char *says; /* is in the value */
    const char *fix;  /* the whole line; NULL: not compared */
    const char *act;  /* "name value" of CONFIG SET; NULL: none */
};

/* Makes such changes. */
void check_case_edit(struct check_case *c, const char *const edits[CHECK_FINDING_EDITS]);
void check_case_prove(const struct check_finding *finding);

#endif
