/* What `entrypoint --print` shows. */
#include <string.h>

#include "commands/starting.h"

static void print_setting(const struct starting *starting, const struct profile_setting *setting,
                          FILE *out)
{
    const struct server_directive *theirs = server_conf_find(&starting->own, setting->name);

    if (theirs == NULL)
        (void)fprintf(out, "%s %s\n    %s\n", setting->name, setting->value, setting->why);
    else
        (void)fprintf(out, "# %s is yours (%s); the profile would have %s\n", setting->name,
                      theirs->from, setting->value);
}

static void print_text(const struct starting *starting, FILE *out)
{
    auto_free char *line = server_line_format(&starting->line);
    const struct settings *settings = &starting->settings;

    (void)fprintf(out, "%s\n\n", line);
    if (starting->merged.needs_none) {
        (void)fprintf(out, "# no server with data of its own: it is started as it is\n");
        return;
    }
    if (starting->profile != PROFILE_NONE)
        (void)fprintf(out, "# profile %s: %s\n", profile_name(starting->profile),
                      profile_purpose(starting->profile));
    for (size_t i = 0; i < profile_table_count; i++) {
        if (profile_has(starting->profile, &profile_table[i]))
            print_setting(starting, &profile_table[i], out);
    }
    (void)fprintf(out, "\n# what it will load, and redkeep makes ready before\n");
    if (starting->is_replica)
        (void)fprintf(out, "# a replica: an empty volume is left to its primary\n");
    (void)fprintf(out, "dir %s\nappendonly %s\n", settings->data_dir,
                  settings->appendonly == SETTINGS_APPENDONLY_YES ? "yes" : "no");
    (void)fprintf(out, "dbfilename %s\nappenddirname %s\nappendfilename %s\n", settings->dbfilename,
                  settings->appenddirname, settings->appendfilename);
}

/* A row of the profile, and whose word counts. */
static struct json *setting_to_json(const struct starting *starting,
                                    const struct profile_setting *setting)
{
    const struct server_directive *theirs = server_conf_find(&starting->own, setting->name);
    struct json *row = json_object();

    json_set_string(row, "name", setting->name);
    json_set_string(row, "value", setting->value);
    json_set_string(row, "why", setting->why);
    json_set_bool(row, "set", theirs == NULL);
    json_set_string(row, "overridden_by", theirs != NULL ? theirs->from : NULL);
    return row;
}

static void print_json(const struct starting *starting)
{
    auto_free char *line = server_line_format(&starting->line);
    auto_json struct json *answer = json_object();
    struct json *rows = json_array();
    const struct settings *settings = &starting->settings;
    bool loads = !starting->merged.needs_none;

    for (size_t i = 0; i < profile_table_count && loads; i++) {
        if (profile_has(starting->profile, &profile_table[i]))
            json_push(rows, setting_to_json(starting, &profile_table[i]));
    }
    json_set_string(answer, "line", line);
    json_set_bool(answer, "loads_data", loads);
    json_set_string(answer, "profile", profile_name(starting->profile));
    json_set(answer, "settings", rows);
    json_set_bool(answer, "replica", starting->is_replica);
    json_set_string(answer, "dir", settings->data_dir);
    json_set_string(answer, "appendonly",
                    settings->appendonly == SETTINGS_APPENDONLY_YES ? "yes" : "no");
    json_set_string(answer, "dbfilename", settings->dbfilename);
    json_set_string(answer, "appenddirname", settings->appenddirname);
    json_set_string(answer, "appendfilename", settings->appendfilename);
    command_answer(starting->context, answer);
}

void starting_print(const struct starting *starting)
{
    if (command_flag(starting->context, "json"))
        print_json(starting);
    else
        print_text(starting, starting->context->out);
}
