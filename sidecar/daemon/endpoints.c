/* The lock is never held while anybody waits for a server, a store or a client. */
#include "daemon/endpoints.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "daemon/metrics.h"
#include "daemon/page.h"

#define BODY_MAX ((size_t)1 << 20)
#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_JSON "application/json"

/* Makes the text of the status as it is now; returns the HTTP status. */
typedef unsigned make_fn(const struct status *status, struct buf *body);

struct endpoint {
    const char *path;
    const char *content_type;
    make_fn *make;
};

enum { ENDPOINT_COUNT = 5 };

struct made {         /* a text, and the state that it shows */
    uint64_t version; /* 0: none */
    unsigned http_status;
    struct buf body;
};

struct endpoints {
    pthread_mutex_t lock;
    const struct status *status;
    const struct clock *clock;
    uint64_t version;
    int64_t beat_ms; /* monotonic: when the supervisor was round last */
    struct made made[ENDPOINT_COUNT];
    int wake_fd;
    bool has_token;
    bool asked_backup;
    bool asked_verify;
};

/* BODY_MAX holds every one of them; were it too small, the text would be cut. */
static void put_json(struct json *json, struct buf *body)
{
    auto_free char *text = json_print(json, true);
    struct err ignored;

    (void)buf_append(body, text, strlen(text), &ignored);
    (void)buf_append(body, "\n", 1, &ignored);
    json_free(json);
}

static unsigned make_ready(const struct status *status, struct buf *body)
{
    put_json(readiness_to_json(&status->readiness), body);
    return status->readiness.state == READINESS_READY ? 200 : 503;
}

static unsigned make_backup(const struct status *status, struct buf *body)
{
    auto_free char *why = NULL;

    put_json(status_backupz_json(status), body);
    return status_backup_is_fresh(status, &why) ? 200 : 503;
}

static unsigned make_metrics(const struct status *status, struct buf *body)
{
    metrics_format(status, body);
    return 200;
}

static unsigned make_status(const struct status *status, struct buf *body)
{
    put_json(status_to_json(status), body);
    return 200;
}

static unsigned make_page(const struct status *status, struct buf *body)
{
    page_format(status, body);
    return 200;
}

static const struct endpoint table[ENDPOINT_COUNT] = {
    {"/readyz", TEXT_JSON, make_ready},
    {"/backupz", TEXT_JSON, make_backup},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", make_metrics},
    {"/status", TEXT_JSON, make_status},
    {"/", "text/html; charset=utf-8", make_page},
};

struct endpoints *endpoints_new(const struct status *status, const struct clock *clock)
{
    struct endpoints *endpoints = xcalloc(1, sizeof(*endpoints));

    (void)pthread_mutex_init(&endpoints->lock, NULL); /* a default mutex cannot fail */
    endpoints->status = status;
    endpoints->clock = clock;
    endpoints->version = 1;
    endpoints->beat_ms = clock_mono_ms(clock);
    endpoints->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        buf_init(&endpoints->made[i].body, BODY_MAX);
    return endpoints;
}

void endpoints_free(struct endpoints *endpoints)
{
    if (endpoints == NULL)
        return;
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        buf_release(&endpoints->made[i].body);
    cleanup_close(&endpoints->wake_fd);
    (void)pthread_mutex_destroy(&endpoints->lock);
    free(endpoints);
}

void endpoints_allow(struct endpoints *endpoints, bool has_token)
{
    (void)pthread_mutex_lock(&endpoints->lock);
    endpoints->has_token = has_token;
    (void)pthread_mutex_unlock(&endpoints->lock);
}

void endpoints_lock(struct endpoints *endpoints)
{
    (void)pthread_mutex_lock(&endpoints->lock);
}

void endpoints_unlock(struct endpoints *endpoints)
{
    endpoints->version++;
    endpoints->beat_ms = clock_mono_ms(endpoints->clock);
    (void)pthread_mutex_unlock(&endpoints->lock);
}

int endpoints_fd(const struct endpoints *endpoints)
{
    return endpoints->wake_fd;
}

