/*
 * One line = one event on stderr, as text or JSON. The logger's own state is the only mutable
 * global of the program; it is set once at start and safe to use from any thread. Only commands/
 * and daemon/ log errors; below them errors are returned. Debug logging is free.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/problem.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON }; /* auto: text on a tty */

void log_init(enum log_level level, enum log_format format);

/* One event. The message is one line of UTF-8: control characters are escaped,
 * what is not UTF-8 becomes U+FFFD, and more than 8 KiB is cut. errno is kept. JSON lines hold
 * time (RFC 3339, ms), level, msg; text lines the same in that order. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with a text that is there already; a problem's code (but PROBLEM_NONE's) and a "HINT: "
 * tail become fields as in log_err. */
void log_text(enum log_level level, enum problem problem, const char *text);
/* The error with the names of its kind and problem as fields; a "HINT: " tail becomes a field of
 * its own in JSON. In a job the supervisor is told it as well (report_error). */
void log_err(const struct err *err);

/* How many events could not be written, or not whole: a full disk, nobody there to read. Logging
 * then goes on without them, and without waiting for long. */
uint64_t log_lost(void);

/* For progress only. Is stderr a terminal for people, on which a bar may be drawn? */
bool log_shows_bar(void);
/* For progress only: a bar stands (or no longer stands) in the terminal's last line; the next event
 * wipes it first. */
void log_set_bar(bool drawn);

#endif
