/*
 * `redkeep guard`: what would the server lose at its next start?
 */
#include "backup/guard.h"

#include "base/cleanup.h"
#include "commands/guarding.h"

int guarding_look(const struct restoring *restoring, const struct restore_options *options,
                  enum guarding how, struct guard_result *out, struct err *err)
{
    const struct guard_options guard_options = {
        .dir = options->dir,
        .names = options->names,
        .appendonly = options->appendonly,
        .fix = how == GUARDING_FIX,
        .beside_server = how == GUARDING_BESIDE,
        .target = options->target,
        .target_from = options->target_from,
        .clock = restoring->context->clock,
        .check_server = options->check_server,
        .on_event = options->on_event,
        .context = options->context,
    };

    return guard(&guard_options, out, err);
}

static struct json *finding_to_json(const struct guard_finding *finding)
{
    struct json *row = json_object();

    json_set_string(row, "id", finding->id);
    json_set_string(row, "when", finding->when);
    json_set_string(row, "file", finding->file);
    if (finding->offset >= 0)
        json_set_i64(row, "offset", finding->offset);
    else
        json_set_null(row, "offset");
    json_set_bool(row, "loses", finding->loses);
    json_set_bool(row, "fixable", finding->fixable);
    json_set_bool(row, "fixed", finding->fixed);
    json_set_string(row, "why", finding->why);
    json_set_string(row, "fix", finding->fix);
    json_set_string(row, "kept", finding->kept);
    return row;
}

void guarding_answer(const struct guard_result *result, struct json *object)
{
    struct json *findings = json_array();

    json_set_string(object, "appendonly", result->appendonly);
    for (size_t i = 0; i < result->count; i++)
        json_push(findings, finding_to_json(&result->findings[i]));
    json_set(object, "findings", findings);
    json_set_double(object, "seconds", (double)result->took_ms / 1000.0);
}

static const char *verdict(const struct guard_finding *finding)
{
    if (finding->fixed)
        return "mended";
    return finding->loses ? "DATA WOULD BE LOST" : "harmless";
}

void guarding_print(const struct guard_result *result, const char *dir, FILE *out)
{
    unsigned losses = 0;

    for (size_t i = 0; i < result->count; i++) {
        const struct guard_finding *finding = &result->findings[i];

        losses += finding->loses && !finding->fixed ? 1 : 0;
        (void)fprintf(out, "%s: %s in %s", verdict(finding), finding->id, finding->file);
        if (finding->offset >= 0)
            (void)fprintf(out, " at byte %lld", (long long)finding->offset);
        if (finding->when != NULL)
            (void)fprintf(out, ", with %s", finding->when);
        (void)fprintf(out, "\n    %s\n    %s%s\n", finding->why,
                      finding->fixable && !finding->fixed ? "--fix: " : "", finding->fix);
        if (finding->kept != NULL)
            (void)fprintf(out, "    what was there before is in %s\n", finding->kept);
    }
    if (losses == 0)
        (void)fprintf(out, "%s: a server that starts now loses nothing\n", dir);
}

static int run(const struct command_context *context, struct err *err)
{
    struct restoring restoring = {.context = context, .dir = context->settings->data_dir};
    struct restore_options options = {.at_ms = -1};
    auto_guard_result struct guard_result result = {0};

    if (restoring_begin(&restoring, &options, err) != 0)
        return -1;
    int rc =
        guarding_look(&restoring, &options,
                      command_flag(context, "fix") ? GUARDING_FIX : GUARDING_LOOK, &result, err);
    if (rc == 0)
        rc = guard_judge(&result, restoring.dir, err);
    if (command_flag(context, "json")) {
        auto_json struct json *answer = json_object();
        guarding_answer(&result, answer);
        json_set_string(answer, "error", rc != 0 ? err->msg : NULL);
        command_answer(context, answer);
    } else if (rc == 0 || err->kind == ERR_CORRUPT) {
        guarding_print(&result, restoring.dir, context->out);
    }
    return rc;
}

static const struct option_spec options[] = {
    {.name = "fix", .help = "mends what can be mended without losing a command"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_guard = {
    .name = "guard",
    .help = "says what the server would lose at its next start",
    .options = options,
    .run = run,
};
