/*
 * A listener of daemon/http.h to be visited: a handler with a few paths, and a clock that stands
 * still but for the moments in which a test moves it on, so that a client that is dropped was
 * dropped for the reason of the test.
 *
 *   /html a page · /none 404 · /method 405 · /busy 503 · /private 401 without the token "s3cret" ·
 *   /big HTTP_BODY_MAX bytes · all others "METHOD PATH yes" (or "no": authorized?)
 */
#ifndef SUPPORT_HTTP_HOST_H
#define SUPPORT_HTTP_HOST_H

#include <stdint.h>

#include "daemon/http.h"
#include "support/fake_clock.h"

enum { HOST_REQUEST_MS = 1000 };

struct http_host {
    struct http *http;
    struct fake_clock now;
};

/* The handler alone. */
void http_host_handle(void *context, const struct http_request *request, struct http_response *out);
/* The struct may not move. */
void http_host_start(struct http_host *host, const char *listen, unsigned connections_max);
void http_host_stop(struct http_host *host);
/* Connects to it. */
int http_host_dial(const struct http_host *host);
uint64_t http_host_requests(const struct http_host *host);
uint64_t http_host_refused(const struct http_host *host);
/* Waits for the listener to have counted so many answers: it does so in its own thread, a moment
 * after the client has it. */
void http_host_await_requests(const struct http_host *host, uint64_t wanted);
/* Lets time pass, and reaps, until fd is closed from the other side; the test fails when it never
 * is. */
void http_host_outwait(struct http_host *host, int fd);
/* A new client gets an answer, and the listener knows that it did. */
void http_host_check_alive(const struct http_host *host);

#endif
