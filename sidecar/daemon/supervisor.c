/*
 * One thread that waits in poll(2); the watcher and the listener have one each, and change nothing.
 * The status is changed between endpoints_lock and endpoints_unlock, and what the agent decided is
 * done afterwards, so that no answer waits for a fork.
 */
#include "daemon/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "backup/volume.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/zone.h"
#include "daemon/claim.h"
#include "daemon/endpoints.h"
#include "daemon/job.h"
#include "daemon/job_kinds.h"
#include "daemon/listener.h"
#include "daemon/space.h"
#include "daemon/watcher.h"

enum {
    LOOK_MS = 1000,         /* between two looks at the server */
    LOOK_TIMEOUT_MS = 5000, /* how long one may take */
    RELOGIN_MS = 10000,     /* between two looks at the settings while the server refuses us */
    KILLED_MS = 100,        /* how long a killed job is waited for */
    KILLED_POLL_MS = 10,
};

struct supervisor {
    struct status status;
    struct agent *agent;
    struct endpoints *endpoints;
    struct watcher *watcher;
    struct listener listener;
    struct job *jobs[JOB_KIND_COUNT];
    const char *program;
    const char *const *flags;
    const struct clock *clock;
    supervisor_reload_fn *reload;
    void *reload_context;
    void (*settle)(void);
    int signal_fd;
    int dir_fd;
    struct space space;
    int64_t relogin_ms; /* monotonic: not before are the settings looked at */
    bool is_done;
    int exit_code;
};

/* INVARIANT (it ends inside drain_ms): one that waits for a dead disk outlives even SIGKILL until
 * the disk is back, and nobody waits for it then. */
static void end_jobs(struct supervisor *self)
{
    int64_t end_ms = clock_mono_ms(self->clock) + KILLED_MS;

    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        if (self->jobs[i] != NULL)
            job_signal(self->jobs[i], SIGKILL); /* nothing of ours outlives us */
    }
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        if (self->jobs[i] == NULL)
            continue;
        while (waitpid(job_pid(self->jobs[i]), NULL, WNOHANG) == 0 &&
               clock_mono_ms(self->clock) < end_ms)
            clock_sleep_ms(self->clock, KILLED_POLL_MS);
        job_free(self->jobs[i]);
    }
}

static void supervisor_release(struct supervisor *self)
{
    listener_release(&self->listener); /* first: it asks the endpoints */
    watcher_free(self->watcher);
    end_jobs(self);
    agent_free(self->agent);
    endpoints_free(self->endpoints);
    status_release(&self->status);
    cleanup_close(&self->signal_fd);
    cleanup_close(&self->dir_fd);
}
#define auto_supervisor auto_with(supervisor_release)

static struct agent_time time_now(const struct supervisor *self)
{
    return (struct agent_time){
        .wall_ms = clock_wall_ms(self->clock),
        .mono_ms = clock_mono_ms(self->clock),
    };
}

static int open_signals(int *out_fd, struct err *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* before there are threads to inherit it */
    *out_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (*out_fd < 0)
        return err_sys(err, ERR_FAILED, "cannot wait for signals");
    return 0;
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = value != NULL ? xstrdup(value) : NULL;
}

static void describe(struct supervisor *self, const struct supervisor_options *options)
{
    set_text(&self->status.instance, options->instance);
    set_text(&self->status.repository, options->repository);
    set_text(&self->status.server_url, options->server_url);
    set_text(&self->status.schedule, options->schedule);
    set_text(&self->status.timezone, options->timezone);
}

/* One that asks the same server in the same way goes on. */
static int start_watcher(struct supervisor *self, const struct redis_options *redis,
                         struct err *err)
{
    struct watcher_options wanted = {
        .redis = *redis,
        .interval_ms = LOOK_MS,
        .timeout_ms = LOOK_TIMEOUT_MS,
        .clock = self->clock,
    };
    struct watcher *watcher;

    if (self->watcher != NULL && watcher_asks(self->watcher, redis))
        return 0;
    if (watcher_new(&wanted, &watcher, err) != 0)
        return -1;
    watcher_free(self->watcher);
    self->watcher = watcher;
    return 0;
}

