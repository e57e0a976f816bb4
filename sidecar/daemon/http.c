/*
 * How it is bounded. libmicrohttpd knows a limit of connections, behind which new clients wait, and
 * a time-out that every byte begins anew: both let a few slow clients keep everybody out. So this
 * file keeps a list of its clients, in the order in which their time began (accepted, or answered),
 * and drops one by shutdown(2): the library then sees the end of the connection and cleans up in
 * its own thread. A client leaves the list in the library's "closed" notice, which comes before the
 * descriptor is closed, so that under the lock a descriptor on the list is always the client's own.
 *
 * The memory of a connection is a pool of fixed size; answers that are not read yet are counted
 * together, and the oldest is dropped when they are too many.
 */
#include "daemon/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"

enum {
    CONNECTIONS_MAX = 64,
    REQUEST_MS = 5000,
    CONNECTION_BYTES = 16 * 1024, /* heads of a request and of its answer */
    REQUEST_BODY_MAX = 4 * 1024,
    ANSWERS_BYTES_MAX = 8 * 1024 * 1024, /* that are not read yet, all together */
    STACK_BYTES = 256 * 1024,
    LOG_LINE_MAX = 512,
};

struct client {
    TAILQ_ENTRY(client) link;
    int fd;
    int64_t since_ms;    /* accepted, or had its last answer */
    uint64_t body_bytes; /* of the request, so far */
    size_t answer_bytes; /* of the answer that is being sent; 0 once it is dropped */
    bool is_idle;        /* it has its answer, and sent no whole head since */
    bool is_dropped;     /* shut down; the library will say when it is closed */
};

struct http {
    struct MHD_Daemon *daemon;
    struct http_options options;
    struct secret token;
    char *address;
    pthread_mutex_t lock;                /* over all below */
    TAILQ_HEAD(clients, client) clients; /* by since_ms, the oldest first */
    unsigned live;                       /* clients that are not dropped */
    size_t answers_bytes;
    uint64_t requests;
    uint64_t refused;
};

/* Under the lock. */
static void drop(struct http *http, struct client *client)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    client->is_dropped = true;
    http->live--;
    if (!client->is_idle) {
        http->refused++;
        /* what it does not read is not to stay in the kernel either */
        (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    http->answers_bytes -= client->answer_bytes;
    client->answer_bytes = 0;
    (void)shutdown(client->fd, SHUT_RDWR); /* fails when it has gone by itself, which is as good */
}

/* The one to do without when there are too many. Under the lock. */
static void drop_one(struct http *http, bool has_answer)
{
    struct client *victim = NULL;

    for (struct client *client = TAILQ_FIRST(&http->clients); client != NULL;
         client = TAILQ_NEXT(client, link)) {
        if (client->is_dropped || (has_answer && client->answer_bytes == 0))
            continue;
        if (victim == NULL || (client->is_idle && !victim->is_idle))
            victim = client;
    }
    if (victim != NULL)
        drop(http, victim);
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

static struct client *begin_client(struct http *http, struct MHD_Connection *connection)
{
    struct client *client = xcalloc(1, sizeof(*client));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    client->fd = info->connect_fd;
    client->since_ms = clock_mono_ms(http->options.clock);
    (void)pthread_mutex_lock(&http->lock);
    TAILQ_INSERT_TAIL(&http->clients, client, link);
    http->live++;
    if (http->live > http->options.connections_max)
        drop_one(http, false);
    (void)pthread_mutex_unlock(&http->lock);
    return client;
}

static void end_client(struct http *http, struct client *client)
{
    (void)pthread_mutex_lock(&http->lock);
    TAILQ_REMOVE(&http->clients, client, link);
    if (!client->is_dropped)
        http->live--;
    http->answers_bytes -= client->answer_bytes;
    (void)pthread_mutex_unlock(&http->lock);
    free(client);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *socket_context = begin_client(context, connection);
    else
        end_client(context, *socket_context);
}

/* A request that the handler has seen is over: its answer was sent, or the client is gone. */
static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    struct http *http = context;
    struct client *client = client_of(connection);

    (void)request_context;
    (void)pthread_mutex_lock(&http->lock);
    http->answers_bytes -= client->answer_bytes;
    client->answer_bytes = 0;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        http->requests++;
        client->is_idle = true;
        client->since_ms = clock_mono_ms(http->options.clock);
        TAILQ_REMOVE(&http->clients, client, link);
        TAILQ_INSERT_TAIL(&http->clients, client, link);
    }
    (void)pthread_mutex_unlock(&http->lock);
}

