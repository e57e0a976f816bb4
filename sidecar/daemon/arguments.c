/*
 * Names are known in full only: an abbreviation that works today would mean something else once a
 * setting is added. A value may not begin with "--" unless it is joined with '=': far more often
 * it is the next option, and the value was forgotten.
 */
#include "daemon/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/settings_table.h"
#include "daemon/settings_value.h"

struct reader {
    int argc;
    char *const *argv;
    int at;
    const struct option_spec *specs;
    struct arguments *out;
};

static const struct option_spec *find_option(const struct option_spec *specs, const char *name)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        if (strcmp(specs->name, name) == 0)
            return specs;
    }
    return NULL;
}

static int check_may_be_flag(const struct setting_row *row, const char *value, struct err *err)
{
    bool is_hook = row->type == SETTING_HOOK;
    char name[64] = {0};

    if ((row->type != SETTING_URL && row->type != SETTING_SERVER && !is_hook) ||
        !settings_url_has_password(value))
        return 0;
    if (!is_hook)
        return err_set(err, ERR_CONFIG,
                       "--%s holds a password, which every process of this machine could read. "
                       "HINT: leave the password out of it and set REDKEEP_REDIS_PASSWORD_FILE",
                       row->name);
    setting_env_name(row, name, sizeof name);
    return err_set(err, ERR_CONFIG,
                   "--%s holds a password, which every process of this machine could read. "
                   "HINT: set %s_FILE to the path of a file that holds the URL",
                   row->name, name);
}

static int refuse_secret(const struct setting_row *row, struct err *err)
{
    char name[64] = {0};

    setting_env_name(row, name, sizeof name);
    return err_set(err, ERR_CONFIG,
                   "--%s: a secret has no flag, every process of this machine could read it. "
                   "HINT: set %s_FILE to the path of a file that holds it, or %s",
                   row->name, name, name);
}

/* The value of the option at reader->at: what follows '=', else the next argument. */
static int take_value(struct reader *reader, const char *name, const char *joined, const char **out,
                      struct err *err)
{
    const char *next = reader->at + 1 < reader->argc ? reader->argv[reader->at + 1] : NULL;

    if (joined != NULL) {
        *out = joined;
        return 0;
    }
    if (next == NULL || strncmp(next, "--", 2) == 0)
        return err_set(err, ERR_CONFIG, "--%s needs a value", name);
    *out = next;
    reader->at++;
    return 0;
}

/* One --name, --name=value or --name value. */
static int read_option(struct reader *reader, struct err *err)
{
    const char *text = reader->argv[reader->at] + 2;
    size_t len = strcspn(text, "=");
    const char *joined = text[len] == '=' ? text + len + 1 : NULL;
    auto_free char *name = xstrndup(text, len);
    const struct option_spec *spec = find_option(reader->specs, name);
    const struct setting_row *row = setting_find(name);
    struct arguments *out = reader->out;
    struct argument argument = {0};

    if (spec != NULL) {
        argument.name = spec->name;
        if (spec->value == NULL && joined != NULL)
            return err_set(err, ERR_CONFIG, "--%s takes no value", name);
        if (spec->value != NULL && take_value(reader, name, joined, &argument.value, err) != 0)
            return -1;
        out->options[out->option_count++] = argument;
        return 0;
    }
    if (row == NULL && strcmp(name, "config") != 0)
        return err_set(err, ERR_CONFIG, "unknown option --%.64s, the nearest is --%s", name,
                       setting_nearest(name, reader->specs));
    if (row != NULL && row->type == SETTING_SECRET)
        return refuse_secret(row, err);
    argument.name = row != NULL ? row->name : "config";
    if (take_value(reader, name, joined, &argument.value, err) != 0 ||
        (row != NULL && check_may_be_flag(row, argument.value, err) != 0))
        return -1;
    out->settings[out->setting_count++] = argument;
    return 0;
}

static int read_all(struct reader *reader, struct err *err)
{
    struct arguments *out = reader->out;
    bool has_ended = false; /* after "--" everything is a word */

    for (; reader->at < reader->argc; reader->at++) {
        const char *text = reader->argv[reader->at];

        if (has_ended || text[0] != '-' || text[1] == '\0') {
            out->words[out->word_count++] = text;
        } else if (strcmp(text, "--") == 0) {
            has_ended = true;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            out->help = true;
            return 0;
        } else if (text[1] != '-') {
            return err_set(err, ERR_CONFIG, "unknown option %.64s, see --help", text);
        } else if (read_option(reader, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int arguments_parse(int argc, char *const argv[], const struct option_spec *options,
                    struct arguments *out, struct err *err)
{
    size_t max = (size_t)argc + 1;
    auto_arguments struct arguments all = {
        .settings = xcalloc(max, sizeof *all.settings),
        .options = xcalloc(max, sizeof *all.options),
        .words = xcalloc(max, sizeof *all.words),
    };
    struct reader reader = {.argc = argc, .argv = argv, .specs = options, .out = &all};

    if (read_all(&reader, err) != 0)
        return -1;
    *out = all;
    all = (struct arguments){0};
    return 0;
}

void arguments_release(struct arguments *arguments)
{
    free(arguments->settings);
    free(arguments->options);
    free(arguments->words);
    *arguments = (struct arguments){0};
}

const char *arguments_option(const struct arguments *arguments, const char *name)
{
    for (size_t i = arguments->option_count; i-- > 0;) {
        const struct argument *argument = &arguments->options[i];

        if (strcmp(argument->name, name) == 0)
            return argument->value != NULL ? argument->value : "";
    }
    return NULL;
}
