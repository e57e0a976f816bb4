/*
 * One small HTTP exchange with a peer that may be slow, dead or hostile: hooks, heartbeats, our own
 * sidecar. Bounded in time and in memory; redirects are not followed; the proxies of the
 * environment are used as curl does. (Objects travel by store/s3_http.h.)
 */
#ifndef BASE_HTTP_CLIENT_H
#define BASE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http_client_request {
    const char *url;          /* http:// or https://; may hold secrets: never in a message */
    const char *label;        /* what it is called in messages */
    const char *content_type; /* NULL: GET, else POST of body */
    const char *body;
    int64_t timeout_ms;  /* of everything, at least 1 */
    bool no_proxy;       /* the peer is this machine */
    const char *ca_file; /* certificates to trust instead of the system's; NULL: none */
};

/* Any answer is success: its status in *out_status, at most the ceiling of *out_body (may be NULL)
 * of its body. ERR_CONFIG for a bad URL, ERR_FAILED when there is no answer, or when somebody asked
 * to stop (base/cancel.h). */
int http_client_do(const struct http_client_request *request, unsigned *out_status,
                   struct buf *out_body, struct err *err);

#endif
