/*
 * One job: this same program, started as a child with a command of its own. Three pipes: what it
 * reads (stdin), its answer (stdout, one JSON object), and its reports (base/report.h). Its log
 * goes to our stderr. It is in a process group of its own, so that Ctrl-C on a terminal stops the
 * supervisor, which then decides; and when the supervisor dies it stops too.
 */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

#define JOB_ANSWER_MAX ((size_t)20 << 20) /* a manifest has at most 16 MiB */
#define JOB_INPUT_MAX 4096                /* what a pipe takes without anybody reading */

struct job;

struct job_options {
    const char *program;      /* "/proc/self/exe"; a test has its own */
    const char *const *words; /* its arguments behind the program's name; ended by NULL */
    const char *input;        /* what it reads from stdin; NULL: nothing. At most JOB_INPUT_MAX */
};

/* Starts it. The caller frees, after it has ended. */
int job_start(const struct job_options *options, struct job **out, struct err *err);
/* Closes the pipes; the process, if it still runs, goes on alone. NULL is a no-op. */
void job_free(struct job *job);
pid_t job_pid(const struct job *job);

/* Descriptors to wait for (POLLIN); -1 once they are closed. */
int job_report_fd(const struct job *job);
int job_answer_fd(const struct job *job);
/* Reads what is there, without waiting and not without end; each whole report line goes to on_line
 * (what is no JSON is passed over). Call it once more after the process has ended: then it reads
 * all that the pipes still hold. */
void job_read(struct job *job, void (*on_line)(void *context, const struct json *line),
              void *context);
/* Its answer as far as it came, NULL when that is no JSON. A root that the caller frees. */
struct json *job_answer(struct job *job);
/* Sends a signal to it. */
void job_signal(const struct job *job, int signal_number);

DEFINE_CLEANUP(cleanup_job, struct job *, job_free);
#define auto_job auto_with(cleanup_job)

#endif