static int claim(struct supervisor *self, const char *data_dir, struct err *err)
{
    bool is_claimed;

    if (fs_open_dir(AT_FDCWD, data_dir, &self->dir_fd, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            (void)err_advise(err, VOLUME_MISSING_HINT);
        err->kind = ERR_CONFIG;
        return err_wrap(err, "data-dir");
    }
    if (claim_directory(self->dir_fd, data_dir, &is_claimed, err) != 0)
        return -1;
    if (!is_claimed)
        log_warn("the file system of %s knows no such lock: nothing keeps a second `redkeep run` "
                 "away from it",
                 data_dir);
    return 0;
}

/* A job that cannot even be started has failed, in the words of the system. */
static void fail_to_start(struct supervisor *self, enum job_kind job, const struct err *why)
{
    struct agent_time now = time_now(self);
    struct agent_end end = {.exit_code = ERR_FAILED};
    auto_json struct json *line = json_object();
    struct json *error = json_object();

    json_set_string(error, "code", problem_row(err_problem(why))->code);
    json_set_string(error, "message", why->msg);
    json_set(line, "error", error);
    agent_on_report(self->agent, job, line, now);
    agent_on_end(self->agent, job, &end, now);
}

/* With the server gone, nobody else knows whether it loads its append-only files. */
static const char *last_option(const struct supervisor *self, enum job_kind job)
{
    if (job != JOB_FINAL || !self->status.has_info || self->status.info.aof_enabled < 0)
        return NULL;
    return self->status.info.aof_enabled == 1 ? "--appendonly=yes" : "--appendonly=no";
}

static void do_start(struct supervisor *self, const struct agent_action *action)
{
    struct err err;
    int rc = job_kind_start(action->job,
                            &(struct job_kind_options){.program = self->program,
                                                       .flags = self->flags,
                                                       .input = action->text,
                                                       .last = last_option(self, action->job)},
                            &self->jobs[action->job], &err);

    endpoints_lock(self->endpoints);
    if (rc != 0)
        fail_to_start(self, action->job, &err);
    else
        agent_on_started(self->agent, action->job, job_pid(self->jobs[action->job]));
    endpoints_unlock(self->endpoints);
}

static void act(struct supervisor *self)
{
    struct agent_action action;

    while (agent_take(self->agent, &action)) {
        switch (action.kind) {
        case AGENT_START:
            do_start(self, &action);
            break;
        case AGENT_STOP:
        case AGENT_KILL:
            if (self->jobs[action.job] != NULL)
                job_signal(self->jobs[action.job], action.kind == AGENT_STOP ? SIGTERM : SIGKILL);
            break;
        case AGENT_LOG:
            log_text(action.level, action.problem, action.text);
            break;
        case AGENT_POKE:
            watcher_poke(self->watcher);
            break;
        case AGENT_EXIT:
            self->is_done = true;
            self->exit_code = action.exit_code;
            break;
        default:
            break;
        }
        free(action.text);
    }
}

struct line_context {
    struct supervisor *self;
    enum job_kind job;
};

static void on_line(void *context, const struct json *line)
{
    struct line_context *at = context;

    agent_on_report(at->self->agent, at->job, line, time_now(at->self));
}

static void read_job(struct supervisor *self, enum job_kind kind)
{
    struct line_context context = {.self = self, .job = kind};

    if (self->jobs[kind] != NULL)
        job_read(self->jobs[kind], on_line, &context);
}

static void job_ended(struct supervisor *self, enum job_kind kind, int wait_status)
{
    auto_job struct job *job = NULL;
    auto_json struct json *answer = NULL;
    struct agent_end end = {.exit_code = -1};

    read_job(self, kind);
    job = TAKE_PTR(self->jobs[kind]);
    answer = job_answer(job);
    end.answer = answer;
    if (WIFEXITED(wait_status))
        end.exit_code = WEXITSTATUS(wait_status);
    else
        end.signal = WTERMSIG(wait_status);
    agent_on_end(self->agent, kind, &end, time_now(self));
}

/* Children that are not ours come to process 1 of a container; they are only waited for. */
static void reap(struct supervisor *self)
{
    bool has_ended = false;
    int wait_status;
    pid_t pid;

    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        for (enum job_kind kind = 0; kind < JOB_KIND_COUNT; kind++) {
            if (self->jobs[kind] != NULL && job_pid(self->jobs[kind]) == pid) {
                job_ended(self, kind, wait_status);
                has_ended = true;
            }
        }
    }
    if (!has_ended)
        return;
    if (self->settle != NULL)
        self->settle();
    (void)malloc_trim(0); /* what the answer needed goes back to the machine */
}

static int apply(struct supervisor *self, const struct supervisor_options *options, struct err *err)
{
    if (zone_use(options->timezone, err) != 0 || start_watcher(self, &options->redis, err) != 0)
        return err_wrap(err, "the settings stay as they are");
    log_init(options->log_level, options->log_format);
    self->flags = options->flags;
    describe(self, options);
    agent_configure(self->agent, &options->agent, time_now(self));
    return 0;
}

/* Settings that are wrong change nothing: the old ones stay. */
static void reload(struct supervisor *self)
{
    struct supervisor_options options;
    struct err err;

    log_info("SIGHUP: the settings are read again");
    if (self->reload(self->reload_context, &options, &err) != 0) {
        (void)err_wrap(&err, "the settings stay as they are");
        log_err(&err);
        return;
    }
    endpoints_lock(self->endpoints);
    int rc = apply(self, &options, &err);
    endpoints_unlock(self->endpoints);
    if (rc == 0) /* not in the lock: it waits for a request */
        rc = listener_use(&self->listener, options.http_listen, options.http_token, self->endpoints,
                          &err);
    if (rc != 0)
        log_err(&err);
}

