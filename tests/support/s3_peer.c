/*
 * One thread accepts, one serves each connection, request after request. The rules, the log and the
 * bucket are under one lock; sockets are read and written without it.
 */
#include "support/s3_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/s3_peer_bucket.h"
#include "support/s3_peer_http.h"

enum { MAX_RULES = 32, MAX_TEXTS = 512, MAX_LOG = 8192, MAX_CONNECTIONS = 1024 };

struct seen {
    char *line; /* "METHOD /target" */
    char *head;
    char *body; /* the first bytes of it, as text */
};

struct live_rule {
    struct s3_peer_rule rule;
    unsigned matched;
};

struct connection {
    struct s3_peer *peer;
    int fd;
    pthread_t thread;
};

struct s3_peer {
    int listen_fd;
    char url[64];
    pthread_t acceptor;
    pthread_mutex_t lock; /* over all below */
    struct live_rule rules[MAX_RULES];
    unsigned rule_count;
    char *texts[MAX_TEXTS]; /* of all rules there ever were: a thread may still be sending one */
    unsigned text_count;
    unsigned fault_count;
    struct seen log[MAX_LOG];
    unsigned log_count;
    struct connection connections[MAX_CONNECTIONS];
    unsigned connection_count;
    struct peer_bucket bucket;
};

static bool send_all(int fd, const void *data, size_t len)
{
    const char *from = data;

    while (len > 0) {
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        from += n;
        len -= (size_t)n;
    }
    return true;
}

/* Closing with a linger time of zero sends RST. */
static void reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Waits until the other side has had enough, or the peer is freed. */
static void wait_for_hangup(int fd)
{
    char scrap[4096];

    while (recv(fd, scrap, sizeof(scrap), 0) > 0)
        ;
}

/* Notes the request, and picks the rule that applies to it. */
static struct s3_peer_rule judge(struct s3_peer *peer, const struct peer_incoming *in)
{
    auto_free char *line = xasprintf("%s %s", in->method, in->target);
    struct s3_peer_rule verdict = {.fault = PEER_OBEY};

    (void)pthread_mutex_lock(&peer->lock);
    for (unsigned i = 0; i < peer->rule_count && verdict.fault == PEER_OBEY; i++) {
        struct live_rule *live = &peer->rules[i];

        if (live->rule.match != NULL && strstr(line, live->rule.match) == NULL)
            continue;
        live->matched++;
        if (live->matched > live->rule.skip &&
            (live->rule.times == 0 || live->matched <= live->rule.skip + live->rule.times))
            verdict = live->rule;
    }
    if (verdict.fault != PEER_OBEY)
        peer->fault_count++;
    if (peer->log_count < MAX_LOG)
        peer->log[peer->log_count++] =
            (struct seen){.line = TAKE_PTR(line), .head = xstrndup(in->head, in->head_len)};
    (void)pthread_mutex_unlock(&peer->lock);
    return verdict;
}

static void note_body(struct s3_peer *peer, const struct peer_incoming *in)
{
    (void)pthread_mutex_lock(&peer->lock);
    for (unsigned i = peer->log_count; i-- > 0;)
        if (peer->log[i].body == NULL && strstr(peer->log[i].line, in->target) != NULL) {
            peer->log[i].body = xstrndup((const char *)in->body, 4096);
            break;
        }
    (void)pthread_mutex_unlock(&peer->lock);
}

static void format_whole(const struct peer_incoming *in, struct peer_answer *answer,
                         struct buf *out)
{
    struct err ignored;
    bool is_head = strcmp(in->method, "HEAD") == 0;
    size_t length =
        is_head && answer->status == 200 ? (size_t)answer->head_length : answer->body.len;

    (void)buf_printf(out, &ignored, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n",
                     answer->status, length, answer->headers);
    if (!is_head)
        (void)buf_append(out, answer->body.data, answer->body.len, &ignored);
}

static void obey(struct s3_peer *peer, const struct peer_incoming *in, struct buf *out)
{
    auto_free char *range = peer_copy_header(in, "Range");
    auto_free char *if_match = peer_copy_header(in, "If-Match");
    auto_free char *if_none_match = peer_copy_header(in, "If-None-Match");
    struct peer_answer answer = {0};
    const struct peer_request request = {
        .method = in->method,
        .path = in->path,
        .query = in->query,
        .range = range,
        .if_match = if_match,
        .if_none_match = if_none_match,
        .body = in->body,
        .body_len = in->body_len,
    };

    buf_init(&answer.body, SIZE_MAX / 4);
    if (peer_has_right_digest(in)) {
        (void)pthread_mutex_lock(&peer->lock);
        peer_bucket_do(&peer->bucket, &request, &answer);
        (void)pthread_mutex_unlock(&peer->lock);
    } else {
        answer.status = 400;
    }
    format_whole(in, &answer, out);
    buf_release(&answer.body);
}

