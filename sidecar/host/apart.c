/*
 * A pipe carries the answer, and its end says that the answer is whole: so it begins with its
 * length.
 */
#include "host/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"

#define LOOK_AROUND_MS 50

static bool write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t written = write(fd, at, len);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            at += written;
            len -= (size_t)written;
        }
    }
    return true;
}

__attribute__((noreturn)) static void be_child(apart_fn *question, void *context, size_t max,
                                               int fd)
{
    struct buf answer; /* goes with the process */

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* else it ends by its own time limits */
    buf_init(&answer, max);
    question(context, &answer);
    uint64_t len = answer.len;
    bool is_told = write_all(fd, &len, sizeof(len)) && write_all(fd, answer.data, answer.len);
    _exit(is_told ? 0 : 1);
}

/* Appends what comes, until the other end is closed or the time is over. */
static bool read_until(int fd, const struct clock *clock, int64_t end_ms, struct buf *out)
{
    struct err ignored; /* too long is no answer */
    char block[4096];

    for (;;) {
        int64_t left_ms = end_ms - clock_mono_ms(clock);
        struct pollfd wanted = {.fd = fd, .events = POLLIN};

        if (left_ms <= 0 || cancel_requested())
            return false;
        int ready = poll(&wanted, 1, left_ms < LOOK_AROUND_MS ? (int)left_ms : LOOK_AROUND_MS);
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready <= 0)
            continue;
        ssize_t got = read(fd, block, sizeof(block));
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0 && buf_append(out, block, (size_t)got, &ignored) != 0)
            return false;
    }
}

static bool take_answer(const struct buf *said, struct buf *answer)
{
    struct err ignored; /* too long is no answer */
    uint64_t len = 0;

    if (said->len < sizeof(len))
        return false;
    memcpy(&len, said->data, sizeof(len));
    return said->len - sizeof(len) == len &&
           buf_append(answer, said->data + sizeof(len), (size_t)len, &ignored) == 0;
}

static bool ask_here(apart_fn *question, void *context, struct buf *answer)
{
    auto_buf struct buf said = {0};
    struct err ignored; /* too long is no answer */

    if (cancel_requested())
        return false;
    buf_init(&said, answer->max);
    question(context, &said);
    return said.len == 0 || buf_append(answer, said.data, said.len, &ignored) == 0;
}

bool apart_ask(apart_fn *question, void *context, const struct clock *clock, int timeout_ms,
               struct buf *answer)
{
    int64_t end_ms = clock_mono_ms(clock) + timeout_ms;
    auto_buf struct buf said = {0};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ask_here(question, context, answer);
    auto_close int in = ends[0];
    auto_close int out = ends[1];
    buf_init(&said, answer->max + sizeof(uint64_t));
    pid_t pid = fork();
    if (pid < 0)
        return ask_here(question, context, answer);
    if (pid == 0)
        be_child(question, context, answer->max, out);
    (void)close(take_fd(&out)); /* so that the child's death ends the answer */
    bool is_told = read_until(in, clock, end_ms, &said);
    (void)kill(pid, SIGKILL); /* ours, and not waited for yet: it is no other's number */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return is_told && take_answer(&said, answer);
}
