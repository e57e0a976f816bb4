/*
 * What more than one file of the volume's checks needs. Names of files are foreign text.
 */
#ifndef HOST_CHECK_VOLUME_H
#define HOST_CHECK_VOLUME_H

#include <stdbool.h>

#include "host/check.h"

/* False: the result says that it is unknown. what is a phrase, "the owner". */
bool check_has_volume(const struct check_facts *facts, struct check_result *result);
static inline bool check_has_seen(bool seen, const char *what, struct check_result *result)
{
    if (!seen)
        check_unknown(result, "%s of data-dir could not be read", what);
    return seen;
}

/* Can it stand in a line for the shell as it is? */
bool check_is_plain(const char *name);
/* data-dir for a line for the shell, or a variable in its place. Borrowed. */
const char *check_shell_path(const struct check_facts *facts);

/* Has the server written to its directory since it started, and with success the last time? */
bool check_server_writes(const struct check_facts *facts);

void check_look_ownership(const struct check_facts *facts, struct check_result *result);

#endif
