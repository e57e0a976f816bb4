/*
 * A line is put together in memory, cut so that it fits, and handed over in one write(2) of at most
 * PIPE_BUF bytes: a non-blocking pipe takes that whole or not at all, so lines of several threads
 * do not mix and none is ever half.
 */
#include "base/report.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define ALIVE_EVERY_MS 2000
#define HINT_ROOM 1400 /* of the line, where there is a hint; the message has the rest */
#define WHAT_ROOM 2048
#define END_ROOM 128 /* what stands behind the last text: figures, quotes, braces */

static_assert(REPORT_LINE_MAX <= PIPE_BUF, "a pipe takes a line in one piece");

static _Atomic int report_fd = -1;
static _Atomic int64_t last_ms; /* monotonic: when a line was last written, or lost */

struct line {
    char text[REPORT_LINE_MAX + 1];
    size_t len;
};

void report_to(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    /* of a descriptor that is none, every write fails and is a line lost */
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    atomic_store(&report_fd, fd);
}

bool report_is_on(void)
{
    return atomic_load(&report_fd) >= 0;
}

/* INVARIANT: what stands around the texts has room behind them (END_ROOM). */
static void put(struct line *line, const char *text)
{
    size_t len = strlen(text);

    assert(line->len + len <= REPORT_LINE_MAX);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* As a JSON string; what would stand past `end` is cut off, whole characters only. */
static void put_string(struct line *line, const char *text, size_t len, size_t end)
{
    char escaped[TEXT_ESCAPE_MAX + 1];

    put(line, "\"");
    for (size_t i = 0; i < len;) {
        i += text_escape_json(text + i, len - i, escaped);
        if (line->len + strlen(escaped) > end)
            break;
        put(line, escaped);
    }
    put(line, "\"");
}

static void write_line(struct line *line)
{
    ssize_t n;

    put(line, "\n");
    atomic_store(&last_ms, clock_mono_ms(clock_system()));
    do
        n = write(atomic_load(&report_fd), line->text, line->len);
    while (n < 0 && errno == EINTR); /* any other failure loses the line, as promised */
}

void report_error(const struct err *err)
{
    struct line line = {.len = 0};
    const char *hint = err_hint(err->msg);
    size_t len = hint != NULL ? (size_t)(hint - err->msg) : strlen(err->msg);
    size_t end = REPORT_LINE_MAX - END_ROOM;

    if (!report_is_on())
        return;
    while (hint != NULL && len > 0 && strchr(" \n.;", err->msg[len - 1]) != NULL)
        len--; /* what joined the two */
    put(&line, "{\"error\":{\"kind\":\"");
    put(&line, err_kind_name(err->kind));
    put(&line, "\",\"code\":\"");
    put(&line, problem_row(err_problem(err))->code);
    put(&line, "\",\"message\":");
    put_string(&line, err->msg, len, hint != NULL ? end - HINT_ROOM : end);
    put(&line, ",\"hint\":");
    if (hint != NULL)
        put_string(&line, hint + strlen("HINT: "), strlen(hint) - strlen("HINT: "), end);
    else
        put(&line, "null");
    put(&line, "}}");
    write_line(&line);
}

void report_warning(enum problem problem, const char *message)
{
    struct line line = {.len = 0};

    if (!report_is_on())
        return;
    put(&line, "{\"warning\":{\"code\":\"");
    put(&line, problem_row(problem)->code);
    put(&line, "\",\"message\":");
    put_string(&line, message, strlen(message), REPORT_LINE_MAX - END_ROOM);
    put(&line, "}}");
    write_line(&line);
}

void report_progress(const struct progress_view *view)
{
    struct line line = {.len = 0};
    char figures[END_ROOM];

    if (!report_is_on())
        return;
    put(&line, "{\"progress\":{\"what\":");
    put_string(&line, view->what, strlen(view->what), WHAT_ROOM);
    (void)snprintf(figures, sizeof(figures),
                   ",\"done\":%" PRIu64 ",\"total\":%" PRIu64 ",\"rate\":%" PRIu64 "}}",
                   view->done_bytes, view->total_bytes, view->rate);
    put(&line, figures);
    write_line(&line);
}

void report_event(const char *text)
{
    struct line line = {.len = 0};

    if (!report_is_on())
        return;
    put(&line, "{\"event\":");
    put_string(&line, text, strlen(text), REPORT_LINE_MAX - END_ROOM);
    put(&line, "}");
    write_line(&line);
}

void report_counts(struct json *counts)
{
    auto_json struct json *root = json_object();
    struct line line = {.len = 0};

    json_set(root, "counts", counts);
    if (!report_is_on())
        return;
    auto_free char *text = json_print(root, false);
    if (strlen(text) > REPORT_LINE_MAX - END_ROOM)
        return; /* more codes than any server has */
    put(&line, text);
    write_line(&line);
}

void report_alive(void)
{
    struct line line = {.len = 0};

    if (!report_is_on() || clock_mono_ms(clock_system()) - atomic_load(&last_ms) < ALIVE_EVERY_MS)
        return;
    put(&line, "{\"alive\":true}");
    write_line(&line);
}
