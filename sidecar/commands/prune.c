/*
 * `redkeep prune`: applies retention, or, without --confirm, says what it would do and why.
 */
#include "backup/prune.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/zone.h"
#include "commands/objects.h"

#define REASONS_SIZE (RETENTION_REASONS_MAX * (RETENTION_REASON_SIZE + 2) + ERR_MSG_MAX)

struct pruning {
    const struct command_context *context;
    struct prune_options options;
    const struct prune_result *result;
};

static int read_options(const struct command_context *context, struct prune_options *out,
                        struct err *err)
{
    const struct settings *settings = context->settings;

    *out = (struct prune_options){
        .instance = settings->instance,
        .rules = {.keep = {[RETENTION_LAST] = settings->keep_last,
                           [RETENTION_HOURLY] = settings->keep_hourly,
                           [RETENTION_DAILY] = settings->keep_daily,
                           [RETENTION_WEEKLY] = settings->keep_weekly,
                           [RETENTION_MONTHLY] = settings->keep_monthly}},
        .confirm = command_flag(context, "confirm"),
        .accept_shrink = command_flag(context, "accept-shrink"),
        .clock = context->clock,
    };
    if (settings->keep_within != NULL &&
        retention_parse_span(settings->keep_within, &out->rules.within, err) != 0)
        return err_wrap(err, "keep-within");
    return zone_use(settings->timezone, err);
}

/* Is it what was removed, or, in a dry run, what would be? */
static bool has_gone(const struct pruning *pruning, const struct prune_row *row)
{
    return row->fate == (pruning->options.confirm ? PRUNE_REMOVED : PRUNE_PLANNED);
}

static struct json *kept_to_json(const struct pruning *pruning, const struct prune_row *row)
{
    char reasons[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE];
    size_t count = retention_explain(&pruning->options.rules, &row->item, &row->decision, reasons);
    struct json *object = json_object();
    struct json *because = json_array();

    json_set_string(object, "id", row->id);
    json_set(object, "because", because);
    for (size_t i = 0; i < count; i++)
        json_push_string(because, reasons[i]);
    if (row->why != NULL)
        json_push_string(because, row->why);
    return object;
}

static struct json *refused_to_json(const struct prune_row *row)
{
    struct json *object = json_object();

    json_set_string(object, "id", row->id);
    json_set_string(object, "why", row->why);
    return object;
}

/* complete: it was not broken off. */
static void answer_json(const struct pruning *pruning, bool complete)
{
    auto_json struct json *answer = json_object();
    struct json *kept = json_array();
    struct json *removed = json_array();
    struct json *orphans = json_array();
    struct json *released = json_array();
    struct json *refused = json_array();
    struct json *swept = json_object();

    json_set_u64(swept, "notes", pruning->result->swept.notes);
    json_set_u64(swept, "records", pruning->result->swept.records);
    if (pruning->result->swept.unfinished.is_unknown)
        json_set_null(swept, "unfinished");
    else
        json_set_u64(swept, "unfinished", pruning->result->swept.unfinished.count);
    for (size_t i = 0; i < pruning->result->count; i++) {
        const struct prune_row *row = &pruning->result->rows[i];

        if (row->fate == PRUNE_KEPT)
            json_push(kept, kept_to_json(pruning, row));
        else if (row->fate == PRUNE_REFUSED)
            json_push(refused, refused_to_json(row));
        else if (has_gone(pruning, row))
            json_push_string(row->is_orphan ? orphans : removed, row->id);
        if (row->is_released)
            json_push_string(released, row->id);
    }
    json_set_string(answer, "instance", pruning->options.instance);
    json_set(answer, "kept", kept);
    json_set(answer, "removed", removed);
    json_set(answer, "orphans", orphans);
    json_set(answer, "released", released);
    json_set(answer, "refused", refused);
    json_set_u64(answer, "freed_bytes", pruning->result->freed_bytes);
    json_set(answer, "swept", swept);
    json_set_bool(answer, "dry_run", !pruning->options.confirm);
    json_set_bool(answer, "complete", complete);
    command_answer(pruning->context, answer);
}

