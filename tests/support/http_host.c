/*
 * See http_host.h.
 */
#include "support/http_host.h"

#include <check.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "support/http_visitor.h"

enum { LOOKS = 1000, LOOK_MS = 10 };

static void fill(struct buf *body, size_t len)
{
    static const char piece[1024] = {0};
    struct err err;

    while (body->len < len)
        ck_assert_int_eq(buf_append(body, piece, sizeof(piece), &err), 0);
}

void http_host_handle(void *context, const struct http_request *request, struct http_response *out)
{
    static const struct {
        const char *path;
        unsigned status;
    } statuses[] = {{"/none", 404}, {"/method", 405}, {"/busy", 503}};
    struct err err;

    (void)context;
    out->status = 200;
    out->content_type =
        strcmp(request->path, "/html") == 0 ? "text/html; charset=utf-8" : "text/plain";
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(request->path, statuses[i].path) == 0)
            out->status = statuses[i].status;
    }
    if (strcmp(request->path, "/private") == 0 && !request->is_authorized)
        out->status = 401;
    if (out->status == 404)
        return;
    out->allow = out->status == 405 ? "GET, HEAD" : NULL;
    out->retry_after_s = out->status == 503 ? 7 : 0;
    if (strcmp(request->path, "/big") == 0)
        fill(&out->body, HTTP_BODY_MAX);
    else
        ck_assert_int_eq(buf_printf(&out->body, &err, "%s %s %s", request->method, request->path,
                                    request->is_authorized ? "yes" : "no"),
                         0);
}

void http_host_start(struct http_host *host, const char *listen, unsigned connections_max)
{
    auto_secret struct secret token = {0};
    const struct http_options options = {
        .listen = listen,
        .token = &token,
        .connections_max = connections_max,
        .request_ms = HOST_REQUEST_MS,
        .clock = &host->now.clock,
        .handle = http_host_handle,
    };
    struct err err = {0};

    secret_set(&token, "s3cret", 6);
    fake_clock_init(&host->now, 0);
    ck_assert_msg(http_new(&options, &host->http, &err) == 0, "%s", err.msg);
}

void http_host_stop(struct http_host *host)
{
    http_free(host->http);
    host->http = NULL;
}

int http_host_dial(const struct http_host *host)
{
    return visitor_dial(http_address(host->http));
}

uint64_t http_host_requests(const struct http_host *host)
{
    uint64_t requests = 0;
    uint64_t refused = 0;

    http_counts(host->http, &requests, &refused);
    return requests;
}

uint64_t http_host_refused(const struct http_host *host)
{
    uint64_t requests = 0;
    uint64_t refused = 0;

    http_counts(host->http, &requests, &refused);
    return refused;
}

void http_host_await_requests(const struct http_host *host, uint64_t wanted)
{
    for (int i = 0; i < LOOKS; i++) {
        if (http_host_requests(host) >= wanted)
            return;
        (void)poll(NULL, 0, LOOK_MS);
    }
    ck_abort_msg("%llu answers are counted, not %llu", (unsigned long long)http_host_requests(host),
                 (unsigned long long)wanted);
}

void http_host_outwait(struct http_host *host, int fd)
{
    for (int i = 0; i < LOOKS; i++) {
        fake_clock_advance(&host->now, HOST_REQUEST_MS);
        http_reap(host->http);
        if (visitor_is_closed(fd, LOOK_MS))
            return;
    }
    ck_abort_msg("the listener keeps a client for ever");
}

void http_host_check_alive(const struct http_host *host)
{
    uint64_t before = http_host_requests(host);
    auto_free char *answer = visitor_get_once(http_address(host->http), "/x");

    ck_assert_uint_eq(visitor_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nGET /x no"));
    http_host_await_requests(host, before + 1);
}
