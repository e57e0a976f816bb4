/*
 * What `entrypoint` is about to start: the server's own words with the profile's settings, read the
 * way that the server will read them, and redkeep's own settings made to fit.
 */
#ifndef COMMANDS_STARTING_H
#define COMMANDS_STARTING_H

#include "base/cleanup.h"
#include "commands/command.h"
#include "commands/primary.h"
#include "entrypoint/server_line.h"

struct starting {
    const struct command_context *context;
    const char *wrapper;       /* that the user has named in front of the server; NULL: none */
    struct server_words words; /* the user's, without it */
    char **word_list;
    char *flags; /* that the wrapper takes from the environment; NULL: none */
    char **flag_list;
    size_t flag_count;
    struct server_conf own; /* what they mean, with those flags */
    enum profile profile;
    char *primary; /* that the setting makes it replicate; NULL: none */
    uint16_t primary_port;
    struct server_line line;   /* what is started */
    struct server_conf merged; /* what that means */
    bool is_replica;           /* by the setting, or the user's own words */
    char *cwd;
    struct settings settings; /* the context's, with what the server will really use; borrows */
    char *redis_url;
    char *version;
};

/* Reads the words and the options of context, and makes of them what is to be started; starting
 * begins as {.context = ...}. ERR_CONFIG: no server was named, or as server_conf_read(). */
int starting_understand(struct starting *starting, struct err *err);
/* INVARIANT (what is on the volume is what the server loads): what was said to redkeep has to be
 * what was said to the server. ERR_CORRUPT: it is not. */
int starting_check(const struct starting *starting, struct err *err);
/* What would be started, and why so: in words, or with --json as an object. */
void starting_print(const struct starting *starting);
void starting_release(struct starting *starting);
#define auto_starting auto_with(starting_release)

#endif
