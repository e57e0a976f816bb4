/*
 * A restore usually runs before the server does, in the server's own image or beside its package:
 * so the program in PATH is a good witness where nobody answers. It is only asked for its version.
 *
 * Whether a server runs on a directory is decided the other way round: whoever takes connections at
 * redis-url does, unless it is known to run on another one.
 */
#include "commands/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands/objects.h"
#include "redis/listening.h"
#include "redis/redis_info.h"
#include "redis/redis_url.h"

#define CONNECT_MS 1000
#define PROGRAM_MS 5000
#define ANSWER_MAX 512

static void know(struct target *target, const struct server_version *version, const char *whence)
{
    char text[64];

    server_version_format(version, text, sizeof(text));
    target->is_known = true;
    target->version = *version;
    (void)snprintf(target->from, sizeof(target->from), "%s, %.80s", text, whence);
}

static void ask_server(const struct command_context *context, struct target *target)
{
    auto_redis struct redis *redis = NULL;
    auto_buf struct buf text = {0};
    auto_redis_info struct redis_server_info info = {0};
    struct server_version version;
    struct err err;

    buf_init(&text, REDIS_INFO_MAX);
    if (command_connect(context, CONNECT_MS, &redis, &err) != 0 ||
        redis_info(redis, NULL, &text, &err) != 0) {
        log_debug("no server to ask for its version: %s", err.msg);
        return;
    }
    redis_info_parse(buf_text(&text), text.len, &info);
    if (redis_info_version(&info, &version, &err) == 0)
        know(target, &version, "the server that answers at redis-url");
}

/* Reads what the program prints until it ends or the time is over. */
static void read_answer(int fd, char *out, size_t out_size)
{
    size_t len = 0;
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    while (len + 1 < out_size && poll(&readable, 1, PROGRAM_MS) > 0) {
        ssize_t n = read(fd, out + len, out_size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
}

static bool ask_program(const char *program, char *out, size_t out_size)
{
    int pipe_fd[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    auto_free char **environment = environment_of_others(environ);
    char *const arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL};

    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return false;
    auto_close int read_fd = pipe_fd[0];
    auto_close int write_fd = pipe_fd[1];
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, write_fd, STDOUT_FILENO);
    int rc = posix_spawnp(&pid, program, &actions, NULL, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return false;

    cleanup_close(&write_fd);
    write_fd = -1;
    read_answer(read_fd, out, out_size);
    (void)kill(pid, SIGKILL); /* it has printed its line, or will not */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return true;
}

bool target_ask_program(const char *program, struct target *out)
{
    char answer[ANSWER_MAX];
    struct server_version version;
    struct err ignored; /* a program that says something else is none */

    if (!ask_program(program, answer, sizeof(answer)) ||
        server_version_parse(answer, &version, &ignored) != 0)
        return false;
    auto_free char *whence = xasprintf("the program %s", program);
    know(out, &version, whence);
    return true;
}

static void ask_path(struct target *target)
{
    if (!target_ask_program("redis-server", target))
        (void)target_ask_program("valkey-server", target);
}

int target_find(const struct command_context *context, struct target *out, struct err *err)
{
    const char *set = context->settings->server_version;
    struct target target = {0};
    struct server_version version;

    if (set != NULL) {
        if (server_version_parse(set, &version, err) != 0)
            return err_wrap(err, "server-version");
        know(&target, &version, "the setting server-version");
    }
    if (!target.is_known)
        ask_server(context, &target);
    if (!target.is_known)
        ask_path(&target);
    *out = target;
    return 0;
}

/* The directory that the server says it has; NULL when it does not say. Heap. */
static char *ask_dir(const struct command_context *context)
{
    auto_redis struct redis *redis = NULL;
    char *dir = NULL;
    enum redis_config_answer answer;
    struct err err;

    if (command_connect(context, CONNECT_MS, &redis, &err) != 0 ||
        redis_config_get(redis, "dir", &answer, &dir, &err) != 0) {
        log_debug("the server does not say its directory: %s", err.msg);
        return NULL;
    }
    return dir;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int target_check_server(const struct command_context *context, const char *dir, struct err *err)
{
    auto_redis_address struct redis_address address = {0};
    char label[REDIS_LABEL_MAX];
    struct stat target;
    struct stat other;

    if (redis_url_parse(context->settings->redis_url, &address, err) != 0)
        return -1;
    redis_address_label(&address, label);
    enum listening listening = listening_at(&address, NULL, CONNECT_MS);
    if (listening == LISTENING_UNKNOWN)
        log_warn("%s does not answer: taken for a server that does not run", label);
    if (listening != LISTENING_SOMEBODY || stat(dir, &target) != 0)
        return 0; /* what is not there yet, nobody runs on */

    auto_free char *server_dir = ask_dir(context);
    if (server_dir != NULL && stat(server_dir, &other) == 0) {
        if (!is_same(&other, &target))
            return 0;
        return err_set(err, ERR_HOLDS_DATA,
                       "a server is running on that directory (%s) and would never load what is "
                       "put there. HINT: stop the server first",
                       label);
    }
    /* it runs on what it calls otherwise, or does not say: on data-dir, then */
    if (stat(context->settings->data_dir, &other) == 0 && !is_same(&other, &target))
        return 0;
    return err_set(err, ERR_HOLDS_DATA,
                   "a server is running at %s, as far as can be told on that directory, and would "
                   "never load what is put there. HINT: stop the server first; if it is another "
                   "one, say with redis-url where the server of this directory listens",
                   label);
}
