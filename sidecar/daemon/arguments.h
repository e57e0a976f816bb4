/*
 * The arguments behind `redkeep COMMAND`: settings (`--name value`, `--name=value`), the options of
 * the command itself, and positional words, in any order; `--` ends the options. Nothing is
 * interpreted here beyond that: settings.c reads the values of the settings.
 */
#ifndef DAEMON_ARGUMENTS_H
#define DAEMON_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* One option of a command. A table of them ends with a row of NULLs. */
struct option_spec {
    const char *name;  /* without the dashes */
    const char *value; /* what its value is called in --help; NULL = it takes none */
    const char *help;  /* one line */
};

struct argument {
    const char *name;  /* points into the tables */
    const char *value; /* NULL for an option that takes none; else points into argv */
};

struct arguments { /* argv must outlive it */
    struct argument *settings;
    size_t setting_count;
    struct argument *options;
    size_t option_count;
    const char **words; /* positional */
    size_t word_count;
    bool help; /* --help or -h was there: what follows it was not looked at */
};

/* Splits argv (what follows the command). options may be NULL. ERR_CONFIG, naming the nearest known
 * name, for an unknown one; for a missing or a superfluous value; for a secret, or a URL with a
 * password in it, in a flag, where every process of the machine could read it. */
int arguments_parse(int argc, char *const argv[], const struct option_spec *options,
                    struct arguments *out, struct err *err);
void arguments_release(struct arguments *arguments);

/* The last value given for a command's option; "" when it takes none; NULL when it was not given.
 */
const char *arguments_option(const struct arguments *arguments, const char *name);

static inline void cleanup_arguments(struct arguments *arguments)
{
    arguments_release(arguments);
}
#define auto_arguments __attribute__((cleanup(cleanup_arguments)))

#endif
