/*
 * Looking at one server again and again, through what passes by itself: a script that blocks it, a
 * fork that stops it for longer than an answer may take, a connection that is dropped. It has to be
 * the same server process all the time.
 */
#ifndef REDIS_REDIS_WATCH_H
#define REDIS_REDIS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "redis/redis_conn.h"
#include "redis/redis_info.h"

#define REDIS_WATCH_LOST_MAX_MS 60000 /* how long a server may not be reachable */

struct redis_watch {
    struct redis *redis; /* borrowed */
    const struct clock *clock;
    char run_id[48]; /* of the server process; "" until it is known */
    bool is_lost;
    int64_t lost_ms; /* monotonic: since when it cannot be reached */
};

/* INFO into *out (initialised; its content is replaced). 1 done; 0 not for now: look again after a
 * pause; -1 with ERR_SERVER when it is not reachable for too long, is another process than before,
 * or refuses for good. */
int redis_watch_look(struct redis_watch *watch, struct redis_server_info *out, struct err *err);

/* After another command failed with *err: 0 when a look may find the server again, else -1 and *err
 * stays. */
int redis_watch_forgive(struct redis_watch *watch, struct err *err);

#endif
