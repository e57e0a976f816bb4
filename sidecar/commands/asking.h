/*
 * Questions of `check` and `advise` that may hang, asked by a child (host/apart.h), so that they
 * are over in time. To be asked before any thread is started.
 */
#ifndef COMMANDS_ASKING_H
#define COMMANDS_ASKING_H

#include "commands/command.h"
#include "host/check_facts.h"

/* Does looking up the name of the server's host come to an end within timeout_ms? Whether there is
 * such a name is not the question. */
bool asking_name(const char *redis_url, const struct clock *clock, int timeout_ms);

/* Of an s3:// repository: is_versioned and may_delete of *out; *out_why says, in words for the
 * report, why one of them stays -1 (heap, else NULL). */
void asking_bucket(const struct command_context *context, struct check_backup *out, char **out_why);

#endif
