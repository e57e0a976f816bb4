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

/* Of an s3:// repository: is_versioned and may_delete of *out; where that one is not -1 before, it
 * is what was found then, and no DELETE is tried again. *out_why says, in words for the
 * report, why one of them stays -1 (heap, else NULL). */
void asking_bucket(const struct command_context *context, struct check_backup *out, char **out_why);

struct asked_drill {
    int64_t time_ms;
    int64_t recovery_ms; /* restored and loaded */
    int64_t load_ms;     /* of that; -1 when it is not noted */
    uint64_t bytes;      /* of the files that were loaded */
};

/* The newest drill that went well and is noted beside its backup. False when there is none among
 * the newest notes, or it cannot be read in time. */
bool asking_drill(const struct command_context *context, struct asked_drill *out);

#endif
