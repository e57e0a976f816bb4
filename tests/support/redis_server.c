#include "support/redis_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

enum { ARGS_MAX = 64, START_MS_MAX = 30000, POLL_MS = 5 };

static int free_port(void)
{
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static redisContext *open_context(const struct redis_server *server)
{
    redisContext *context = redisConnectUnix(server->url + strlen("unix://"));

    if (context == NULL || context->err != 0) {
        if (context != NULL)
            redisFree(context);
        return NULL;
    }
    if (server->password[0] != '\0')
        freeReplyObject(redisCommand(context, "AUTH default %s", server->password));
    return context;
}

static char *reply_text(const redisReply *reply)
{
    char *text = NULL;

    if (reply == NULL)
        return xstrdup("-connection lost");
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        return xasprintf("%lld", reply->integer);
    case REDIS_REPLY_NIL:
        return xstrdup("(nil)");
    case REDIS_REPLY_ERROR:
        return xasprintf("-%s", reply->str);
    case REDIS_REPLY_ARRAY:
        text = xstrdup("");
        for (size_t i = 0; i < reply->elements; i++) {
            char *one = reply_text(reply->element[i]);
            char *both = xasprintf("%s%s%s", text, i == 0 ? "" : " ", one);
            free(one);
            free(text);
            text = both;
        }
        return text;
    default:
        return xstrndup(reply->str, reply->len);
    }
}

static char *ask_list(const struct redis_server *server, const char *format, va_list args)
{
    redisContext *context = open_context(server);

    if (context == NULL)
        return xstrdup("-no connection");
    redisReply *reply = redisvCommand(context, format, args);
    char *text = reply_text(reply);
    freeReplyObject(reply);
    redisFree(context);
    return text;
}

char *redis_server_ask(const struct redis_server *server, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = ask_list(server, format, args);
    va_end(args);
    return text;
}

void redis_server_do(const struct redis_server *server, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = ask_list(server, format, args);
    va_end(args);
    ck_assert_msg(text[0] != '-', "%s: %s", format, text);
    free(text);
}

void redis_server_fill(const struct redis_server *server, unsigned count)
{
    redisContext *context = open_context(server);
    void *reply = NULL;

    ck_assert_ptr_nonnull(context);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(redisAppendCommand(context, "SET key%u value%u", i, i), REDIS_OK);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(redisGetReply(context, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
    redisFree(context);
}

static void run_server(const struct redis_server *server,
                       const struct redis_server_options *options)
{
    char port[8];
    const char *argv[ARGS_MAX] = {
        "redis-server",
        "--port",
        port,
        "--bind",
        "127.0.0.1",
        "--dir",
        server->dir,
        "--unixsocket",
        server->url + 7,
        "--save",
        "",
        "--logfile",
        "server.log",
        "--loglevel",
        "notice",
        "--enable-debug-command",
        "no",
        "--hz",
        "100",
        "--repl-diskless-sync-delay",
        "0",
        NULL,
    };
    size_t used = 0;

    while (argv[used] != NULL)
        used++;
    (void)snprintf(port, sizeof(port), "%d", server->port);
    for (const char *const *arg = options->args; arg != NULL && *arg != NULL; arg++)
        if (used + 1 < ARGS_MAX)
            argv[used++] = *arg;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int quiet = open("/dev/null", O_RDWR);
    (void)dup2(quiet, STDIN_FILENO);
    (void)dup2(quiet, STDOUT_FILENO);
    (void)execvp(argv[0], (char **)(uintptr_t)argv);
    _exit(127);
}

static void wait_until_loaded(struct redis_server *server)
{
    const struct clock *clock = clock_system();
    int64_t end = clock_mono_ms(clock) + START_MS_MAX;

    for (;;) {
        auto_free char *answer = redis_server_ask(server, "INFO persistence");
        int status = 0;

        if (strstr(answer, "\r\nloading:0\r\nasync_loading:0\r\n") != NULL)
            return;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            server->pid = 0;
            ck_abort_msg("redis-server ended at its start, status %d, see %s/server.log", status,
                         server->dir);
        }
        ck_assert_msg(clock_mono_ms(clock) < end, "redis-server does not answer: %s", answer);
        clock_sleep_ms(clock, POLL_MS);
    }
}

void redis_server_start(struct redis_server *server, const struct redis_server_options *options)
{
    const struct redis_server_options none = {0};

    options = options == NULL ? &none : options;
    *server = (struct redis_server){.owns_dir = options->dir == NULL, .dir_fd = -1};
    if (options->dir != NULL)
        (void)snprintf(server->dir, sizeof(server->dir), "%s", options->dir);
    else {
        (void)snprintf(server->dir, sizeof(server->dir), "/tmp/redkeep-redis-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(server->dir));
    }
    server->dir_fd = open(server->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(server->dir_fd, 0);
    (void)snprintf(server->url, sizeof(server->url), "unix://%s/s", server->dir);
    if (options->with_tcp)
        server->port = free_port();
    (void)snprintf(server->tcp_url, sizeof(server->tcp_url), "redis://127.0.0.1:%d", server->port);
    if (options->password != NULL)
        (void)snprintf(server->password, sizeof(server->password), "%s", options->password);

    server->pid = fork();
    ck_assert_int_ge(server->pid, 0);
    if (server->pid == 0)
        run_server(server, options);
    wait_until_loaded(server);
}

void redis_server_stop(struct redis_server *server)
{
    struct err err;

    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
    if (server->dir_fd >= 0)
        (void)close(server->dir_fd);
    server->dir_fd = -1;
    if (server->owns_dir)
        ck_assert_int_eq(fs_remove_tree(AT_FDCWD, server->dir, &err), 0);
}

int redis_server_shutdown(struct redis_server *server)
{
    int status = 0;

    ck_assert_int_eq(kill(server->pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(server->pid, &status, 0), server->pid);
    server->pid = 0;
    return status;
}

pid_t redis_server_save_child(const struct redis_server *server)
{
    DIR *dir = opendir(server->dir);
    pid_t pid = 0;
    int child = 0;

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (sscanf(entry->d_name, "temp-%d.rdb", &child) == 1)
            pid = child;
    (void)closedir(dir);
    return pid;
}
