/*
 * The drill of `redkeep verify --drill`: settings in, the answer's row out.
 */
#ifndef COMMANDS_DRILLING_H
#define COMMANDS_DRILLING_H

#include "backup/drill.h"
#include "commands/command.h"

/* Loads backup id with drill-server, else with the server in PATH (ERR_CONFIG when there is none).
 * The caller releases *out. */
int command_drill(const struct command_context *context, const char *id, struct drill_result *out,
                  struct err *err);

#endif
