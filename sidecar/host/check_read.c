/*
 * Files of /proc and /sys, the clock, and the server's process; see check_read.h. The volume is
 * check_read_volume.c's.
 */
#include "host/check_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define BLANKS " \t\r\n"
#define NUMBER_MAX 64
#define FIELDS_MAX ((size_t)256 * 1024)
#define COMM_MAX 15 /* what the kernel keeps of a name */

/* -1 when it is not there or no regular file; never waits for the other end of a FIFO. */
static int open_file(int root_fd, const char *path)
{
    auto_close int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return -1;
    return take_fd(&fd);
}

static ssize_t read_some(int fd, void *out, size_t len)
{
    ssize_t got = 0;

    do
        got = read(fd, out, len);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Up to len bytes; -1 when a read fails. */
static ssize_t read_all(int fd, char *out, size_t len)
{
    size_t total = 0;

    while (total < len) {
        ssize_t got = read_some(fd, out + total, len - total);

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        total += (size_t)got;
    }
    return (ssize_t)total;
}

char *check_read_text(int root_fd, const char *path, size_t max)
{
    auto_close int fd = open_file(root_fd, path);
    auto_free char *text = xmalloc(max + 1);

    if (fd < 0)
        return NULL;
    ssize_t got = read_all(fd, text, max + 1);
    if (got < 0 || (size_t)got > max || memchr(text, '\0', (size_t)got) != NULL)
        return NULL;
    text[got] = '\0';
    char *begin = text + strspn(text, BLANKS);
    size_t len = strlen(begin);
    while (len > 0 && strchr(BLANKS, begin[len - 1]) != NULL)
        len--;
    return xstrndup(begin, len);
}

bool check_read_i64(int root_fd, const char *path, int64_t *out)
{
    auto_free char *text = check_read_text(root_fd, path, NUMBER_MAX);

    return text != NULL && pairs_number(text, out);
}

/* Where the value of the line begins, NULL when it is another's line. */
static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    if (strncmp(line, name, len) != 0 || strchr(": \t", line[len]) == NULL || line[len] == '\0')
        return NULL;
    return line + len + strspn(line + len, ": \t");
}

bool check_read_field(int root_fd, const char *path, const char *name, int64_t *out)
{
    auto_free char *text = check_read_text(root_fd, path, FIELDS_MAX);
    char number[NUMBER_MAX];

    for (const char *line = text; line != NULL;) {
        const char *value = value_of(line, name);
        const char *end = strchr(line, '\n');

        if (value != NULL) {
            size_t len = strcspn(value, BLANKS);
            if (len >= sizeof(number))
                return false;
            memcpy(number, value, len);
            number[len] = '\0';
            return pairs_number(number, out);
        }
        line = end == NULL ? NULL : end + 1;
    }
    return false;
}

int64_t check_count_lines(int root_fd, const char *path, int64_t max)
{
    auto_close int fd = open_file(root_fd, path);
    char block[4096];
    int64_t lines = 0;

    if (fd < 0)
        return -1;
    while (lines < max) {
        ssize_t got = read_some(fd, block, sizeof(block));

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got && lines < max; i++)
            lines += block[i] == '\n';
    }
    return lines;
}

void check_read_clock(struct check_facts *facts)
{
    struct timex clock = {.modes = 0}; /* asks only */

    facts->clock_sync = CHECK_CLOCK_UNKNOWN;
    if (adjtimex(&clock) >= 0)
        facts->clock_sync =
            (clock.status & STA_UNSYNC) != 0 ? CHECK_CLOCK_UNSYNCED : CHECK_CLOCK_SYNCED;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* Is name, of which the kernel may have kept only the beginning, a server's? */
static bool is_server_name(const char *name, const char *executable)
{
    return strncmp(name, "redis-server", strlen("redis-server")) == 0 ||
           strncmp(name, "valkey-server", strlen("valkey-server")) == 0 ||
           (executable != NULL && executable[0] != '\0' &&
            strncmp(name, executable, COMM_MAX) == 0);
}

int64_t check_find_server(int root_fd, const struct pairs *info)
{
    const char *executable = pairs_get(info, "executable");
    char path[64];
    char exe[PATH_MAX];
    int64_t pid = 0;

    if (!pairs_i64(info, "process_id", &pid) || pid <= 0 || pid > INT_MAX)
        return -1;
    executable = executable == NULL ? NULL : base_name(executable);
    (void)snprintf(path, sizeof(path), "proc/%" PRId64 "/comm", pid);
    auto_free char *comm = check_read_text(root_fd, path, PATH_MAX);
    if (comm != NULL && is_server_name(comm, executable))
        return pid;
    (void)snprintf(path, sizeof(path), "proc/%" PRId64 "/exe", pid);
    ssize_t len = readlinkat(root_fd, path, exe, sizeof(exe) - 1);
    if (len <= 0)
        return -1;
    exe[len] = '\0';
    return is_server_name(base_name(exe), executable) ? pid : -1;
}