static bool send_answer(int fd, const struct s3_peer_rule *rule, const struct buf *answer)
{
    size_t half = answer->len / 2;

    switch (rule->fault) {
    case PEER_OBEY:
        return send_all(fd, answer->data, answer->len);
    case PEER_RESET_ANSWER:
        (void)send_all(fd, answer->data, half);
        reset(fd);
        return false;
    case PEER_CUT:
        (void)send_all(fd, answer->data, answer->len - 1);
        return false;
    case PEER_LOSE:
        reset(fd);
        return false;
    case PEER_DRIP:
        for (size_t i = 0; i < answer->len; i++) {
            struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

            if (!send_all(fd, answer->data + i, 1) || poll(&poll_fd, 1, 200) != 0)
                return false;
        }
        return true;
    case PEER_ANSWER:
    case PEER_EARLY:
    case PEER_RESET_BODY:
    case PEER_STALL:
        break;
    }
    return false;
}

/* One request; false when the connection is over. */
static bool serve(struct s3_peer *peer, int fd, struct peer_incoming *in)
{
    struct s3_peer_rule rule;
    auto_buf struct buf answer;

    buf_init(&answer, SIZE_MAX / 4);
    if (!peer_read_head(fd, in))
        return false;
    rule = judge(peer, in);
    if (rule.fault == PEER_EARLY) {
        (void)send_all(fd, rule.text, strlen(rule.text));
        wait_for_hangup(fd);
        return false;
    }
    if (rule.fault == PEER_RESET_BODY) {
        (void)peer_read_body(fd, in, in->body_len / 2);
        reset(fd);
        return false;
    }
    if (!peer_read_body(fd, in, in->body_len))
        return false;
    note_body(peer, in);
    if (rule.fault == PEER_STALL) {
        wait_for_hangup(fd);
        return false;
    }
    if (rule.fault == PEER_ANSWER)
        return send_all(fd, rule.text, strlen(rule.text));
    obey(peer, in, &answer);
    return send_answer(fd, &rule, &answer);
}

static void *run_connection(void *context)
{
    struct connection *connection = context;
    struct peer_incoming *in = xcalloc(1, sizeof(*in));
    bool more = true;

    while (more) {
        more = serve(connection->peer, connection->fd, in);
        free(in->body);
        memset(in, 0, sizeof(*in));
    }
    free(in);
    (void)pthread_mutex_lock(&connection->peer->lock);
    (void)close(connection->fd);
    connection->fd = -1;
    (void)pthread_mutex_unlock(&connection->peer->lock);
    return NULL;
}

static void *run_acceptor(void *context)
{
    struct s3_peer *peer = context;
    const int on = 1;
    int fd;

    while ((fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *connection;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)pthread_mutex_lock(&peer->lock);
        if (peer->connection_count == MAX_CONNECTIONS)
            abort(); /* a test that needs more changes the number */
        connection = &peer->connections[peer->connection_count++];
        *connection = (struct connection){.peer = peer, .fd = fd};
        if (pthread_create(&connection->thread, NULL, run_connection, connection) != 0)
            abort();
        (void)pthread_mutex_unlock(&peer->lock);
    }
    return NULL;
}

struct s3_peer *s3_peer_new(void)
{
    struct s3_peer *peer = xcalloc(1, sizeof(*peer));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    (void)pthread_mutex_init(&peer->lock, NULL);
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->listen_fd < 0 ||
        bind(peer->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(peer->listen_fd, 64) != 0 ||
        getsockname(peer->listen_fd, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&peer->acceptor, NULL, run_acceptor, peer) != 0)
        abort();
    (void)snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    return peer;
}

void s3_peer_free(struct s3_peer *peer)
{
    (void)shutdown(peer->listen_fd, SHUT_RDWR);
    (void)pthread_join(peer->acceptor, NULL);
    (void)close(peer->listen_fd);
    (void)pthread_mutex_lock(&peer->lock);
    for (unsigned i = 0; i < peer->connection_count; i++)
        if (peer->connections[i].fd >= 0)
            (void)shutdown(peer->connections[i].fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&peer->lock);
    for (unsigned i = 0; i < peer->connection_count; i++)
        (void)pthread_join(peer->connections[i].thread, NULL);
    for (unsigned i = 0; i < peer->text_count; i++)
        free(peer->texts[i]);
    for (unsigned i = 0; i < peer->log_count; i++) {
        free(peer->log[i].line);
        free(peer->log[i].head);
        free(peer->log[i].body);
    }
    peer_bucket_release(&peer->bucket);
    (void)pthread_mutex_destroy(&peer->lock);
    free(peer);
}

