/*
 * `redkeep notify`: brings one message to the hook, or pings the heartbeat. A process of its own,
 * so that a hook that hangs holds up nothing else. Tried twice at most, and over in ten seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "commands/command.h"
#include "daemon/notify.h"

enum {
    MESSAGE_MAX = 64 * 1024,
    TOTAL_MS = 10 * 1000,
    FIRST_MS = 6 * 1000, /* of the first try: the second needs some time, too */
    PAUSE_MS = 1000,
};

static int read_stdin(struct buf *out, struct err *err)
{
    char piece[4096];
    size_t len;

    if (isatty(STDIN_FILENO))
        return err_set(
            err, ERR_CONFIG,
            "the message is read from standard input, which is a terminal. HINT: redkeep "
            "notify --text TEXT");
    while ((len = fread(piece, 1, sizeof(piece), stdin)) > 0) {
        if (buf_append(out, piece, len, err) != 0)
            return err_wrap(err, "read the message");
    }
    return ferror(stdin) ? err_sys(err, ERR_FAILED, "read the message") : 0;
}

/* The message on standard input, which has to be an object, as one line; heap. */
static int take_message(char **out, struct err *err)
{
    auto_buf struct buf text;
    auto_json struct json *message = NULL;
    auto_free char *line = NULL;
    struct err why;

    buf_init(&text, MESSAGE_MAX);
    if (read_stdin(&text, err) != 0)
        return -1;
    if (json_parse(buf_text(&text), text.len, &message, &why) == 0)
        line = json_print(message, false);
    if (line == NULL || line[0] != '{')
        return err_set(err, ERR_CONFIG, "the message on standard input is no JSON object");
    *out = TAKE_PTR(line);
    return 0;
}

static char *make_message(const struct command_context *context, const char *text)
{
    const struct notify_message message = {
        .event = NOTIFY_TEST,
        .instance = context->settings->instance,
        .problem = PROBLEM_NONE,
        .what = text,
        .at_ms = clock_wall_ms(context->clock),
    };
    auto_json struct json *json = notify_to_json(&message);

    return json_print(json, false);
}

/* A second try helps against no answer and against 5xx, and not against what it will say again. */
static int deliver(const struct command_context *context, struct http_client_request *request,
                   unsigned *out_status, struct err *err)
{
    int64_t begin_ms = clock_mono_ms(context->clock);

    request->timeout_ms = FIRST_MS;
    if (http_client_do(request, out_status, NULL, err) == 0) {
        if (*out_status < 500)
            return 0;
    } else if (err->kind != ERR_FAILED || cancel_requested()) {
        return -1;
    }
    clock_sleep_ms(context->clock, PAUSE_MS);
    request->timeout_ms = TOTAL_MS - (clock_mono_ms(context->clock) - begin_ms);
    if (request->timeout_ms < 1)
        request->timeout_ms = 1; /* only after a stop of the process */
    return http_client_do(request, out_status, NULL, err);
}

static int refuse_status(const char *label, unsigned status, struct err *err)
{
    const char *more = "";

    if (status >= 500)
        more = ". HINT: that is an error of its own: look at its log, and try again later with "
               "`redkeep notify --text hello`";
    else if (status >= 400)
        more = ". HINT: it does not take what it is sent there: compare the URL with the one it "
               "gave out";
    else if (status >= 300)
        more = ", to go elsewhere, which is not followed. HINT: set the URL it leads to";
    (void)err_set(err, ERR_FAILED, "ask %s: it answered %u%s", label, status, more);
    err->code = (int)status;
    return -1;
}

static int answer(const struct command_context *context, const char *label, unsigned status)
{
    auto_json struct json *json = json_object();

    json_set_bool(json, "sent", true);
    json_set_string(json, "to", label);
    json_set_u64(json, "http_status", status);
    if (command_flag(context, "json"))
        command_answer(context, json);
    else
        (void)fprintf(context->out, "%s answered %u\n", label, status);
    return 0;
}

static int send_to(const struct command_context *context, const char *name, const char *url,
                   const char *body, struct err *err)
{
    auto_free char *masked = settings_masked_hook(url);
    auto_free char *label = xasprintf("%s %s", name, masked);
    struct http_client_request request = {
        .url = url,
        .label = label,
        .content_type = body != NULL ? "application/json" : NULL,
        .body = body,
        .ca_file = getenv("SSL_CERT_FILE"),
    };
    unsigned status = 0;
    int rc = deliver(context, &request, &status, err);

    if (rc == 0 && (status < 200 || status > 299))
        rc = refuse_status(label, status, err);
    if (rc != 0)
        return err->problem == PROBLEM_INTERRUPTED ? -1 : err_as(err, PROBLEM_NOTIFY_FAILED);
    return answer(context, label, status);
}

static int require(const char *url, const char *name, const char *variable, struct err *err)
{
    if (url != NULL)
        return 0;
    return err_set(err, ERR_CONFIG,
                   "%s is not set. HINT: set %s, or %s_FILE to the path of a file "
                   "that holds it",
                   name, variable, variable);
}

static int run(const struct command_context *context, struct err *err)
{
    const struct settings *settings = context->settings;
    const char *text = command_option(context, "text");
    auto_free char *message = NULL;

    if (command_flag(context, "heartbeat")) {
        if (text != NULL)
            return err_set(err, ERR_CONFIG, "--heartbeat sends no --text");
        if (require(settings->heartbeat_url, "heartbeat-url", "REDKEEP_HEARTBEAT_URL", err) != 0)
            return -1;
        return send_to(context, "heartbeat-url", settings->heartbeat_url, NULL, err);
    }
    if (require(settings->notify_url, "notify-url", "REDKEEP_NOTIFY_URL", err) != 0)
        return -1;
    if (text != NULL)
        message = make_message(context, text);
    else if (take_message(&message, err) != 0)
        return -1;
    return send_to(context, "notify-url", settings->notify_url, message, err);
}

static const struct option_spec options[] = {
    {.name = "text", .value = "TEXT", .help = "send this, to try the hook"},
    {.name = "heartbeat", .help = "ping heartbeat-url instead"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_notify = {
    .name = "notify",
    .help = "sends a message (JSON, from standard input) to notify-url",
    .options = options,
    .run = run,
};
