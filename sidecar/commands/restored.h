/*
 * What is still done when a restore is over, and its answer was given: others are told.
 */
#ifndef COMMANDS_RESTORED_H
#define COMMANDS_RESTORED_H

#include "backup/restore.h"
#include "commands/command.h"

/* Records the restore in the repository (answer is what `restore --json` says) and tells the hook
 * of notify-url, where there is one. Neither can fail, and neither takes more than a few seconds.
 */
void command_restored(const struct command_context *context, const struct restore_result *result,
                      struct json *answer);

#endif
