/*
 * A saved machine of tests/data/host as the facts of a check: a copy of its proc/ and sys/ that a
 * test may change, with what its server answered to INFO ("info") and CONFIG GET * ("config": a
 * name and a value on each line), where it has these files.
 */
#ifndef SUPPORT_HOST_CASE_H
#define SUPPORT_HOST_CASE_H

#include "base/cleanup.h"
#include "host/check.h"

struct host_case {
    char *path;
    struct pairs info;
    struct pairs config;
    struct check_facts facts; /* server_pid as it is found, is_same_network false */
};

/* name NULL: an empty machine, and no server. The struct may not move. */
void host_case_open(struct host_case *c, const char *name);
void host_case_close(struct host_case *c);
/* Writes a file of the copy; text NULL removes it. */
void host_case_write(struct host_case *c, const char *path, const char *text);
/* Sets one value; value NULL removes it. */
void host_case_set(struct pairs *pairs, const char *name, const char *value);
/* What the row says; the caller releases it with host_case_forget. */
struct check_result host_case_look(const struct host_case *c, const struct check_row *rows,
                                   const char *id);
void host_case_forget(struct check_result *result);

#endif
