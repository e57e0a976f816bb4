/*
 * One thread, one connection, one look after the other: ask INFO, judge the answer, leave the look
 * where watcher_take finds it, ring the eventfd, sleep. A look that nobody took is replaced.
 *
 * The end of a connection that had worked is told at once, and the thread looks again at once: to
 * connect may take long (a name that is looked up for a container that is gone), and what is known
 * until then would be wrong.
 *
 * Whoever frees a watcher never waits for the server. A thread that waits for an answer is left to
 * itself, and frees what there is when it comes back.
 */
#include "daemon/watcher.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cond.h"
#include "base/mem.h"
#include "redis/listening.h"
#include "redis/redis_url.h"

#define STACK_BYTES ((size_t)256 << 10)

struct watcher {
    pthread_mutex_t lock; /* over what follows, down to the thread's own */
    pthread_cond_t wake;
    int event_fd;
    bool is_stopping;
    bool is_poked;
    bool is_asking;    /* the thread is in redis_conn, for up to its timeouts */
    bool is_abandoned; /* nobody will join it */
    bool has_look;
    struct watcher_look look;

    /* the thread's own, once it runs */
    char *url;
    struct secret username;
    struct secret password;
    struct redis_tls_options tls; /* heap text */
    struct redis_address address;
    int timeout_ms;
    int64_t interval_ms;
    struct clock clock;
    struct redis *redis; /* NULL: not connected */
    struct listening_peer peer;
    struct readiness last;
    int64_t answered_ms; /* monotonic, the last answer to INFO; -1 */

    pthread_t thread; /* the creator's */
};

static void destroy(struct watcher *watcher)
{
    redis_free(watcher->redis);
    if (watcher->has_look)
        watcher_look_release(&watcher->look);
    redis_address_release(&watcher->address);
    secret_release(&watcher->username);
    secret_release(&watcher->password);
    redis_tls_options_release(&watcher->tls);
    free(watcher->url);
    cleanup_close(&watcher->event_fd);
    (void)pthread_cond_destroy(&watcher->wake);
    (void)pthread_mutex_destroy(&watcher->lock);
    free(watcher);
}

/* One answer to INFO, over the connection that there is or a new one. */
static int ask(struct watcher *watcher, struct buf *out, struct err *err)
{
    const struct redis_options options = {
        .url = watcher->url,
        .username = &watcher->username,
        .password = &watcher->password,
        .tls = watcher->tls,
        .timeout_ms = watcher->timeout_ms,
    };

    if (watcher->redis == NULL) {
        if (redis_connect(&options, &watcher->redis, err) < 0)
            return -1;
        redis_peer(watcher->redis, &watcher->peer.address, &watcher->peer.len);
    }
    return redis_info(watcher->redis, NULL, out, err);
}

static void judge_answer(struct watcher *watcher, const struct buf *text, struct watcher_look *look)
{
    int64_t now_ms = clock_mono_ms(&watcher->clock);
    int64_t elapsed_ms = watcher->answered_ms < 0 ? 0 : now_ms - watcher->answered_ms;

    redis_info_parse(buf_text(text), text->len, &look->info);
    look->has_info = true;
    readiness_from_info(&look->info, &watcher->last, elapsed_ms, &look->readiness);
    watcher->answered_ms = now_ms;
}

static void judge_failure(struct watcher *watcher, int64_t began_ms, struct watcher_look *look)
{
    bool is_quick = clock_mono_ms(&watcher->clock) - began_ms < watcher->timeout_ms;

    redis_info_parse("", 0, &look->info);
    readiness_from_error(&look->why, &watcher->last, &look->readiness);
    if (look->why.code != EBUSY) {
        redis_free(watcher->redis);
        watcher->redis = NULL;
    }
    /* one that hangs is there, and its queue is not to be filled up with our questions */
    look->nobody_listens =
        look->why.code == EIO && is_quick &&
        listening_at(&watcher->address, &watcher->peer, watcher->timeout_ms) == LISTENING_NOBODY;
}

/* Is another look due at once? */
static bool look_once(struct watcher *watcher, struct watcher_look *out)
{
    auto_buf struct buf text = {0};
    struct watcher_look look = {.since_answer_ms = -1};
    bool was_connected = watcher->redis != NULL;
    int64_t began_ms = clock_mono_ms(&watcher->clock);

    buf_init(&text, REDIS_INFO_MAX);
    if (ask(watcher, &text, &look.why) == 0)
        judge_answer(watcher, &text, &look);
    else
        judge_failure(watcher, began_ms, &look);
    watcher->last = look.readiness;
    look.at_ms = clock_wall_ms(&watcher->clock);
    if (watcher->answered_ms >= 0)
        look.since_answer_ms = clock_mono_ms(&watcher->clock) - watcher->answered_ms;
    *out = look;
    return was_connected && watcher->redis == NULL;
}

/* Takes over *look; lock is held. */
static void publish(struct watcher *watcher, const struct watcher_look *look)
{
    if (watcher->has_look)
        watcher_look_release(&watcher->look);
    watcher->look = *look;
    watcher->has_look = true;
    (void)eventfd_write(watcher->event_fd, 1); /* it cannot be full: watcher_take empties it */
}

