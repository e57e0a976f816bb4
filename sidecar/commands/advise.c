/*
 * `redkeep advise`: the settings that say what is needed, and what can be seen of the server, the
 * volume, its last load and the last drill in; the advice out. Whatever cannot be seen is left out
 * of the advice and said; only --diff needs the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/http_client.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/text.h"
#include "commands/asking.h"
#include "commands/command.h"
#include "commands/objects.h"
#include "daemon/http.h"
#include "host/advise.h"

/* The load of a drill begins with the start of a server, which is most of it for less than that. */
#define DRILL_BYTES_MIN ((int64_t)16 << 20)

enum { SERVER_TIMEOUT_MS = 5000, STATUS_TIMEOUT_MS = 2000, STATUS_MAX = 4 << 20, COLUMN = 10 };

struct seen {
    struct advise_server server; /* info and config point at the two below, or are NULL */
    struct pairs info;
    struct pairs config;
    int64_t drill_at_ms; /* of server.drill_s */
    struct err why;      /* why the server was not seen, or does not show its settings */
};

static void seen_release(struct seen *seen)
{
    pairs_release(&seen->info);
    pairs_release(&seen->config);
}
#define auto_seen auto_with(seen_release)

static void add_setting(void *context, const char *name, const char *value)
{
    struct pairs *pairs = context;

    pairs_add(pairs, name, value);
}

/* seen->why says what could not be seen. */
static int see_server(const struct command_context *context, struct seen *seen)
{
    auto_redis struct redis *redis = NULL;
    auto_buf struct buf text = {0};
    enum redis_config_answer answer = REDIS_CONFIG_FORBIDDEN;

    if (!asking_name(context->settings->redis_url, context->clock, SERVER_TIMEOUT_MS))
        return err_set(&seen->why, ERR_SERVER,
                       "the name in redis-url was not found within %d seconds",
                       SERVER_TIMEOUT_MS / 1000);
    buf_init(&text, REDIS_INFO_MAX);
    if (command_connect(context, SERVER_TIMEOUT_MS, &redis, &seen->why) != 0 ||
        redis_info(redis, "everything", &text, &seen->why) != 0)
        return -1;
    pairs_add_info(&seen->info, buf_text(&text), text.len);
    seen->server.info = &seen->info;
    if (redis_config_all(redis, add_setting, &seen->config, &answer, &seen->why) != 0)
        return -1;
    if (answer != REDIS_CONFIG_VALUE)
        return err_set(&seen->why, ERR_SERVER,
                       "the server at %s does not show its settings. HINT: the ACL user needs "
                       "+config|get; see also config-command",
                       redis_label(redis));
    seen->server.config = &seen->config;
    return 0;
}

static void see_volume(const struct settings *settings, struct seen *seen)
{
    const char *name = pairs_get(seen->server.config, "dbfilename");
    auto_free char *path = NULL;
    struct statvfs volume;
    struct stat dump;

    if (statvfs(settings->data_dir, &volume) != 0)
        return;
    seen->server.volume_bytes = (int64_t)(volume.f_blocks * volume.f_frsize);
    if (settings->dbfilename != NULL)
        name = settings->dbfilename;
    path = xasprintf("%s/%s", settings->data_dir, name != NULL ? name : "dump.rdb");
    if (stat(path, &dump) == 0 && S_ISREG(dump.st_mode))
        seen->server.dump_bytes = dump.st_size;
}

static void see_load(struct seen *seen, enum advise_load load, int64_t bytes, int64_t took_ms,
                     int64_t at_ms)
{
    if (bytes <= 0 || took_ms <= 0 || bytes > INT64_MAX / 1000 ||
        (load == ADVISE_LOAD_DRILL && bytes < DRILL_BYTES_MIN))
        return;
    seen->server.load_bytes_per_s = bytes * 1000 / took_ms;
    seen->server.load = load;
    seen->server.load_at_ms = at_ms;
}

