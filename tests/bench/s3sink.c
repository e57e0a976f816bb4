/*
 * An S3 server in memory for benchmarks: fast enough not to be what is measured, or as slow as a
 * remote is said to be (-L, -B). It answers what redkeep, aws, rclone and restic ask; every bucket
 * exists, no signature is checked, an ETag looks like a multipart one so that nobody takes it for
 * an MD5. Loopback only, a thread for each connection.
 *
 * Beside S3: GET /-/stats (JSON), POST /-/reset (forgets all objects, keeps the memory).
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/parse.h"
#include "support/s3sink_http.h"
#include "support/s3sink_list.h"
#include "support/s3sink_store.h"

enum {
    CONNECTIONS_MAX = 256,
    STACK_BYTES = 256 << 10,
    RECEIVE_BUFFER = 4 << 20,
    SLOW_RECEIVE_BUFFER = 256 << 10, /* a large one would swallow a part before the line is slow */
    IDLE_S = 300,
    ANSWER_MAX = 4 << 20,
};

struct options {
    uint64_t port;
    uint64_t delay_ms;
    uint64_t rate;
    uint64_t max_bytes;
    bool discard;
};

struct server {
    struct options options;
    struct sink_store *store;
    atomic_uint connections;
    atomic_ullong received_bytes;
    atomic_ullong requests;
};

struct client { /* one connection with the request that it serves */
    struct server *server;
    struct sink_conn conn;
    struct sink_request request;
};

static int answer(struct client *client, const struct sink_answer *text)
{
    uint64_t delay_ms = client->server->options.delay_ms;
    struct timespec delay = {(time_t)(delay_ms / 1000), (long)(delay_ms % 1000) * 1000000};

    if (delay_ms != 0)
        (void)nanosleep(&delay, NULL); /* cut short by a signal: the process is ending */
    return sink_send_answer(&client->conn, text);
}

static int answer_text(struct client *client, unsigned status, const char *body)
{
    const struct sink_answer text = {
        .status = status, .headers = "Content-Type: application/xml\r\n", .body = body};

    return answer(client, &text);
}

static int answer_empty(struct client *client, unsigned status)
{
    const struct sink_answer empty = {.status = status, .headers = ""};

    return answer(client, &empty);
}

static int answer_error(struct client *client, unsigned status, const char *code)
{
    auto_free char *body = xasprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code></Error>", code);

    return answer_text(client, status, body);
}

static int answer_etag(struct client *client, uint64_t serial)
{
    char headers[128];

    (void)snprintf(headers, sizeof(headers), "ETag: \"%032llx-1\"\r\n", (unsigned long long)serial);
    const struct sink_answer etag = {.status = 200, .headers = headers};
    return answer(client, &etag);
}

/* Receives len bytes of decoded body at offset of body (NULL: nowhere). */
static int receive_piece(struct client *client, struct sink_body *body, uint64_t offset,
                         uint64_t len)
{
    char nowhere[4096];

    while (len > 0) {
        size_t room = sizeof(nowhere);
        void *to = body != NULL ? (void *)sink_body_at(client->server->store, body, offset, &room)
                                : nowhere;

        if (room > len)
            room = (size_t)len;
        if (sink_receive(&client->conn, to, room) != 0)
            return -1;
        offset += room;
        len -= room;
    }
    return 0;
}

static int receive_chunks(struct client *client, struct sink_body *body, uint64_t size)
{
    uint64_t offset = 0, len;

    for (;;) {
        if (sink_receive_chunk_head(&client->conn, &len) != 0 || len > size - offset)
            return -1;
        if (len == 0)
            return offset == size ? 0 : -1;
        if (receive_piece(client, body, offset, len) != 0 ||
            sink_receive_chunk_end(&client->conn) != 0)
            return -1;
        offset += len;
    }
}

/* The request's body into body, or nowhere when that is NULL. */
static int receive_body(struct client *client, struct sink_body *body)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct sink_request *request = &client->request;

    if (request->expects_continue && sink_send(&client->conn, go_on, strlen(go_on)) != 0)
        return -1;
    atomic_fetch_add(&client->server->received_bytes, request->body_bytes);
    if (request->aws_chunked)
        return receive_chunks(client, body, request->body_bytes);
    return receive_piece(client, body, 0, request->body_bytes);
}

static int put_object(struct client *client)
{
    struct sink_store *store = client->server->store;
    struct sink_request *request = &client->request;
    struct sink_body *body = sink_body_new(store, request->body_bytes);
    char id_text[32], number_text[32];
    uint64_t id = 0, number = 0;
    struct err err;

    if (body == NULL) {
        (void)answer_error(client, 507, "ServiceUnavailable");
        return -1; /* the body was not read: the connection is of no more use */
    }
    if (receive_body(client, body) != 0) {
        sink_body_free(store, body);
        return -1;
    }
    if (!sink_query(request, "uploadId", id_text, sizeof(id_text)))
        return answer_etag(client, sink_store_put(store, request->path, request->meta, body));
    if (!sink_query(request, "partNumber", number_text, sizeof(number_text)) ||
        parse_u64(number_text, &number, &err) != 0 || parse_u64(id_text, &id, &err) != 0)
        id = 0;
    if (sink_upload_part(store, id, number, body) != 0)
        return answer_error(client, 404, "NoSuchUpload");
    return answer_etag(client, number);
}

