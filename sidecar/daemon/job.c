/*
 * posix_spawn, since the supervisor has threads. The child makes itself a job (main.c): it takes
 * the report descriptor and the number of its parent from its environment.
 */
#include "daemon/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/report.h"

#define REPORT_FD 3  /* in the child */
#define READS_MAX 64 /* in one turn: a job that writes without end holds up nobody else */

struct job {
    pid_t pid;
    int report_fd;
    int answer_fd;
    struct buf answer;
    bool answer_is_cut;
    char line[REPORT_LINE_MAX];
    size_t line_len;
    bool line_is_long; /* it is passed over until its end */
};

struct pipe_ends {
    int read_fd;
    int write_fd;
};

static void pipe_close(const struct pipe_ends *ends)
{
    cleanup_close(&ends->read_fd);
    cleanup_close(&ends->write_fd);
}
#define auto_pipe auto_with(pipe_close)

static int pipe_open(struct pipe_ends *out, struct err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_sys(err, ERR_FAILED, "cannot make a pipe for a job");
    out->read_fd = fds[0];
    out->write_fd = fds[1];
    return 0;
}

/* Ours, and the two variables that make the child a job. The caller frees the array alone. */
static char **job_environment(char *fd_text, char *parent_text)
{
    size_t count = 0;
    char **list;

    while (environ[count] != NULL)
        count++;
    list = xcalloc(count + 3, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = environ[i];
    list[count] = fd_text;
    list[count + 1] = parent_text;
    return list;
}

static char **job_arguments(const struct job_options *options)
{
    size_t count = 0;
    char **list;

    while (options->words[count] != NULL)
        count++;
    list = xcalloc(count + 2, sizeof(*list));
    list[0] = (char *)(uintptr_t) "redkeep"; /* posix_spawn does not write to them */
    for (size_t i = 0; i < count; i++)
        list[i + 1] = (char *)(uintptr_t)options->words[i];
    return list;
}

struct job_fds {
    int input;
    int answer;
    int report;
};

static int spawn(const struct job_options *options, const struct job_fds *fds, pid_t *out)
{
    auto_free char *fd_text = xasprintf("REDKEEP_JOB_FD=%d", REPORT_FD);
    auto_free char *parent_text = xasprintf("REDKEEP_JOB_PARENT=%ld", (long)getpid());
    auto_free char **list = job_environment(fd_text, parent_text);
    auto_free char **words = job_arguments(options);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t blocked;
    int rc;

    /* until it is ready to be asked to stop, the question waits */
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGINT);
    (void)sigaddset(&blocked, SIGTERM);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, fds->input, STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, fds->answer, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, fds->report, REPORT_FD);
    /* a library may make a descriptor and mark it close-on-exec only afterwards */
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, REPORT_FD + 1);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &blocked);
    rc = posix_spawn(out, options->program, &actions, &attributes, words, list);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void set_nonblocking(int fd)
{
    (void)fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK); /* fails for no pipe of ours */
}

/* dup2 onto itself would leave a descriptor close-on-exec, so ours begin above the child's. */
static int move_up(struct pipe_ends *ends, struct err *err)
{
    int *const fds[] = {&ends->read_fd, &ends->write_fd};

    for (size_t i = 0; i < 2; i++) {
        int fd;

        if (*fds[i] > REPORT_FD)
            continue;
        fd = fcntl(*fds[i], F_DUPFD_CLOEXEC, REPORT_FD + 1);
        if (fd < 0)
            return err_sys(err, ERR_FAILED, "cannot make a pipe for a job");
        (void)close(*fds[i]);
        *fds[i] = fd;
    }
    return 0;
}

