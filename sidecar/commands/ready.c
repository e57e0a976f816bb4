/*
 * `redkeep ready`: exits 0 once the server has loaded its data; made for exec probes. The watcher's
 * thread asks, so that not even the look-up of a name outlasts the timeout: when that is over, the
 * answer is that there was none, and the process ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "commands/command.h"
#include "commands/objects.h"
#include "daemon/watcher.h"
#include "redis/redis_url.h"

#define TIMEOUT_MS_DEFAULT 2000
#define TIMEOUT_MS_MAX 3600000

static int read_timeout(const struct command_context *context, int64_t *out_ms, struct err *err)
{
    const char *text = command_option(context, "timeout");
    int64_t timeout_ms = TIMEOUT_MS_DEFAULT;

    if (text != NULL && parse_duration(text, &timeout_ms, err) != 0)
        return err_wrap(err, "--timeout");
    if (timeout_ms < 1 || timeout_ms > TIMEOUT_MS_MAX)
        return err_set(err, ERR_CONFIG, "--timeout %.64s: from 1ms to 1h", text);
    *out_ms = timeout_ms;
    return 0;
}

static int watch(const struct command_context *context, int64_t timeout_ms, struct watcher **out,
                 struct err *err)
{
    const struct settings *settings = context->settings;
    const char *user = settings->redis_username;
    struct secret username = {.text = settings->redis_username,
                              .len = user == NULL ? 0 : strlen(user)};
    const struct watcher_options options = {
        .redis = {.url = settings->redis_url,
                  .username = &username,
                  .password = &settings->redis_password,
                  .tls = command_tls(settings)},
        .interval_ms = TIMEOUT_MS_MAX, /* one look is all we want */
        .timeout_ms = timeout_ms,
        .clock = context->clock,
    };

    return watcher_new(&options, out, err);
}

/* Is there a look in time? */
static bool wait_for_look(struct watcher *watcher, const struct clock *clock, int64_t end_ms)
{
    struct pollfd rung = {.fd = watcher_fd(watcher), .events = POLLIN};

    for (;;) {
        int64_t left_ms = end_ms - clock_mono_ms(clock);
        int rc = poll(&rung, 1, left_ms < 0 ? 0 : (int)left_ms);

        if (rc >= 0 || errno != EINTR)
            return rc > 0;
    }
}

static int say_nothing_came(const char *url, int64_t timeout_ms, struct watcher_look *look,
                            struct err *err)
{
    auto_redis_address struct redis_address address = {0};
    char label[REDIS_LABEL_MAX];

    if (redis_url_parse(url, &address, err) != 0)
        return -1;
    redis_address_label(&address, label);
    (void)err_set(&look->why, ERR_SERVER,
                  "%s: no answer within %" PRId64 " ms. HINT: the server may be stopped, swapping, "
                  "or in a long command (SLOWLOG GET)",
                  label, timeout_ms);
    look->why.code = EIO;
    readiness_from_error(&look->why, NULL, &look->readiness);
    return 0;
}

static int look_once(const struct command_context *context, struct watcher_look *out,
                     struct err *err)
{
    auto_watcher struct watcher *watcher = NULL;
    int64_t began_ms = clock_mono_ms(context->clock);
    int64_t timeout_ms = 0;

    if (read_timeout(context, &timeout_ms, err) != 0 ||
        watch(context, timeout_ms, &watcher, err) != 0)
        return -1;
    if (wait_for_look(watcher, context->clock, began_ms + timeout_ms) && watcher_take(watcher, out))
        return 0;
    return say_nothing_came(context->settings->redis_url, timeout_ms, out, err);
}

/* Not yet ready is an answer, and no error of ours: it has been said, and is not logged. */
static int judge(const struct watcher_look *look, struct err *err)
{
    switch (look->readiness.state) {
    case READINESS_READY:
        return 0;
    case READINESS_LOADING:
    case READINESS_SYNCING:
        return err_set(err, ERR_FAILED, "%s", "");
    case READINESS_UNREACHABLE:
    case READINESS_AUTH:
        break;
    }
    if (look->why.kind == ERR_NONE) /* it answers, but not as a server does */
        return err_set(err, ERR_SERVER, "%s", look->readiness.why);
    *err = look->why;
    if (err->kind != ERR_CONFIG) /* a file of TLS */
        err->kind = ERR_SERVER;
    return -1;
}

static int run(const struct command_context *context, struct err *err)
{
    struct watcher_look look = {0};

    if (look_once(context, &look, err) != 0)
        return -1;
    watcher_look_release(&look);
    if (command_flag(context, "json")) {
        auto_json struct json *answer = readiness_to_json(&look.readiness);

        command_answer(context, answer);
    } else {
        auto_free char *text = readiness_text(&look.readiness);

        (void)fprintf(context->out, "%s\n", text);
    }
    return judge(&look, err);
}

static const struct option_spec options[] = {
    {.name = "timeout",
     .value = "TIME",
     .help = "how long to wait for the server's answer, all in all [2s]"},
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_ready = {
    .name = "ready",
    .help = "exits 0 once the server has loaded its data, 1 while it has not",
    .options = options,
    .run = run,
};