static int send_bodies(struct client *client, const struct sink_object *object, uint64_t from,
                       uint64_t to)
{
    uint64_t begin = 0;

    for (size_t i = 0; i < object->count && begin < to; i++) {
        const struct sink_body *body = object->bodies[i];

        while (from >= begin && from < begin + body->size && from < to) {
            size_t len;
            const uint8_t *data = sink_body_at(client->server->store, body, from - begin, &len);

            if (len > to - from)
                len = (size_t)(to - from);
            if (sink_send(&client->conn, data, len) != 0)
                return -1;
            from += len;
        }
        begin += body->size;
    }
    return 0;
}

static int send_object(struct client *client, const struct sink_object *object, bool head_only)
{
    const char *range = client->request.range;
    uint64_t from = 0, to = object->size;
    char date[64], place[128] = "";
    time_t modified = (time_t)object->modified_s;
    struct tm tm;

    if (range != NULL) {
        if (sink_parse_range(range, object->size, &from, &to) != 0)
            return answer_error(client, 416, "InvalidRange");
        (void)snprintf(place, sizeof(place), "Content-Range: bytes %llu-%llu/%llu\r\n",
                       (unsigned long long)from, (unsigned long long)to - 1,
                       (unsigned long long)object->size);
    }
    (void)gmtime_r(&modified, &tm);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    auto_free char *headers =
        xasprintf("ETag: \"%032llx-1\"\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n"
                  "Content-Type: application/octet-stream\r\n%s%s",
                  (unsigned long long)object->serial, date, place, object->meta);
    const struct sink_answer head = {
        .status = range != NULL ? 206 : 200, .headers = headers, .body_bytes = to - from};
    if (answer(client, &head) != 0)
        return -1;
    return head_only ? 0 : send_bodies(client, object, from, to);
}

static int get_object(struct client *client, bool head_only)
{
    struct sink_store *store = client->server->store;
    struct sink_object *object = sink_store_get(store, client->request.path);

    if (object == NULL)
        return head_only ? answer_empty(client, 404) : answer_error(client, 404, "NoSuchKey");
    int result = send_object(client, object, head_only);
    sink_object_release(store, object);
    return result;
}

static int post_object(struct client *client)
{
    struct sink_store *store = client->server->store;
    struct sink_request *request = &client->request;
    char id_text[32];
    uint64_t id = 0, serial;
    struct err err;

    if (receive_body(client, NULL) != 0)
        return -1;
    if (sink_query(request, "uploads", id_text, sizeof(id_text))) {
        id = sink_upload_begin(store, request->path, request->meta);
        if (id == 0)
            return answer_error(client, 507, "ServiceUnavailable");
        auto_free char *begun =
            xasprintf("<?xml version=\"1.0\"?><InitiateMultipartUploadResult><UploadId>%llu"
                      "</UploadId></InitiateMultipartUploadResult>",
                      (unsigned long long)id);
        return answer_text(client, 200, begun);
    }
    if (!sink_query(request, "uploadId", id_text, sizeof(id_text)))
        return answer_error(client, 501, "NotImplemented");
    if (parse_u64(id_text, &id, &err) != 0 || (serial = sink_upload_complete(store, id)) == 0)
        return answer_error(client, 404, "NoSuchUpload");
    auto_free char *done =
        xasprintf("<?xml version=\"1.0\"?><CompleteMultipartUploadResult><ETag>&quot;%032llx-1"
                  "&quot;</ETag></CompleteMultipartUploadResult>",
                  (unsigned long long)serial);
    return answer_text(client, 200, done);
}

static int delete_object(struct client *client)
{
    char id_text[32];
    uint64_t id;
    struct err err;

    if (sink_query(&client->request, "uploadId", id_text, sizeof(id_text))) {
        if (parse_u64(id_text, &id, &err) != 0 || sink_upload_abort(client->server->store, id) != 0)
            return answer_error(client, 404, "NoSuchUpload");
    } else {
        sink_store_remove(client->server->store, client->request.path);
    }
    return answer_empty(client, 204);
}

static int list_objects(struct client *client)
{
    struct buf text;
    struct err err;

    buf_init(&text, ANSWER_MAX);
    int result = sink_format_list(client->server->store, &client->request, &text, &err) == 0
                     ? answer_text(client, 200, buf_text(&text))
                     : answer_error(client, 507, "ServiceUnavailable");
    buf_release(&text);
    return result;
}