int job_start(const struct job_options *options, struct job **out, struct err *err)
{
    auto_pipe struct pipe_ends input = {-1, -1};
    auto_pipe struct pipe_ends answer = {-1, -1};
    auto_pipe struct pipe_ends report = {-1, -1};
    const char *text = options->input != NULL ? options->input : "";
    struct job *job;
    pid_t pid;
    int rc;

    if (strlen(text) > JOB_INPUT_MAX)
        return err_set(err, ERR_FAILED, "a job cannot read %zu bytes of input", strlen(text));
    if (pipe_open(&input, err) != 0 || pipe_open(&answer, err) != 0 ||
        pipe_open(&report, err) != 0 || move_up(&input, err) != 0 || move_up(&answer, err) != 0 ||
        move_up(&report, err) != 0 ||
        fs_write_all(input.write_fd, text, strlen(text), "a job's input", err) != 0)
        return -1;
    rc = spawn(options,
               &(struct job_fds){
                   .input = input.read_fd, .answer = answer.write_fd, .report = report.write_fd},
               &pid);
    if (rc != 0) {
        errno = rc;
        return err_sys(err, ERR_FAILED, "cannot start redkeep %s", options->words[0]);
    }
    set_nonblocking(answer.read_fd);
    set_nonblocking(report.read_fd);
    job = xcalloc(1, sizeof(*job));
    job->pid = pid;
    job->answer_fd = take_fd(&answer.read_fd);
    job->report_fd = take_fd(&report.read_fd);
    buf_init(&job->answer, JOB_ANSWER_MAX);
    *out = job;
    return 0;
}

void job_free(struct job *job)
{
    if (job == NULL)
        return;
    cleanup_close(&job->answer_fd);
    cleanup_close(&job->report_fd);
    buf_release(&job->answer);
    free(job);
}

pid_t job_pid(const struct job *job)
{
    return job->pid;
}

int job_report_fd(const struct job *job)
{
    return job->report_fd;
}

int job_answer_fd(const struct job *job)
{
    return job->answer_fd;
}

/* At most cap bytes; 0 when there is nothing now. At its end *fd is closed and becomes -1. */
static size_t read_some(int *fd, char *out, size_t cap)
{
    ssize_t n;

    if (*fd < 0)
        return 0;
    do
        n = read(*fd, out, cap);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return (size_t)n;
    if (n == 0 || errno != EAGAIN) {
        (void)close(*fd);
        *fd = -1;
    }
    return 0;
}

static void take_line(struct job *job, void (*on_line)(void *context, const struct json *line),
                      void *context)
{
    auto_json struct json *line = NULL;
    struct err ignored;

    if (!job->line_is_long && json_parse(job->line, job->line_len, &line, &ignored) == 0)
        on_line(context, line);
    job->line_len = 0;
    job->line_is_long = false;
}

static void read_reports(struct job *job, void (*on_line)(void *context, const struct json *line),
                         void *context)
{
    char piece[REPORT_LINE_MAX];
    size_t len;

    for (int i = 0; i < READS_MAX; i++) {
        len = read_some(&job->report_fd, piece, sizeof(piece));
        if (len == 0)
            return;
        for (size_t j = 0; j < len; j++) {
            if (piece[j] == '\n')
                take_line(job, on_line, context);
            else if (job->line_len < sizeof(job->line))
                job->line[job->line_len++] = piece[j];
            else
                job->line_is_long = true;
        }
    }
}

void job_read(struct job *job, void (*on_line)(void *context, const struct json *line),
              void *context)
{
    char piece[16384];
    size_t len;
    struct err ignored;

    read_reports(job, on_line, context);
    for (int i = 0; i < READS_MAX; i++) {
        len = read_some(&job->answer_fd, piece, sizeof(piece));
        if (len == 0)
            return;
        if (buf_append(&job->answer, piece, len, &ignored) != 0)
            job->answer_is_cut = true; /* and then it is no JSON */
    }
}

struct json *job_answer(struct job *job)
{
    struct json *answer = NULL;
    struct err ignored;

    if (job->answer_is_cut ||
        json_parse(buf_text(&job->answer), job->answer.len, &answer, &ignored) != 0)
        return NULL;
    return answer;
}

void job_signal(const struct job *job, int signal_number)
{
    (void)kill(job->pid, signal_number); /* it is ours until it is waited for */
}
