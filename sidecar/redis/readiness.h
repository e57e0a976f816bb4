/*
 * Has the server loaded its data? The rule: it answers INFO, neither `loading` nor `async_loading`
 * is 1, and a replica's link is up with no sync in progress. PING is no witness: it fails for
 * MISCONF, BUSY, MASTERDOWN and NOAUTH too, and a server that is loading answers INFO all the time.
 * Pure.
 */
#ifndef REDIS_READINESS_H
#define REDIS_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "redis/redis_info.h"

enum readiness_state {
    READINESS_UNREACHABLE,
    READINESS_AUTH, /* it refuses us: wrong or no password, no permission for INFO */
    READINESS_LOADING,
    READINESS_SYNCING, /* a replica without its primary's data */
    READINESS_READY,
};

struct readiness {
    enum readiness_state state;
    double loading_percent; /* in tenths, cut; -1 unknown; these five only while loading */
    int64_t loaded_bytes;   /* -1 unknown */
    int64_t total_bytes;    /* -1 unknown */
    int64_t bytes_per_s;    /* -1 unknown */
    int64_t eta_s;          /* -1 unknown */
    char why[256];          /* one sentence on one line of UTF-8, without a hint; "" when ready */
};

/* "unreachable", "auth", "loading", "syncing", "ready". Static. */
const char *readiness_name(enum readiness_state state);

/* From an answer to INFO. before (may be NULL) and elapsed_ms since then give the rate; without
 * them it is bytes loaded by the time since loading_start_time, and the server's own eta. */
void readiness_from_info(const struct redis_server_info *info, const struct readiness *before,
                         int64_t elapsed_ms, struct readiness *out);

/* From a failed connect or INFO, by err_problem. A script that blocks the server (BUSY) or a full
 * connection table says nothing about loading: *before stays, or, where nothing is known (before is
 * NULL, unreachable or auth), BUSY is ready (a server that loads runs no script) and too many
 * clients is unreachable. */
void readiness_from_error(const struct err *why, const struct readiness *before,
                          struct readiness *out);

/* The fixed fields `ready`, `state`, `loading_percent`, `eta_seconds`, `why`, and ours:
 * `loaded_bytes`, `total_bytes`, `bytes_per_second`. A root that the caller frees. */
struct json *readiness_to_json(const struct readiness *readiness);
/* "ready", "loading: 42 %, 512 MB of 1.2 GB, 180 MB/s, 4 s left" (what is known of it),
 * "unreachable: ..."; heap. */
char *readiness_text(const struct readiness *readiness);

#endif
