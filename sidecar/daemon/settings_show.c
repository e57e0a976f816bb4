/*
 * What people see of the settings: `redkeep config` as text and JSON, the lines of --help.
 * INVARIANT (secrets): a value of the types secret, url and hook leaves this file only masked.
 */
#include <string.h>

#include "base/mem.h"
#include "daemon/settings.h"
#include "daemon/settings_table.h"
#include "daemon/settings_value.h"

#define MASK "***"

char *setting_value_masked(const struct setting_row *row, const char *text)
{
    if (row->type == SETTING_SECRET)
        return xstrdup(MASK);
    if (row->type == SETTING_HOOK)
        return settings_masked_hook(text);
    bool is_url = row->type == SETTING_URL || row->type == SETTING_SERVER;

    return is_url ? settings_masked_url(text) : xstrdup(text);
}

static struct json *list_to_json(const struct setting_row *row, unsigned bits)
{
    struct json *list = json_array();

    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if ((bits & 1U << i) != 0)
            json_push_string(list, row->words[i]);
    }
    return list;
}

static void text_to_json(const struct setting_row *row, const char *text, struct json *object,
                         const char *key)
{
    auto_free char *masked = text != NULL ? setting_value_masked(row, text) : NULL;

    json_set_string(object, key, masked);
}

void setting_value_to_json(const struct setting_row *row, const struct settings *settings,
                           struct json *object, const char *key)
{
    const void *field = (const char *)settings + row->offset;
    const struct settings_owner *owner = field;
    auto_free char *text = NULL;

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
        text_to_json(row, *(char *const *)field, object, key);
        break;
    case SETTING_SECRET:
        text_to_json(row, ((const struct secret *)field)->text, object, key);
        break;
    case SETTING_OWNER:
        text = owner->is_set ? xasprintf("%u:%u", owner->uid, owner->gid) : NULL;
        json_set_string(object, key, text);
        break;
    case SETTING_UINT:
        if (*(const unsigned *)field == 0 && row->zero_word != NULL)
            json_set_null(object, key);
        else
            json_set_u64(object, key, *(const unsigned *)field);
        break;
    case SETTING_SIZE:
        if (*(const uint64_t *)field == 0 && row->zero_word != NULL)
            json_set_null(object, key);
        else
            json_set_u64(object, key, *(const uint64_t *)field);
        break;
    case SETTING_DURATION:
        if (*(const int64_t *)field == 0 && row->zero_word != NULL)
            json_set_null(object, key);
        else
            json_set_double(object, key, (double)*(const int64_t *)field / 1000);
        break;
    case SETTING_ENUM:
        json_set_string(object, key, row->words[*(const unsigned *)field]);
        break;
    case SETTING_LIST:
        json_set(object, key, list_to_json(row, *(const unsigned *)field));
        break;
    }
}

struct json *settings_to_json(const struct settings *settings)
{
    struct json *object = json_object();

    for (size_t i = 0; i < setting_count; i++) {
        struct json *member = json_object();

        setting_value_to_json(&setting_table[i], settings, member, "value");
        json_set_string(member, "origin", settings->shown[i].origin);
        json_set(object, setting_table[i].name, member);
    }
    return object;
}

static int text_width(const struct setting_shown *shown)
{
    int width = 0;

    for (size_t i = 0; i < setting_count; i++) {
        int len = shown[i].text != NULL ? (int)strlen(shown[i].text) : 0;

        if (len > width && len <= 48)
            width = len;
    }
    return width;
}

void settings_print_text(const struct settings *settings, FILE *out)
{
    int width = text_width(settings->shown);

    for (size_t i = 0; i < setting_count; i++) {
        const struct setting_shown *shown = &settings->shown[i];

        (void)fprintf(out, "%-21s %-*s  %s\n", setting_table[i].name, width,
                      shown->text != NULL ? shown->text : "-", shown->origin);
    }
}

void settings_print_options(const struct option_spec *options, FILE *out)
{
    for (; options != NULL && options->name != NULL; options++) {
        const char *value = options->value != NULL ? options->value : "";
        int dashes = (int)(strlen(options->name) + strlen(value)) + (*value != '\0');

        (void)fprintf(out, "  --%s%s%s%*s %s\n", options->name, *value != '\0' ? " " : "", value,
                      dashes < 26 ? 26 - dashes : 0, "", options->help);
    }
}

static void print_row_help(const struct setting_row *row, FILE *out)
{
    bool is_secret = row->type == SETTING_SECRET;
    const char *value = is_secret ? "(no flag)" : row->value;
    int len = (int)(strlen(row->name) + strlen(value));

    (void)fprintf(out, "  %s%s %s%*s %s", is_secret ? "  " : "--", row->name, value,
                  len < 25 ? 25 - len : 0, "", row->help);
    for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
        (void)fprintf(out, "%s%s", i == 0 ? ": " : ", ", row->words[i]);
    if (row->default_text != NULL)
        (void)fprintf(out, " [%s]", row->default_text);
    (void)fputc('\n', out);
}

void settings_print_help(FILE *out)
{
    for (size_t i = 0; i < setting_count; i++)
        print_row_help(&setting_table[i], out);
}
