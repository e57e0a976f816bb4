/*
 * `redkeep check`: what the data stands on, the worst first, with the line that mends it; --fix
 * does what this process may. The report is the answer whatever it says; the exit code is 1 when it
 * warns or worse, and 7 when for want of the server something stays unknown. As a job of the
 * sidecar, which reads the answer, it has done its work by then.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/report.h"
#include "commands/checking.h"
#include "commands/command.h"
#include "host/check_fix.h"

enum { ID_COLUMN = 28, STATUS_COLUMN = 8, SCOPE_COLUMN = 7, LINE_WIDTH = 100 };

struct look { /* how a status looks on a terminal */
    const char *word;
    const char *colour;
};

static const struct look looks[CHECK_STATUS_COUNT] = {
    [CHECK_OK] = {"ok", "\033[32m"},           [CHECK_FIXED] = {"fixed", "\033[1;32m"},
    [CHECK_UNKNOWN] = {"unknown", "\033[36m"}, [CHECK_WARN] = {"WARN", "\033[1;33m"},
    [CHECK_FAIL] = {"FAIL", "\033[1;31m"},
};

/* https://no-color.org: set and not empty, whatever it says. */
static bool wants_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && (no_color == NULL || *no_color == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

/* A text of several lines, each below the last. */
static void print_lines(const char *label, const char *text, FILE *out)
{
    int indent = STATUS_COLUMN + (int)strlen(label);

    (void)fprintf(out, "%*s%s", STATUS_COLUMN, "", label);
    for (size_t len = strcspn(text, "\n"); text[len] != '\0'; len = strcspn(text, "\n")) {
        (void)fprintf(out, "%.*s\n%*s", (int)len, text, indent, "");
        text += len + 1;
    }
    (void)fprintf(out, "%s\n", text);
}

static void print_change(const struct check_result *result, FILE *out)
{
    const char *slash = result->act == CHECK_ACT_FILE ? "/" : "";

    if (result->status == CHECK_FIXED)
        (void)fprintf(out, "%s%s is %s now; before: %s", slash, result->act_name, result->value,
                      result->before);
    else
        (void)fprintf(out, "%s; --fix would set %s%s to %s", result->before, slash,
                      result->act_name, result->value);
}

/* The value, of which the status says the first word. */
static const char *without_unknown(const struct check_result *result)
{
    bool is_said = result->status == CHECK_UNKNOWN && strncmp(result->value, "unknown: ", 9) == 0;

    return result->value + (is_said ? 9 : 0);
}

static void print_result(const struct check_result *result, bool in_colour, FILE *out)
{
    const struct look *look = &looks[result->status];
    const char *value = without_unknown(result);

    (void)fprintf(out, "%s%-*s%s%-*s %-*s ", in_colour ? look->colour : "", STATUS_COLUMN,
                  look->word, in_colour ? "\033[0m" : "", ID_COLUMN, result->id, SCOPE_COLUMN,
                  check_scope_name(result->scope));
    if (result->before != NULL) /* of a dry run too: as it would be */
        print_change(result, out);
    else
        (void)fputs(value, out);
    if (result->wanted != NULL && result->status >= CHECK_WARN && result->before == NULL)
        (void)fprintf(out, "; wanted: %s", result->wanted);
    (void)fputc('\n', out);
    if (result->status < CHECK_WARN && result->status != CHECK_FIXED)
        return;
    if (result->status >= CHECK_WARN)
        print_lines("", result->why, out);
    if (result->fix != NULL)
        print_lines(result->status == CHECK_FIXED ? "to keep it: " : "fix: ", result->fix, out);
}

static void print_sum(const struct check_report *report, FILE *out)
{
    size_t counts[CHECK_STATUS_COUNT] = {0};
    size_t would_be_fixed = 0;
    bool is_first = true;

    for (size_t i = 0; i < report->count; i++) {
        const struct check_result *result = &report->results[i];

        counts[result->status]++;
        would_be_fixed += result->before != NULL && result->status != CHECK_FIXED;
    }
    for (size_t i = CHECK_STATUS_COUNT; i-- > 0;) {
        if (counts[i] == 0)
            continue;
        (void)fprintf(out, "%s%zu %s", is_first ? "" : ", ", counts[i],
                      check_status_name((enum check_status)i));
        is_first = false;
    }
    if (would_be_fixed > 0)
        (void)fprintf(out, "; --fix would mend %zu", would_be_fixed);
    (void)fprintf(out, "%s\n", is_first ? "nothing was checked" : "");
}

static bool says_the_same(const struct check_result *left, const struct check_result *right)
{
    return left->status == CHECK_UNKNOWN && right->status == CHECK_UNKNOWN &&
           strcmp(left->value, right->value) == 0;
}

static void print_ids(const struct check_report *report, size_t first, FILE *out)
{
    int column = 0;

    for (size_t i = first; i < report->count; i++) {
        const struct check_result *result = &report->results[i];
        int len = (int)strlen(result->id);

        if (!says_the_same(&report->results[first], result))
            continue;
        if (column > 0 && column + len + 2 > LINE_WIDTH) {
            (void)fputs(",\n", out);
            column = 0;
        }
        column += fprintf(out, "%*s%s", column == 0 ? STATUS_COLUMN : 0, column == 0 ? "" : ", ",
                          result->id);
    }
    (void)fputc('\n', out);
}

/* What is unknown for one and the same reason stands in one place: a server that is down is the
 * reason of most. Returns whether it has. */
static bool print_together(const struct check_report *report, size_t at, bool in_colour, FILE *out)
{
    const struct check_result *result = &report->results[at];
    const struct look *look = &looks[result->status];
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++) {
        if (i < at && says_the_same(&report->results[i], result))
            return true; /* it stands there already */
        count += says_the_same(&report->results[i], result);
    }
    if (count < 2)
        return false;
    (void)fprintf(out, "%s%-*s%s%zu checks: %s\n", in_colour ? look->colour : "", STATUS_COLUMN,
                  look->word, in_colour ? "\033[0m" : "", count, without_unknown(result));
    print_ids(report, at, out);
    return true;
}