const char *s3_peer_get_url(const struct s3_peer *peer)
{
    return peer->url;
}

void s3_peer_add_rule(struct s3_peer *peer, const struct s3_peer_rule *rule)
{
    (void)pthread_mutex_lock(&peer->lock);
    if (peer->rule_count == MAX_RULES || peer->text_count == MAX_TEXTS)
        abort();
    peer->rules[peer->rule_count] = (struct live_rule){.rule = *rule};
    if (rule->text != NULL) {
        peer->texts[peer->text_count] = xstrdup(rule->text);
        peer->rules[peer->rule_count].rule.text = peer->texts[peer->text_count++];
    }
    peer->rule_count++;
    (void)pthread_mutex_unlock(&peer->lock);
}

void s3_peer_clear_rules(struct s3_peer *peer)
{
    (void)pthread_mutex_lock(&peer->lock);
    peer->rule_count = 0;
    peer->fault_count = 0;
    (void)pthread_mutex_unlock(&peer->lock);
}

static unsigned read_count(struct s3_peer *peer, const unsigned *count)
{
    unsigned value;

    (void)pthread_mutex_lock(&peer->lock);
    value = *count;
    (void)pthread_mutex_unlock(&peer->lock);
    return value;
}

unsigned s3_peer_count_faults(struct s3_peer *peer)
{
    return read_count(peer, &peer->fault_count);
}

unsigned s3_peer_count_connections(struct s3_peer *peer)
{
    return read_count(peer, &peer->connection_count);
}

unsigned s3_peer_count(struct s3_peer *peer, const char *match)
{
    unsigned count = 0;

    (void)pthread_mutex_lock(&peer->lock);
    for (unsigned i = 0; i < peer->log_count; i++)
        count += match == NULL || strstr(peer->log[i].line, match) != NULL ? 1 : 0;
    (void)pthread_mutex_unlock(&peer->lock);
    return count;
}

static size_t count_kind(struct s3_peer *peer, bool uploads)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < peer->bucket.count; i++)
        count += (peer->bucket.objects[i].upload_id != NULL) == uploads ? 1 : 0;
    (void)pthread_mutex_unlock(&peer->lock);
    return count;
}

size_t s3_peer_count_objects(struct s3_peer *peer)
{
    return count_kind(peer, false);
}

size_t s3_peer_count_uploads(struct s3_peer *peer)
{
    return count_kind(peer, true);
}

bool s3_peer_has(struct s3_peer *peer, const char *path, const void *data, size_t len)
{
    const struct peer_object *object;
    bool has;

    (void)pthread_mutex_lock(&peer->lock);
    object = peer_bucket_find(&peer->bucket, path, NULL, 0);
    has = object != NULL && object->data.len == len &&
          (len == 0 || memcmp(object->data.data, data, len) == 0);
    (void)pthread_mutex_unlock(&peer->lock);
    return has;
}

void s3_peer_put(struct s3_peer *peer, const char *path, const void *data, size_t len)
{
    (void)pthread_mutex_lock(&peer->lock);
    (void)peer_bucket_put(&peer->bucket, path, data, len);
    (void)pthread_mutex_unlock(&peer->lock);
}

static char *copy_last(struct s3_peer *peer, const char *match, bool body)
{
    char *copy = NULL;

    (void)pthread_mutex_lock(&peer->lock);
    for (unsigned i = peer->log_count; i-- > 0 && copy == NULL;)
        if (strstr(peer->log[i].line, match) != NULL) {
            const char *text = body ? peer->log[i].body : peer->log[i].head;

            copy = xstrdup(text != NULL ? text : "");
        }
    (void)pthread_mutex_unlock(&peer->lock);
    return copy;
}

char *s3_peer_copy_head(struct s3_peer *peer, const char *match)
{
    return copy_last(peer, match, false);
}

char *s3_peer_copy_body(struct s3_peer *peer, const char *match)
{
    return copy_last(peer, match, true);
}

char *s3_peer_format_answer(int status, const char *more_headers, const char *body)
{
    return xasprintf("HTTP/1.1 %d Whatever\r\n%sContent-Length: %zu\r\n\r\n%s", status,
                     more_headers, strlen(body), body);
}

char *s3_peer_format_error(int status, const char *code, const char *more_headers)
{
    auto_free char *body = xasprintf("<?xml version=\"1.0\"?>\n<Error><Code>%s</Code>"
                                     "<Message>said the peer</Message></Error>",
                                     code);

    return s3_peer_format_answer(status, more_headers, body);
}