static int serve_bucket(struct client *client)
{
    const struct sink_request *request = &client->request;
    char value[8];

    if (receive_body(client, NULL) != 0)
        return -1;
    if (strcmp(request->method, "GET") != 0)
        return answer_empty(client, strcmp(request->method, "DELETE") == 0 ? 204 : 200);
    if (request->path[0] == '\0')
        return answer_text(client, 200,
                           "<?xml version=\"1.0\"?><ListAllMyBucketsResult><Buckets/>"
                           "</ListAllMyBucketsResult>");
    if (sink_query(request, "location", value, sizeof(value)))
        return answer_text(client, 200,
                           "<?xml version=\"1.0\"?><LocationConstraint>us-east-1"
                           "</LocationConstraint>");
    if (sink_query(request, "uploads", value, sizeof(value)))
        return answer_text(client, 200,
                           "<?xml version=\"1.0\"?><ListMultipartUploadsResult><IsTruncated>false"
                           "</IsTruncated></ListMultipartUploadsResult>");
    return list_objects(client);
}

/* What the benchmark asks of the sink itself. */
static int serve_control(struct client *client)
{
    struct server *server = client->server;
    struct sink_stats stats;

    if (receive_body(client, NULL) != 0)
        return -1;
    if (strcmp(client->request.path, "-/reset") == 0)
        sink_store_reset(server->store);
    sink_store_stats(server->store, &stats);
    auto_free char *text =
        xasprintf("{\"objects\":%llu,\"uploads\":%llu,\"stored_bytes\":%llu,\"slab_bytes\":%llu,"
                  "\"received_bytes\":%llu,\"requests\":%llu}\n",
                  (unsigned long long)stats.objects, (unsigned long long)stats.uploads,
                  (unsigned long long)stats.stored_bytes, (unsigned long long)stats.slab_bytes,
                  (unsigned long long)atomic_load(&server->received_bytes),
                  (unsigned long long)atomic_load(&server->requests));
    return answer_text(client, 200, text);
}

static int serve(struct client *client)
{
    const char *path = client->request.path;
    const char *slash = strchr(path, '/');

    atomic_fetch_add(&client->server->requests, 1);
    if (client->request.unsupported) {
        (void)answer_error(client, 501, "NotImplemented");
        return -1; /* the length of its body is not known */
    }
    if (strncmp(path, "-/", 2) == 0)
        return serve_control(client);
    if (slash == NULL || slash[1] == '\0')
        return serve_bucket(client);

    static const struct {
        const char *method;
        int (*serve)(struct client *client);
    } methods[] = {{"PUT", put_object}, {"POST", post_object}, {"DELETE", delete_object}};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(client->request.method, methods[i].method) == 0)
            return methods[i].serve(client);
    }
    return get_object(client, strcmp(client->request.method, "HEAD") == 0);
}

static void *serve_connection(void *context)
{
    struct client *client = context;

    while (sink_read_request(&client->conn, &client->request) == 1) {
        if (serve(client) != 0 || !client->request.keeps_alive)
            break;
    }
    (void)close(client->conn.fd);
    atomic_fetch_sub(&client->server->connections, 1);
    free(client);
    return NULL;
}

static void start_client(struct server *server, int fd, const pthread_attr_t *attr)
{
    static const struct timeval idle = {.tv_sec = IDLE_S};
    static const int yes = 1;
    pthread_t thread;

    if (atomic_fetch_add(&server->connections, 1) >= CONNECTIONS_MAX) {
        atomic_fetch_sub(&server->connections, 1);
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof(idle));
    struct client *client = xcalloc(1, sizeof(*client));
    client->server = server;
    client->conn.fd = fd;
    client->conn.rate = server->options.rate;
    if (pthread_create(&thread, attr, serve_connection, client) != 0) {
        atomic_fetch_sub(&server->connections, 1);
        (void)close(fd);
        free(client);
    }
}

static int listen_on_loopback(const struct options *options)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)options->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    const int buffer = options->rate != 0 ? SLOW_RECEIVE_BUFFER : RECEIVE_BUFFER;
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) != 0 ||
        bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, CONNECTIONS_MAX) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("s3sink: listen on 127.0.0.1");
        return -1;
    }
    printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static int usage(void)
{
    (void)fputs("usage: s3sink [-p PORT] [-L DELAY_MS] [-B BYTES_PER_S] [-m MAX_BYTES] [-d]\n"
                "Prints the port it listens on (-p 0, the default: one of the kernel's choice).\n"
                "-L delay of every answer, -B rate of every connection, -d keep no large body.\n",
                stderr);
    return 2;
}

static int parse_options(int argc, char **argv, struct options *out)
{
    struct err err;
    int option;

    while ((option = getopt(argc, argv, "p:L:B:m:d")) != -1) {
        uint64_t *number = option == 'p'   ? &out->port
                           : option == 'L' ? &out->delay_ms
                           : option == 'B' ? &out->rate
                           : option == 'm' ? &out->max_bytes
                                           : NULL;

        if (option == 'd')
            out->discard = true;
        else if (number == NULL || parse_size(optarg, number, &err) != 0)
            return -1;
    }
    return optind == argc && out->port <= UINT16_MAX ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct server server = {.options = {.max_bytes = (uint64_t)8 << 30}};
    pthread_attr_t attr;

    if (parse_options(argc, argv, &server.options) != 0)
        return usage();
    auto_close int listener = listen_on_loopback(&server.options);
    if (listener < 0)
        return 1;
    server.store = sink_store_new(server.options.max_bytes, server.options.discard);
    pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            start_client(&server, fd, &attr);
    }
}
