/*
 * fork, not posix_spawn: the child asks the kernel to be killed with its parent before it becomes
 * the server. Between fork and exec only what is safe in a process with threads is called.
 */
#include "redis/scratch_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/environment.h"
#include "base/fs.h"
#include "base/mem.h"
#include "redis/readiness.h"
#include "redis/redis_conn.h"

enum {
    ARGUMENTS_MAX = 24,
    POLL_MS = 50,
    ANSWER_MS = 2000,
    NO_PROGRAM = 127, /* the child's exit code when exec fails */
    LOG_MAX = 1 << 20,
    LAST_WORDS_MAX = 400,
};

struct scratch_server {
    pid_t pid; /* 0: it has ended and was waited for */
    char *url;
    char *log;
    char *program;
    int64_t stall_ms;
    const struct clock *clock;
};

/* The arguments point into options. */
static void list_arguments(const struct scratch_server_options *options,
                           const char *out[ARGUMENTS_MAX])
{
    const char *const always[] = {
        options->program,
        "--port",
        "0",
        "--unixsocket",
        options->socket,
        "--unixsocketperm",
        "700",
        "--dir",
        options->dir,
        "--dbfilename",
        options->dbfilename,
        "--save",
        "",
        "--daemonize",
        "no",
        "--appendonly",
        options->appendfilename != NULL ? "yes" : "no",
    };
    size_t count = sizeof(always) / sizeof(always[0]);

    memcpy(out, always, sizeof(always));
    if (options->appendfilename != NULL) {
        out[count++] = "--appendfilename";
        out[count++] = options->appendfilename;
        out[count++] = "--appenddirname";
        out[count++] = options->appenddirname;
    }
    out[count] = NULL;
}

__attribute__((noreturn)) static void become_server(const char *const *arguments,
                                                    char *const *environment, int log_fd,
                                                    pid_t parent)
{
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(NO_PROGRAM);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)dup2(log_fd, STDOUT_FILENO);
    (void)dup2(log_fd, STDERR_FILENO);
    (void)execvpe(arguments[0], (char *const *)(uintptr_t)arguments, environment);
    _exit(NO_PROGRAM);
}

int scratch_server_start(const struct scratch_server_options *options, struct scratch_server **out,
                         struct err *err)
{
    const char *arguments[ARGUMENTS_MAX];
    auto_close int log_fd =
        open(options->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    auto_free char **environment = environment_of_others(environ);
    struct scratch_server *server;
    pid_t parent = getpid();
    pid_t pid;

    if (log_fd < 0)
        return err_sys(err, ERR_FAILED, "cannot create %s", options->log);
    list_arguments(options, arguments);
    pid = fork();
    if (pid < 0)
        return err_sys(err, ERR_FAILED, "cannot start %s", options->program);
    if (pid == 0)
        become_server(arguments, environment, log_fd, parent);
    server = xcalloc(1, sizeof(*server));
    server->pid = pid;
    server->url = xasprintf("unix://%s", options->socket);
    server->log = xstrdup(options->log);
    server->program = xstrdup(options->program);
    server->stall_ms = options->stall_ms;
    server->clock = options->clock;
    *out = server;
    return 0;
}

/* What it warned of at last, and what that led to: a server that gives up on a dump says why in
 * lines marked with '#', and has the dump looked through behind them. (It begins each of its starts
 * with warnings of the machine.) */
static const char *last_warnings(const char *text)
{
    const char *found = NULL;
    bool was_warning = false;

    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *mark = strstr(line, " # ");
        bool is_warning = mark != NULL && (end == NULL || mark < end) &&
                          strncmp(mark, " # WARNING", strlen(" # WARNING")) != 0;

        if (is_warning && !was_warning)
            found = line;
        was_warning = is_warning;
        line = end != NULL ? end + 1 : NULL;
    }
    return found;
}

/* Those, else the last line or so of what it printed, on one line. */
static void last_words(const struct scratch_server *server, char *out, size_t out_size)
{
    auto_buf struct buf text = {0};
    struct err ignored;
    const char *from;

    buf_init(&text, LOG_MAX);
    if (fs_read_file(AT_FDCWD, server->log, &text, &ignored) != 0)
        (void)buf_append(&text, "nothing that could be read", 26, &ignored);
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    from = last_warnings(buf_text(&text));
    if (from == NULL)
        from = buf_text(&text) + (text.len >= out_size ? text.len - out_size + 1 : 0);
    (void)snprintf(out, out_size, "%s", from);
    for (char *at = out; *at != '\0'; at++) {
        if (*at == '\n')
            *at = ' ';
    }
}

/* Has it ended? Then *err says how. */
static bool has_ended(struct scratch_server *server, struct err *err)
{
    char words[LAST_WORDS_MAX];
    int how;
    pid_t pid = waitpid(server->pid, &how, WNOHANG);

    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    server->pid = 0;
    last_words(server, words, sizeof(words));
    if (WIFEXITED(how) && WEXITSTATUS(how) == NO_PROGRAM)
        (void)err_set(err, ERR_CONFIG, "%s cannot be started. HINT: is it there, and a program?",
                      server->program);
    else if (WIFEXITED(how))
        (void)err_set(err, ERR_CORRUPT, "%s ended with exit code %d: %s", server->program,
                      WEXITSTATUS(how), words);
    else
        (void)err_set(err, ERR_CORRUPT, "%s died of signal %d: %s", server->program, WTERMSIG(how),
                      words);
    return true;
}

/* One look: *out is INFO's answer, *progress grows while it loads. True: it has loaded. */
static bool look(const struct scratch_server *server, struct redis_server_info *out,
                 struct readiness *readiness)
{
    const struct redis_options options = {.url = server->url, .timeout_ms = ANSWER_MS};
    auto_redis struct redis *redis = NULL;
    auto_buf struct buf text = {0};
    struct err why;

    buf_init(&text, REDIS_INFO_MAX);
    if (redis_connect(&options, &redis, &why) != 0 || redis_info(redis, NULL, &text, &why) != 0) {
        readiness_from_error(&why, NULL, readiness);
        return false;
    }
    redis_info_release(out);
    redis_info_parse(buf_text(&text), text.len, out);
    readiness_from_info(out, NULL, 0, readiness);
    return readiness->state == READINESS_READY;
}

int scratch_server_wait(struct scratch_server *server,
                        void (*on_loading)(void *context, const char *text), void *context,
                        struct redis_server_info *out, struct err *err)
{
    int64_t moved_ms = clock_mono_ms(server->clock);
    int64_t loaded = -1;
    struct readiness readiness;

    while (true) {
        if (cancel_check(err) != 0)
            return -1;
        if (has_ended(server, err))
            return -1;
        if (look(server, out, &readiness))
            return 0;
        if (readiness.state == READINESS_LOADING && readiness.loaded_bytes > loaded) {
            auto_free char *text = readiness_text(&readiness);

            loaded = readiness.loaded_bytes;
            moved_ms = clock_mono_ms(server->clock);
            if (on_loading != NULL)
                on_loading(context, text);
        }
        if (clock_mono_ms(server->clock) - moved_ms >= server->stall_ms)
            return err_set(err, ERR_SERVER,
                           "%s has not loaded, and made no progress for %lld s: %s",
                           server->program, (long long)(server->stall_ms / 1000), readiness.why);
        clock_sleep_ms(server->clock, POLL_MS);
    }
}

void scratch_server_free(struct scratch_server *server)
{
    if (server == NULL)
        return;
    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL); /* its data is a copy */
        while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    free(server->url);
    free(server->log);
    free(server->program);
    free(server);
}
