/*
 * HTTP requests at a fixed rate: an open loop. Requests are due at fixed times, whatever the
 * answers do, and a latency counts from the time that a request was due, so a server that stalls is
 * charged for all that it kept waiting. No connection carries two requests at once: those for which
 * none is free wait here. Ends after its time or on SIGTERM, and prints what it saw as JSON, with
 * what it cost.
 *
 * With -s it is the other side: the cheapest server there can be, one recv and one send a request,
 * to tell what the requests cost whoever answers them. It prints its port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/parse.h"

enum {
    INPUT_SIZE = 16384,
    CONNECTIONS_MAX = 1024,
    EVENTS = 256,
    NS_PER_S = 1000000000,
    GRACE_S = 10,
    SERVED_BYTES = 256, /* about what /readyz says */
};

struct options {
    uint64_t port;
    uint64_t rate;
    uint64_t duration_s; /* at most */
    uint64_t connections;
    const char *path;
    bool is_fresh; /* a connection of its own for each request, as the probes of Kubernetes have */
    bool is_server;
};

struct connection {
    int fd; /* -1: none, the next request makes one */
    bool is_busy;
    int64_t due_ns;
    size_t len;
    char in[INPUT_SIZE];
};

struct flood {
    struct options options;
    struct connection *connections;
    struct connection *idle[CONNECTIONS_MAX]; /* a ring, so that each has its turn */
    size_t idle_first, idle_count;
    char request[1024];
    size_t request_len;
    uint32_t *latencies_us;
    uint64_t sent, answered, errors;
    int epoll_fd;
    bool is_stopping;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void add_idle(struct flood *flood, struct connection *connection)
{
    connection->is_busy = false;
    connection->len = 0;
    flood->idle[(flood->idle_first + flood->idle_count++) % flood->options.connections] =
        connection;
}

static void hang_up(struct connection *connection)
{
    cleanup_close(&connection->fd);
    connection->fd = -1;
}

/* It does not wait: on loopback the kernel answers for the listener. */
static int connect_one(struct flood *flood, struct connection *connection)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)flood->options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    const int yes = 1;
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
        epoll_ctl(flood->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return -1;
    connection->fd = take_fd(&fd);
    return 0;
}

static void failed(struct flood *flood, struct connection *connection)
{
    flood->errors++;
    hang_up(connection);
    if (connection->is_busy)
        add_idle(flood, connection);
}

/* A request is small: a socket that does not take it whole is broken. */
static void send_one(struct flood *flood, int64_t due_ns)
{
    struct connection *connection = flood->idle[flood->idle_first];

    flood->idle_first = (flood->idle_first + 1) % flood->options.connections;
    flood->idle_count--;
    flood->sent++;
    connection->is_busy = true;
    connection->due_ns = due_ns;
    if ((connection->fd < 0 && connect_one(flood, connection) != 0) ||
        send(connection->fd, flood->request, flood->request_len, MSG_NOSIGNAL) !=
            (ssize_t)flood->request_len)
        failed(flood, connection);
}

/* The length of the whole answer; 0: its head is not whole yet. *out_closes: it is the last. */
static size_t answer_length(const struct connection *connection, bool *out_closes)
{
    static const char length[] = "\r\nContent-Length:";
    const char *end = strstr(connection->in, "\r\n\r\n");
    size_t body = 0;

    if (end == NULL)
        return 0;
    for (const char *line = strstr(connection->in, "\r\n"); line < end;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line, length, sizeof(length) - 1) == 0)
            body = strtoul(line + sizeof(length) - 1, NULL, 10);
        else if (strncasecmp(line, "\r\nConnection: close", 19) == 0)
            *out_closes = true;
    }
    return (size_t)(end + 4 - connection->in) + body;
}

