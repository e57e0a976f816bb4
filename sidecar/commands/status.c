/*
 * `redkeep status`: asks the sidecar that runs beside the server what it knows, over HTTP on this
 * machine, and says it in words. The answer is read as that of any peer: it may be another program.
 */
#include <inttypes.h>
#include <string.h>

#include "base/http_client.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/text.h"
#include "commands/command.h"
#include "daemon/http.h"

enum { TIMEOUT_MS = 5000, BODY_MAX = 4 * 1024 * 1024, COLUMN = 13 };

/* text for a terminal: nothing in it moves the cursor. */
static void print_plain(FILE *out, const char *text)
{
    size_t len = strlen(text);
    char escaped[TEXT_ESCAPE_MAX + 1];

    for (size_t i = 0; i < len;) {
        i += text_escape_plain(text + i, len - i, escaped);
        (void)fputs(escaped, out);
    }
}

/* What stands at the left of a line; "" goes on with the line before. */
static void print_label(FILE *out, const char *label)
{
    (void)fprintf(out, "%-*s", COLUMN, label);
}

static const char *string_of(const struct json *object, const char *key)
{
    const char *text = NULL;
    struct err ignored;

    return json_get_string(object, key, &text, &ignored) == 0 ? text : NULL;
}

/* -1: not known */
static int64_t number_of(const struct json *object, const char *key)
{
    int64_t number = -1;
    struct err ignored;

    return json_get_i64(object, key, &number, &ignored) == 0 ? number : -1;
}

static int64_t time_of(const struct json *object, const char *key)
{
    int64_t time_ms = -1;
    struct err ignored;

    return json_get_time(object, key, &time_ms, &ignored) == 0 ? time_ms : -1;
}

static bool flag_of(const struct json *object, const char *key)
{
    bool flag = false;
    struct err ignored;

    return json_get_bool(object, key, &flag, &ignored) == 0 && flag;
}

static void print_size(FILE *out, const char *before, int64_t bytes, const char *after)
{
    char text[16];

    if (bytes < 0)
        return;
    format_size((uint64_t)bytes, text, sizeof(text));
    (void)fprintf(out, "%s%s%s", before, text, after);
}

static void print_span(FILE *out, const char *before, int64_t ms, const char *after)
{
    char text[16];

    format_duration(ms < 0 ? 0 : ms, text, sizeof(text));
    (void)fprintf(out, "%s%s%s", before, text, after);
}

static void print_percent(FILE *out, int64_t done, int64_t total)
{
    if (done < 0 || total <= 0)
        return;
    (void)fprintf(out, ", %" PRId64 " %%", done >= total ? 100 : done * 100 / total);
    print_size(out, " of ", total, "");
}

static void print_server(FILE *out, const struct json *status)
{
    const struct json *server = NULL;
    const char *url = string_of(status, "server_url");
    const char *why = string_of(status, "why");
    struct err ignored;

    print_label(out, "server");
    print_plain(out, string_of(status, "state"));
    if (why != NULL) {
        (void)fputs(": ", out);
        print_plain(out, why);
    }
    print_percent(out, number_of(status, "loaded_bytes"), number_of(status, "total_bytes"));
    if (json_get(status, "server", &server, &ignored) == 0) {
        const char *name = string_of(server, "name");
        const char *version = string_of(server, "version");

        (void)fputs(", ", out);
        print_plain(out, name != NULL ? name : "server");
        (void)fputc(' ', out);
        print_plain(out, version != NULL ? version : "?");
        if (number_of(server, "keys") >= 0)
            (void)fprintf(out, ", %" PRId64 " keys", number_of(server, "keys"));
    }
    if (url != NULL && (why == NULL || strstr(why, url) == NULL)) {
        (void)fputs(", ", out);
        print_plain(out, url);
    }
    (void)fputc('\n', out);
}

static void print_last_backup(FILE *out, const struct json *status, int64_t now_ms)
{
    const struct json *backups = NULL;
    const struct json *newest = NULL;
    const char *id = NULL;
    struct err ignored;

    if (json_get(status, "backups", &backups, &ignored) == 0)
        newest = json_first(backups);
    if (newest != NULL)
        id = string_of(newest, "id");
    print_label(out, "last backup");
    if (id == NULL) {
        (void)fputs(time_of(status, "backups_read_at") < 0
                        ? "unknown, the repository has not been read yet\n"
                        : "none\n",
                    out);
        return;
    }
    print_plain(out, id);
    print_span(out, ", ", now_ms - time_of(newest, "created_at"), " ago");
    print_size(out, ", ", number_of(newest, "size_bytes"), "");
    print_size(out, ", ", number_of(newest, "stored_bytes"), " stored");
    (void)fputs(flag_of(newest, "proven") ? "\n" : ", NOT proven\n", out);
}

static void print_next_backup(FILE *out, const struct json *status, int64_t now_ms)
{
    int64_t next_ms = time_of(status, "next_backup_at");
    const char *waiting_for = string_of(status, "waiting_for");
    char text[32];

    print_label(out, "next backup");
    if (next_ms < 0) {
        (void)fputs("none is scheduled", out);
    } else {
        format_rfc3339(next_ms, text, sizeof(text));
        (void)fputs(text, out);
        print_span(out, ", in ", next_ms - now_ms, "");
    }
    if (waiting_for != NULL) {
        (void)fputs(", waits for: ", out);
        print_plain(out, waiting_for);
    }
    (void)fputc('\n', out);
}

