/*
 * One message, two readers: `text` is what a chat shows, in which Slack's three special characters
 * are escaped (https://api.slack.com/reference/surfaces/formatting#escaping); the other members are
 * as they are.
 */
#include "daemon/notify.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static const char *event_name(enum notify_event event)
{
    switch (event) {
    case NOTIFY_FAILED:
        return "failed";
    case NOTIFY_RECOVERED:
        return "recovered";
    case NOTIFY_PROBLEM:
        return "problem";
    case NOTIFY_RESTORED:
        return "restored";
    case NOTIFY_TEST:
        return "test";
    }
    return "unknown";
}

/* Appends text as a chat is to show it. */
static void add_escaped(struct buf *out, const char *text)
{
    static const char *const names[] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;"};
    struct err ignored; /* no ceiling */

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        const char *name = c < sizeof(names) / sizeof(names[0]) ? names[c] : NULL;

        if (name != NULL)
            (void)buf_append(out, name, strlen(name), &ignored);
        else
            (void)buf_append(out, text, 1, &ignored);
    }
}

static char *format_text(const struct notify_message *message, const struct problem_row *problem)
{
    auto_free char *plain =
        problem == NULL ? xasprintf("redkeep %s: %s", message->instance, message->what)
                        : xasprintf("redkeep %s: %s\n%s: %s\nWhat to do: %s", message->instance,
                                    message->what, problem->code, problem->cause, problem->remedy);
    auto_buf struct buf text;

    buf_init(&text, SIZE_MAX - 1);
    add_escaped(&text, plain);
    return buf_take(&text);
}

struct json *notify_to_json(const struct notify_message *message)
{
    const struct problem_row *problem =
        message->problem != PROBLEM_NONE ? problem_row(message->problem) : NULL;
    bool is_over = message->event == NOTIFY_RECOVERED; /* nothing is to be done any more */
    const struct problem_row *standing = is_over ? NULL : problem;
    auto_free char *text = format_text(message, standing);
    struct json *json = json_object();

    json_set_string(json, "text", text);
    json_set_string(json, "event", event_name(message->event));
    json_set_string(json, "instance", message->instance);
    json_set_time(json, "time", message->at_ms);
    json_set_string(json, "what", message->what);
    json_set_string(json, "code", problem != NULL ? problem->code : NULL);
    json_set_string(json, "cause", standing != NULL ? standing->cause : NULL);
    json_set_string(json, "remedy", standing != NULL ? standing->remedy : NULL);
    return json;
}