static void print_report(const struct check_report *report, FILE *out)
{
    bool in_colour = wants_colours(out);

    for (size_t i = 0; i < report->count; i++) {
        if (!print_together(report, i, in_colour, out))
            print_result(&report->results[i], in_colour, out);
    }
    print_sum(report, out);
}

/* CONFIG SET, believed when CONFIG GET says the same; where that is not allowed, the server's OK
 * has to do. Sizes and lists may come back in other words, but never the old ones. */
static int config_set(void *context, const char *name, const char *value, struct err *err)
{
    const struct checking *checking = context;
    const char *before = pairs_get(&checking->config, name);
    auto_free char *now = NULL;
    enum redis_config_answer answer;

    if (redis_config_set(checking->redis, name, value, err) != 0 ||
        redis_config_get(checking->redis, name, &answer, &now, err) != 0)
        return -1;
    if (answer == REDIS_CONFIG_VALUE && before != NULL && strcmp(now, value) != 0 &&
        strcmp(now, before) == 0)
        return err_set(err, ERR_SERVER, "the server said OK, and still has %s %s", name, now);
    return 0;
}

/* The names of fix-server; both to be freed, the texts live in *out_text. */
static char **split_names(const char *list, char **out_text)
{
    char **names = xcalloc(list == NULL ? 1 : strlen(list) + 1, sizeof(*names));
    size_t count = 0;
    char *at;

    *out_text = list == NULL ? NULL : xstrdup(list);
    for (at = *out_text; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        bool is_last = at[len] == '\0';

        at[len] = '\0';
        if (len > 0)
            names[count++] = at;
        at += len + (is_last ? 0 : 1);
    }
    return names;
}

static void fix(const struct command_context *context, struct checking *checking,
                struct check_report *report)
{
    auto_free char *text = NULL;
    auto_free char **names = split_names(context->settings->fix_server, &text);
    const struct check_fix_options options = {
        .root_fd = checking->facts.root_fd,
        .is_dry_run = command_flag(context, "dry-run"),
        .server_settings = (const char *const *)names,
        .config_set = checking->facts.info != NULL ? config_set : NULL,
        .context = checking,
    };

    (void)check_fix(&options, report); /* the report says what became of each */
}

static void answer(const struct command_context *context, const struct checking *checking,
                   const struct check_report *report)
{
    if (!command_flag(context, "json")) {
        print_report(report, context->out);
        return;
    }

    auto_json struct json *object = check_to_json(report);
    if (command_flag(context, "dry-run"))
        json_set_bool(object, "dry_run", true);
    if (report_is_on() && checking->tried_delete) /* for the sidecar, see checking.c */
        json_set_bool(object, "may_delete", checking->facts.backup.may_delete == 1);
    command_answer(context, object);
}

static bool has_unknown(const struct check_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->results[i].status == CHECK_UNKNOWN)
            return true;
    }
    return false;
}

static int run(const struct command_context *context, struct err *err)
{
    auto_checking struct checking checking = {.facts = {.root_fd = -1}};
    const char *only = command_option(context, "only");
    struct check_report report;

    if (command_flag(context, "dry-run") && !command_flag(context, "fix"))
        return err_set(err, ERR_CONFIG, "--dry-run says what --fix would do: give both");
    if (checking_begin(context, &checking, err) != 0)
        return -1;
    check_run(&checking.facts, &report);
    if (only != NULL && check_keep(&report, only, err) != 0) {
        check_report_release(&report);
        return -1;
    }
    if (command_flag(context, "fix"))
        fix(context, &checking, &report);
    answer(context, &checking, &report);
    enum check_status worst = check_worst(&report);
    bool misses_server = checking.facts.info == NULL && has_unknown(&report);
    check_report_release(&report);
    if (report_is_on())
        return 0;
    if (misses_server) { /* then the best of the report is missing, whatever the rest says */
        *err = checking.server_err;
        return -1;
    }
    if (worst < CHECK_WARN)
        return 0;
    return err_set(err, ERR_FAILED, "%s", ""); /* it has been said */
}

static const struct option_spec options[] = {
    {.name = "fix", .help = "does what this process may: sysctls, THP, and what fix-server names"},
    {.name = "only", .value = "IDS", .help = "these checks alone, such as overcommit-memory,swap"},
    {.name = "dry-run", .help = "with --fix: says what it would do, and does nothing"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_check = {
    .name = "check",
    .help = "host, limits, volume, server and backups: what is wrong and the line that mends it; "
            "exits 1 when anything is, 7 when the server cannot be asked",
    .options = options,
    .run = run,
};
