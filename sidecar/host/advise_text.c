/*
 * The advice as other programs read it: the two files, JSON, and what differs from what runs.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/parse.h"
#include "host/advise.h"

/* Quotes what would be no value (redis.conf), or several (redkeep.conf: it takes one). */
static char *conf_text(const struct advise_lines *lines, bool quotes_blanks)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < lines->count; i++) {
        const struct advise_line *line = &lines->lines[i];
        bool quote = line->value[0] == '\0' || (quotes_blanks && strchr(line->value, ' ') != NULL);
        auto_free char *before = text;

        text = xasprintf("%s# %s\n%s %s%s%s\n", before, line->why, line->name, quote ? "\"" : "",
                         line->value, quote ? "\"" : "");
    }
    return text;
}

char *advice_redis_conf(const struct advice *advice)
{
    return conf_text(&advice->redis, false);
}

char *advice_redkeep_conf(const struct advice *advice)
{
    return conf_text(&advice->redkeep, true);
}

/* "64mb" is what the server shows as 67108864; only maxmemory and its like are written so. */
static bool is_same(const char *running, const char *advised)
{
    uint64_t running_bytes = 0;
    uint64_t advised_bytes = 0;
    struct err ignored;

    if (strcasecmp(running, advised) == 0)
        return true;
    return parse_size(running, &running_bytes, &ignored) == 0 &&
           parse_size(advised, &advised_bytes, &ignored) == 0 && running_bytes == advised_bytes;
}

struct json *advice_diff_json(const struct advice *advice, const struct pairs *config)
{
    struct json *rows = json_array();

    for (size_t i = 0; i < advice->redis.count; i++) {
        const struct advise_line *line = &advice->redis.lines[i];
        const char *running = pairs_get(config, line->name);
        struct json *row;

        if (running != NULL && is_same(running, line->value))
            continue;
        row = json_object();
        json_set_string(row, "name", line->name);
        json_set_string(row, "running", running);
        json_set_string(row, "advised", line->value);
        json_set_string(row, "why", line->why);
        json_push(rows, row);
    }
    return rows;
}

static struct json *texts_to_json(const struct advise_texts *texts)
{
    struct json *array = json_array();

    for (size_t i = 0; i < texts->count; i++)
        json_push_string(array, texts->texts[i]);
    return array;
}

static struct json *lines_to_json(const struct advise_lines *lines)
{
    struct json *array = json_array();

    for (size_t i = 0; i < lines->count; i++) {
        struct json *row = json_object();

        json_set_string(row, "name", lines->lines[i].name);
        json_set_string(row, "value", lines->lines[i].value);
        json_set_string(row, "why", lines->lines[i].why);
        json_push(array, row);
    }
    return array;
}

static void set_known(struct json *object, const char *key, int64_t value)
{
    if (value < 0)
        json_set_null(object, key);
    else
        json_set_i64(object, key, value);
}

struct json *advice_to_json(const struct advice *advice)
{
    auto_free char *redis_conf = advice_redis_conf(advice);
    auto_free char *redkeep_conf = advice_redkeep_conf(advice);
    struct json *root = json_object();

    json_set_string(root, "mode", advise_mode_name(advice->mode));
    json_set(root, "reasons", texts_to_json(&advice->reasons));
    json_set(root, "warnings", texts_to_json(&advice->warnings));
    json_set(root, "redis", lines_to_json(&advice->redis));
    json_set(root, "redkeep", lines_to_json(&advice->redkeep));
    json_set_string(root, "redis_conf", redis_conf);
    json_set_string(root, "redkeep_conf", redkeep_conf);
    set_known(root, "loses_at_most_seconds", advice->loses_at_most_s);
    set_known(root, "loses_at_most_volume_seconds", advice->loses_at_most_volume_s);
    set_known(root, "recovery_seconds", advice->recovery_s);
    json_set_bool(root, "recovery_is_measured", advice->recovery_by != ADVISE_LOAD_NONE);
    json_set_string(root, "recovery_by", advise_load_name(advice->recovery_by));
    json_set_time(root, "recovery_by_at", advice->recovery_by_ms);
    set_known(root, "recovery_volume_seconds", advice->recovery_volume_s);
    set_known(root, "memory_bytes", advice->memory_bytes);
    set_known(root, "disk_bytes", advice->disk_bytes);
    return root;
}
