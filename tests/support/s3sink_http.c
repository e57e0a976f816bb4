/*
 * Heads are read through a small buffer; what follows a head in it is used first, the rest of a
 * body is received in place. The rate limit sleeps before bytes are moved, so that the peer feels
 * it through the socket's buffers, as on a slow line.
 */
#include "support/s3sink_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "base/err.h"
#include "base/parse.h"

enum { PACED_PIECE = 64 << 10, NS_PER_S = 1000000000 };

static void pace(struct sink_conn *conn, size_t bytes)
{
    struct timespec now, until;

    if (conn->rate == 0)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
    if (conn->paced_until_ns < now_ns)
        conn->paced_until_ns = now_ns;
    conn->paced_until_ns += (int64_t)(bytes * (uint64_t)NS_PER_S / conn->rate);
    until.tv_sec = conn->paced_until_ns / NS_PER_S;
    until.tv_nsec = conn->paced_until_ns % NS_PER_S;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static size_t piece(const struct sink_conn *conn, size_t len)
{
    return conn->rate != 0 && len > PACED_PIECE ? PACED_PIECE : len;
}

/* Receives more into the buffer; 0 the peer is done, -1 it is gone or the buffer is full. */
static int fill(struct sink_conn *conn)
{
    if (conn->start > 0) {
        memmove(conn->in, conn->in + conn->start, conn->end - conn->start);
        conn->end -= conn->start;
        conn->start = 0;
    }
    if (conn->end == sizeof(conn->in))
        return -1;

    ssize_t got = recv(conn->fd, conn->in + conn->end, sizeof(conn->in) - conn->end, 0);
    if (got <= 0)
        return (int)got;
    conn->end += (size_t)got;
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Decodes len bytes of text into out, which may be text itself. */
static void decode(const char *text, size_t len, bool plus_is_blank, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < size; i++) {
        if (text[i] == '%' && i + 2 < len && hex_digit(text[i + 1]) >= 0 &&
            hex_digit(text[i + 2]) >= 0) {
            out[n++] = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            out[n++] = plus_is_blank && text[i] == '+' ? ' ' : text[i];
        }
    }
    out[n] = '\0';
}

bool sink_query(const struct sink_request *request, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);

    for (const char *at = request->query; *at != '\0';) {
        size_t len = strcspn(at, "&");

        if (strncmp(at, name, name_len) == 0 && (len == name_len || at[name_len] == '=')) {
            size_t skip = len == name_len ? name_len : name_len + 1;

            decode(at + skip, len - skip, true, out, size);
            return true;
        }
        at += len;
        at += *at == '&';
    }
    return false;
}

int sink_parse_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to)
{
    char first[32] = "", last[32] = "";
    struct err err;

    if (sscanf(text, "bytes=%31[0-9]-%31[0-9]", first, last) < 1 &&
        sscanf(text, "bytes=-%31[0-9]", last) != 1)
        return -1;
    uint64_t a = 0, b = size;
    if ((first[0] != '\0' && parse_u64(first, &a, &err) != 0) ||
        (last[0] != '\0' && parse_u64(last, &b, &err) != 0))
        return -1;
    if (first[0] == '\0') {
        *from = b < size ? size - b : 0;
        *to = size;
    } else {
        *from = a;
        *to = b < size ? b + 1 : size;
    }
    return *from < size && *from < *to ? 0 : -1;
}

static int take_number(const char *value, uint64_t *out)
{
    struct err err;

    return parse_u64(value, out, &err);
}

static int take_header(struct sink_request *request, const char *name, const char *value)
{
    size_t used = strlen(request->meta);

    if (strcasecmp(name, "Content-Length") == 0)
        return take_number(value, &request->wire_bytes);
    if (strcasecmp(name, "x-amz-decoded-content-length") == 0)
        return take_number(value, &request->body_bytes);
    if (strcasecmp(name, "x-amz-content-sha256") == 0)
        request->aws_chunked = strncmp(value, "STREAMING-", 10) == 0;
    else if (strcasecmp(name, "Expect") == 0)
        request->expects_continue = true;
    else if (strcasecmp(name, "Connection") == 0)
        request->keeps_alive = strcasecmp(value, "close") != 0;
    else if (strcasecmp(name, "Range") == 0)
        request->range = value;
    else if (strcasecmp(name, "Transfer-Encoding") == 0 ||
             strcasecmp(name, "x-amz-copy-source") == 0)
        request->unsupported = true;
    else if (strncasecmp(name, "x-amz-meta-", 11) == 0)
        (void)snprintf(request->meta + used, sizeof(request->meta) - used, "%.128s: %.1024s\r\n",
                       name, value);
    return 0;
}

/* "GET /path?query HTTP/1.1", in place. */
static int parse_request_line(struct sink_request *request, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;

    if (version == NULL || target[1] != '/' || strncmp(version + 1, "HTTP/1.", 7) != 0)
        return -1;
    *target = *version = '\0';
    request->method = line;
    request->path = target + 2;
    request->query = version; /* "" */
    char *mark = strchr(request->path, '?');
    if (mark != NULL) {
        *mark = '\0';
        request->query = mark + 1;
    }
    decode(request->path, strlen(request->path), false, request->path, strlen(request->path) + 1);
    return 0;
}

