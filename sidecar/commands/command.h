/*
 * What a command is: a function that builds objects from the settings, calls them, and writes its
 * answer to context->out. It returns 0, or -1 with *err filled; main.c logs the error and turns its
 * kind into the exit code. A command that has an answer and fails all the same (verify) writes the
 * answer first; where that says all (ready: not yet), the message is empty and nothing is logged.
 */
#ifndef COMMANDS_COMMAND_H
#define COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "daemon/arguments.h"
#include "daemon/settings.h"

struct command_context {
    const struct settings *settings;
    const struct arguments *arguments;
    const struct clock *clock;
    FILE *out; /* the answer; main.c checks it for write errors after the command */
};

typedef int command_fn(const struct command_context *context, struct err *err);

struct command {
    const char *name;
    const char *help;  /* one line */
    const char *words; /* its positional arguments in --help; NULL = it takes none */
    size_t max_words;
    bool needs_repository;             /* main.c refuses to start it without one (ERR_CONFIG) */
    const struct option_spec *options; /* NULL = none */
    command_fn *run;
};

/* Each command's file defines its row; main.c lists the rows. */
extern const struct command command_prepare;
extern const struct command command_run;
extern const struct command command_entrypoint;
extern const struct command command_backup;
extern const struct command command_restore;
extern const struct command command_list;
extern const struct command command_verify;
extern const struct command command_prune;
extern const struct command command_advise;
extern const struct command command_guard;
extern const struct command command_check;
extern const struct command command_ready;
extern const struct command command_status;
extern const struct command command_notify;
extern const struct command command_config;

/* The value of --name, NULL when it was not given. */
static inline const char *command_option(const struct command_context *context, const char *name)
{
    return arguments_option(context->arguments, name);
}

/* Was the option --name, which takes no value, given? */
static inline bool command_flag(const struct command_context *context, const char *name)
{
    return arguments_option(context->arguments, name) != NULL;
}

/* Positional argument i, NULL when there are fewer. */
static inline const char *command_word(const struct command_context *context, size_t i)
{
    return i < context->arguments->word_count ? context->arguments->words[i] : NULL;
}

/* Writes value and a newline as the answer. */
void command_answer(const struct command_context *context, const struct json *value);
/* "a, b" as a list, a root; NULL as an empty one. */
struct json *command_list_words(const char *words);

#endif
