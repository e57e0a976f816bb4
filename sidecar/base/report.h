/*
 * What a job tells the supervisor that started it: one JSON object a line on a pipe. Off until
 * report_to is called, which happens once, at the start of a job only; until then everything here
 * is a no-op. Like the logger's, the state is safe to use from any thread; a pipe that is full or
 * closed loses the line and nothing else.
 *
 *   {"error":{"kind":"server","code":"FORK_FAILED","message":"...","hint":"..."}}   the job failed
 *   {"warning":{"code":"BACKUP_UNPROVEN","message":"..."}}         it goes on, somebody should look
 *   {"progress":{"what":"...","done":1,"total":2,"rate":3}}         bytes; a total of 0 is unknown
 *   {"event":"the server saves: 42 %"}                                          what it does now
 *   {"alive":true}                                                nothing new, but it does not hang
 *   {"counts":{"requests":[{"status":200,"count":12},{"status":0,"count":1}],"retries":1}}
 *                       once, at its end: the requests to its store; status 0 is no answer at all
 */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/problem.h"
#include "base/progress.h"

#define REPORT_LINE_MAX 4096 /* at most so long, with its newline: a pipe takes it in one piece */

/* fd is made non-blocking and close-on-exec; it stays open. */
void report_to(int fd);
bool report_is_on(void);

/* Texts that are too long are cut, and are valid UTF-8 whatever they are made of. "hint" is null
 * when the error has none. */
void report_error(const struct err *err);
void report_warning(enum problem problem, const char *message);
void report_progress(const struct progress_view *view);
void report_event(const char *text);
/* Takes counts, a root. */
void report_counts(struct json *counts);
/* Proves that the job lives, at most every two seconds and only when nothing else was reported
 * meanwhile. Whoever asks cancel_requested has done it. */
void report_alive(void);

#endif