/* Takes as long for each token of the right length, however much of it is right. */
static bool is_same(const char *given, size_t given_len, const struct secret *token)
{
    volatile unsigned char differs = given_len != token->len;

    for (size_t i = 0; i < given_len; i++)
        differs = (unsigned char)(differs | (given[i] ^ token->text[i % token->len]));
    return differs == 0;
}

static bool is_authorized(const struct http *http, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *value =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

    if (http->token.len == 0 || value == NULL ||
        strncasecmp(value, scheme, sizeof(scheme) - 1) != 0)
        return false;
    value += sizeof(scheme) - 1;
    return is_same(value, strlen(value), &http->token);
}

static bool add_headers(struct MHD_Response *response, const struct http_response *from,
                        bool keep_alive)
{
    const char *type = from->content_type;
    bool is_page = type != NULL && strncmp(type, "text/html", 9) == 0;
    char retry_after[16];
    const struct {
        const char *name;
        const char *value; /* NULL: left out */
    } rows[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, type},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff"},
        {MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY,
         is_page ? "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
                   "form-action 'none'; frame-ancestors 'none'"
                 : NULL},
        {MHD_HTTP_HEADER_ALLOW, from->allow},
        {MHD_HTTP_HEADER_RETRY_AFTER, from->retry_after_s > 0 ? retry_after : NULL},
        {MHD_HTTP_HEADER_WWW_AUTHENTICATE, from->status == MHD_HTTP_UNAUTHORIZED ? "Bearer" : NULL},
        {MHD_HTTP_HEADER_CONNECTION, keep_alive ? NULL : "close"},
    };

    (void)snprintf(retry_after, sizeof(retry_after), "%u", from->retry_after_s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value != NULL &&
            MHD_add_response_header(response, rows[i].name, rows[i].value) != MHD_YES)
            return false;
    }
    return true;
}

static void note_request(struct http *http, struct client *client)
{
    client->body_bytes = 0;
    (void)pthread_mutex_lock(&http->lock);
    client->is_idle = false;
    (void)pthread_mutex_unlock(&http->lock);
}

/* Counts the answer; false when so many connections are taken that this one is not to stay. */
static bool note_answer(struct http *http, struct client *client, size_t bytes)
{
    unsigned max = http->options.connections_max;
    bool keep_alive;

    (void)pthread_mutex_lock(&http->lock);
    while (http->answers_bytes > 0 && http->answers_bytes + bytes > ANSWERS_BYTES_MAX)
        drop_one(http, true);
    client->answer_bytes = bytes;
    http->answers_bytes += bytes;
    keep_alive = http->live <= max - max / 4;
    (void)pthread_mutex_unlock(&http->lock);
    return keep_alive;
}

/* Takes the body out of answer. */
static enum MHD_Result send_answer(struct http *http, struct MHD_Connection *connection,
                                   struct http_response *answer)
{
    size_t len = answer->body.len;
    bool keep_alive = note_answer(http, client_of(connection), len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, answer->body.data, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result rc = MHD_NO;

    if (response == NULL)
        return MHD_NO; /* the connection is closed */
    answer->body.data = NULL;
    if (add_headers(response, answer, keep_alive))
        rc = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response); /* the connection has a reference of its own */
    return rc;
}

static enum MHD_Result refuse_body(struct http *http, struct MHD_Connection *connection)
{
    static const char text[] = "A request may carry 4 KiB.\n";
    struct http_response answer = {.status = MHD_HTTP_CONTENT_TOO_LARGE,
                                   .content_type = "text/plain; charset=utf-8"};
    enum MHD_Result rc;
    struct err ignored;

    buf_init(&answer.body, sizeof(text));
    (void)buf_append(&answer.body, text, sizeof(text) - 1, &ignored); /* it has the room */
    rc = send_answer(http, connection, &answer);
    buf_release(&answer.body);
    return rc;
}

