/*
 * Applies what a report proposes and this process is allowed to: files of /proc/sys and /sys, and
 * CONFIG SET of the settings that the operator has listed (fix-server). What is fine is not
 * touched.
 */
#ifndef HOST_CHECK_FIX_H
#define HOST_CHECK_FIX_H

#include <stdbool.h>

#include "base/err.h"
#include "host/check.h"

struct check_fix_options {
    int root_fd;
    bool is_dry_run; /* says what it would do: result.before and value as they would be, status
                        stays */
    const char *const *server_settings; /* names that CONFIG SET may change; NULL-terminated */
    /* CONFIG SET name value; NULL: no server. Its error is the reason that people read. */
    int (*config_set)(void *context, const char *name, const char *value, struct err *err);
    void *context;
};

/* Every result that warns or fails and has an act. Done and seen by reading it back: CHECK_FIXED,
 * before is what it was, value what it is now, and fix of a setting the line of redis.conf that
 * keeps it. Refused: the status stays, and fix says in front of
 * the line to paste why it could not be done from here. Sorts the report again. Returns how many
 * were fixed (or would be). */
size_t check_fix(const struct check_fix_options *options, struct check_report *report);

#endif