static int64_t time_of(const struct json *object, const char *key)
{
    int64_t time_ms = -1;
    struct err ignored; /* unknown, then */

    return json_get_time(object, key, &time_ms, &ignored) == 0 ? time_ms : -1;
}

static int64_t number_of(const struct json *object, const char *key)
{
    int64_t number = -1;
    struct err ignored;

    return json_get_i64(object, key, &number, &ignored) == 0 ? number : -1;
}

/* What the sidecar has seen: the server's own last load before that of another one. */
static void take_status(const struct json *status, struct seen *seen)
{
    const struct json *drill = NULL;
    const struct json *load = NULL;
    struct err ignored; /* nothing has been measured */

    if (json_get(status, "last_drill", &drill, &ignored) == 0 &&
        time_of(drill, "time") >= seen->drill_at_ms) {
        int64_t ms = json_get_duration_ms(drill, "recovery_seconds");

        if (ms >= 0)
            seen->server.drill_s = (ms + 999) / 1000;
        see_load(seen, ADVISE_LOAD_DRILL, number_of(drill, "size_bytes"),
                 json_get_duration_ms(drill, "load_seconds"), time_of(drill, "time"));
    }
    if (json_get(status, "last_load", &load, &ignored) == 0)
        see_load(seen, ADVISE_LOAD_LAST, number_of(load, "bytes"),
                 json_get_duration_ms(load, "seconds"), time_of(load, "time"));
}

static void see_sidecar(const struct settings *settings, struct seen *seen)
{
    auto_free char *root = NULL;
    auto_free char *url = NULL;
    auto_buf struct buf body = {0};
    auto_json struct json *status = NULL;
    const char *instance = NULL;
    unsigned http_status = 0;
    struct err ignored; /* no sidecar is no failure: nothing has been measured */

    if (settings->http_listen == NULL ||
        http_listen_url(settings->http_listen, &root, &ignored) != 0)
        return;
    url = xasprintf("%s/status", root);
    const struct http_client_request request = {
        .url = url, .label = url, .timeout_ms = STATUS_TIMEOUT_MS, .no_proxy = true};

    buf_init(&body, STATUS_MAX);
    if (http_client_do(&request, &http_status, &body, &ignored) == 0 && http_status == 200 &&
        json_parse(buf_text(&body), body.len, &status, &ignored) == 0 &&
        json_get_string(status, "instance", &instance, &ignored) == 0 &&
        settings->instance != NULL && strcmp(instance, settings->instance) == 0)
        take_status(status, seen);
}

/* A drill that the sidecar has not seen, or not this one, is noted in the repository. */
static void see_repository(const struct command_context *context, struct seen *seen)
{
    struct asked_drill drill;

    if (!asking_drill(context, &drill))
        return;
    seen->server.drill_s = (drill.recovery_ms + 999) / 1000;
    seen->drill_at_ms = drill.time_ms;
    see_load(seen, ADVISE_LOAD_DRILL, drill.bytes > INT64_MAX ? -1 : (int64_t)drill.bytes,
             drill.load_ms, drill.time_ms);
}

static int see(const struct command_context *context, struct seen *out, struct err *err)
{
    const char *memory = command_option(context, "memory");
    uint64_t bytes = 0;

    *out = (struct seen){.server = ADVISE_SERVER_UNKNOWN};
    if (memory != NULL) {
        if (parse_size(memory, &bytes, err) != 0)
            return err_wrap(err, "--memory");
        if (bytes < (uint64_t)16 << 20 || bytes > (uint64_t)1 << 50)
            return err_set(err, ERR_CONFIG,
                           "--memory %.64s: 16mb is the least that a server runs with, and 1 PiB "
                           "the most",
                           memory);
        out->server.memory_limit_bytes = (int64_t)bytes;
    }
    if (see_server(context, out) != 0 && out->why.kind == ERR_CONFIG) {
        *err = out->why;
        return -1;
    }
    see_volume(context->settings, out);
    see_repository(context, out);
    see_sidecar(context->settings, out);
    return 0;
}

