/*
 * The child makes system calls only, and ends with _exit: what it shares with its parent stays as
 * it is.
 */
#include "host/path_answers.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAUSE_MS = 2 };

static void ask(const char *path, bool with_write)
{
    /* whoever reads what this program says must not wait for the child */
    (void)close_range(0, UINT_MAX, 0);
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statvfs space;
    struct stat stat;

    (void)fstatvfs(dir_fd, &space); /* that they come back is all that matters */
    (void)fstat(dir_fd, &stat);
    if (with_write) {
        int fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);

        (void)!write(fd, "", 1);
        (void)fsync(fd);
    }
    _exit(0);
}

bool path_answers(const char *path, bool with_write, const struct clock *clock, int timeout_ms)
{
    int64_t end_ms = clock_mono_ms(clock) + timeout_ms;
    pid_t pid = fork();

    if (pid == 0)
        ask(path, with_write);
    if (pid < 0)
        return true; /* nobody can ask first: then it is not known to be dead */
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (clock_mono_ms(clock) >= end_ms) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, WNOHANG);
            return false;
        }
        clock_sleep_ms(clock, PAUSE_MS);
    }
    return true;
}
