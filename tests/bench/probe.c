/*
 * How long requests to a Redis take while something else uses the machine: an open loop. Requests
 * are due at fixed times, whatever the answers do, and a latency counts from the time that a
 * request was due, so a stalled server is charged for all that it kept waiting. GET and SET in
 * turn, round robin over the connections. Prints percentiles as JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/parse.h"

enum { PENDING_MAX = 8192, INPUT_SIZE = 16384, EVENTS = 64, NS_PER_S = 1000000000, GRACE_S = 10 };

struct options {
    uint64_t port;
    uint64_t rate;
    uint64_t duration_s;
    uint64_t connections;
    uint64_t keys;
    uint64_t value_bytes;
};

struct connection {
    int fd;
    unsigned head, count; /* of due[], a ring: the requests not yet answered */
    int64_t due[PENDING_MAX];
    size_t value_left; /* bytes of a bulk string, with its CRLF, still to come */
    size_t len;
    char in[INPUT_SIZE];
};

struct probe {
    struct options options;
    struct connection *connections;
    char *value;
    char *request;
    int64_t *latencies;
    uint64_t sent, answered, errors;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int connect_one(uint64_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0) {
        perror("probe: connect");
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

/* Sends request number n. A request is small: a socket that does not take it whole is stuck. */
static int send_request(struct probe *probe, uint64_t n, int64_t due_ns)
{
    struct connection *connection = &probe->connections[n % probe->options.connections];
    /* a stride, so that requests do not walk the keys in their order */
    unsigned long long key = n * 7919 % probe->options.keys;
    size_t size = probe->options.value_bytes + 256;
    int len = n % 2 == 0
                  ? snprintf(probe->request, size, "*2\r\n$3\r\nGET\r\n$12\r\nkey:%08llu\r\n", key)
                  : snprintf(probe->request, size,
                             "*3\r\n$3\r\nSET\r\n$12\r\nkey:%08llu\r\n$%llu\r\n%s\r\n", key,
                             (unsigned long long)probe->options.value_bytes, probe->value);

    if (connection->count == PENDING_MAX ||
        send(connection->fd, probe->request, (size_t)len, MSG_NOSIGNAL) != len) {
        (void)fprintf(stderr, "probe: the server stopped taking requests\n");
        return -1;
    }
    connection->due[(connection->head + connection->count++) % PENDING_MAX] = due_ns;
    return 0;
}

static void answered(struct probe *probe, struct connection *connection, int64_t at_ns)
{
    if (connection->count == 0)
        return; /* an answer to no question: seen as an error in the totals */
    probe->latencies[probe->answered++] = at_ns - connection->due[connection->head];
    connection->head = (connection->head + 1) % PENDING_MAX;
    connection->count--;
}

/* Uses up the whole answers in the buffer: "+OK", "-ERR ...", "$-1", "$n" with its bytes. */
static int parse_answers(struct probe *probe, struct connection *connection, int64_t at_ns)
{
    size_t used = 0;

    for (;;) {
        if (connection->value_left > 0) {
            size_t ready = connection->len - used;
            size_t take = ready < connection->value_left ? ready : connection->value_left;

            used += take;
            connection->value_left -= take;
            if (connection->value_left > 0)
                break;
            answered(probe, connection, at_ns);
        }

        char *line = connection->in + used;
        char *end = memchr(line, '\n', connection->len - used);
        struct err err;
        uint64_t len;
        if (end == NULL || end == line)
            break;
        end[-1] = '\0';
        used += (size_t)(end + 1 - line);
        if (line[0] == '$' && parse_u64(line + 1, &len, &err) == 0) {
            connection->value_left = (size_t)len + 2;
            continue;
        }
        probe->errors += line[0] != '+' && line[0] != '$';
        answered(probe, connection, at_ns);
    }
    memmove(connection->in, connection->in + used, connection->len - used);
    connection->len -= used;
    return connection->len < sizeof(connection->in) ? 0 : -1;
}

static int receive(struct probe *probe, struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->in + connection->len,
                       sizeof(connection->in) - connection->len, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        (void)fprintf(stderr, "probe: the server closed a connection\n");
        return -1;
    }
    connection->len += (size_t)got;
    return parse_answers(probe, connection, now_ns());
}

/* Waits for answers, until until_ns at most. */
static int wait_for_answers(struct probe *probe, int epoll_fd, int64_t until_ns)
{
    struct epoll_event events[EVENTS];
    int64_t wait_ns = until_ns - now_ns();
    struct timespec wait = {0};

    if (wait_ns > 0) {
        wait.tv_sec = wait_ns / NS_PER_S;
        wait.tv_nsec = wait_ns % NS_PER_S;
    }
    int ready = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < ready; i++) {
        if (receive(probe, events[i].data.ptr) != 0)
            return -1;
    }
    return 0;
}

