/*
 * One HTTP/1.1 connection of the benchmark's S3 server: request heads, bodies (plain and
 * aws-chunked) received straight to where they stay, answers, and a limit on the rate for
 * benchmarks of slow remotes. A test server on loopback: it is lenient, and bounded.
 */
#ifndef SUPPORT_S3SINK_HTTP_H
#define SUPPORT_S3SINK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_HEAD_MAX ((size_t)32 << 10)

struct sink_conn {
    int fd;
    uint64_t rate; /* bytes a second in either direction, 0 = no limit */
    int64_t paced_until_ns;
    size_t start, end; /* what of in[] was received and not yet used */
    char in[SINK_HEAD_MAX];
};

struct sink_request {
    const char *method;
    char *path;  /* decoded, without the leading '/' */
    char *query; /* as sent, "" when there is none */
    char meta[2048];
    uint64_t wire_bytes; /* of the body as sent */
    uint64_t body_bytes; /* of the body once decoded */
    bool aws_chunked;
    bool expects_continue;
    bool keeps_alive;
    bool unsupported;  /* transfer coding, copy source: not served here */
    const char *range; /* the value of Range, NULL when there is none */
    char head[SINK_HEAD_MAX + 1];
};

struct sink_answer {
    unsigned status;
    const char *headers; /* lines, each ended by CRLF; "" = none */
    const char *body;    /* text; NULL = none, and body_bytes tells Content-Length */
    uint64_t body_bytes;
};

/* 1 a request, 0 the peer is done, -1 what came is no request. */
int sink_read_request(struct sink_conn *conn, struct sink_request *request);
/* The value of a query parameter, decoded, into out (cut when longer). Is it there? */
bool sink_query(const struct sink_request *request, const char *name, char *out, size_t size);

/* Cuts [*from, *to) out of size by "bytes=a-b", "a-" or "-n"; -1 when that lies outside. */
int sink_parse_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to);

/* Receives len bytes; -1 when the peer is gone. */
int sink_receive(struct sink_conn *conn, void *out, size_t len);
/* The next chunk header of an aws-chunked body; *out_len 0 is the last one, the trailer read. */
int sink_receive_chunk_head(struct sink_conn *conn, uint64_t *out_len);
/* The CRLF behind a chunk. */
int sink_receive_chunk_end(struct sink_conn *conn);
int sink_send(struct sink_conn *conn, const void *data, size_t len);
int sink_send_answer(struct sink_conn *conn, const struct sink_answer *answer);

#endif
