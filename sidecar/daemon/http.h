/*
 * The listener (libmicrohttpd, one thread of its own): hands each request to a handler and bounds
 * what clients can take: connections, memory, time, also of clients that are slow on purpose.
 *
 * Nobody waits for others. With all connections taken a new one still gets in: the one that idles
 * for the longest is dropped, else the one that has gone without a whole answer for the longest.
 */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"

#define HTTP_BODY_MAX ((size_t)2 << 20) /* of an answer */

struct http_request {
    const char *method; /* "GET", "HEAD", "POST", or any other word that a client sends */
    const char *path;   /* "/readyz", without the query, %XX decoded: any bytes */
    bool is_authorized; /* it carries the token; false when there is none */
};

struct http_response {
    unsigned status;
    const char *content_type; /* static */
    const char *allow;        /* for 405: "GET, HEAD"; else NULL */
    unsigned retry_after_s;   /* 0: no such header */
    struct buf body;          /* init'ed by the listener (HTTP_BODY_MAX); released by it */
};

struct http_options {
    const char *listen;         /* "0.0.0.0:9742", "[::1]:0", ":9742"; see http_listen_parse */
    const struct secret *token; /* NULL or unset: nobody is authorized; copied */
    unsigned connections_max;   /* 0: 64 */
    unsigned request_ms; /* from the accept, or the last answer, to the end of an answer; 0: 5000 */
    const struct clock *clock; /* NULL: the machine's */
    /* In the listener's thread; must not block. A HEAD is answered as a GET, the body is left out
     * by the listener. What a POST carries is read, up to 4 KiB, and thrown away. */
    void (*handle)(void *context, const struct http_request *request, struct http_response *out);
    void *context;
};

struct http;

/* Listens. ERR_CONFIG for an address that is none or cannot be had. The caller frees. */
int http_new(const struct http_options *options, struct http **out, struct err *err);
/* Ends the thread; open connections are dropped. NULL is a no-op. */
void http_free(struct http *http);
/* Where it listens, with the port the kernel gave: "127.0.0.1:43123". Borrowed. */
const char *http_address(const struct http *http);
/* Drops clients that take too long; call about once a second. From any thread. */
void http_reap(struct http *http);
/* Requests answered, and clients dropped before they had an answer, since the start. */
void http_counts(struct http *http, uint64_t *out_requests, uint64_t *out_refused);

/* Is it an address to listen at? ERR_CONFIG says why not. Pure. *out_host is heap, without
 * brackets,
 * "" for all addresses (IPv6 and IPv4). */
int http_listen_parse(const char *text, char **out_host, uint16_t *out_port, struct err *err);
/* A socket that listens there; *out_address (heap) says where, with the port the kernel gave.
 * ERR_CONFIG when the address cannot be had. */
int http_listen_open(const char *text, int *out_fd, char **out_address, struct err *err);
/* How to reach from this machine what listens there: "http://127.0.0.1:9742"; heap. ERR_CONFIG for
 * port 0, which can be any. */
int http_listen_url(const char *text, char **out_url, struct err *err);

DEFINE_CLEANUP(cleanup_http, struct http *, http_free);
#define auto_http auto_with(cleanup_http)

#endif
