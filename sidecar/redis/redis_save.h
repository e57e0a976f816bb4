/*
 * A proven save. BGSAVE's "ok" proves nothing: a FLUSHALL kills the child and leaves the status ok,
 * LASTSAVE has whole seconds, the file may be in another directory than the one we look at. The
 * proof is a file that is not the one that was there before the request, whose header `ctime` is
 * not before the request by the server's own clock, and which ends with the EOF opcode. (Its CRC64
 * is checked by whoever streams it.)
 *
 * Nothing here writes to the data directory, and only BGSAVE, INFO and (to explain a failure)
 * CONFIG GET are sent.
 */
#ifndef REDIS_REDIS_SAVE_H
#define REDIS_REDIS_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "redis/rdb_probe.h"
#include "redis/redis_conn.h"
#include "redis/redis_info.h"

struct redis_save_options {
    const struct clock *clock;
    int64_t timeout_ms;     /* of everything together; 0: none (an hour's save is no error) */
    int64_t poll_ms;        /* at most, between two looks at INFO; 0: 250 */
    int data_dir_fd;        /* the server's `dir`, as we see it */
    const char *data_dir;   /* its name, for messages */
    const char *dbfilename; /* "dump.rdb" */
    /* Percent of the keys written so far, when it changed; 0 at the start. May be NULL. */
    void (*on_progress)(void *context, int percent);
    void *context;
};

struct redis_saved {
    int fd; /* the new file, read-only and pinned: it stays whole if the server saves again */
    struct rdb_ends rdb; /* its size, head and tail */
    int64_t asked_ms;    /* wall clock: when the save was asked for */
    int64_t forked_ms;   /* when the server had forked: the moment that the file shows */
    int64_t done_ms;     /* when the new file was seen */
    int64_t cow_bytes;   /* memory that the fork cost; -1 unknown */
    /* True: at_fork is INFO in the same instant as the fork, so its keys are the file's. False:
     * another save that began after our request made the file, or the server put ours off. */
    bool is_exact;
    /* No other save came in between, and yet the file does not hold as many keys as the server had
     * at its fork: it may be another server's. */
    bool is_strange;
    struct redis_server_info at_fork;
    int attempts; /* BGSAVEs that were accepted: 1 when nothing went wrong, 0 when it was another's
                   */
};

/* Waits for a child that is already running (its data is older than the request), saves, and proves
 * the result. ERR_SERVER with the reason and a HINT when the server does not, or cannot, save;
 * ERR_CORRUPT when the new file is broken; ERR_FAILED when redkeep is asked to stop while it waits
 * (the server's save goes on). The caller releases *out; on failure there is nothing
 * to release. Never call it without redis_save_preflight. */
int redis_save_proven(struct redis *redis, const struct redis_save_options *options,
                      struct redis_saved *out, struct err *err);
void redis_saved_release(struct redis_saved *saved);

struct redis_save_room {
    uint64_t dump_bytes;       /* size of the present dump; 0 when there is none */
    uint64_t disk_free_bytes;  /* for the server, on the volume */
    int64_t memory_free_bytes; /* MemAvailable, or what the cgroup leaves, the less; -1 unknown */
};

/* Pure. INVARIANT 10 (the server comes first): a save that fails makes the server refuse every
 * write, so one that may not fit is not started: ERR_FAILED, with what is missing. */
int redis_save_preflight(const struct redis_server_info *info, const struct redis_save_room *room,
                         struct err *err);

static inline void cleanup_redis_saved(struct redis_saved *saved)
{
    redis_saved_release(saved);
}
/* Only for a variable initialised with REDIS_SAVED_INIT or filled by redis_save_proven. */
#define auto_redis_saved auto_with(cleanup_redis_saved)
#define REDIS_SAVED_INIT \
    {                    \
        .fd = -1         \
    }

#endif
