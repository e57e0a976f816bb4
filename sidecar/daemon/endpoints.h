/*
 * What the listener answers, and to whom: /livez /readyz /backupz /metrics /status / and, with the
 * token, POST /backup and POST /verify. It stands between the supervisor's thread, which changes
 * the status, and the listener's, which reads it: one lock, held for as long as it takes to make
 * the text; each text is made once for each state of the status, however many ask for it.
 */
#ifndef DAEMON_ENDPOINTS_H
#define DAEMON_ENDPOINTS_H

#include <stdbool.h>

#include "base/clock.h"
#include "daemon/http.h"
#include "daemon/status.h"

#define ENDPOINTS_STUCK_MS                                                 \
    30000 /* a supervisor that has not been round for so long is not alive \
           */

struct endpoints;

/* status and clock are borrowed. The caller frees, after the listener. */
struct endpoints *endpoints_new(const struct status *status, const struct clock *clock);
void endpoints_free(struct endpoints *endpoints); /* NULL is a no-op */
/* May somebody with the token ask for jobs? Is there a token at all? */
void endpoints_allow(struct endpoints *endpoints, bool has_token);

/* The supervisor changes the status between the two only. */
void endpoints_lock(struct endpoints *endpoints);
void endpoints_unlock(struct endpoints *endpoints);

/* Readable (an eventfd) when somebody asked for a job. */
int endpoints_fd(const struct endpoints *endpoints);
/* Takes what was asked for since the last call. Between lock and unlock. */
void endpoints_take(struct endpoints *endpoints, bool *out_backup, bool *out_verify);

/* For struct http_options; context is the endpoints. */
void endpoints_handle(void *context, const struct http_request *request, struct http_response *out);

#endif
