/*
 * The one connection of the sidecar to its server: a thread that asks INFO again and again, so that
 * nobody else ever waits for a server that hangs. It reconnects by itself, for ever.
 */
#ifndef DAEMON_WATCHER_H
#define DAEMON_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "redis/readiness.h"
#include "redis/redis_conn.h"
#include "redis/redis_info.h"

struct watcher_options {
    struct redis_options redis; /* url, username, password and tls: copied, with what they point
                                 * to */
    int64_t interval_ms;        /* between two looks; 1000 */
    int64_t timeout_ms;         /* of a connect and of each answer; 5000 */
    const struct clock *clock;  /* copied; its context must outlive the thread, so: the system's */
};

struct watcher_look {
    struct readiness readiness;
    bool has_info;                 /* this look got an answer; else info is all unknown */
    struct redis_server_info info; /* the receiver's, to be released */
    struct err why;                /* when there is no answer */
    bool nobody_listens;           /* it is gone, not merely silent: see listening.h */
    int64_t at_ms;                 /* wall clock */
    int64_t since_answer_ms;       /* monotonic, since the last answer to INFO; -1: never one */
};

struct watcher;

/* Starts the thread (small stack). ERR_CONFIG for a bad URL, or tls for one without. The caller
 * frees. */
int watcher_new(const struct watcher_options *options, struct watcher **out, struct err *err);
/* Does it ask this server, as this user, with this password and these files? */
bool watcher_asks(const struct watcher *watcher, const struct redis_options *redis);
/* Ends the thread, or, when it waits for an answer right now, leaves it to end by itself when that
 * has come or its timeout is over: never waits for the server. NULL is a no-op. */
void watcher_free(struct watcher *watcher);
/* Readable (an eventfd) when there is a look that watcher_take has not given out. The first comes
 * at once; one more than by the interval comes when a connection breaks: that it did, and then what
 * became of connecting again. */
int watcher_fd(const struct watcher *watcher);
/* The newest look, once; false when there is none since the last call. */
bool watcher_take(struct watcher *watcher, struct watcher_look *out);
/* Look now, not only after the interval. */
void watcher_poke(struct watcher *watcher);

void watcher_look_release(struct watcher_look *look);

DEFINE_CLEANUP(cleanup_watcher, struct watcher *, watcher_free);
#define auto_watcher auto_with(cleanup_watcher)

#endif
