/*
 * What `restore` and `prepare` share: the options that settings make, and the answer.
 */
#ifndef COMMANDS_RESTORING_H
#define COMMANDS_RESTORING_H

#include "backup/restore.h"
#include "commands/command.h"
#include "commands/target.h"

struct restoring {
    const struct command_context *context;
    const char *dir; /* that is restored into */
    struct target target;
};

/* Adds to *options, which the caller has begun, what the settings say. They borrow from restoring,
 * whose first two members the caller has set. ERR_CONFIG as target_find. */
int restoring_begin(struct restoring *restoring, struct restore_options *options, struct err *err);
/* What the server will be started with. */
enum restore_appendonly restoring_appendonly(const struct settings *settings);

/* The answer as JSON, a root; failure NULL: none. */
struct json *restoring_answer(const struct restore_result *result, const struct err *failure);
void restoring_print(const struct restore_result *result, const char *dir, FILE *out);

#endif
