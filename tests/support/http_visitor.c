/*
 * Blocking sockets with a poll before each read: see http_visitor.h.
 */
#include "support/http_visitor.h"

#include <check.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { PATIENCE_MS = 10 * 1000, ANSWER_MAX = 4 * 1024 * 1024 };

static int dial(const char *address, int receive_bytes)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    bool has_brackets = address[0] == '[';
    const char *colon = strrchr(address, ':');
    size_t len = (size_t)(colon - address);
    auto_free char *host = has_brackets ? xstrndup(address + 1, len - 2) : xstrndup(address, len);
    int fd;

    ck_assert_int_eq(getaddrinfo(host, colon + 1, &hints, &found), 0);
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (receive_bytes > 0)
        ck_assert_int_eq(
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
    ck_assert_msg(connect(fd, found->ai_addr, found->ai_addrlen) == 0, "%s: %s", address,
                  strerror(errno));
    freeaddrinfo(found);
    return fd;
}

int visitor_dial(const char *address)
{
    return dial(address, 0);
}

int visitor_dial_narrow(const char *address)
{
    return dial(address, 1);
}

bool visitor_send(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* What recv says; the test fails when there is nothing for too long. */
static ssize_t receive(int fd, void *out, size_t size)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    ck_assert_msg(poll(&ready, 1, PATIENCE_MS) == 1, "no answer comes");
    return recv(fd, out, size, 0);
}

static size_t length_of(const char *head)
{
    const char *line = strstr(head, "Content-Length: ");

    return line != NULL ? strtoul(line + 16, NULL, 10) : 0;
}

char *visitor_read_answer(int fd, bool is_head)
{
    auto_buf struct buf answer;
    struct err err;
    const char *end = NULL;
    char byte[1];

    buf_init(&answer, ANSWER_MAX);
    while (end == NULL) { /* byte by byte: the next answer is not ours */
        if (receive(fd, byte, 1) != 1)
            return NULL;
        ck_assert_int_eq(buf_append(&answer, byte, 1, &err), 0);
        end = strstr(buf_text(&answer), "\r\n\r\n");
    }
    for (size_t left = is_head ? 0 : length_of(buf_text(&answer)); left > 0;) {
        char piece[16 * 1024];
        ssize_t n = receive(fd, piece, left < sizeof(piece) ? left : sizeof(piece));

        if (n <= 0)
            return NULL;
        ck_assert_int_eq(buf_append(&answer, piece, (size_t)n, &err), 0);
        left -= (size_t)n;
    }
    return buf_take(&answer);
}

char *visitor_get(int fd, const char *path)
{
    auto_free char *request = xasprintf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);

    return visitor_send(fd, request) ? visitor_read_answer(fd, false) : NULL;
}

char *visitor_get_once(const char *address, const char *path)
{
    auto_close int fd = visitor_dial(address);

    return visitor_get(fd, path);
}

unsigned visitor_status(const char *answer)
{
    return answer != NULL && strncmp(answer, "HTTP/1.1 ", 9) == 0
               ? (unsigned)strtoul(answer + 9, NULL, 10)
               : 0;
}

bool visitor_is_closed(int fd, int wait_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char piece[16 * 1024];

    while (poll(&ready, 1, wait_ms) == 1) {
        if (recv(fd, piece, sizeof(piece), 0) <= 0)
            return true;
    }
    return false;
}
