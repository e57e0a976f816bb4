/*
 * `redkeep prepare`: makes the volume ready for the server to start, for init containers and
 * entrypoints. A volume without data is restored, one with data is guarded; the repository is asked
 * only when it is needed.
 */
#include "commands/preparing.h"

#include <fcntl.h>
#include <string.h>

#include "backup/volume.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "commands/guarding.h"
#include "commands/objects.h"
#include "commands/primary.h"
#include "commands/restored.h"
#include "commands/restoring.h"

/* What the volume holds already. */
static int look(const struct restoring *restoring, const struct restore_options *options,
                struct guard_result *out, struct err *err)
{
    enum settings_guard wanted = restoring->context->settings->guard;

    if (guarding_look(restoring, options,
                      wanted == SETTINGS_GUARD_FIX ? GUARDING_FIX : GUARDING_LOOK, out, err) != 0)
        return -1;
    return guard_judge(out, restoring->dir, err);
}

static void answer_in_json(const struct command_context *context, struct json *answer,
                           const struct guard_result *guarded)
{
    if (guarded->appendonly != NULL) {
        struct json *guard_answer = json_object();
        guarding_answer(guarded, guard_answer);
        json_set(answer, "guard", guard_answer);
    } else {
        json_set_null(answer, "guard");
    }
    command_answer(context, answer);
}

int preparing_guard(const struct command_context *context, struct err *err)
{
    struct restoring restoring = {.context = context, .dir = context->settings->data_dir};
    auto_guard_result struct guard_result guarded = {0};
    struct restore_options options = {.at_ms = -1};

    if (context->settings->guard == SETTINGS_GUARD_OFF)
        return 0;
    if (restoring_begin(&restoring, &options, err) != 0)
        return -1;
    int rc = look(&restoring, &options, &guarded, err);
    if (guarded.count > 0)
        guarding_print(&guarded, restoring.dir, context->out);
    return rc;
}

int preparing_run(const struct command_context *context, bool is_replica, bool *out_restored,
                  struct err *err)
{
    struct restoring restoring = {.context = context, .dir = context->settings->data_dir};
    auto_restore_result struct restore_result result = {0};
    auto_guard_result struct guard_result guarded = {0};
    struct restore_options options = {
        .at_ms = -1, .if_empty = true, .if_backup_exists = true, .is_replica = is_replica};

    if (restoring_begin(&restoring, &options, err) != 0)
        return -1;
    int rc = restore(&options, &result, err);
    bool holds_data = rc == 0 && strcmp(result.reason, "volume-holds-data") == 0;
    if (holds_data && context->settings->guard != SETTINGS_GUARD_OFF)
        rc = look(&restoring, &options, &guarded, err);
    auto_json struct json *answer = restoring_answer(&result, rc != 0 ? err : NULL);
    if (command_flag(context, "json")) {
        answer_in_json(context, answer, &guarded);
    } else {
        if (rc == 0 || holds_data)
            restoring_print(&result, restoring.dir, context->out);
        if (guarded.appendonly != NULL)
            guarding_print(&guarded, restoring.dir, context->out);
    }
    if (rc == 0 && result.restored) {
        (void)fflush(context->out); /* main.c looks whether that went well */
        command_restored(context, &result, answer);
    }
    if (rc == 0)
        *out_restored = result.restored;
    return rc;
}

static bool holds_data(const struct command_context *context)
{
    const struct server_names set = command_names(context);
    const struct volume_names names = volume_names_of(&set);
    auto_close int dir_fd = open(context->settings->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char what[VOLUME_WHAT_MAX];
    struct err ignored;
    bool holds = false;

    return dir_fd >= 0 && volume_holds_data(dir_fd, &names, &holds, what, &ignored) == 0 && holds;
}

/* Would a start lose nothing? The files may change while they are looked at, so more than once. */
static bool loses_nothing(const struct restoring *restoring, const struct restore_options *options)
{
    struct err why;

    for (unsigned look_again = 3; look_again > 0; look_again--) {
        auto_guard_result struct guard_result seen = {0};

        if (guarding_look(restoring, options, GUARDING_BESIDE, &seen, &why) == 0 &&
            guard_judge(&seen, restoring->dir, &why) == 0)
            return true;
    }
    log_warn("%s", why.msg);
    return false;
}

/* Compose starts this step again with every `up`, also beside the server that it was for; then it
 * is done, whoever holds the lock. INVARIANT (what is on the volume is what the server loads): what
 * listens at redis-url may be another server, so it is done only where there is data, and nothing
 * to be mended. */
static bool is_running_already(const struct command_context *context)
{
    struct restoring restoring = {.context = context, .dir = context->settings->data_dir};
    const struct restore_result result = {.restored_to_ms = -1, .reason = "volume-holds-data"};
    const struct guard_result guarded = {0};
    struct restore_options options = {.at_ms = -1};
    struct err why = {0};

    if (!holds_data(context) || target_check_server(context, restoring.dir, &why) == 0 ||
        why.kind != ERR_HOLDS_DATA || restoring_begin(&restoring, &options, &why) != 0 ||
        !loses_nothing(&restoring, &options))
        return false;
    log_info("%s: a server runs there already, and a start would lose nothing: nothing is prepared",
             restoring.dir);
    if (command_flag(context, "json")) {
        auto_json struct json *answer = restoring_answer(&result, NULL);
        answer_in_json(context, answer, &guarded);
    } else {
        restoring_print(&result, restoring.dir, context->out);
    }
    return true;
}

static int run(const struct command_context *context, struct err *err)
{
    auto_free char *primary = NULL;
    bool ignored;

    if (primary_find(context->settings, &primary, &(uint16_t){0}, err) != 0)
        return -1;
    if (is_running_already(context))
        return 0;
    return preparing_run(context, primary != NULL, &ignored, err);
}

static const struct option_spec options[] = {
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_prepare = {
    .name = "prepare",
    .help = "before the server starts: restores an empty volume, guards one with data",
    .options = options,
    .run = run,
};
