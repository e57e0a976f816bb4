/*
 * `redkeep verify`: reads backups back and proves every byte.
 */
#include "backup/verify.h"

#include <inttypes.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/drilling.h"
#include "commands/objects.h"

struct verifying {
    const struct command_context *context;
    struct store *store;
    struct json *results; /* an array */
    unsigned percent;     /* 0: everything */
    int64_t as_of_ms;     /* -1: the repository as it is */
    size_t corrupt;
    size_t too_new;
};

static uint32_t random_u32(void *context)
{
    uint32_t random;

    (void)context;
    fs_random(&random, sizeof(random));
    return random;
}

static struct json *to_json(const struct verify_result *result, unsigned percent)
{
    struct json *row = json_object();

    json_set_string(row, "id", result->id);
    json_set_bool(row, "ok", result->ok);
    json_set_bool(row, "walked", result->walked);
    if (result->has_keys)
        json_set_u64(row, "keys", result->keys);
    else
        json_set_null(row, "keys");
    json_set_string(row, "why", result->why);
    if (result->too_new)
        json_set_bool(row, "too_new", true);
    json_set_double(row, "seconds", (double)result->took_ms / 1000.0);
    if (result->sampled) {
        json_set_u64(row, "percent", percent);
        json_set_u64(row, "checked_bytes", result->checked_bytes);
    }
    return row;
}

static void print_text(const struct verify_result *result, FILE *out)
{
    char took[32];

    format_duration(result->took_ms, took, sizeof(took));
    if (!result->ok)
        (void)fprintf(out, "%s  NOT ok  %s\n", result->id, result->why);
    else if (result->why != NULL)
        (void)fprintf(out, "%s  ok (%s)  %s\n", result->id, result->why, took);
    else
        (void)fprintf(out, "%s  ok  %s\n", result->id, took);
}

static void set_seconds(struct json *row, const char *key, int64_t ms)
{
    if (ms >= 0)
        json_set_double(row, key, (double)ms / 1000);
    else
        json_set_null(row, key);
}

/* A drill proves every byte on its way, and that a server serves them. */
static struct json *drill_to_json(const struct drill_result *result, const char *id)
{
    struct json *row = json_object();
    bool has_served = result->restore_ms >= 0 && result->load_ms >= 0;

    json_set_string(row, "id", id);
    json_set_bool(row, "ok", result->ok);
    json_set_bool(row, "walked", result->walked);
    if (result->has_keys)
        json_set_u64(row, "keys", result->keys);
    else
        json_set_null(row, "keys");
    json_set_string(row, "why", result->why);
    if (result->too_new)
        json_set_bool(row, "too_new", true);
    set_seconds(row, "seconds", has_served ? result->restore_ms + result->load_ms : -1);
    json_set_bool(row, "drilled", true);
    set_seconds(row, "restore_seconds", result->restore_ms);
    set_seconds(row, "load_seconds", result->load_ms);
    return row;
}

static void print_drill(const struct drill_result *result, const char *id, FILE *out)
{
    char restore[32];
    char load[32];

    if (!result->ok) {
        (void)fprintf(out, "%s  NOT ok  %s\n", id, result->why);
        return;
    }
    format_duration(result->restore_ms, restore, sizeof(restore));
    format_duration(result->load_ms, load, sizeof(load));
    (void)fprintf(out, "%s  served: %" PRIu64 " keys; restored in %s, loaded in %s\n", id,
                  result->keys, restore, load);
}

/* Beside the backup, where every listing shows it. Whoever may only read verifies all the same. */
static void note(const struct verifying *verifying, const char *id, bool ok, const struct json *row)
{
    auto_free char *text = json_print(row, true);
    const struct catalog_verified verified = {
        .id = id,
        .time_ms = clock_wall_ms(verifying->context->clock),
        .ok = ok,
        .text = text,
    };
    struct err err;

    if (verifying->as_of_ms >= 0) /* nobody writes into the past */
        return;
    if (catalog_note_verified(verifying->store, verifying->context->settings->instance, &verified,
                              &err) != 0)
        log_info("the result is not noted beside the backup: %s", err.msg);
}

static int drill_one(struct verifying *verifying, const char *id, struct err *err)
{
    const struct command_context *context = verifying->context;
    auto_drill_result struct drill_result result = {0};
    struct json *row;

    if (command_drill(context, id, &result, err) != 0)
        return -1;
    row = drill_to_json(&result, id);
    if (!result.too_new) /* it was not looked at */
        note(verifying, id, result.ok, row);
    json_push(verifying->results, row);
    verifying->too_new += result.too_new ? 1 : 0;
    verifying->corrupt += result.ok || result.too_new ? 0 : 1;
    if (!command_flag(context, "json"))
        print_drill(&result, id, context->out);
    return 0;
}

