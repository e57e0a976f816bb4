/*
 * Are the append-only files on the disk the ones that the server writes to? While it turns them on
 * (CONFIG SET appendonly yes, and whenever a replica has been sent its data anew) INFO says that
 * they are enabled, but the manifest is the old one until the server's child has written a new
 * base: a set of files that is whole, and out of date.
 */
#ifndef REDIS_AOF_READY_H
#define REDIS_AOF_READY_H

#include <stdint.h>

#include "base/err.h"
#include "redis/redis_info.h"
#include "redis/redis_watch.h"

struct aof_ready_options {
    int data_dir_fd; /* the server's `dir`, as we see it */
    const char *appenddirname;
    const char *appendfilename;
    int64_t timeout_ms; /* 0: none */
    /* Called once, when it has to wait; may be NULL. */
    void (*on_wait)(void *context);
    void *context;
};

/* Waits until they are, or until the server writes none: *out (initialised) is INFO of that moment,
 * and its aof_enabled tells which. A set that is opened from then on holds all that the server had
 * written by then. ERR_SERVER when that takes too long, or the rewrite that it needs does not come;
 * ERR_FAILED when redkeep is asked to stop. */
int aof_ready_wait(struct redis_watch *watch, const struct aof_ready_options *options,
                   struct redis_server_info *out, struct err *err);

#endif
