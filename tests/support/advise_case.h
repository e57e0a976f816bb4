/*
 * For the tests of the advice: servers as texts, and what the advice says of them.
 */
#ifndef SUPPORT_ADVISE_CASE_H
#define SUPPORT_ADVISE_CASE_H

#include <stdbool.h>

#include "host/advise.h"

struct advise_case {
    const char *name;
    const char *info;
    const char *config; /* "name:value" lines; NULL: not shown */
    int64_t dump_bytes;
    int64_t volume_bytes;
    int64_t limit_bytes;
};

/* *out borrows info and config, which are empty before and which the caller releases. */
void advise_case_fill(const struct advise_case *server, struct pairs *info, struct pairs *config,
                      struct advise_server *out);
/* On solid state, without a recovery point. The caller releases *out. */
void advise_case_run(const struct advise_case *server, enum advise_durability durability,
                     enum advise_use use, struct advice *out);
/* The value of a line; "?" when there is none. */
const char *advise_case_value(const struct advise_lines *lines, const char *name);
/* Is part in one of the sentences? */
bool advise_case_says(const struct advise_texts *texts, const char *part);

#endif