static int verify_one(struct verifying *verifying, const char *id, struct err *err)
{
    if (command_flag(verifying->context, "drill"))
        return drill_one(verifying, id, err);

    const struct command_context *context = verifying->context;
    struct verify_options options = {.instance = context->settings->instance,
                                     .workers = context->settings->compress_workers,
                                     .clock = context->clock,
                                     .percent = verifying->percent,
                                     .random = random_u32};
    struct verify_result result = {0};
    struct json *row;

    if (verify(verifying->store, id, &options, &result, err) != 0)
        return -1;
    row = to_json(&result, verifying->percent);
    /* one that is too new was not looked at, and a sample proves nothing but damage */
    if (!result.too_new && !(result.ok && result.sampled))
        note(verifying, id, result.ok, row);
    json_push(verifying->results, row);
    verifying->too_new += result.too_new ? 1 : 0;
    verifying->corrupt += result.ok || result.too_new ? 0 : 1;
    if (!command_flag(context, "json"))
        print_text(&result, context->out);
    verify_result_release(&result);
    return 0;
}

/* One that is gone when its turn comes is nobody's loss; a store that cannot be asked ends it. */
static int verify_all(struct verifying *verifying, const struct catalog *catalog, struct err *err)
{
    for (size_t i = catalog->count; i-- > 0;) {
        const char *id = catalog->ids[i];

        if (verify_one(verifying, id, err) == 0)
            continue;
        if (err->kind != ERR_NOT_FOUND)
            return err_wrap(err, "after %zu of %zu backups", catalog->count - i - 1,
                            catalog->count);
        log_info("backup %s was removed meanwhile: passed over", id);
    }
    return 0;
}

static int read_percent(const struct command_context *context, unsigned *out, struct err *err)
{
    const char *text = command_option(context, "percent");
    uint64_t percent = 0;

    if (text == NULL)
        return 0;
    if (parse_u64(text, &percent, err) != 0 || percent < 1 || percent > 100)
        return err_set(err, ERR_CONFIG, "--percent %.32s: it is a whole number from 1 to 100",
                       text);
    if (command_flag(context, "drill"))
        return err_set(
            err, ERR_CONFIG,
            "verify --percent and --drill exclude each other: a server loads everything");
    *out = (unsigned)percent;
    return 0;
}

static int check_words(const struct command_context *context, struct err *err)
{
    const char *wanted = command_word(context, 0);

    if (wanted == NULL)
        return 0;
    if (command_flag(context, "all"))
        return err_set(err, ERR_CONFIG, "verify --all and an id exclude each other");
    if (strcmp(wanted, "latest") != 0 && !catalog_is_id(wanted))
        return err_set(err, ERR_CONFIG, "'%.64s' is no backup id. HINT: `redkeep list` shows them",
                       wanted);
    return 0;
}

static int verify_wanted(struct verifying *verifying, const struct catalog *catalog,
                         struct err *err)
{
    const char *wanted = command_word(verifying->context, 0);

    if (command_flag(verifying->context, "all"))
        return verify_all(verifying, catalog, err);
    if (wanted != NULL && strcmp(wanted, "latest") != 0)
        return verify_one(verifying, wanted, err);
    if (catalog->count == 0)
        return err_set(err, ERR_NOT_FOUND, "instance '%s' has no backup to verify",
                       verifying->context->settings->instance);
    return verify_one(verifying, catalog->ids[catalog->count - 1], err);
}

/* rc, *err: how the looking ended. What it found before is the worse news. */
static int judge(const struct verifying *verifying, int rc, struct err *err)
{
    size_t count = json_size(verifying->results);

    if (verifying->corrupt > 0) {
        if (rc != 0)
            log_err(err);
        return err_set(err, ERR_CORRUPT,
                       "%zu of %zu verified backups cannot be relied on. HINT: take a new backup "
                       "now, and find out what changes bytes in the repository",
                       verifying->corrupt, count);
    }
    if (rc == 0 && verifying->too_new > 0)
        return err_set(err, ERR_TOO_NEW,
                       "%zu of %zu backups are too new for %s. HINT: verify them with the one that "
                       "wrote them, or a newer one",
                       verifying->too_new, count,
                       command_flag(verifying->context, "drill") ? "the server of the drill"
                                                                 : "this redkeep");
    return rc;
}

static int run(const struct command_context *context, struct err *err)
{
    auto_store struct store *store = NULL;
    auto_catalog struct catalog catalog = {0};
    auto_json struct json *answer = json_object();
    struct verifying verifying = {.context = context, .results = json_array()};
    int rc;

    json_set(answer, "results", verifying.results);
    if (check_words(context, err) != 0 || read_percent(context, &verifying.percent, err) != 0 ||
        command_as_of(context, &verifying.as_of_ms, err) != 0 ||
        catalog_check_instance(context->settings->instance, err) != 0)
        return -1;
    if (command_open_store(context, NULL, &store, err) != 0 ||
        catalog_list(store, context->settings->instance, &catalog, err) != 0)
        return command_wrap_as_of(verifying.as_of_ms, err);
    verifying.store = store;
    json_set_time(answer, "as_of", verifying.as_of_ms);
    rc = verify_wanted(&verifying, &catalog, err);
    json_set_bool(answer, "complete", rc == 0);
    if (command_flag(context, "json"))
        command_answer(context, answer);
    return judge(&verifying, rc, err) != 0 ? command_wrap_as_of(verifying.as_of_ms, err) : 0;
}

static const struct option_spec options[] = {
    {.name = "all", .help = "every backup of the instance"},
    {.name = "drill", .help = "restores it aside, and loads it with a throw-away server"},
    {.name = "percent",
     .value = "N",
     .help = "of the stored parts only, by chance, and nothing is walked"},
    COMMAND_OPTION_AS_OF,
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