/* The server refuses us: was the password changed? Jobs read the settings whenever they start. */
static void log_in_again(struct supervisor *self)
{
    struct supervisor_options options;
    struct err err; /* settings that are wrong now may be right in ten seconds */

    self->relogin_ms = clock_mono_ms(self->clock) + RELOGIN_MS;
    if (self->reload(self->reload_context, &options, &err) != 0 ||
        watcher_asks(self->watcher, &options.redis))
        return;
    log_info("the server refuses us, and the settings to log in with are others now: trying those");
    if (start_watcher(self, &options.redis, &err) != 0)
        log_err(&err);
}

/* True: SIGHUP was among them. */
static bool take_signals(struct supervisor *self)
{
    struct signalfd_siginfo info;
    bool is_hup = false;

    while (read(self->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            agent_on_stop(self->agent, time_now(self));
            break;
        case SIGHUP:
            is_hup = true;
            break;
        default: /* SIGCHLD: several may be one */
            break;
        }
    }
    reap(self);
    return is_hup;
}

static void take_events(struct supervisor *self)
{
    struct watcher_look look;
    bool wants_backup;
    bool wants_verify;

    for (enum job_kind kind = 0; kind < JOB_KIND_COUNT; kind++)
        read_job(self, kind);
    while (watcher_take(self->watcher, &look))
        agent_on_look(self->agent, &look, time_now(self));
    endpoints_take(self->endpoints, &wants_backup, &wants_verify);
    if (wants_backup)
        (void)agent_ask(self->agent, JOB_BACKUP, time_now(self)); /* it runs already: the same */
    if (wants_verify)
        (void)agent_ask(self->agent, JOB_VERIFY, time_now(self));
}

static void count_losses(struct supervisor *self, struct agent_time now)
{
    uint64_t lost = log_lost();

    if (lost != self->status.log_lost) {
        self->status.log_lost = lost;
        (void)status_raise(&self->status, PROBLEM_LOG_LOST, now.wall_ms,
                           "log lines could not be written to standard error");
    }
    if (self->listener.http != NULL)
        http_counts(self->listener.http, &self->status.http_requests, &self->status.http_refused);
}

static void wait_for_events(struct supervisor *self)
{
    struct pollfd fds[3 + 2 * JOB_KIND_COUNT];
    nfds_t count = 0;
    int64_t wait_ms = agent_due_ms(self->agent) - clock_mono_ms(self->clock);

    fds[count++] = (struct pollfd){.fd = self->signal_fd, .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = watcher_fd(self->watcher), .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = endpoints_fd(self->endpoints), .events = POLLIN};
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        if (self->jobs[i] == NULL)
            continue;
        fds[count++] = (struct pollfd){.fd = job_report_fd(self->jobs[i]), .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = job_answer_fd(self->jobs[i]), .events = POLLIN};
    }
    if (wait_ms > 0)
        (void)poll(fds, count, wait_ms > 1000 ? 1000 : (int)wait_ms); /* EINTR is an event too */
}

static void turn(struct supervisor *self)
{
    bool is_hup;

    wait_for_events(self);
    /* not in the lock: it may wait for a disk */
    space_look(&self->space, self->dir_fd, clock_mono_ms(self->clock));
    endpoints_lock(self->endpoints);
    is_hup = take_signals(self);
    take_events(self);
    struct agent_time now = time_now(self);
    self->status.volume_free_bytes = self->space.free_bytes;
    self->status.volume_total_bytes = self->space.total_bytes;
    count_losses(self, now);
    agent_on_tick(self->agent, now);
    bool is_refused = self->status.readiness.state == READINESS_AUTH;
    endpoints_unlock(self->endpoints);
    act(self);
    if (is_hup && !self->is_done)
        reload(self);
    if (is_refused && now.mono_ms >= self->relogin_ms && !self->is_done)
        log_in_again(self);
    if (self->listener.http != NULL)
        http_reap(self->listener.http);
}

static int start(struct supervisor *self, const struct supervisor_options *options, struct err *err)
{
    status_init(&self->status);
    self->status.version = REDKEEP_VERSION;
    describe(self, options);
    self->endpoints = endpoints_new(&self->status, options->clock);
    if (zone_use(options->timezone, err) != 0 || claim(self, options->data_dir, err) != 0 ||
        open_signals(&self->signal_fd, err) != 0)
        return -1;
    self->agent = agent_new(&options->agent, &self->status, time_now(self));
    if (start_watcher(self, &options->redis, err) != 0 ||
        listener_use(&self->listener, options->http_listen, options->http_token, self->endpoints,
                     err) != 0)
        return -1;
    return 0;
}

int supervisor_run(const struct supervisor_options *options, supervisor_reload_fn *reload_fn,
                   void *context, int *out_exit_code, struct err *err)
{
    auto_supervisor struct supervisor self = {
        .program = options->program,
        .flags = options->flags,
        .clock = options->clock,
        .reload = reload_fn,
        .reload_context = context,
        .settle = options->settle,
        .signal_fd = -1,
        .dir_fd = -1,
    };

    if (start(&self, options, err) != 0)
        return -1;
    log_info("redkeep " REDKEEP_VERSION " watches %s as instance %s; backups: %s",
             options->server_url, options->instance, options->schedule);
    while (!self.is_done)
        turn(&self);
    log_info("bye");
    *out_exit_code = self.exit_code;
    return 0;
}