static void print_jobs(FILE *out, const struct json *status, int64_t now_ms)
{
    const struct json *jobs = NULL;
    struct err ignored;

    if (json_get(status, "jobs", &jobs, &ignored) != 0)
        return;
    for (const struct json *job = json_first(jobs); job != NULL; job = json_next(job)) {
        const char *kind = string_of(job, "kind");
        const char *doing = string_of(job, "doing");

        if (!flag_of(job, "running") || kind == NULL)
            continue;
        print_label(out, "running");
        print_plain(out, kind);
        print_span(out, " for ", now_ms - time_of(job, "started_at"), "");
        if (doing != NULL) {
            (void)fputs(", ", out);
            print_plain(out, doing);
        }
        print_percent(out, number_of(job, "done_bytes"), number_of(job, "total_bytes"));
        print_size(out, ", ", number_of(job, "bytes_per_second"), "/s");
        (void)fputc('\n', out);
    }
}

static void print_line(FILE *out, const char *text)
{
    if (text == NULL)
        return;
    print_label(out, "");
    print_plain(out, text);
    (void)fputc('\n', out);
}

static void print_problems(FILE *out, const struct json *status, int64_t now_ms)
{
    const struct json *problems = NULL;
    struct err ignored;

    if (json_get(status, "problems", &problems, &ignored) != 0)
        return;
    if (json_size(problems) == 0) {
        print_label(out, "problems");
        (void)fputs("none\n", out);
    }
    for (const struct json *row = json_first(problems); row != NULL; row = json_next(row)) {
        const char *code = string_of(row, "code");

        print_label(out, "problem");
        print_plain(out, code != NULL ? code : "?");
        print_span(out, " for ", now_ms - time_of(row, "since"), "\n");
        print_line(out, string_of(row, "detail"));
        print_line(out, string_of(row, "cause"));
        print_line(out, string_of(row, "remedy"));
    }
}

static void print_text(FILE *out, const struct json *status)
{
    int64_t now_ms = time_of(status, "now_at");
    const char *instance = string_of(status, "instance");
    const char *version = string_of(status, "version");

    print_label(out, "redkeep");
    print_plain(out, version != NULL ? version : "?");
    (void)fputs(" keeps ", out);
    print_plain(out, instance != NULL ? instance : "?");
    print_span(out, ", for ", now_ms - time_of(status, "started_at"), "");
    (void)fputs(flag_of(status, "stopping") ? ", stopping\n" : "\n", out);
    print_server(out, status);
    print_last_backup(out, status, now_ms);
    print_next_backup(out, status, now_ms);
    print_jobs(out, status, now_ms);
    print_problems(out, status, now_ms);
}

/* The text of /status, and the same parsed. */
static int ask(const char *url, struct buf *body, struct json **out, struct err *err)
{
    const struct http_client_request request = {
        .url = url, .label = url, .timeout_ms = TIMEOUT_MS, .no_proxy = true};
    auto_json struct json *status = NULL;
    unsigned http_status = 0;
    struct err why;

    if (http_client_do(&request, &http_status, body, err) != 0)
        return err->problem == PROBLEM_INTERRUPTED
                   ? -1
                   : err_set(err, ERR_FAILED,
                             "no sidecar answers at %s. HINT: is `redkeep run` running, with the "
                             "same http-listen?",
                             url);
    if (http_status != 200 || json_parse(buf_text(body), body->len, &status, &why) != 0 ||
        string_of(status, "state") == NULL)
        return err_set(err, ERR_FAILED,
                       "what answers at %s (%u) is no sidecar. HINT: does another program listen "
                       "there? See http-listen",
                       url, http_status);
    *out = TAKE_PTR(status);
    return 0;
}

static int run(const struct command_context *context, struct err *err)
{
    const char *listen = context->settings->http_listen;
    auto_json struct json *status = NULL;
    auto_free char *root = NULL;
    auto_free char *url = NULL;
    auto_buf struct buf body = {0};

    if (listen == NULL)
        return err_set(
            err, ERR_CONFIG,
            "http-listen is off, so no sidecar can be asked. HINT: set it to the address "
            "of the sidecar");
    if (http_listen_url(listen, &root, err) != 0)
        return err_wrap(err, "http-listen");
    url = xasprintf("%s/status", root);
    buf_init(&body, BODY_MAX);
    if (ask(url, &body, &status, err) != 0)
        return -1;
    if (command_flag(context, "json"))
        (void)fprintf(context->out, "%s\n", buf_text(&body));
    else
        print_text(context->out, status);
    return 0;
}

static const struct option_spec options[] = {
    {.name = "json", .help = "answer with one JSON object, that of /status"},
    {0},
};

const struct command command_status = {
    .name = "status",
    .help = "what the running sidecar knows",
    .options = options,
    .run = run,
};
