/*
 * `redkeep restore`: a backup into the data directory, or into another one.
 */
#include "backup/restore.h"

#include <string.h>

#include "backup/catalog.h"
#include "base/parse.h"
#include "commands/objects.h"
#include "commands/restored.h"
#include "commands/restoring.h"

static int choose(const struct command_context *context, struct restore_options *options,
                  struct err *err)
{
    const char *id = command_option(context, "backup");
    const char *at = command_option(context, "at");

    options->at_ms = -1;
    if (id != NULL && at != NULL)
        return err_set(err, ERR_CONFIG, "--backup and --at exclude each other");
    if (id != NULL && strcmp(id, "latest") != 0) {
        if (!catalog_is_id(id))
            return err_set(err, ERR_CONFIG,
                           "'%.64s' is no backup id. HINT: `redkeep list` shows them", id);
        options->backup_id = id;
    }
    if (at != NULL && parse_rfc3339(at, &options->at_ms, err) != 0)
        return err_wrap(err, "--at");
    if (command_option(context, "as-of") != NULL && command_flag(context, "if-backup-exists"))
        return err_set(err, ERR_CONFIG,
                       "--as-of and --if-backup-exists exclude each other: who names a moment "
                       "expects a backup there");
    if (command_flag(context, "force") && command_flag(context, "if-empty"))
        return err_set(err, ERR_CONFIG, "--force and --if-empty exclude each other");
    return 0;
}

static int run(const struct command_context *context, struct err *err)
{
    const char *other = command_option(context, "target");
    struct restoring restoring = {.context = context,
                                  .dir = other != NULL ? other : context->settings->data_dir};
    auto_restore_result struct restore_result result = {0};
    struct restore_options options = {
        .create = other != NULL,
        .if_empty = command_flag(context, "if-empty"),
        .if_backup_exists = command_flag(context, "if-backup-exists"),
        .force = command_flag(context, "force"),
        .dry_run = command_flag(context, "dry-run"),
    };

    int64_t as_of_ms;

    if (choose(context, &options, err) != 0 || command_as_of(context, &as_of_ms, err) != 0 ||
        restoring_begin(&restoring, &options, err) != 0)
        return -1;
    int rc = restore(&options, &result, err);
    if (rc != 0)
        (void)command_wrap_as_of(as_of_ms, err);
    auto_json struct json *answer = restoring_answer(&result, rc != 0 ? err : NULL);
    json_set_time(answer, "as_of", as_of_ms);
    if (command_flag(context, "json"))
        command_answer(context, answer);
    else if (rc == 0)
        restoring_print(&result, restoring.dir, context->out);
    if (rc == 0 && result.restored && other == NULL) { /* else it is not the instance's data */
        (void)fflush(context->out);                    /* main.c looks whether that went well */
        command_restored(context, &result, answer);
    }
    return rc;
}

static const struct option_spec options[] = {
    {.name = "if-empty", .help = "a directory that holds data is success, left as it is"},
    {.name = "if-backup-exists", .help = "a repository without any backup is success"},
    {.name = "backup", .value = "ID", .help = "this backup instead of the newest"},
    {.name = "at", .value = "TIME", .help = "the newest with data of then or before (RFC 3339)"},
    COMMAND_OPTION_AS_OF,
    {.name = "target", .value = "DIR", .help = "into this directory instead of data-dir"},
    {.name = "dry-run", .help = "says what would be done, and does nothing"},
    {.name = "force", .help = "moves what is there aside, inside the same directory"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_restore = {
    .name = "restore",
    .help = "puts a backup into the data directory, all or nothing",
    .needs_repository = true,
    .options = options,
    .run = run,
};
