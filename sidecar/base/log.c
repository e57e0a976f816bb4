/*
 * The logger: see log.h. A line is put together in memory and handed over in one write(2), so that
 * lines of several threads and processes do not mix; there is no lock. The state below is set once
 * at start, but for the mark of a progress bar and what tells of lines that were lost.
 *
 * Work goes on without its log: a disk that is full or a pipe that nobody reads costs lines, which
 * are counted, and of the pipe's the first waits for a moment, so that a burst gets through.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/report.h"
#include "base/text.h"

#define MAX_MESSAGE 8192
#define MAX_LINE ((size_t)TEXT_ESCAPE_MAX * MAX_MESSAGE + 1024)
#define WIPE_LINE "\r\x1b[K"
#define PATIENCE_MS 1000 /* with who reads the pipe, until a line was lost */

static struct {
    _Atomic enum log_level level;
    _Atomic bool json;
    _Atomic bool bar_drawn;
    _Atomic bool on_terminal;
    _Atomic bool is_stuck; /* nobody took the last line */
    _Atomic uint64_t lost;
} state = {.level = LOG_LEVEL_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* One event; kind, code and hint are NULL in all but errors. */
struct event {
    enum log_level level;
    const char *message;
    size_t message_len;
    const char *kind;
    const char *code;
    const char *hint;
};

void log_init(enum log_level level, enum log_format format)
{
    bool on_terminal = isatty(STDERR_FILENO) == 1;
    bool text = format == LOG_FORMAT_TEXT || (format == LOG_FORMAT_AUTO && on_terminal);

    atomic_store(&state.level, level);
    atomic_store(&state.on_terminal, on_terminal);
    atomic_store(&state.json, !text);
}

/* MAX_LINE holds every event, so that appending cannot fail; were it too short, the line is cut. */
static void put(struct buf *line, const char *text)
{
    struct err unused;

    (void)buf_append(line, text, strlen(text), &unused);
}

static void put_escaped(struct buf *line, const char *text, size_t len, bool json)
{
    char escaped[TEXT_ESCAPE_MAX + 1];

    for (size_t i = 0; i < len;) {
        i += json ? text_escape_json(text + i, len - i, escaped)
                  : text_escape_plain(text + i, len - i, escaped);
        put(line, escaped);
    }
}

static void put_json_field(struct buf *line, const char *name, const char *text, size_t len)
{
    put(line, ",\"");
    put(line, name);
    put(line, "\":\"");
    put_escaped(line, text, len, true);
    put(line, "\"");
}

static void format_json(struct buf *line, const char *time, const struct event *event)
{
    const char *level = level_names[event->level];

    put(line, "{\"time\":\"");
    put(line, time);
    put(line, "\"");
    put_json_field(line, "level", level, strlen(level));
    put_json_field(line, "msg", event->message, event->message_len);
    if (event->kind)
        put_json_field(line, "kind", event->kind, strlen(event->kind));
    if (event->code)
        put_json_field(line, "code", event->code, strlen(event->code));
    if (event->hint)
        put_json_field(line, "hint", event->hint, strlen(event->hint));
    put(line, "}\n");
}

static void format_text(struct buf *line, const char *time, const struct event *event)
{
    put(line, time);
    put(line, " ");
    put(line, level_names[event->level]);
    put(line, strlen(level_names[event->level]) < 5 ? "  " : " ");
    put_escaped(line, event->message, event->message_len, false);
    if (event->kind) {
        put(line, " kind=");
        put(line, event->kind);
    }
    if (event->code) {
        put(line, " code=");
        put(line, event->code);
    }
    if (event->hint) {
        put(line, " HINT: ");
        put_escaped(line, event->hint, strlen(event->hint), false);
    }
    put(line, "\n");
}

/* Who stops the output of a terminal wants to read it: there it is waited for. */
static bool has_room(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int rc;

    if (atomic_load(&state.on_terminal))
        return true;
    do
        rc = poll(&out, 1, atomic_load(&state.is_stuck) ? 0 : PATIENCE_MS);
    while (rc < 0 && errno == EINTR);
    atomic_store(&state.is_stuck, rc == 0);
    return rc != 0; /* what is wrong with it, write tells */
}

static bool write_line(const struct buf *line)
{
    const uint8_t *at = line->data;
    size_t left = line->len;

    while (left > 0) { /* one turn; more only when stderr takes less than a line at once */
        if (!has_room())
            return false;
        ssize_t n = write(STDERR_FILENO, at, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static void emit(const struct event *event)
{
    auto_buf struct buf line;
    char time[32];

    buf_init(&line, MAX_LINE);
    format_rfc3339_ms(clock_wall_ms(clock_system()), time, sizeof(time));
    if (atomic_exchange(&state.bar_drawn, false))
        put(&line, WIPE_LINE);
    if (atomic_load(&state.json))
        format_json(&line, time, event);
    else
        format_text(&line, time, event);
    if (!write_line(&line))
        atomic_fetch_add(&state.lost, 1);
}

__attribute__((format(printf, 2, 0))) static void log_at(enum log_level level, const char *format,
                                                         va_list args)
{
    int saved_errno = errno;

    if (level >= atomic_load(&state.level)) {
        auto_free char *message = xmalloc(MAX_MESSAGE);
        int len = vsnprintf(message, MAX_MESSAGE, format, args); /* too long is cut */

        if (len >= 0)
            emit(&(struct event){
                .level = level, .message = message, .message_len = strlen(message)});
    }
    errno = saved_errno;
}

void log_debug(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_at(LOG_LEVEL_DEBUG, format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_at(LOG_LEVEL_INFO, format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_at(LOG_LEVEL_WARN, format, args);
    va_end(args);
}

/* A hint is a field of its own: what joined the two is neither's. */
static void emit_with_hint(struct event event)
{
    const char *hint = event.message[event.message_len] == '\0' ? err_hint(event.message) : NULL;

    if (hint != NULL) {
        event.message_len = (size_t)(hint - event.message);
        event.hint = hint + strlen("HINT: ");
    }
    while (hint != NULL && event.message_len > 0 &&
           strchr(" \n.;", event.message[event.message_len - 1]) != NULL)
        event.message_len--;
    emit(&event);
}

void log_text(enum log_level level, enum problem problem, const char *text)
{
    int saved_errno = errno;

    if (level >= atomic_load(&state.level))
        emit_with_hint((struct event){
            .level = level,
            .message = text,
            .message_len = strnlen(text, MAX_MESSAGE),
            .code = problem != PROBLEM_NONE ? problem_row(problem)->code : NULL,
        });
    errno = saved_errno;
}

void log_err(const struct err *err)
{
    int saved_errno = errno;

    emit_with_hint((struct event){
        .level = LOG_LEVEL_ERROR,
        .message = err->msg,
        .message_len = strlen(err->msg),
        .kind = err_kind_name(err->kind),
        .code = problem_row(err_problem(err))->code,
    });
    report_error(err);
    errno = saved_errno;
}

uint64_t log_lost(void)
{
    return atomic_load(&state.lost);
}

bool log_shows_bar(void)
{
    return !atomic_load(&state.json) && atomic_load(&state.level) <= LOG_LEVEL_INFO &&
           isatty(STDERR_FILENO);
}

void log_set_bar(bool drawn)
{
    atomic_store(&state.bar_drawn, drawn);
}