/* ---- the answer ---- */

static void print_plain(FILE *out, const char *text)
{
    size_t len = strlen(text);
    char escaped[TEXT_ESCAPE_MAX + 1];

    for (size_t i = 0; i < len;) {
        i += text_escape_plain(text + i, len - i, escaped);
        (void)fputs(escaped, out);
    }
}

static void print_line(FILE *out, const char *label, const char *text)
{
    (void)fprintf(out, "%-*s", COLUMN, label);
    print_plain(out, text);
    (void)fputc('\n', out);
}

static void print_texts(FILE *out, const char *label, const struct advise_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        print_line(out, label, texts->texts[i]);
}

static char *span_text(int64_t seconds)
{
    char text[16];

    if (seconds == 0)
        return xstrdup("nothing");
    if (seconds > 0 && seconds < 60) /* "2.0 s" is more precise than this is */
        return xasprintf("%" PRId64 " seconds", seconds);
    format_duration(seconds * 1000, text, sizeof(text));
    return xstrdup(seconds < 0 ? "everything" : text);
}

static char *size_text(int64_t bytes)
{
    char text[16] = "unknown";

    if (bytes >= 0)
        format_size((uint64_t)bytes, text, sizeof(text));
    return xstrdup(text);
}

/* Where the time of a start comes from. */
static char *origin_text(const struct advice *advice)
{
    char when[32] = "";

    if (advice->recovery_by_ms >= 0)
        format_rfc3339(advice->recovery_by_ms, when, sizeof(when));
    switch (advice->recovery_by) {
    case ADVISE_LOAD_NOW:
        return xstrdup(", as fast as this server loads now");
    case ADVISE_LOAD_LAST:
        return xasprintf(", as fast as this server loaded before %s (seen by the sidecar)", when);
    case ADVISE_LOAD_DRILL:
        return xasprintf(", as fast as the server of the drill of %s loaded", when);
    case ADVISE_LOAD_NONE:
        break;
    }
    return xstrdup(advice->recovery_s < 0 ? ": the server was not seen" : ", by a rule of thumb");
}

static void print_numbers(FILE *out, const struct advice *advice)
{
    auto_free char *crash = span_text(advice->loses_at_most_s);
    auto_free char *volume = span_text(advice->loses_at_most_volume_s);
    auto_free char *memory = size_text(advice->memory_bytes);
    auto_free char *disk = size_text(advice->disk_bytes);
    auto_free char *origin = origin_text(advice);
    char start[16];
    char drill[16];

    (void)fprintf(out, "%-*s%s when the server or its node dies, %s with the volume\n", COLUMN,
                  "loses", crash, volume);
    format_duration(advice->recovery_s * 1000, start, sizeof(start));
    (void)fprintf(out, "%-*s%s%s", COLUMN, "start", start, origin);
    if (advice->recovery_volume_s >= 0) {
        format_duration(advice->recovery_volume_s * 1000, drill, sizeof(drill));
        (void)fprintf(out, "; %s from the repository, in the last drill", drill);
    }
    (void)fprintf(out, "\n%-*s%s of memory, %s on the volume\n", COLUMN, "reserve", memory, disk);
}

static void print_advice(FILE *out, const struct advice *advice, const struct seen *seen)
{
    auto_free char *redis_conf = advice_redis_conf(advice);
    auto_free char *redkeep_conf = advice_redkeep_conf(advice);

    print_line(out, "mode", advise_mode_name(advice->mode));
    print_texts(out, "", &advice->reasons);
    (void)fprintf(out, "\n## redis.conf\n%s\n## redkeep.conf\n%s\n", redis_conf, redkeep_conf);
    print_numbers(out, advice);
    print_texts(out, "warning", &advice->warnings);
    if (seen->server.config == NULL)
        print_line(out, seen->server.info == NULL ? "not seen" : "unseen", seen->why.msg);
}

