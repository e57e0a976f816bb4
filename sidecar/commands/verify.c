/*
 * `redkeep verify`: reads backups back and proves every byte.
 */
#include "backup/verify.h"

#include <inttypes.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "commands/objects.h"

struct verifying {
    const struct command_context *context;
    struct store *store;
    struct json *results; /* an array */
    size_t failed;
};

static struct json *to_json(const struct verify_result *result)
{
    struct json *row = json_object();

    json_set_string(row, "id", result->id);
    json_set_bool(row, "ok", result->ok);
    json_set_bool(row, "walked", false);
    if (result->has_keys)
        json_set_u64(row, "keys", result->keys);
    else
        json_set_null(row, "keys");
    json_set_string(row, "why", result->why);
    json_set_double(row, "seconds", (double)result->took_ms / 1000.0);
    return row;
}

static int verify_one(struct verifying *verifying, const char *id, struct err *err)
{
    const struct command_context *context = verifying->context;
    struct verify_options options = {.instance = context->settings->instance,
                                     .workers = context->settings->compress_workers,
                                     .clock = context->clock};
    struct verify_result result = {0};
    char took[32];

    if (verify(verifying->store, id, &options, &result, err) != 0)
        return -1;
    json_push(verifying->results, to_json(&result));
    verifying->failed += result.ok ? 0 : 1;
    format_duration(result.took_ms, took, sizeof(took));
    if (!command_flag(context, "json"))
        (void)fprintf(context->out, "%s  %s  %s\n", id, result.ok ? "ok" : "NOT ok",
                      result.ok ? took : result.why);
    verify_result_release(&result);
    return 0;
}

static int choose(struct verifying *verifying, const struct catalog *catalog, struct err *err)
{
    const char *wanted = command_word(verifying->context, 0);
    const char *instance = verifying->context->settings->instance;

    if (command_flag(verifying->context, "all")) {
        if (wanted != NULL)
            return err_set(err, ERR_CONFIG, "verify --all and an id exclude each other");
        for (size_t i = catalog->count; i-- > 0;)
            if (verify_one(verifying, catalog->ids[i], err) != 0)
                return -1;
        return 0;
    }
    if (wanted != NULL && strcmp(wanted, "latest") != 0) {
        if (!catalog_is_id(wanted))
            return err_set(err, ERR_CONFIG,
                           "'%.64s' is no backup id. HINT: `redkeep list` shows them", wanted);
        return verify_one(verifying, wanted, err);
    }
    if (catalog->count == 0)
        return err_set(err, ERR_NOT_FOUND, "instance '%s' has no backup to verify", instance);
    return verify_one(verifying, catalog->ids[catalog->count - 1], err);
}

static int run(const struct command_context *context, struct err *err)
{
    auto_store struct store *store = NULL;
    auto_catalog struct catalog catalog = {0};
    auto_json struct json *answer = json_object();
    struct verifying verifying = {.context = context, .results = json_array()};

    json_set(answer, "results", verifying.results);
    if (catalog_check_instance(context->settings->instance, err) != 0 ||
        command_open_store(context, &store, err) != 0 ||
        catalog_list(store, context->settings->instance, &catalog, err) != 0)
        return -1;
    verifying.store = store;
    if (choose(&verifying, &catalog, err) != 0)
        return -1;
    if (command_flag(context, "json"))
        command_answer(context, answer);
    if (verifying.failed > 0)
        return err_set(err, ERR_CORRUPT,
                       "%zu of %zu verified backups cannot be relied on. HINT: take a new backup "
                       "now, and find out what changes bytes in the repository",
                       verifying.failed, json_size(verifying.results));
    return 0;
}

static const struct option_spec options[] = {
    {.name = "all", .help = "every backup of the instance"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_verify = {
    .name = "verify",
    .help = "reads a backup back and proves every byte of it",
    .words = "[latest|ID]",
    .max_words = 1,
    .needs_repository = true,
    .options = options,
    .run = run,
};
