/*
 * Runs the tables of checks over facts and orders what they say, see check.h. Judgement is in the
 * rows; here are the words, the order and the JSON.
 */
#include "host/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

const char *check_status_name(enum check_status status)
{
    switch (status) {
    case CHECK_OK:
        return "ok";
    case CHECK_FIXED:
        return "fixed";
    case CHECK_WARN:
        return "warn";
    case CHECK_FAIL:
        return "fail";
    case CHECK_UNKNOWN:
    case CHECK_STATUS_COUNT:
        break;
    }
    return "unknown";
}

const char *check_scope_name(enum check_scope scope)
{
    static const char *const names[] = {
        [CHECK_HOST] = "host",     [CHECK_POD] = "pod",       [CHECK_SERVER] = "server",
        [CHECK_VOLUME] = "volume", [CHECK_BACKUP] = "backup",
    };

    return names[scope];
}

static void add_row(struct check_report *report, const struct check_row *row,
                    const struct check_facts *facts)
{
    struct check_result result = {.id = row->id,
                                  .scope = row->scope,
                                  .why = row->why,
                                  .status = CHECK_UNKNOWN,
                                  .place = report->count};

    row->look(facts, &result);
    if (result.value == NULL) /* INVARIANT: what was not seen is never ok */
        check_unknown(&result, "it could not be looked at");
    report->results = xreallocarray(report->results, report->count + 1, sizeof(*report->results));
    report->results[report->count++] = result;
}

void check_run(const struct check_facts *facts, struct check_report *out)
{
    const struct check_row *const tables[] = {check_host_rows, check_limit_rows, check_volume_rows,
                                              check_server_rows, check_backup_rows};

    *out = (struct check_report){0};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct check_row *row = tables[i]; row->id != NULL; row++)
            add_row(out, row, facts);
    }
    check_sort(out);
}

static void result_release(struct check_result *result)
{
    free(result->value);
    free(result->wanted);
    free(result->fix);
    free(result->before);
    free(result->act_value);
}

void check_report_release(struct check_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        result_release(&report->results[i]);
    free(report->results);
    *report = (struct check_report){0};
}

enum check_status check_worst(const struct check_report *report)
{
    enum check_status worst = CHECK_OK;

    for (size_t i = 0; i < report->count; i++) {
        if (report->results[i].status > worst)
            worst = report->results[i].status;
    }
    return worst;
}

const struct check_result *check_find(const struct check_report *report, const char *id)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->results[i].id, id) == 0)
            return &report->results[i];
    }
    return NULL;
}

/* The next word of id,id,...; moves *at behind it; NULL at the end. */
static const char *next_id(const char **at, size_t *out_len)
{
    const char *begin = *at;

    if (begin == NULL)
        return NULL;
    *out_len = strcspn(begin, ",");
    *at = begin[*out_len] == ',' ? begin + *out_len + 1 : NULL;
    return begin;
}

static bool is_in(const char *ids, const char *id)
{
    size_t len;

    for (const char *at = ids, *word; (word = next_id(&at, &len)) != NULL;) {
        if (strlen(id) == len && strncmp(id, word, len) == 0)
            return true;
    }
    return false;
}

static bool has_id(const struct check_report *report, const char *word, size_t len)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strlen(report->results[i].id) == len && strncmp(report->results[i].id, word, len) == 0)
            return true;
    }
    return false;
}

int check_keep(struct check_report *report, const char *ids, struct err *err)
{
    size_t kept = 0;
    size_t len;

    for (const char *at = ids, *word; (word = next_id(&at, &len)) != NULL;) {
        if (!has_id(report, word, len))
            return err_set(err, ERR_CONFIG,
                           "there is no check '%.*s'. HINT: `redkeep check` names "
                           "them all",
                           (int)(len < 64 ? len : 64), word);
    }
    for (size_t i = 0; i < report->count; i++) {
        if (is_in(ids, report->results[i].id))
            report->results[kept++] = report->results[i];
        else
            result_release(&report->results[i]);
    }
    report->count = kept;
    return 0;
}

static int compare(const void *left, const void *right)
{
    const struct check_result *a = left;
    const struct check_result *b = right;

    if (a->status != b->status)
        return a->status > b->status ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

void check_sort(struct check_report *report)
{
    if (report->count > 0)
        qsort(report->results, report->count, sizeof(*report->results), compare);
}

static struct json *result_to_json(const struct check_result *result)
{
    struct json *object = json_object();

    json_set_string(object, "id", result->id);
    json_set_string(object, "status", check_status_name(result->status));
    json_set_string(object, "value", result->value);
    json_set_string(object, "wanted", result->wanted);
    json_set_string(object, "scope", check_scope_name(result->scope));
    json_set_string(object, "why", result->why);
    json_set_string(object, "fix", result->fix);
    if (result->before != NULL)
        json_set_string(object, "before", result->before);
    return object;
}

struct json *check_to_json(const struct check_report *report)
{
    struct json *object = json_object();
    struct json *checks = json_array();

    for (size_t i = 0; i < report->count; i++)
        json_push(checks, result_to_json(&report->results[i]));
    json_set(object, "checks", checks);
    json_set_string(object, "worst", check_status_name(check_worst(report)));
    return object;
}

/* A heap copy of text without control characters, but for the newlines where they are wanted. */
static char *escape(const char *text, bool keep_newlines)
{
    size_t len = strlen(text);
    char *out = xmalloc(len * TEXT_ESCAPE_MAX + 1);
    size_t at = 0;
    size_t out_len = 0;

    while (at < len) {
        char one[TEXT_ESCAPE_MAX + 1] = "\n";

        at += keep_newlines && text[at] == '\n' ? 1 : text_escape_plain(text + at, len - at, one);
        size_t one_len = strlen(one);
        memcpy(out + out_len, one, one_len);
        out_len += one_len;
    }
    out[out_len] = '\0';
    return out;
}

__attribute__((format(printf, 3, 0))) static void set(char **field, bool keep_newlines,
                                                      const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t size = len < 0 ? 1 : (size_t)len + 1;
    auto_free char *text = xcalloc(size, 1);
    if (len > 0)
        (void)vsnprintf(text, size, format, args); /* measured above */
    free(*field);
    *field = escape(text, keep_newlines);
}

void check_ok(struct check_result *result, const char *format, ...)
{
    va_list args;

    result->status = CHECK_OK;
    va_start(args, format);
    set(&result->value, false, format, args);
    va_end(args);
}

void check_bad(struct check_result *result, enum check_status status, const char *format, ...)
{
    va_list args;

    result->status = status;
    va_start(args, format);
    set(&result->value, false, format, args);
    va_end(args);
}

void check_unknown(struct check_result *result, const char *format, ...)
{
    auto_free char *needs = NULL;
    va_list args;

    result->status = CHECK_UNKNOWN;
    va_start(args, format);
    set(&needs, false, format, args);
    va_end(args);
    free(result->value);
    result->value = xasprintf("unknown: %s", needs);
}

void check_wants(struct check_result *result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(&result->wanted, false, format, args);
    va_end(args);
}

void check_fix_by(struct check_result *result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(&result->fix, true, format, args);
    va_end(args);
}

void check_act_by(struct check_result *result, enum check_act act, const char *name,
                  const char *value)
{
    result->act = act;
    result->act_name = name;
    free(result->act_value);
    result->act_value = xstrdup(value);
}
