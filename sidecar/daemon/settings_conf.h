/*
 * The syntax of redkeep.conf, which is that of redis.conf: a line holds a name and a value, apart
 * by blanks; '#' at the start of a line is a comment; a value with blanks is "quoted" (\n \r \t \b
 * \a \xHH, and any other character after a backslash for itself) or 'quoted' (only \'). Names are
 * case-insensitive. Pure: knows nothing of which settings there are.
 */
#ifndef DAEMON_SETTINGS_CONF_H
#define DAEMON_SETTINGS_CONF_H

#include <stddef.h>

#include "base/err.h"

struct settings_conf_line {
    unsigned number;   /* from 1 */
    const char *name;  /* in lower case */
    const char *value; /* may be empty */
};

/* Return -1 with *err set to stop. The line is borrowed for the call, and wiped afterwards. */
typedef int settings_conf_fn(void *context, const struct settings_conf_line *line, struct err *err);

/* Calls each for every line of text that is neither empty nor a comment. ERR_CONFIG, naming the
 * line and never its value, when one is not a name and a value. */
int settings_conf_parse(const char *text, size_t len, settings_conf_fn *each, void *context,
                        struct err *err);

#endif
