/*
 * redkeep COMMAND: finds the row of the command, reads its arguments and the settings, runs it,
 * logs what went wrong, and turns the kind of error into the exit code.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "commands/command.h"
#include "commands/objects.h"
#include "commands/process.h"
#include "daemon/nearest.h"

static const struct command *const commands[] = {
    &command_prepare, &command_entrypoint, &command_run,    &command_backup, &command_restore,
    &command_list,    &command_verify,     &command_prune,  &command_guard,  &command_check,
    &command_advise,  &command_ready,      &command_status, &command_notify, &command_config,
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static int refuse_command(const char *name, struct err *err)
{
    struct nearest nearest = nearest_to(name);

    if (name[0] == '-')
        return err_set(err, ERR_CONFIG, "%.64s: options follow the command. HINT: redkeep --help",
                       name);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        nearest_try(&nearest, commands[i]->name);
    return err_set(err, ERR_CONFIG, "unknown command %.64s, the nearest is %s", name, nearest.best);
}

static void print_usage(FILE *out)
{
    (void)fprintf(out, "usage: redkeep COMMAND [OPTION]...\n"
                       "Keeps the data of a Redis or Valkey server alive.\n\ncommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->help);
    (void)fprintf(out,
                  "\n`redkeep COMMAND --help` lists its options and the settings, `redkeep "
                  "--version` the version.\n"
                  "exit codes: 0 done, 1 failed, 2 usage or configuration, 3 nothing found, 4 the "
                  "target holds data,\n5 repository unreachable or access denied, 6 corrupt, 7 "
                  "server unreachable or refuses, 8 busy,\n9 written by a server, or a redkeep, "
                  "too new for the "
                  "target\n");
}

static void print_command_help(const struct command *command, FILE *out)
{
    (void)fprintf(out, "usage: redkeep %s [OPTION]...%s%s\n%s\n", command->name,
                  command->words != NULL ? " " : "", command->words != NULL ? command->words : "",
                  command->help);
    if (command->options != NULL)
        (void)fprintf(out, "\noptions:\n");
    settings_print_options(command->options, out);
    (void)fprintf(out,
                  "\nsettings, each also REDKEEP_NAME, REDKEEP_NAME_FILE (a file that holds the "
                  "value), or a\nline `name value` of the file --config PATH or "
                  "REDKEEP_CONFIG [" COMMAND_DEFAULT_FILE "]:\n");
    settings_print_help(out);
}

/* Was all of the answer written? A full disk or a closed pipe is found out here at the latest. */
static int finish_output(struct err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return err_sys(err, ERR_FAILED, "cannot write the answer to standard output");
}

static int check_words(const struct command *command, const struct arguments *arguments,
                       struct err *err)
{
    if (arguments->word_count <= command->max_words)
        return 0;
    return err_set(err, ERR_CONFIG, "redkeep %s takes %s%s, so what is \"%.64s\"?", command->name,
                   command->max_words == 0 ? "no arguments but options" : "at most ",
                   command->max_words == 0 ? "" : command->words,
                   arguments->words[command->max_words]);
}

static int run_command(const struct command *command, int argc, char *argv[], struct err *err)
{
    auto_arguments struct arguments arguments = {0};
    auto_settings struct settings settings = {0};
    struct command_context context = {
        .settings = &settings,
        .arguments = &arguments,
        .clock = clock_system(),
        .out = stdout,
    };

    if (arguments_parse(argc, argv, command->options, &arguments, err) != 0)
        return -1;
    if (arguments.help) {
        print_command_help(command, stdout);
        return 0;
    }
    if (check_words(command, &arguments, err) != 0 ||
        command_load_settings(&arguments, &settings, err) != 0)
        return -1;
    log_init(settings.log_level, settings.log_format);
    if (command->needs_repository && settings.repository == NULL)
        return err_set(
            err, ERR_CONFIG,
            "redkeep %s needs a repository. HINT: set REDKEEP_REPOSITORY or --repository "
            "to s3://BUCKET/PREFIX or file:///PATH",
            command->name);
    return command->run(&context, err);
}

static int run(int argc, char *argv[], struct err *err)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    const struct command *command;

    if (name == NULL) {
        print_usage(stderr);
        return err_set(err, ERR_CONFIG, "no command given");
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        (void)printf("redkeep %s\n", REDKEEP_VERSION);
        return 0;
    }
    command = find_command(name);
    if (command == NULL)
        return refuse_command(name, err);
    return run_command(command, argc - 2, argv + 2, err);
}

int main(int argc, char *argv[])
{
    struct err err = {0};
    struct err output_err = {0};
    int rc;

    process_become_job();
    process_prepare();
    cancel_init();
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    rc = run(argc, argv, &err);
    if (rc != 0 && err.msg[0] != '\0')
        log_err(&err);
    if (finish_output(&output_err) != 0) {
        log_err(&output_err);
        return rc != 0 ? (int)err.kind : (int)output_err.kind;
    }
    return rc != 0 ? (int)err.kind : 0;
}
