/*
 * A throw-away server on a directory of its own, to see whether it loads what lies there: no port,
 * no saves, a unix socket. It dies with whoever started it, and with this object.
 */
#ifndef REDIS_SCRATCH_SERVER_H
#define REDIS_SCRATCH_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "redis/redis_info.h"

struct scratch_server;

struct scratch_server_options { /* all but clock are used at the start only */
    const char *program;        /* a path, or a name to be found in PATH */
    const char *dir;            /* with the data */
    const char *socket;         /* to be made; a path of at most 107 bytes */
    const char *log;            /* what it prints goes to this file */
    const char *dbfilename;
    const char *appendfilename; /* the two of append-only files; NULL: appendonly no */
    const char *appenddirname;
    int64_t stall_ms; /* a load that makes no progress for so long hangs */
    const struct clock *clock;
};

/* Starts it. ERR_CONFIG when there is no such program. The caller frees. */
int scratch_server_start(const struct scratch_server_options *options, struct scratch_server **out,
                         struct err *err);
/* Waits until it has loaded; *out (initialised, its content replaced) is INFO of that moment.
 * ERR_CORRUPT when it ends instead, with its last words; ERR_SERVER when it hangs; ERR_FAILED when
 * redkeep is asked to stop. on_loading may be NULL. */
int scratch_server_wait(struct scratch_server *server,
                        void (*on_loading)(void *context, const char *text), void *context,
                        struct redis_server_info *out, struct err *err);
/* Kills it and waits for its end. NULL is a no-op. */
void scratch_server_free(struct scratch_server *server);

DEFINE_CLEANUP(cleanup_scratch_server, struct scratch_server *, scratch_server_free);
#define auto_scratch_server auto_with(cleanup_scratch_server)

#endif
