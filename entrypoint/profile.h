/*
 * Persistence profiles: the settings that the classic guides give for five common wishes. One
 * table, each row with its reason, so that a person sees what is set, and why.
 */
#ifndef ENTRYPOINT_PROFILE_H
#define ENTRYPOINT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum profile {
    PROFILE_NONE,
    PROFILE_CACHE,   /* nothing is kept */
    PROFILE_RDB,     /* snapshots: minutes can be lost */
    PROFILE_AOF,     /* a log of commands: a second can be lost */
    PROFILE_HYBRID,  /* the log with a snapshot as its base, and snapshots: the same, faster */
    PROFILE_DURABLE, /* the log, on the disk before the answer */
};

struct profile_setting {
    unsigned profiles; /* bit 1 << enum profile */
    const char *name;
    const char *value; /* as it stands in redis.conf */
    const char *why;
};

extern const struct profile_setting profile_table[];
extern const size_t profile_table_count;

/* ERR_CONFIG, with the names there are, for another one. */
int profile_parse(const char *name, enum profile *out, struct err *err);
const char *profile_name(enum profile profile);
/* What it is for, in one line. */
const char *profile_purpose(enum profile profile);
bool profile_has(enum profile profile, const struct profile_setting *setting);

#endif
