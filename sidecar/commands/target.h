/*
 * What is known of the server that a restore is for.
 */
#ifndef COMMANDS_TARGET_H
#define COMMANDS_TARGET_H

#include <stdbool.h>

#include "commands/command.h"
#include "redis/server_version.h"

struct target {
    bool is_known;
    struct server_version version;
    char from[160]; /* "Redis 7.0.15, the server at redis://..."; for messages */
};

/* From the setting server-version, else the server that answers at redis-url, else the server
 * program that lies in PATH. Not to know is no failure; ERR_CONFIG for a version that is none. */
int target_find(const struct command_context *context, struct target *out, struct err *err);

/* Asks the program (a path, or a name in PATH) for its version. False: it is no server. */
bool target_ask_program(const char *program, struct target *out);

/* Does a server run on dir? ERR_HOLDS_DATA when somebody takes connections at redis-url, answers or
 * not, unless its directory is known to be another one: it says which, and that is here and is not
 * dir; or dir is not data-dir, where it would be. */
int target_check_server(const struct command_context *context, const char *dir, struct err *err);

#endif