static void answered(struct flood *flood, struct connection *connection, bool closes)
{
    int64_t took_ns = now_ns() - connection->due_ns;

    flood->latencies_us[flood->answered++] =
        took_ns / 1000 < UINT32_MAX ? (uint32_t)(took_ns / 1000) : UINT32_MAX;
    flood->errors += strncmp(connection->in, "HTTP/1.1 200", 12) != 0;
    if (closes || flood->options.is_fresh)
        hang_up(connection);
    add_idle(flood, connection);
}

static void receive(struct flood *flood, struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->in + connection->len,
                       sizeof(connection->in) - connection->len - 1, MSG_DONTWAIT);
    bool closes = false;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 && !connection->is_busy) {
        hang_up(connection); /* nothing was asked: it may */
        return;
    }
    if (got <= 0) {
        failed(flood, connection);
        return;
    }
    connection->len += (size_t)got;
    connection->in[connection->len] = '\0';
    size_t whole = answer_length(connection, &closes);
    if (whole > 0 && connection->len >= whole)
        answered(flood, connection, closes);
    else if (connection->len == sizeof(connection->in) - 1)
        failed(flood, connection);
}

/* Waits for answers and SIGTERM, until until_ns at most. */
static void wait_for_answers(struct flood *flood, int64_t until_ns)
{
    struct epoll_event events[EVENTS];
    int64_t wait_ns = until_ns - now_ns();
    struct timespec wait = {0};

    if (wait_ns > 0) {
        wait.tv_sec = wait_ns / NS_PER_S;
        wait.tv_nsec = wait_ns % NS_PER_S;
    }
    int ready = epoll_pwait2(flood->epoll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < ready; i++) {
        if (events[i].data.ptr == NULL)
            flood->is_stopping = true;
        else
            receive(flood, events[i].data.ptr);
    }
}

/* How many requests were due when it ended. */
static uint64_t run(struct flood *flood)
{
    const uint64_t rate = flood->options.rate;
    const uint64_t total = rate * flood->options.duration_s;
    int64_t start = now_ns();

    while (flood->sent < total && !flood->is_stopping) {
        int64_t due = start + (int64_t)(flood->sent * (uint64_t)NS_PER_S / rate);
        int64_t now = now_ns();

        if (now >= due && flood->idle_count > 0)
            send_one(flood, due);
        else
            wait_for_answers(flood, now >= due ? now + NS_PER_S : due);
    }
    int64_t end = now_ns();
    uint64_t due = (uint64_t)(end - start) * rate / NS_PER_S;
    while (flood->idle_count < flood->options.connections &&
           now_ns() < end + (int64_t)GRACE_S * NS_PER_S)
        wait_for_answers(flood, now_ns() + NS_PER_S / 10);
    return due < total ? due : total;
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double percentile_ms(const struct flood *flood, double part)
{
    return flood->answered == 0
               ? -1
               : flood->latencies_us[(size_t)(part * (double)(flood->answered - 1))] / 1e3;
}

static void print_result(struct flood *flood, uint64_t due, double wall_s)
{
    struct rusage usage;

    qsort(flood->latencies_us, flood->answered, sizeof(*flood->latencies_us), compare);
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("{\"due\":%llu,\"sent\":%llu,\"answered\":%llu,\"errors\":%llu,\"wall_s\":%.3f,"
                 "\"cpu_s\":%.4f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
                 "\"max_ms\":%.3f}\n",
                 (unsigned long long)due, (unsigned long long)flood->sent,
                 (unsigned long long)flood->answered, (unsigned long long)flood->errors, wall_s,
                 (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
                 percentile_ms(flood, 0.5), percentile_ms(flood, 0.99), percentile_ms(flood, 0.999),
                 percentile_ms(flood, 1));
}

static int flood_with(struct options options, int signal_fd, int epoll_fd)
{
    struct flood flood = {.options = options, .epoll_fd = epoll_fd};
    auto_free struct connection *connections = xcalloc(options.connections, sizeof(*connections));
    auto_free uint32_t *latencies_us =
        xcalloc(options.rate * options.duration_s, sizeof(*latencies_us));
    struct epoll_event stop = {.events = EPOLLIN | EPOLLET}; /* told once, and not read */

    flood.connections = connections;
    flood.latencies_us = latencies_us;
    flood.request_len = (size_t)snprintf(flood.request, sizeof(flood.request),
                                         "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", options.path,
                                         options.is_fresh ? "Connection: close\r\n" : "");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &stop) != 0)
        return 1;
    for (uint64_t i = 0; i < options.connections; i++) {
        connections[i].fd = -1;
        add_idle(&flood, &connections[i]);
    }
    int64_t start = now_ns();
    uint64_t due = run(&flood);
    print_result(&flood, due, (double)(now_ns() - start) / 1e9);
    for (uint64_t i = 0; i < options.connections; i++)
        hang_up(&connections[i]);
    return 0;
}

