/*
 * All signals that are of interest stay blocked and are taken one at a time, so nothing happens
 * between two steps. Each child has a process group of its own: Ctrl-C on a terminal comes to us
 * alone, and is handed on in order.
 */
#include "entrypoint/pair_run.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"

static const int handed_on[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
static const int ignored_by_us[] = {SIGPIPE, SIGXFSZ}; /* see process_prepare */
static const char *const names[PAIR_COUNT] = {"the server", "the sidecar", "the last backup"};

struct runner {
    const struct pair_options *options;
    struct pair pair;
    pid_t pids[PAIR_COUNT];
    bool is_over;
};

static void fill_set(sigset_t *out, bool with_children)
{
    (void)sigemptyset(out);
    for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
        (void)sigaddset(out, handed_on[i]);
    if (with_children)
        (void)sigaddset(out, SIGCHLD);
}

void pair_reset_signals(void)
{
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (size_t i = 0; i < sizeof(ignored_by_us) / sizeof(ignored_by_us[0]); i++)
        (void)sigaction(ignored_by_us[i], &plain, NULL);
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int spawn(const struct pair_program *program, pid_t *out)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigset_t none;

    (void)sigemptyset(&none);
    fill_set(&defaults, true);
    for (size_t i = 0; i < sizeof(ignored_by_us) / sizeof(ignored_by_us[0]); i++)
        (void)sigaddset(&defaults, ignored_by_us[i]);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &defaults);
    int rc =
        posix_spawnp(out, program->path, NULL, &attributes, program->words, program->environment);
    (void)posix_spawnattr_destroy(&attributes);
    return rc;
}

static void perform(struct runner *self, const struct pair_actions *actions);

static int64_t now_ms(const struct runner *self)
{
    return clock_mono_ms(self->options->clock);
}

/* One that cannot be started has ended at once; for the server that is only so at the beginning. */
static int start(struct runner *self, enum pair_who who, struct err *err)
{
    const struct pair_program *program = &self->options->programs[who];
    int rc = spawn(program, &self->pids[who]);

    if (rc == 0) {
        log_debug("%s is process %ld", names[who], (long)self->pids[who]);
        return 0;
    }
    self->pids[who] = -1;
    errno = rc;
    return err_sys(err, ERR_CONFIG, "cannot start %s, %.200s", names[who], program->path);
}

static void start_again(struct runner *self, enum pair_who who)
{
    struct pair_actions actions = {0};
    struct err err;

    if (start(self, who, &err) == 0)
        return;
    log_err(&err);
    pair_on_end(&self->pair, who, 1 << 8, now_ms(self), &actions); /* as exit(1) */
    perform(self, &actions);
}

static void perform(struct runner *self, const struct pair_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct pair_action *action = &actions->list[i];

        switch (action->what) {
        case PAIR_START:
            start_again(self, action->who);
            break;
        case PAIR_SIGNAL:
            if (self->pids[action->who] > 0) /* it is ours until it is waited for */
                (void)kill(self->pids[action->who], action->signal);
            break;
        case PAIR_EXIT:
            self->is_over = true;
            break;
        }
    }
}

static void tell_end(const struct runner *self, enum pair_who who, int status)
{
    int code = pair_exit_code(status);
    const char *how = WIFSIGNALED(status) ? "was killed by signal" : "has ended with status";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : code;

    if (who == PAIR_SIDECAR && !self->pair.server_ended)
        log_warn("%s %s %d, and is started again in %lld s", names[who], how, number,
                 (long long)(self->pair.again_ms / 1000));
    else if (who == PAIR_SERVER || code == 0)
        log_info("%s %s %d", names[who], how, number);
    else
        log_warn("%s %s %d", names[who], how, number);
}

/* Whoever has ended, ours or left to us by somebody who has. */
static void reap(struct runner *self)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t who = 0; who < PAIR_COUNT; who++) {
            struct pair_actions actions = {0};

            if (self->pids[who] != pid)
                continue;
            self->pids[who] = -1;
            pair_on_end(&self->pair, (enum pair_who)who, status, now_ms(self), &actions);
            tell_end(self, (enum pair_who)who, status);
            perform(self, &actions);
            break;
        }
    }
}

/* Waits for a signal, or until something is due. */
static void turn(struct runner *self, const sigset_t *set)
{
    struct pair_actions actions = {0};
    int64_t wait_ms = pair_wait_ms(&self->pair, now_ms(self));
    const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    int taken = wait_ms < 0 ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &wait);

    if (taken == SIGCHLD)
        reap(self);
    else if (taken > 0)
        pair_on_signal(&self->pair, taken, &actions);
    if (!self->is_over)
        pair_on_time(&self->pair, now_ms(self), &actions);
    perform(self, &actions);
}

int pair_run(const struct pair_options *options, int *out_exit_code, struct err *err)
{
    struct runner self = {.options = options, .pids = {-1, -1, -1}};
    struct pair_actions actions = {0};
    sigset_t set;

    const struct sigaction plain = {.sa_handler = SIG_DFL};

    fill_set(&set, true);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGCHLD, &plain, NULL); /* inherited as ignored, it would hide how they ended */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* where we are not process 1: as if we were */
    pair_begin(&self.pair, options->drain_ms, now_ms(&self), &actions);
    if (start(&self, PAIR_SERVER, err) != 0)
        return -1;
    actions.list[0] = actions.list[--actions.count]; /* the server, which is there now */
    perform(&self, &actions);
    while (!self.is_over)
        turn(&self, &set);
    *out_exit_code = self.pair.exit_code;
    return 0;
}