void endpoints_take(struct endpoints *endpoints, bool *out_backup, bool *out_verify)
{
    uint64_t count;

    (void)!read(endpoints->wake_fd, &count, sizeof(count)); /* empty is fine */
    *out_backup = endpoints->asked_backup;
    *out_verify = endpoints->asked_verify;
    endpoints->asked_backup = false;
    endpoints->asked_verify = false;
}

static void put_text(struct http_response *out, unsigned http_status, const char *text)
{
    struct err ignored;

    out->status = http_status;
    out->content_type = TEXT_PLAIN;
    (void)buf_append(&out->body, text, strlen(text), &ignored);
}

static void refuse_method(struct http_response *out, const char *allow)
{
    auto_free char *text = xasprintf("use %s here\n", allow);

    put_text(out, 405, text);
    out->allow = allow;
}

static void live(struct endpoints *endpoints, struct http_response *out)
{
    if (clock_mono_ms(endpoints->clock) - endpoints->beat_ms > ENDPOINTS_STUCK_MS)
        put_text(out, 503, "the supervisor does not move\n");
    else
        put_text(out, 200, "ok\n");
}

/* A drill is a verification, too. */
static bool is_running(const struct status *status, enum job_kind job)
{
    return status->jobs[job].is_running ||
           (job == JOB_VERIFY && status->jobs[JOB_DRILL].is_running);
}

static void ask(struct endpoints *endpoints, const struct http_request *request, enum job_kind job,
                struct http_response *out)
{
    bool *asked = job == JOB_BACKUP ? &endpoints->asked_backup : &endpoints->asked_verify;
    const uint64_t one = 1;

    if (strcmp(request->method, "POST") != 0) {
        refuse_method(out, "POST");
    } else if (!endpoints->has_token) {
        put_text(out, 403, "nothing can be asked for here: http-token is not set\n");
    } else if (!request->is_authorized) {
        put_text(out, 401, "this needs the header `Authorization: Bearer <http-token>`\n");
    } else if (endpoints->status->is_stopping) {
        put_text(out, 503, "redkeep is about to stop\n");
    } else if (*asked || is_running(endpoints->status, job)) {
        put_text(out, 409, "one is running already\n");
    } else {
        *asked = true;
        (void)!write(endpoints->wake_fd, &one, sizeof(one)); /* full is awake */
        put_text(out, 202, "asked for; /status shows it\n");
    }
}

static void show(struct endpoints *endpoints, size_t i, struct http_response *out)
{
    struct made *made = &endpoints->made[i];
    struct err ignored;

    if (made->version != endpoints->version) {
        buf_clear(&made->body);
        made->http_status = table[i].make(endpoints->status, &made->body);
        made->version = endpoints->version;
    }
    out->status = made->http_status;
    out->content_type = table[i].content_type;
    (void)buf_append(&out->body, made->body.data, made->body.len, &ignored);
}

static bool is_read(const struct http_request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

static void answer(struct endpoints *endpoints, const struct http_request *request,
                   struct http_response *out)
{
    if (strcmp(request->path, "/backup") == 0) {
        ask(endpoints, request, JOB_BACKUP, out);
        return;
    }
    if (strcmp(request->path, "/verify") == 0) {
        ask(endpoints, request, JOB_VERIFY, out);
        return;
    }
    if (strcmp(request->path, "/livez") == 0) {
        if (is_read(request))
            live(endpoints, out);
        else
            refuse_method(out, "GET, HEAD");
        return;
    }
    for (size_t i = 0; i < ENDPOINT_COUNT; i++) {
        if (strcmp(request->path, table[i].path) != 0)
            continue;
        if (is_read(request))
            show(endpoints, i, out);
        else
            refuse_method(out, "GET, HEAD");
        return;
    }
    put_text(out, 404, "there is /livez /readyz /backupz /metrics /status and /\n");
}

void endpoints_handle(void *context, const struct http_request *request, struct http_response *out)
{
    struct endpoints *endpoints = context;

    (void)pthread_mutex_lock(&endpoints->lock);
    answer(endpoints, request, out);
    (void)pthread_mutex_unlock(&endpoints->lock);
}