/* ---- the cheapest server ---- */

static int listen_anywhere(uint16_t *out_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        listen(fd, CONNECTIONS_MAX) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    *out_port = ntohs(address.sin_port);
    return take_fd(&fd);
}

static void take_client(int listen_fd, int epoll_fd)
{
    const int yes = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        (void)close(fd);
}

static void serve_one(int fd, const char *answer, size_t len)
{
    char request[4096];
    ssize_t got = recv(fd, request, sizeof(request), 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || send(fd, answer, len, MSG_NOSIGNAL) != (ssize_t)len)
        (void)close(fd);
}

static int serve(int signal_fd, int epoll_fd)
{
    char answer[1024];
    uint16_t port = 0;
    auto_close int listen_fd = listen_anywhere(&port);
    struct epoll_event at[2] = {{.events = EPOLLIN, .data.fd = signal_fd},
                                {.events = EPOLLIN, .data.fd = listen_fd}};
    int len = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%*s",
                       SERVED_BYTES, SERVED_BYTES, "");

    if (listen_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &at[0]) != 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &at[1]) != 0) {
        perror("http_flood: listen");
        return 1;
    }
    (void)printf("%u\n", port);
    (void)fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == signal_fd)
                return 0;
            if (events[i].data.fd == listen_fd)
                take_client(listen_fd, epoll_fd);
            else
                serve_one(events[i].data.fd, answer, (size_t)len);
        }
    }
}

static int parse_options(int argc, char **argv, struct options *out)
{
    struct err err;
    int option;

    while ((option = getopt(argc, argv, "p:r:t:c:u:1s")) != -1) {
        uint64_t *number = option == 'p'   ? &out->port
                           : option == 'r' ? &out->rate
                           : option == 't' ? &out->duration_s
                           : option == 'c' ? &out->connections
                                           : NULL;

        if (option == 'u')
            out->path = optarg;
        else if (option == '1')
            out->is_fresh = true;
        else if (option == 's')
            out->is_server = true;
        else if (number == NULL || parse_u64(optarg, number, &err) != 0 || *number == 0)
            return -1;
    }
    return (out->is_server || out->port != 0) && out->port <= UINT16_MAX &&
                   out->connections <= CONNECTIONS_MAX && out->rate <= 1000000 &&
                   out->duration_s <= 600 && strlen(out->path) < 512
               ? 0
               : -1;
}

int main(int argc, char **argv)
{
    struct options options = {
        .rate = 10000, .duration_s = 10, .connections = 32, .path = "/readyz"};
    sigset_t stop;

    if (parse_options(argc, argv, &options) != 0) {
        (void)fputs("usage: http_flood -p PORT [-r REQUESTS_PER_S] [-t SECONDS] [-c CONNECTIONS]\n"
                    "                  [-u PATH] [-1]\n"
                    "       http_flood -s\n",
                    stderr);
        return 2;
    }
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);
    auto_close int signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    auto_close int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (signal_fd < 0 || epoll_fd < 0) {
        perror("http_flood");
        return 1;
    }
    return options.is_server ? serve(signal_fd, epoll_fd)
                             : flood_with(options, signal_fd, epoll_fd);
}