static void join_reasons(const struct pruning *pruning, const struct prune_row *row,
                         char out[REASONS_SIZE])
{
    char reasons[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE];
    size_t count = retention_explain(&pruning->options.rules, &row->item, &row->decision, reasons);
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, REASONS_SIZE - at, "%s%s", i > 0 ? ", " : "", reasons[i]);
    if (row->why != NULL)
        (void)snprintf(out + at, REASONS_SIZE - at, "%s%s", count > 0 ? ", " : "", row->why);
}

static void print_row(const struct pruning *pruning, const struct prune_row *row)
{
    static const char *const fates[] = {[PRUNE_KEPT] = "keep",
                                        [PRUNE_PLANNED] = "remove",
                                        [PRUNE_REMOVED] = "removed",
                                        [PRUNE_REFUSED] = "REFUSED",
                                        [PRUNE_GONE] = "gone"};
    char reasons[REASONS_SIZE];
    char age[32];

    if (row->fate == PRUNE_GONE)
        return;
    format_duration(row->item.time_ms < 0 ? -1 : pruning->result->now_ms - row->item.time_ms, age,
                    sizeof(age));
    join_reasons(pruning, row, reasons);
    if (reasons[0] == '\0')
        (void)snprintf(reasons, sizeof(reasons), "%s",
                       row->is_orphan ? "it has no manifest: a killed run has left it"
                                      : "no rule keeps it");
    (void)fprintf(pruning->context->out, "%-24s %9s  %-7s  %s%s\n", row->id, age, fates[row->fate],
                  row->is_released ? "(pin released) " : "", reasons);
}

static void print_swept(const struct pruning *pruning)
{
    const struct prune_swept *swept = &pruning->result->swept;
    const struct {
        size_t count;
        const char *what;
    } rows[] = {
        {swept->notes, "old notes of verifications"},
        {swept->records, "old records of restores"},
        {swept->unfinished.count, "unfinished uploads"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].count > 0)
            (void)fprintf(pruning->context->out, "%s %zu %s\n",
                          pruning->options.confirm ? "removed" : "would remove", rows[i].count,
                          rows[i].what);
}

static void answer_text(const struct pruning *pruning)
{
    FILE *out = pruning->context->out;
    bool confirm = pruning->options.confirm;
    size_t backups = 0;
    size_t removed = 0;
    size_t orphans = 0;
    char freed[32];

    if (pruning->result->count > 0)
        (void)fprintf(out, "%-24s %9s  %-7s  %s\n", "ID", "AGE", "", "BECAUSE");
    for (size_t i = 0; i < pruning->result->count; i++) {
        const struct prune_row *row = &pruning->result->rows[i];

        print_row(pruning, row);
        backups += row->is_orphan || row->fate == PRUNE_GONE ? 0 : 1;
        removed += has_gone(pruning, row) && !row->is_orphan ? 1 : 0;
        orphans += has_gone(pruning, row) && row->is_orphan ? 1 : 0;
    }
    format_size(pruning->result->freed_bytes, freed, sizeof(freed));
    (void)fprintf(out, "%s %zu of %zu backups and %zu orphans, %s\n",
                  confirm ? "removed" : "would remove", removed, backups, orphans, freed);
    print_swept(pruning);
    if (!confirm)
        (void)fprintf(out, "nothing was changed; --confirm does it\n");
}

static int judge(const struct prune_result *result, int rc, struct err *err)
{
    if (rc != 0 || result->refused == 0)
        return rc;
    *err = result->refusal;
    return err_wrap(err, "%zu removals were refused, of which the first", result->refused);
}

static int run(const struct command_context *context, struct err *err)
{
    auto_store struct store *store = NULL;
    auto_prune_result struct prune_result result = {0};
    struct pruning pruning = {.context = context, .result = &result};
    int rc;

    if (read_options(context, &pruning.options, err) != 0 ||
        command_open_store(context, NULL, &store, err) != 0)
        return -1;
    rc = prune(store, &pruning.options, &result, err);
    if (rc != 0 && result.count == 0)
        return -1;
    if (command_flag(context, "json"))
        answer_json(&pruning, rc == 0);
    else
        answer_text(&pruning);
    return judge(&result, rc, err);
}

static const struct option_spec options[] = {
    {.name = "confirm", .help = "removes; else it only says what it would do, and why"},
    {.name = "accept-shrink", .help = "the data is meant to be as small as it is: releases pins"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_prune = {
    .name = "prune",
    .help = "removes the backups that no rule keeps",
    .needs_repository = true,
    .options = options,
    .run = run,
};
