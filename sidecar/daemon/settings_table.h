/*
 * The table of settings: the only place where a setting exists. Flags, REDKEEP_NAME,
 * REDKEEP_NAME_FILE, redkeep.conf, --help and `redkeep config` all come from its rows.
 */
#ifndef DAEMON_SETTINGS_TABLE_H
#define DAEMON_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/arguments.h"

enum setting_type {
    SETTING_STRING,   /* char *: not empty, no control characters */
    SETTING_SECRET,   /* struct secret: any bytes but NUL */
    SETTING_URL,      /* char *: scheme://..., masked wherever it is shown */
    SETTING_HOOK,     /* char *: the same, but only the host is shown: the path is the secret */
    SETTING_SERVER,   /* char *: the same, and one that redis_url.h knows */
    SETTING_FILENAME, /* char *: one name without a '/' */
    SETTING_PATH,     /* char *: relative, no "..", may have '/' */
    SETTING_WORD,     /* char *: no blanks */
    SETTING_VERSION,  /* char *: "7.0.15", "valkey 8.1" */
    SETTING_LISTEN,   /* char *: what http.h listens at */
    SETTING_SCHEDULE, /* char *: what schedule.h takes */
    SETTING_SPAN,     /* char *: what retention.h takes: "1y6m" */
    SETTING_OWNER,    /* struct settings_owner: UID or UID:GID */
    SETTING_UINT,     /* unsigned */
    SETTING_SIZE,     /* uint64_t, bytes */
    SETTING_DURATION, /* int64_t, ms */
    SETTING_ENUM,     /* int-sized enum: the index in words */
    SETTING_LIST,     /* unsigned: bit i = words[i] */
};

/* Defaults that depend on the machine: settings_load puts in what its input says. */
#define SETTING_DEFAULT_HOST_NAME "(host name)"
#define SETTING_DEFAULT_CPUS "(cores - 1)"

#define SETTING_ENV_PREFIX "REDKEEP_"

struct setting_row {
    const char *name;
    enum setting_type type;
    size_t offset;            /* of the field in struct settings */
    const char *default_text; /* NULL = not set */
    const char *value;        /* what the value is called in --help */
    const char *help;         /* one line */
    const char *zero_word;    /* the word for 0, or for not set; NULL = none */
    uint64_t min;             /* numbers: the smallest and the largest, 0 by zero_word aside */
    uint64_t max;
    const char *const *words; /* enum, list; what a URL begins with; ends with NULL */
};

extern const struct setting_row setting_table[];
extern const size_t setting_count;

/* The row called name, NULL when there is none. */
const struct setting_row *setting_find(const char *name);

/* The environment variable of row: REDKEEP_DATA_DIR. out holds at least 64 bytes. */
void setting_env_name(const struct setting_row *row, char *out, size_t out_size);

/* The name nearest to name, among the settings, "config" and options (which may be NULL). */
const char *setting_nearest(const char *name, const struct option_spec *options);

#endif
