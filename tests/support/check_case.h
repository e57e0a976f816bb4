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

#endif