static int parse_head(struct sink_request *request)
{
    char *next;

    request->meta[0] = '\0';
    for (char *line = request->head; *line != '\0'; line = next) {
        char *end = strstr(line, "\r\n");
        if (end == NULL)
            return -1;
        *end = '\0';
        next = end + 2;
        if (line == request->head) {
            if (parse_request_line(request, line) != 0)
                return -1;
            continue;
        }

        char *colon = strchr(line, ':');
        if (colon == NULL)
            return -1;
        *colon = '\0';
        if (take_header(request, line, colon + 1 + strspn(colon + 1, " \t")) != 0)
            return -1;
    }
    if (!request->aws_chunked)
        request->body_bytes = request->wire_bytes;
    return 0;
}

int sink_read_request(struct sink_conn *conn, struct sink_request *request)
{
    const char *end;

    while ((end = memmem(conn->in + conn->start, conn->end - conn->start, "\r\n\r\n", 4)) == NULL) {
        bool idle = conn->start == conn->end;
        int got = fill(conn);

        if (got == 0 && idle)
            return 0;
        if (got <= 0)
            return idle ? 0 : -1; /* idle too long is no fault of the peer's */
    }

    size_t len = (size_t)(end + 2 - (conn->in + conn->start)); /* the last header line's CRLF too */
    memset(request, 0, offsetof(struct sink_request, head));
    memcpy(request->head, conn->in + conn->start, len);
    request->head[len] = '\0';
    request->keeps_alive = true;
    conn->start += len + 2;
    return parse_head(request) == 0 ? 1 : -1;
}

int sink_receive(struct sink_conn *conn, void *out, size_t len)
{
    char *to = out;
    size_t ready = conn->end - conn->start;

    if (ready > len)
        ready = len;
    memcpy(to, conn->in + conn->start, ready);
    conn->start += ready;
    to += ready;
    len -= ready;
    while (len > 0) {
        ssize_t got = recv(conn->fd, to, piece(conn, len), conn->rate != 0 ? 0 : MSG_WAITALL);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        pace(conn, (size_t)got);
        to += got;
        len -= (size_t)got;
    }
    return 0;
}

/* One line without its CRLF, in place; NULL when the peer is gone or the line too long. */
static char *receive_line(struct sink_conn *conn)
{
    char *end;

    while ((end = memmem(conn->in + conn->start, conn->end - conn->start, "\r\n", 2)) == NULL) {
        if (fill(conn) <= 0)
            return NULL;
    }

    char *line = conn->in + conn->start;
    *end = '\0';
    conn->start += (size_t)(end + 2 - line);
    return line;
}

int sink_receive_chunk_head(struct sink_conn *conn, uint64_t *out_len)
{
    const char *line = receive_line(conn);
    uint64_t len = 0;
    size_t digits = 0;

    if (line == NULL)
        return -1;
    for (; hex_digit(line[digits]) >= 0 && digits < 15; digits++)
        len = len * 16 + (uint64_t)hex_digit(line[digits]);
    if (digits == 0 || (line[digits] != ';' && line[digits] != '\0'))
        return -1;
    while (len == 0 && line != NULL && *line != '\0') /* the trailer ends with an empty line */
        line = receive_line(conn);
    *out_len = len;
    return line != NULL ? 0 : -1;
}

int sink_receive_chunk_end(struct sink_conn *conn)
{
    const char *line = receive_line(conn);

    return line != NULL && *line == '\0' ? 0 : -1;
}

int sink_send(struct sink_conn *conn, const void *data, size_t len)
{
    const char *from = data;

    while (len > 0) {
        ssize_t sent = send(conn->fd, from, piece(conn, len), MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        pace(conn, (size_t)sent);
        from += sent;
        len -= (size_t)sent;
    }
    return 0;
}

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {206, "Partial Content"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {416, "Range Not Satisfiable"},
        {501, "Not Implemented"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Unknown";
}

int sink_send_answer(struct sink_conn *conn, const struct sink_answer *answer)
{
    char head[SINK_HEAD_MAX / 4], date[64], length[64];
    time_t now = time(NULL);
    struct tm tm;
    uint64_t body_bytes = answer->body != NULL ? strlen(answer->body) : answer->body_bytes;

    (void)gmtime_r(&now, &tm);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    (void)snprintf(length, sizeof(length), "Content-Length: %llu\r\n",
                   (unsigned long long)body_bytes);
    int len =
        snprintf(head, sizeof(head), "HTTP/1.1 %u %s\r\nDate: %s\r\nServer: s3sink\r\n%s%s\r\n",
                 answer->status, reason(answer->status), date, answer->headers,
                 answer->status == 204 ? "" : length);
    if (len < 0 || (size_t)len >= sizeof(head) || sink_send(conn, head, (size_t)len) != 0)
        return -1;
    return answer->body != NULL ? sink_send(conn, answer->body, body_bytes) : 0;
}
