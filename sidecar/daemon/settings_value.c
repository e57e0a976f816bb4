/*
 * One parser per type of the table. Numbers, sizes and times are read by base/parse; this file adds
 * the ranges, the words, and the shapes that names must have to be safe in a path or a key.
 */
#include "daemon/settings_value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backup/retention.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/http.h"
#include "daemon/schedule.h"
#include "redis/redis_url.h"

static void *field_of(const struct setting_row *row, struct settings *settings)
{
    return (char *)settings + row->offset;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text))
            return true;
    }
    return false;
}

static bool has_blank(const char *text)
{
    return strpbrk(text, " \t\v\f\r\n") != NULL;
}

static bool is_dots(const char *text, size_t len)
{
    return (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.');
}

static int check_text(const char *text, struct err *err)
{
    if (*text == '\0')
        return err_set(err, ERR_CONFIG, "it may not be empty");
    if (has_control(text))
        return err_set(err, ERR_CONFIG, "it holds a control character");
    return 0;
}

static int check_filename(const char *text, struct err *err)
{
    if (check_text(text, err) != 0)
        return -1;
    if (strchr(text, '/') != NULL || is_dots(text, strlen(text)))
        return err_set(err, ERR_CONFIG, "\"%.64s\" is not one plain name without a '/'", text);
    return 0;
}

static int check_path(const char *text, struct err *err)
{
    const char *part = text;

    if (check_text(text, err) != 0)
        return -1;
    while (true) {
        size_t len = strcspn(part, "/");

        if (len == 0 || is_dots(part, len))
            return err_set(err, ERR_CONFIG,
                           "\"%.64s\" is not a path below data-dir: no leading or double '/', "
                           "no \".\" and no \"..\"",
                           text);
        if (part[len] == '\0')
            return 0;
        part += len + 1;
    }
}

static int check_word(const char *text, struct err *err)
{
    if (check_text(text, err) != 0)
        return -1;
    if (has_blank(text))
        return err_set(err, ERR_CONFIG, "\"%.64s\" is not one word", text);
    return 0;
}

static int check_url(const char *text, const char *example, struct err *err)
{
    size_t scheme = strcspn(text, ":/?#@ ");

    if (check_text(text, err) != 0)
        return -1;
    if (scheme == 0 || strncmp(text + scheme, "://", 3) != 0 || has_blank(text))
        return err_set(err, ERR_CONFIG, "it is not a URL, such as %s", example);
    return 0;
}

static int check_server(const char *text, struct err *err)
{
    auto_redis_address struct redis_address address = {0};

    if (check_url(text, "redis://HOST:6379", err) != 0)
        return -1;
    return redis_url_parse(text, &address, err);
}

static int check_schedule(const char *text, struct err *err)
{
    struct schedule schedule;

    return schedule_parse(text, &schedule, err);
}

static int check_span(const char *text, struct err *err)
{
    struct retention_span span;

    return retention_parse_span(text, &span, err);
}

/* "7.0.15", "8.1", "valkey 8.1" */
static int check_version(const char *text, struct err *err)
{
    const char *at = text;
    unsigned numbers = 0;

    if (strncasecmp(at, "redis ", 6) == 0)
        at += 6;
    else if (strncasecmp(at, "valkey ", 7) == 0)
        at += 7;
    while (numbers < 3) {
        size_t digits = strspn(at, "0123456789");

        if (digits == 0 || digits > 5)
            break;
        numbers++;
        at += digits;
        if (*at == '\0')
            return 0;
        if (*at++ != '.')
            break;
    }
    return err_set(err, ERR_CONFIG, "\"%.64s\" is not a version, such as 7.0.15 or \"valkey 8.1\"",
                   text);
}

static int check_listen(const char *text, struct err *err)
{
    auto_free char *host = NULL;
    uint16_t port = 0;

    return http_listen_parse(text, &host, &port, err);
}

typedef int check_fn(const char *text, struct err *err);

static void set_text(char **field, const char *text)
{
    if (*field != NULL)
        explicit_bzero(*field, strlen(*field)); /* a URL can hold a password */
    free(*field);
    *field = text != NULL ? xstrdup(text) : NULL;
}

static int parse_text(check_fn *check, const char *text, char **field, struct err *err)
{
    if (check(text, err) != 0)
        return -1;
    set_text(field, text);
    return 0;
}

static int parse_owner(const char *text, struct settings_owner *field, struct err *err)
{
    const char *colon = strchr(text, ':');
    auto_free char *user = xstrndup(text, colon != NULL ? (size_t)(colon - text) : strlen(text));
    uint64_t uid = 0;
    uint64_t gid = 0;

    if (parse_u64(user, &uid, err) != 0 ||
        parse_u64(colon != NULL ? colon + 1 : user, &gid, err) != 0 || uid >= UINT32_MAX ||
        gid >= UINT32_MAX)
        return err_set(err, ERR_CONFIG,
                       "\"%.64s\" is not UID or UID:GID in numbers, such as 999:999 (a name may be "
                       "another user in the server's container)",
                       text);
    *field = (struct settings_owner){true, (uint32_t)uid, (uint32_t)gid};
    return 0;
}

/* As one would write it in the setting: "5MiB". */
static void format_limit(uint64_t bytes, char *out, size_t out_size)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t unit = 0;

    while (unit < 3 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(out, out_size, "%llu%s", (unsigned long long)bytes, units[unit]);
}

static int check_range(const struct setting_row *row, const char *text, uint64_t value,
                       struct err *err)
{
    char min[32];
    char max[32];

    if (value >= row->min && value <= row->max)
        return 0;
    if (row->type == SETTING_SIZE) {
        format_limit(row->min, min, sizeof min);
        format_limit(row->max, max, sizeof max);
        return err_set(err, ERR_CONFIG, "\"%.64s\" is not between %s and %s", text, min, max);
    }
    if (row->type == SETTING_DURATION) {
        format_duration((int64_t)row->min, min, sizeof min);
        format_duration((int64_t)row->max, max, sizeof max);
        return err_set(err, ERR_CONFIG, "\"%.64s\" is not between %s and %s", text, min, max);
    }
    return err_set(err, ERR_CONFIG, "\"%.64s\" is not between %llu and %llu", text,
                   (unsigned long long)row->min, (unsigned long long)row->max);
}

static int parse_number(const struct setting_row *row, const char *text, void *field,
                        struct err *err)
{
    uint64_t value = 0;
    int64_t ms = 0;
    int rc;

    if (row->type == SETTING_DURATION) {
        rc = parse_duration(text, &ms, err);
        value = (uint64_t)ms;
    } else if (row->type == SETTING_SIZE) {
        rc = parse_size(text, &value, err);
    } else {
        rc = parse_u64(text, &value, err);
    }
    if (rc != 0)
        return -1;
    if (!(value == 0 && row->zero_word != NULL) && check_range(row, text, value, err) != 0)
        return -1;
    if (row->type == SETTING_DURATION)
        *(int64_t *)field = ms;
    else if (row->type == SETTING_SIZE)
        *(uint64_t *)field = value;
    else
        *(unsigned *)field = (unsigned)value;
    return 0;
}

static int find_word(const struct setting_row *row, const char *text, size_t len, unsigned *out,
                     struct err *err)
{
    auto_buf struct buf known = {0};

    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strlen(row->words[i]) == len && strncasecmp(row->words[i], text, len) == 0) {
            *out = i;
            return 0;
        }
    }
    buf_init(&known, 256);
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (buf_printf(&known, err, "%s%s", i == 0 ? "" : ", ", row->words[i]) != 0)
            return -1;
    }
    return err_set(err, ERR_CONFIG, "\"%.*s\" is not one of %s", (int)(len < 64 ? len : 64), text,
                   buf_text(&known));
}