static void *watch(void *context)
{
    struct watcher *watcher = context;
    bool is_abandoned = false;

    (void)pthread_mutex_lock(&watcher->lock);
    while (!watcher->is_stopping) {
        struct watcher_look look;

        watcher->is_poked = false;
        watcher->is_asking = true;
        (void)pthread_mutex_unlock(&watcher->lock);
        bool is_due = look_once(watcher, &look);
        (void)pthread_mutex_lock(&watcher->lock);
        watcher->is_asking = false;
        if (watcher->is_stopping) {
            watcher_look_release(&look);
            break;
        }
        publish(watcher, &look);
        if (!is_due && !watcher->is_poked) /* woken too early, it looks too early: no harm */
            cond_wait_ms(&watcher->wake, &watcher->lock, watcher->interval_ms);
    }
    is_abandoned = watcher->is_abandoned;
    (void)pthread_mutex_unlock(&watcher->lock);
    if (is_abandoned)
        destroy(watcher);
    return NULL;
}

/* Signals are for others: those that end the process stay pending for whoever asks for them. */
static int start_thread(struct watcher *watcher, struct err *err)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&watcher->thread, &attributes, watch, watcher);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (rc == 0)
        return 0;
    errno = rc;
    return err_sys(err, ERR_FAILED, "cannot start the thread that watches the server");
}

static void copy_secret(struct secret *to, const struct secret *from)
{
    if (from != NULL && from->text != NULL)
        secret_copy(to, from);
}

static bool is_same_secret(const struct secret *mine, const struct secret *wanted)
{
    size_t len = wanted != NULL && wanted->text != NULL ? wanted->len : 0;

    return mine->len == len && (len == 0 || memcmp(mine->text, wanted->text, len) == 0);
}

bool watcher_asks(const struct watcher *watcher, const struct redis_options *redis)
{
    return strcmp(watcher->url, redis->url) == 0 &&
           is_same_secret(&watcher->username, redis->username) &&
           is_same_secret(&watcher->password, redis->password) &&
           redis_tls_options_are_same(&watcher->tls, &redis->tls);
}

int watcher_new(const struct watcher_options *options, struct watcher **out, struct err *err)
{
    struct redis_address address = {0};
    struct watcher *watcher = NULL;

    if (redis_url_parse(options->redis.url, &address, err) < 0)
        return -1;
    if (redis_tls_check(&options->redis.tls, &address, err) != 0) {
        redis_address_release(&address);
        return -1;
    }
    watcher = xcalloc(1, sizeof(*watcher));
    (void)pthread_mutex_init(&watcher->lock, NULL);
    cond_init(&watcher->wake);
    watcher->address = address;
    watcher->url = xstrdup(options->redis.url);
    copy_secret(&watcher->username, options->redis.username);
    copy_secret(&watcher->password, options->redis.password);
    redis_tls_options_copy(&watcher->tls, &options->redis.tls);
    watcher->timeout_ms = options->timeout_ms < INT_MAX ? (int)options->timeout_ms : INT_MAX;
    watcher->interval_ms = options->interval_ms;
    watcher->clock = *options->clock;
    watcher->answered_ms = -1;
    watcher->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watcher->event_fd < 0) {
        (void)err_sys(err, ERR_FAILED, "cannot watch the server: eventfd");
        destroy(watcher);
        return -1;
    }
    if (start_thread(watcher, err) < 0) {
        destroy(watcher);
        return -1;
    }
    *out = watcher;
    return 0;
}

void watcher_free(struct watcher *watcher)
{
    if (watcher == NULL)
        return;
    pthread_t thread = watcher->thread;

    (void)pthread_mutex_lock(&watcher->lock);
    bool is_asking = watcher->is_asking;
    watcher->is_stopping = true;
    watcher->is_abandoned = is_asking;
    if (is_asking) { /* the caller's poll set may hold it, so it ends with the caller's call */
        cleanup_close(&watcher->event_fd);
        watcher->event_fd = -1;
    }
    (void)pthread_cond_signal(&watcher->wake);
    (void)pthread_mutex_unlock(&watcher->lock);
    if (is_asking) { /* from here on all of it is the thread's */
        (void)pthread_detach(thread);
        return;
    }
    (void)pthread_join(thread, NULL);
    destroy(watcher);
}

int watcher_fd(const struct watcher *watcher)
{
    return watcher->event_fd;
}

bool watcher_take(struct watcher *watcher, struct watcher_look *out)
{
    eventfd_t rung;
    bool has_look = false;

    (void)pthread_mutex_lock(&watcher->lock);
    (void)eventfd_read(watcher->event_fd, &rung); /* it need not have rung */
    has_look = watcher->has_look;
    if (has_look)
        *out = watcher->look;
    watcher->has_look = false;
    (void)pthread_mutex_unlock(&watcher->lock);
    return has_look;
}

void watcher_poke(struct watcher *watcher)
{
    (void)pthread_mutex_lock(&watcher->lock);
    watcher->is_poked = true;
    (void)pthread_cond_signal(&watcher->wake);
    (void)pthread_mutex_unlock(&watcher->lock);
}

void watcher_look_release(struct watcher_look *look)
{
    redis_info_release(&look->info);
}
