/*
 * The server waits for the restore to end, so a repository or a hook that hangs must not hold it
 * up. A store has no deadline, but gives up when the process is asked to stop: so it is asked, by a
 * timer, and the request is taken back afterwards.
 */
#include "commands/restored.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backup/restore_record.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/objects.h"
#include "daemon/notify.h"

enum {
    RECORD_S = 2, /* what is under way then may take a little longer */
    HOOK_MS = 5000,
    SKIPPED_SHOWN = 3,
    SENTENCE_MAX = 8192,
};

/* False when there is no timer. */
static bool set_limit(timer_t *out)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    const struct itimerspec limit = {.it_value = {.tv_sec = RECORD_S}};

    if (timer_create(CLOCK_MONOTONIC, &event, out) != 0)
        return false;
    (void)timer_settime(*out, 0, &limit, NULL); /* fails only for wrong arguments */
    return true;
}

/* Takes back what the timer asked for, but not what somebody else did. */
static void end_limit(timer_t timer)
{
    const struct timespec at_once = {0};
    siginfo_t what;
    sigset_t set;

    (void)timer_delete(timer);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    if (sigtimedwait(&set, &what, &at_once) == SIGTERM && what.si_code != SI_TIMER)
        (void)raise(SIGTERM);
}

static int store_record(const struct command_context *context, struct json *answer, struct err *err)
{
    const char *instance = context->settings->instance;
    auto_free char *below = xasprintf("%s/restores", instance);
    auto_store struct store *store = NULL;

    if (command_open_store(context, below, &store, err) != 0)
        return -1;
    return restore_record_store(store, instance, context->clock, answer, err);
}

static void record(const struct command_context *context, struct json *answer)
{
    timer_t timer;
    struct err err;

    if (!set_limit(&timer))
        return;
    if (store_record(context, answer, &err) != 0)
        log_info("the restore is not recorded in the repository: %s", err.msg);
    end_limit(timer);
}

/* One sentence; heap. */
static char *in_words(const struct restore_result *result)
{
    auto_buf struct buf text = {0};
    struct err ignored; /* what does not fit is left out */
    char took[32];

    buf_init(&text, SENTENCE_MAX);
    (void)buf_printf(&text, &ignored, "restored %s", result->id);
    if (result->restored_to_ms >= 0) { /* of an interrupted one only the id is known */
        char time[32];

        format_rfc3339(result->restored_to_ms, time, sizeof(time));
        (void)buf_printf(&text, &ignored, ", the data of %s", time);
    }
    if (result->has_keys)
        (void)buf_printf(&text, &ignored, ", %" PRIu64 " keys", result->keys);
    format_duration(result->took_ms, took, sizeof(took));
    (void)buf_printf(&text, &ignored, ", in %s", took);
    for (size_t i = 0; i < result->skipped_count && i < SKIPPED_SHOWN; i++)
        (void)buf_printf(&text, &ignored, "; passed over %s: %s", result->skipped[i].id,
                         result->skipped[i].why);
    if (result->skipped_count > SKIPPED_SHOWN)
        (void)buf_printf(&text, &ignored, "; and %zu more",
                         result->skipped_count - (size_t)SKIPPED_SHOWN);
    return xstrdup(buf_text(&text));
}

static int tell_hook(const struct command_context *context, const char *url, const char *what,
                     struct err *err)
{
    const struct notify_message message = {
        .event = NOTIFY_RESTORED,
        .instance = context->settings->instance,
        .problem = PROBLEM_NONE,
        .what = what,
        .at_ms = clock_wall_ms(context->clock),
    };
    auto_json struct json *json = notify_to_json(&message);
    auto_free char *body = json_print(json, false);
    auto_free char *masked = settings_masked_hook(url);
    auto_free char *label = xasprintf("notify-url %s", masked);
    const struct http_client_request request = {
        .url = url,
        .label = label,
        .content_type = "application/json",
        .body = body,
        .timeout_ms = HOOK_MS,
        .ca_file = getenv("SSL_CERT_FILE"),
    };
    unsigned status = 0;

    if (http_client_do(&request, &status, NULL, err) != 0)
        return -1;
    return status >= 200 && status <= 299
               ? 0
               : err_set(err, ERR_FAILED, "ask %s: it answered %u", label, status);
}

static void tell(const struct command_context *context, const struct restore_result *result)
{
    const char *url = context->settings->notify_url;
    struct err err;

    if (url == NULL)
        return;
    auto_free char *what = in_words(result);
    if (tell_hook(context, url, what, &err) == 0)
        return;
    auto_free char *text = xasprintf("nobody was told of the restore: %s", err.msg);
    command_on_warning(NULL, PROBLEM_NOTIFY_FAILED, text);
}

void command_restored(const struct command_context *context, const struct restore_result *result,
                      struct json *answer)
{
    if (cancel_requested())
        return;
    record(context, answer);
    tell(context, result);
}