static const char *text_of(const struct json *row, const char *key)
{
    const char *text = NULL;
    struct err ignored; /* null is what a server says that does not have it */

    return json_get_string(row, key, &text, &ignored) == 0 ? text : NULL;
}

static void print_value(FILE *out, const char *text)
{
    if (text == NULL)
        (void)fputs("not there", out);
    else if (text[0] == '\0')
        (void)fputs("\"\"", out);
    else
        print_plain(out, text);
}

static void print_diff(FILE *out, const struct json *diff)
{
    if (json_size(diff) == 0)
        (void)fputs("the server runs as advised\n", out);
    for (const struct json *row = json_first(diff); row != NULL; row = json_next(row)) {
        print_plain(out, text_of(row, "name"));
        (void)fputs(": ", out);
        print_value(out, text_of(row, "running"));
        (void)fputs(" -> ", out);
        print_value(out, text_of(row, "advised"));
        (void)fprintf(out, "\n    %s\n", text_of(row, "why"));
    }
}

static struct json *wish_to_json(const struct advise_wish *wish)
{
    struct json *object = json_object();

    json_set_string(object, "durability", advise_durability_words[wish->durability]);
    json_set_string(object, "use", advise_use_words[wish->use]);
    json_set_string(object, "storage", advise_storage_words[wish->storage]);
    if (wish->recovery_point_s < 0)
        json_set_null(object, "recovery_point_seconds");
    else
        json_set_i64(object, "recovery_point_seconds", wish->recovery_point_s);
    return object;
}

/* What was not stated follows the use: of a cache nothing has to outlast a restart. */
static enum advise_durability durability_of(const struct settings *settings)
{
    auto_json struct json *all = settings_to_json(settings);
    const struct json *durability = NULL;
    const char *origin = NULL;
    struct err ignored; /* it is in the table */

    if (settings->use == ADVISE_CACHE && json_get(all, "durability", &durability, &ignored) == 0 &&
        json_get_string(durability, "origin", &origin, &ignored) == 0 &&
        strcmp(origin, "default") == 0)
        return ADVISE_BEST_EFFORT;
    return settings->durability;
}

static int run(const struct command_context *context, struct err *err)
{
    const struct settings *settings = context->settings;
    const struct advise_wish wish = {
        .durability = durability_of(settings),
        .use = settings->use,
        .storage = settings->storage,
        .recovery_point_s =
            settings->recovery_point_ms == 0 ? -1 : settings->recovery_point_ms / 1000,
    };
    auto_seen struct seen seen = {0};
    auto_advice struct advice advice = {0};
    auto_json struct json *answer = NULL;
    auto_json struct json *diff = NULL;

    if (see(context, &seen, err) != 0)
        return -1;
    if (command_flag(context, "diff") && seen.server.config == NULL) {
        *err = seen.why;
        return err_wrap(err, "nothing to compare with");
    }
    advise(&wish, &seen.server, &advice);
    if (command_flag(context, "diff"))
        diff = advice_diff_json(&advice, seen.server.config);
    if (command_flag(context, "json")) {
        answer = advice_to_json(&advice);
        json_set(answer, "wish", wish_to_json(&wish));
        json_set_bool(answer, "server_seen", seen.server.info != NULL);
        json_set_string(answer, "unseen", seen.server.config == NULL ? seen.why.msg : NULL);
        if (diff != NULL)
            json_set(answer, "diff", TAKE_PTR(diff));
        command_answer(context, answer);
    } else if (diff != NULL) {
        print_diff(context->out, diff);
        print_texts(context->out, "warning", &advice.warnings);
    } else {
        print_advice(context->out, &advice, &seen);
    }
    return 0;
}

static const struct option_spec options[] = {
    {.name = "diff", .help = "only what the running server has otherwise"},
    {.name = "memory", .value = "SIZE", .help = "what the server may use: its container's limit"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_advise = {
    .name = "advise",
    .help = "the persistence configuration for a stated durability, with reasons",
    .options = options,
    .run = run,
};
