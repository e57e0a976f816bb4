/*
 * What `restore` and `prepare` share: the options that settings make, and the answer.
 */
#include "commands/restoring.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/objects.h"
#include "commands/process.h"

static int open_store(void *context, struct store **out, struct err *err)
{
    const struct restoring *restoring = context;

    if (restoring->context->settings->repository == NULL)
        return err_set(err, ERR_CONFIG,
                       "%s holds no data, and no repository is set to restore it from. HINT: set "
                       "REDKEEP_REPOSITORY or --repository to s3://BUCKET/PREFIX or file:///PATH",
                       restoring->dir);
    return command_open_store(restoring->context, NULL, out, err);
}

static int check_server(void *context, struct err *err)
{
    const struct restoring *restoring = context;

    return target_check_server(restoring->context, restoring->dir, err);
}

enum restore_appendonly restoring_appendonly(const struct settings *settings)
{
    switch (settings->appendonly) {
    case SETTINGS_APPENDONLY_YES:
        return RESTORE_APPENDONLY_YES;
    case SETTINGS_APPENDONLY_NO:
        return RESTORE_APPENDONLY_NO;
    case SETTINGS_APPENDONLY_AUTO:
        break;
    }
    return RESTORE_APPENDONLY_AUTO;
}

int restoring_begin(struct restoring *restoring, struct restore_options *options, struct err *err)
{
    const struct command_context *context = restoring->context;
    const struct settings *settings = context->settings;

    options->dir = restoring->dir;
    options->instance = settings->instance;
    options->names = command_names(context);
    options->appendonly = restoring_appendonly(settings);
    options->has_owner = settings->restore_owner.is_set;
    options->uid = settings->restore_owner.uid;
    options->gid = settings->restore_owner.gid;
    options->workers = process_cpus(); /* the server is not running yet */
    options->shrink_percent = settings->shrink_alarm;
    options->clock = context->clock;
    options->open_store = open_store;
    options->check_server = check_server;
    options->on_event = command_on_event;
    options->on_warning = command_on_warning;
    options->context = restoring;
    if (target_find(context, &restoring->target, err) != 0)
        return -1;
    if (restoring->target.is_known) {
        options->target = &restoring->target.version;
        options->target_from = restoring->target.from;
    } else {
        log_info("the version of the server that will load it is not known (server-version): "
                 "whether it can is not checked");
    }
    return 0;
}

static struct json *list_skipped(const struct restore_result *result)
{
    struct json *skipped = json_array();

    for (size_t i = 0; i < result->skipped_count; i++) {
        struct json *row = json_object();
        json_set_string(row, "id", result->skipped[i].id);
        json_set_string(row, "why", result->skipped[i].why);
        json_push(skipped, row);
    }
    return skipped;
}

struct json *restoring_answer(const struct restore_result *result, const struct err *failure)
{
    struct json *answer = json_object();
    struct json *files = json_array();

    json_set_bool(answer, "restored", result->restored);
    json_set_string(answer, "reason", result->reason);
    json_set_string(answer, "backup", result->id);
    json_set_time(answer, "restored_to", result->id != NULL ? result->restored_to_ms : -1);
    if (result->id != NULL && result->has_keys)
        json_set_u64(answer, "keys", result->keys);
    else
        json_set_null(answer, "keys");
    if (result->id != NULL)
        json_set_u64(answer, "size_bytes", result->bytes);
    else
        json_set_null(answer, "size_bytes");
    for (size_t i = 0; result->id != NULL && i < result->file_count; i++)
        json_push_string(files, result->files[i]);
    json_set(answer, "files", files);
    json_set(answer, "skipped", list_skipped(result));
    json_set_double(answer, "seconds", (double)result->took_ms / 1000.0);
    json_set_string(answer, "moved_aside", result->aside);
    json_set(answer, "other_instances", command_list_words(result->other_instances));
    json_set_string(answer, "error", failure != NULL ? failure->msg : NULL);
    return answer;
}

static void print_restored(const struct restore_result *result, const char *dir, FILE *out)
{
    char time[32];
    char bytes[32];
    char took[32];
    char keys[32] = "an unknown number of";

    if (result->restored_to_ms < 0) { /* of an interrupted one only the id is known */
        (void)fprintf(out,
                      result->restored ? "restored %s into %s: finished what was begun\n"
                                       : "would finish the restore of %s into %s\n",
                      result->id, dir);
        return;
    }
    format_rfc3339(result->restored_to_ms, time, sizeof(time));
    format_size(result->bytes, bytes, sizeof(bytes));
    format_duration(result->took_ms, took, sizeof(took));
    if (result->has_keys)
        (void)snprintf(keys, sizeof(keys), "%" PRIu64, result->keys);
    (void)fprintf(out, "%s %s into %s: the data of %s, %s keys, %s",
                  result->restored ? "restored" : "would restore", result->id, dir, time, keys,
                  bytes);
    if (result->restored)
        (void)fprintf(out, ", in %s", took);
    (void)fprintf(out, "\n");
}

static bool is_reason(const struct restore_result *result, const char *reason)
{
    return result->reason != NULL && strcmp(result->reason, reason) == 0;
}

void restoring_print(const struct restore_result *result, const char *dir, FILE *out)
{
    if (is_reason(result, "volume-holds-data"))
        (void)fprintf(out, "%s holds data: left as it is\n", dir);
    else if (is_reason(result, "no-backup"))
        (void)fprintf(out, "the repository has no backup of this instance: nothing to restore\n");
    else if (is_reason(result, "replica"))
        (void)fprintf(out, "%s holds no data: left to the primary, which fills it\n", dir);
    if (result->other_instances != NULL)
        (void)fprintf(out, "it has some of other instances: %s (--instance names one)\n",
                      result->other_instances);
    for (size_t i = 0; i < result->skipped_count; i++)
        (void)fprintf(out, "passed over %s: %s\n", result->skipped[i].id, result->skipped[i].why);
    if (result->id == NULL)
        return;
    print_restored(result, dir, out);
    for (size_t i = 0; i < result->file_count; i++)
        (void)fprintf(out, "  %s\n", result->files[i]);
    if (result->aside != NULL)
        (void)fprintf(out, "what was there before is in %s/%s\n", dir, result->aside);
}
