/*
 * Runs a command and tells, as one JSON object in a file, what it cost: wall time, CPU time with
 * all its children, and the peak of resident memory. A peak is the larger of two figures: the
 * kernel's exact one for the largest process of the tree, and the sum over the whole tree as
 * sampled. (The kernel counts the parent's memory before exec too, so the parent must be as small
 * as this.)
 *
 * usage: measure OUT COMMAND [ARGUMENT...]     the exit status is the command's
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { SAMPLE_MS = 25, PROCESSES_MAX = 64, TEXT_SIZE = 4096 };

/* The whole small file as text; false when it is gone. */
static bool read_text(const char *path, char *out, size_t size)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t got = read(fd, out, size - 1);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static long resident_kb(pid_t pid)
{
    char path[64], text[TEXT_SIZE];
    long pages = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    if (!read_text(path, text, sizeof(text)) || sscanf(text, "%*s %ld", &pages) != 1)
        return 0;
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Appends the children of pid, of all its threads' forks that matter here: those of the first. */
static size_t add_children(pid_t pid, pid_t *pids, size_t count)
{
    char path[64], text[TEXT_SIZE];
    int child, used;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (!read_text(path, text, sizeof(text)))
        return count;
    for (const char *at = text; count < PROCESSES_MAX && sscanf(at, "%d%n", &child, &used) == 1;
         at += used)
        pids[count++] = child;
    return count;
}

static long tree_kb(pid_t root)
{
    pid_t pids[PROCESSES_MAX] = {root};
    size_t count = 1;
    long sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += resident_kb(pids[i]);
        count = add_children(pids[i], pids, count);
    }
    return sum;
}

/* Samples the tree until root has ended; its peak. */
static long watch(pid_t root, int child_fd)
{
    struct pollfd ended = {.fd = child_fd, .events = POLLIN};
    long peak_kb = 0;

    for (;;) {
        siginfo_t info = {0};

        if (waitid(P_PID, (id_t)root, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0)
            return peak_kb;
        long now_kb = tree_kb(root);
        if (now_kb > peak_kb)
            peak_kb = now_kb;
        if (poll(&ended, 1, SAMPLE_MS) > 0) {
            struct signalfd_siginfo used;

            (void)!read(child_fd, &used, sizeof(used)); /* only to be able to wait for the next */
        }
    }
}

static double seconds(struct timespec from, struct timespec to)
{
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static double cpu_seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct timespec from, to;
    struct rusage usage;
    sigset_t child_signal;
    int status = 0;

    if (argc < 3) {
        (void)fputs("usage: measure OUT COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    (void)sigemptyset(&child_signal);
    (void)sigaddset(&child_signal, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child_signal, NULL);
    auto_close int child_fd = signalfd(-1, &child_signal, SFD_CLOEXEC);
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    pid_t child = fork();
    if (child == 0) {
        (void)sigprocmask(SIG_UNBLOCK, &child_signal, NULL);
        (void)prctl(PR_SET_PDEATHSIG,
                    SIGTERM); /* when the benchmark is stopped, so is the command */
        (void)execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (child < 0 || child_fd < 0) {
        perror("measure");
        return 1;
    }
    long tree = watch(child, child_fd);
    while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &to);

    FILE *out = fopen(argv[1], "we");
    if (out == NULL) {
        perror(argv[1]);
        return 1;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    (void)fprintf(out,
                  "{\"wall_s\":%.4f,\"user_s\":%.4f,\"system_s\":%.4f,\"largest_kb\":%ld,"
                  "\"tree_kb\":%ld,\"exit\":%d}\n",
                  seconds(from, to), cpu_seconds(usage.ru_utime), cpu_seconds(usage.ru_stime),
                  usage.ru_maxrss, tree, code);
    return fclose(out) == 0 ? code : 1;
}