static int run(struct probe *probe, int epoll_fd)
{
    uint64_t total = probe->options.rate * probe->options.duration_s;
    int64_t start = now_ns();

    while (probe->sent < total) {
        int64_t due = start + (int64_t)(probe->sent * (uint64_t)NS_PER_S / probe->options.rate);

        if (now_ns() < due) {
            if (wait_for_answers(probe, epoll_fd, due) != 0)
                return -1;
            continue;
        }
        if (send_request(probe, probe->sent, due) != 0)
            return -1;
        probe->sent++;
    }
    int64_t give_up = now_ns() + (int64_t)GRACE_S * NS_PER_S;
    while (probe->answered < probe->sent && now_ns() < give_up) {
        if (wait_for_answers(probe, epoll_fd, give_up) != 0)
            return -1;
    }
    return probe->answered == probe->sent ? 0 : -1;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double percentile_ms(const struct probe *probe, double part)
{
    size_t i = (size_t)(part * (double)(probe->answered - 1));

    return (double)probe->latencies[i] / 1e6;
}

static int parse_options(int argc, char **argv, struct options *out)
{
    struct err err;
    int option;

    while ((option = getopt(argc, argv, "p:r:t:c:k:v:")) != -1) {
        uint64_t *number = option == 'p'   ? &out->port
                           : option == 'r' ? &out->rate
                           : option == 't' ? &out->duration_s
                           : option == 'c' ? &out->connections
                           : option == 'k' ? &out->keys
                           : option == 'v' ? &out->value_bytes
                                           : NULL;

        if (number == NULL || parse_u64(optarg, number, &err) != 0 || *number == 0)
            return -1;
    }
    return out->port != 0 && out->port <= UINT16_MAX && out->connections <= EVENTS &&
                   out->value_bytes < INPUT_SIZE / 2 && out->keys <= 100000000 &&
                   out->rate <= 1000000 && out->duration_s <= 600
               ? 0
               : -1;
}

static int open_connections(struct probe *probe, int epoll_fd)
{
    for (uint64_t i = 0; i < probe->options.connections; i++) {
        struct connection *connection = &probe->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        connection->fd = connect_one(probe->options.port);
        if (connection->fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct probe probe = {
        .options =
            {.rate = 15000, .duration_s = 6, .connections = 10, .keys = 100000, .value_bytes = 256},
    };

    if (parse_options(argc, argv, &probe.options) != 0) {
        (void)fputs("usage: probe -p PORT [-r REQUESTS_PER_S] [-t SECONDS] [-c CONNECTIONS]\n"
                    "             [-k KEYS] [-v VALUE_BYTES]\n",
                    stderr);
        return 2;
    }
    auto_free struct connection *connections =
        xcalloc(probe.options.connections, sizeof(*connections));
    auto_free char *value = xcalloc(1, probe.options.value_bytes + 1);
    auto_free char *request = xcalloc(1, probe.options.value_bytes + 256);
    auto_free int64_t *latencies =
        xcalloc(probe.options.rate * probe.options.duration_s, sizeof(*latencies));
    auto_close int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    probe.connections = connections;
    probe.value = value;
    probe.request = request;
    probe.latencies = latencies;
    memset(value, 'v', probe.options.value_bytes);
    if (open_connections(&probe, epoll_fd) != 0 || run(&probe, epoll_fd) != 0)
        return 1;
    qsort(latencies, probe.answered, sizeof(*latencies), compare);
    printf("{\"requests\":%llu,\"errors\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
           "\"max_ms\":%.3f}\n",
           (unsigned long long)probe.answered, (unsigned long long)probe.errors,
           percentile_ms(&probe, 0.5), percentile_ms(&probe, 0.99), percentile_ms(&probe, 0.999),
           percentile_ms(&probe, 1));
    return probe.errors == 0 ? 0 : 1;
}
