/*
 * The objects that commands share, made from the settings.
 */
#ifndef COMMANDS_OBJECTS_H
#define COMMANDS_OBJECTS_H

#include "backup/server_files.h"
#include "commands/command.h"
#include "redis/redis_conn.h"
#include "store/store.h"

#define COMMAND_DEFAULT_FILE "/etc/redkeep/redkeep.conf" /* read when it is there */

/* The settings as they are now: flags, environment, file, defaults of this machine. The caller
 * releases *out. */
int command_load_settings(const struct arguments *arguments, struct settings *out, struct err *err);
/* The moment that --as-of names; -1 when it was not given. ERR_CONFIG when it is none, or not over
 * yet. */
int command_as_of(const struct command_context *context, int64_t *out_ms, struct err *err);
/* Puts "as of <that moment>: " in front of the message; nothing where it is -1. Returns -1. */
int command_wrap_as_of(int64_t as_of_ms, struct err *err);
/* Its row among the options of a command that reads. */
#define COMMAND_OPTION_AS_OF                                           \
    {                                                                  \
        .name = "as-of", .value = "TIME",                              \
        .help = "the repository as it was then, in a versioned bucket" \
    }
/* Opens the repository, as it was where --as-of says so and nothing is to be written; ERR_STORE
 * when it is not there, or nothing can be written below the key prefix writes_below (NULL: only to
 * be read). The caller frees. */
int command_open_store(const struct command_context *context, const char *writes_below,
                       struct store **out, struct err *err);
/* What the settings say of TLS to the server; borrowed from them. */
struct redis_tls_options command_tls(const struct settings *settings);
/* Connects to the server; timeout_ms 0: the connection's own default. The caller frees. */
int command_connect(const struct command_context *context, int timeout_ms, struct redis **out,
                    struct err *err);
/* The file names that the settings say; borrowed from them. */
struct server_names command_names(const struct command_context *context);
/* Logs text at level info, and reports it; an on_event for the modules. */
void command_on_event(void *context, const char *text);
/* The same at level warn. */
void command_on_warning(void *context, enum problem problem, const char *text);

#endif
