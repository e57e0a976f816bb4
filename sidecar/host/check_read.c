/*
 * Files of /proc and /sys, and the clock; see check_read.h. The volume is check_read_volume.c's,
 * the server's process check_find.c's.
 */
#include "host/check_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define BLANKS " \t\r\n"
#define NUMBER_MAX 64
#define FIELDS_MAX ((size_t)256 * 1024)

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

/* The kernel counts a process's time by its ticks, so there should be some. */
#define CLOCK_TICKS 5

static int64_t micros(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

/* Whose ticks were counted in those few is chance, to some degree: a fast clock is seen as one in
 * some of these. */
#define CLOCK_ROUNDS 3
#define CLOCK_FAST_PERCENT 5

/* -1: not measured. */
static int kernel_percent(const struct clock *clock, int64_t span_ms)
{
    struct rusage before;
    struct rusage after;

    if (getrusage(RUSAGE_THREAD, &before) != 0)
        return -1;
    int64_t end_ms = clock_mono_ms(clock) + span_ms;
    while (clock_mono_ms(clock) < end_ms) {
    }
    if (getrusage(RUSAGE_THREAD, &after) != 0)
        return -1;
    int64_t kernel_us = micros(&after.ru_stime) - micros(&before.ru_stime);
    int64_t user_us = micros(&after.ru_utime) - micros(&before.ru_utime);
    if (kernel_us < 0 || user_us < 0 || kernel_us + user_us == 0)
        return -1; /* others had the processor all the time */
    return (int)(kernel_us * 100 / (kernel_us + user_us));
}

void check_measure_clock(struct check_facts *facts, const struct clock *clock)
{
    struct check_clock_cost *cost = &facts->clock_cost;
    long ticks_per_s = sysconf(_SC_CLK_TCK);

    *cost = (struct check_clock_cost){0};
    for (int i = 0; i < CLOCK_ROUNDS && ticks_per_s > 0; i++) {
        int percent = kernel_percent(clock, CLOCK_TICKS * (1000 / ticks_per_s));

        if (percent < 0 || (cost->is_measured && (unsigned)percent > cost->kernel_percent))
            continue;
        *cost = (struct check_clock_cost){.is_measured = true, .kernel_percent = (unsigned)percent};
        if (percent <= CLOCK_FAST_PERCENT)
            return;
    }
}

void check_read_clock(struct check_facts *facts)
{
    struct timex clock = {.modes = 0}; /* asks only */

    facts->clock_sync = CHECK_CLOCK_UNKNOWN;
    if (adjtimex(&clock) >= 0)
        facts->clock_sync =
            (clock.status & STA_UNSYNC) != 0 ? CHECK_CLOCK_UNSYNCED : CHECK_CLOCK_SYNCED;
}
