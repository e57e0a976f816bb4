/*
 * `redkeep backup`: one backup now.
 */
#include "backup/backup.h"

#include <inttypes.h>

#include "backup/offline.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/leasing.h"
#include "commands/objects.h"
#include "commands/target.h"

static void print_summary(const struct manifest *manifest, FILE *out)
{
    char bytes[32];
    char stored[32];
    char keys[32] = "an unknown number of";

    format_size(manifest_file_bytes(manifest), bytes, sizeof(bytes));
    format_size(manifest->parts.size, stored, sizeof(stored));
    if (manifest->has_keys)
        (void)snprintf(keys, sizeof(keys), "%" PRIu64, manifest_keys(manifest));
    (void)fprintf(out, "backup %s of instance %s: %s keys, %s, stored as %s\n", manifest->id,
                  manifest->instance, keys, bytes, stored);
    if (!manifest->proven)
        (void)fprintf(out, "NOT proven: %s\n", manifest->unproven_why);
}

static void answer(const struct command_context *context, const struct manifest *manifest)
{
    if (!command_flag(context, "json")) {
        print_summary(manifest, context->out);
        return;
    }
    auto_free char *text = manifest_format(manifest);
    (void)fputs(text, context->out);
}

/* --if-new: there was nothing to store. */
static void answer_nothing(const struct command_context *context,
                           const struct backup_offline_result *result)
{
    auto_json struct json *root = json_object();
    const char *newest = result->newest[0] != '\0' ? result->newest : NULL;

    json_set_null(root, "id");
    json_set_string(root, "reason", result->reason);
    if (newest != NULL)
        json_set_string(root, "newest", newest);
    if (command_flag(context, "json"))
        command_answer(context, root);
    else if (newest != NULL)
        (void)fprintf(context->out, "nothing new: backup %s holds the same\n", newest);
    else
        (void)fprintf(context->out, "nothing to back up: %s holds no data\n",
                      context->settings->data_dir);
}

/* A server that runs is to be asked for its data, since what lies on its volume is older. */
static int check_ended(const struct command_context *context, struct err *err)
{
    if (target_check_server(context, context->settings->data_dir, err) == 0)
        return 0;
    if (err->kind != ERR_HOLDS_DATA)
        return -1;
    return err_set(err, ERR_SERVER,
                   "back up %s offline: a server takes connections at redis-url, and runs there as "
                   "far as can be told. HINT: without --offline it is asked to save; or stop it "
                   "first",
                   context->settings->data_dir);
}

static const char *appendonly_of(const struct settings *settings)
{
    switch (settings->appendonly) {
    case SETTINGS_APPENDONLY_YES:
        return "yes";
    case SETTINGS_APPENDONLY_NO:
        return "no";
    case SETTINGS_APPENDONLY_AUTO:
        break;
    }
    return NULL;
}

static int run_offline(const struct command_context *context, const struct backup_options *options,
                       struct store *store, struct err *err)
{
    const struct backup_offline_options offline = {
        .appendonly = appendonly_of(context->settings),
        .if_new = command_flag(context, "if-new"),
    };
    auto_backup_offline_result struct backup_offline_result result = {0};

    if (backup_offline(store, options, &offline, &result, err) != 0)
        return -1;
    if (result.is_stored)
        answer(context, &result.manifest);
    else
        answer_nothing(context, &result);
    return 0;
}

static int run_online(const struct command_context *context, const struct backup_options *options,
                      struct store *store, struct err *err)
{
    auto_redis struct redis *redis = NULL;
    auto_lease struct lease *lease = NULL;
    auto_manifest struct manifest manifest = {0};

    if (command_connect(context, 0, &redis, err) != 0 ||
        command_take_lease(context, redis, &lease, err) != 0 ||
        backup(redis, store, options, &manifest, err) != 0)
        return -1;
    answer(context, &manifest);
    return 0;
}

static int run(const struct command_context *context, struct err *err)
{
    const struct settings *settings = context->settings;
    unsigned include = settings->backup_include;
    auto_free char *below = xasprintf("%s/backups", settings->instance);
    auto_store struct store *store = NULL;
    bool offline = command_flag(context, "offline");
    struct backup_options options = {
        .data_dir = settings->data_dir,
        .instance = settings->instance,
        .names = command_names(context),
        .include_rdb = (include & SETTINGS_INCLUDE_RDB) != 0,
        .include_aof = (include & SETTINGS_INCLUDE_AOF) != 0,
        .include_acl = (include & SETTINGS_INCLUDE_ACL) != 0,
        .include_cluster = (include & SETTINGS_INCLUDE_CLUSTER) != 0,
        .save_timeout_ms = settings->save_timeout_ms,
        .workers = settings->compress_workers,
        .level = (int)settings->compression_level,
        .shrink_percent = settings->shrink_alarm,
        .clock = context->clock,
        .on_event = command_on_event,
        .on_warning = command_on_warning,
    };

    if (!options.include_rdb && !options.include_aof)
        return err_set(err, ERR_CONFIG,
                       "backup-include names neither rdb nor aof, so there would be no data in it. "
                       "HINT: rdb,acl is the default");
    if (command_flag(context, "if-new") && !offline)
        return err_set(err, ERR_CONFIG,
                       "--if-new goes with --offline: a server that runs is not "
                       "compared with its last backup");
    /* the store first: a save that could not be stored would cost the server a fork for nothing */
    if ((offline && check_ended(context, err) != 0) ||
        command_open_store(context, below, &store, err) != 0)
        return -1;
    return offline ? run_offline(context, &options, store, err)
                   : run_online(context, &options, store, err);
}

static const struct option_spec options[] = {
    {.name = "offline", .help = "of what a server that has ended left in data-dir"},
    {.name = "if-new", .help = "with --offline: success when there is nothing new to store"},
    {.name = "json", .help = "answer with the manifest"},
    {0},
};

const struct command command_backup = {
    .name = "backup",
    .help = "takes one backup now",
    .needs_repository = true,
    .options = options,
    .run = run,
};