static bool is_too_long(struct MHD_Connection *connection)
{
    const char *text =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t bytes = 0;
    struct err ignored;

    return text != NULL && (parse_u64(text, &bytes, &ignored) != 0 || bytes > REQUEST_BODY_MAX);
}

static enum MHD_Result ask_handler(struct http *http, struct MHD_Connection *connection,
                                   const char *method, const char *path)
{
    const struct http_request request = {
        .method = method,
        .path = path,
        .is_authorized = is_authorized(http, connection),
    };
    struct http_response answer = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    enum MHD_Result rc;

    buf_init(&answer.body, HTTP_BODY_MAX);
    http->options.handle(http->options.context, &request, &answer);
    log_debug("http: %.16s %.128s: %u", method, path, answer.status);
    rc = send_answer(http, connection, &answer);
    buf_release(&answer.body);
    return rc;
}

/* Called with the head of a request, then with each piece of its body, then once more. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_len, void **request_context)
{
    struct client *client = client_of(connection);

    (void)version;
    (void)body;
    if (*request_context == NULL) {
        *request_context = client;
        note_request(context, client);
        return is_too_long(connection) ? refuse_body(context, connection) : MHD_YES;
    }
    if (*body_len == 0)
        return ask_handler(context, connection, method, path);
    client->body_bytes += *body_len;
    *body_len = 0;
    /* a body of no stated length: in the middle of it the library can only hang up */
    return client->body_bytes <= REQUEST_BODY_MAX ? MHD_YES : MHD_NO;
}

/* What the library has to say is about its clients, and for nobody's alarm. */
__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list arguments)
{
    char line[LOG_LINE_MAX];

    (void)context;
    (void)vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    log_debug("http: %s", line);
}

/* Signals are the business of the threads that know what to do with them. */
static struct MHD_Daemon *start_daemon(struct http *http, int fd)
{
    struct MHD_Daemon *daemon;
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        /* one more than we keep: the one that gets in while another is being dropped */
        MHD_OPTION_CONNECTION_LIMIT, http->options.connections_max + 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)STACK_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

int http_new(const struct http_options *options, struct http **out, struct err *err)
{
    auto_http struct http *http = xcalloc(1, sizeof(*http));
    int fd = -1;

    http->options = *options;
    if (http->options.connections_max == 0)
        http->options.connections_max = CONNECTIONS_MAX;
    if (http->options.request_ms == 0)
        http->options.request_ms = REQUEST_MS;
    if (http->options.clock == NULL)
        http->options.clock = clock_system();
    if (options->token != NULL)
        secret_copy(&http->token, options->token);
    (void)pthread_mutex_init(&http->lock, NULL);
    TAILQ_INIT(&http->clients);
    if (http_listen_open(options->listen, &fd, &http->address, err) != 0)
        return -1;
    /* the library owns the socket from here on, also when it fails to start */
    http->daemon = start_daemon(http, fd);
    if (http->daemon == NULL)
        return err_sys(err, ERR_FAILED, "start the HTTP listener at %s", http->address);
    *out = TAKE_PTR(http);
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;

    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    (void)pthread_mutex_destroy(&http->lock);
    secret_release(&http->token);
    free(http->address);
    free(http);
}

const char *http_address(const struct http *http)
{
    return http->address;
}

void http_reap(struct http *http)
{
    int64_t now_ms = clock_mono_ms(http->options.clock);

    (void)pthread_mutex_lock(&http->lock);
    for (struct client *client = TAILQ_FIRST(&http->clients); client != NULL;
         client = TAILQ_NEXT(client, link)) {
        if (now_ms - client->since_ms < http->options.request_ms)
            break;
        if (!client->is_dropped)
            drop(http, client);
    }
    (void)pthread_mutex_unlock(&http->lock);
}

void http_counts(struct http *http, uint64_t *out_requests, uint64_t *out_refused)
{
    (void)pthread_mutex_lock(&http->lock);
    *out_requests = http->requests;
    *out_refused = http->refused;
    (void)pthread_mutex_unlock(&http->lock);
}
