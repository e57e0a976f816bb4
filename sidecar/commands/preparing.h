/*
 * What `prepare` and `entrypoint` share: a volume is made ready for the server.
 */
#ifndef COMMANDS_PREPARING_H
#define COMMANDS_PREPARING_H

#include <stdbool.h>

#include "commands/command.h"

/* Restores data-dir when it is empty (and the server no replica, which its primary fills),
 * otherwise guards what is there, and answers. ERR_CORRUPT: the server would lose data; else as
 * restore() and guard(). */
int preparing_run(const struct command_context *context, bool is_replica, bool *out_restored,
                  struct err *err);
/* Guards alone, for who has no repository. */
int preparing_guard(const struct command_context *context, struct err *err);

#endif
