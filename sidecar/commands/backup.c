/*
 * `redkeep backup`: one backup now.
 */
#include "backup/backup.h"

#include <inttypes.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/leasing.h"
#include "commands/objects.h"

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

static int run(const struct command_context *context, struct err *err)
{
    const struct settings *settings = context->settings;
    unsigned include = settings->backup_include;
    auto_free char *below = xasprintf("%s/backups", settings->instance);
    auto_store struct store *store = NULL;
    auto_redis struct redis *redis = NULL;
    auto_lease struct lease *lease = NULL;
    auto_manifest struct manifest manifest = {0};
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
        .clock = context->clock,
        .on_event = command_on_event,
        .on_warning = command_on_warning,
    };

    if (!options.include_rdb && !options.include_aof)
        return err_set(err, ERR_CONFIG,
                       "backup-include names neither rdb nor aof, so there would be no data in it. "
                       "HINT: rdb,acl is the default");
    /* the store first: a save that could not be stored would cost the server a fork for nothing */
    if (command_open_store(context, below, &store, err) != 0 ||
        command_connect(context, 0, &redis, err) != 0 ||
        command_take_lease(context, redis, &lease, err) != 0 ||
        backup(redis, store, &options, &manifest, err) != 0)
        return -1;
    if (!command_flag(context, "json")) {
        print_summary(&manifest, context->out);
        return 0;
    }
    auto_free char *text = manifest_format(&manifest);
    (void)fputs(text, context->out);
    return 0;
}

static const struct option_spec options[] = {
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