static int parse_list(const struct setting_row *row, const char *text, unsigned *field,
                      struct err *err)
{
    unsigned bits = 0;

    while (true) {
        size_t len;
        unsigned index = 0;

        text += strspn(text, " ");
        len = strcspn(text, ", ");
        if (find_word(row, text, len, &index, err) != 0)
            return -1;
        bits |= 1U << index;
        text += len;
        text += strspn(text, " ");
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return err_set(err, ERR_CONFIG, "its words are to be apart by commas");
    }
    *field = bits;
    return 0;
}

int setting_value_parse(const struct setting_row *row, const char *text, struct settings *settings,
                        struct err *err)
{
    void *field = field_of(row, settings);

    if (row->zero_word != NULL && strcasecmp(text, row->zero_word) == 0) {
        setting_value_release(row, settings);
        return 0;
    }
    switch (row->type) {
    case SETTING_STRING:
        return parse_text(check_text, text, field, err);
    case SETTING_SECRET:
        if (*text == '\0')
            return err_set(err, ERR_CONFIG, "it may not be empty");
        secret_set(field, text, strlen(text));
        return 0;
    case SETTING_URL:
    case SETTING_HOOK:
        if (check_url(text,
                      row->type == SETTING_HOOK ? "https://HOST/PATH"
                                                : "file:///PATH or s3://BUCKET/PREFIX",
                      err) != 0 ||
            settings_url_check_beginning(text, row->words, err) != 0)
            return -1;
        if (row->type == SETTING_HOOK && settings_url_check_host(text, err) != 0)
            return -1;
        set_text(field, text);
        return 0;
    case SETTING_SERVER:
        return parse_text(check_server, text, field, err);
    case SETTING_FILENAME:
        return parse_text(check_filename, text, field, err);
    case SETTING_PATH:
        return parse_text(check_path, text, field, err);
    case SETTING_WORD:
        return parse_text(check_word, text, field, err);
    case SETTING_VERSION:
        return parse_text(check_version, text, field, err);
    case SETTING_LISTEN:
        return parse_text(check_listen, text, field, err);
    case SETTING_SCHEDULE:
        return parse_text(check_schedule, text, field, err);
    case SETTING_SPAN:
        return parse_text(check_span, text, field, err);
    case SETTING_OWNER:
        return parse_owner(text, field, err);
    case SETTING_UINT:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return parse_number(row, text, field, err);
    case SETTING_ENUM:
        return find_word(row, text, strlen(text), field, err);
    case SETTING_LIST:
        return parse_list(row, text, field, err);
    }
    return err_set(err, ERR_FAILED, "setting %s has no type", row->name);
}

void setting_value_release(const struct setting_row *row, struct settings *settings)
{
    void *field = field_of(row, settings);

    switch (row->type) {
    case SETTING_STRING:
    case SETTING_URL:
    case SETTING_HOOK:
    case SETTING_SERVER:
    case SETTING_LISTEN:
    case SETTING_FILENAME:
    case SETTING_PATH:
    case SETTING_WORD:
    case SETTING_VERSION:
    case SETTING_SCHEDULE:
    case SETTING_SPAN:
        set_text(field, NULL);
        break;
    case SETTING_SECRET:
        secret_release(field);
        break;
    case SETTING_OWNER:
        *(struct settings_owner *)field = (struct settings_owner){0};
        break;
    case SETTING_SIZE:
        *(uint64_t *)field = 0;
        break;
    case SETTING_DURATION:
        *(int64_t *)field = 0;
        break;
    case SETTING_UINT:
    case SETTING_ENUM:
    case SETTING_LIST:
        *(unsigned *)field = 0;
        break;
    }
}
