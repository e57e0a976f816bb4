/*
 * The persistence configuration for what somebody needs, with reasons. Pure: what they stated and
 * what the running server showed in, a recommendation out.
 */
#ifndef HOST_ADVISE_H
#define HOST_ADVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "host/pairs.h"

enum advise_durability { ADVISE_BEST_EFFORT, ADVISE_EVERY_SECOND, ADVISE_ALWAYS };
enum advise_use { ADVISE_CACHE, ADVISE_SESSIONS, ADVISE_QUEUE, ADVISE_RECORD };
enum advise_storage { ADVISE_NVME, ADVISE_SSD, ADVISE_HDD, ADVISE_NETWORK };
enum advise_mode { ADVISE_MODE_NONE, ADVISE_MODE_RDB, ADVISE_MODE_AOF, ADVISE_MODE_HYBRID };

struct advise_wish {
    enum advise_durability durability;
    enum advise_use use;
    enum advise_storage storage;
    int64_t recovery_point_s; /* what a lost volume may cost; -1: not stated */
};

/* What is known of the server that it is for; NULL and -1: nothing. */
struct advise_server {
    const struct pairs *info;   /* INFO everything */
    const struct pairs *config; /* CONFIG GET * */
    int64_t load_bytes_per_s;   /* measured on this server's own loads; -1: none */
    int64_t volume_total_bytes;
    int64_t volume_free_bytes;
    int64_t memory_limit_bytes; /* of the container or the host; -1 */
};

struct advise_line {  /* one setting of a ready configuration */
    const char *name; /* static */
    char *value;
    const char *why; /* static */
};

struct advise_texts {
    char **texts;
    size_t count;
};

struct advice {
    enum advise_mode mode;
    struct advise_texts reasons; /* sentences */
    struct advise_texts
        warnings;              /* sentences: what is risky in the wish or on the running server */
    struct advise_line *redis; /* redis.conf */
    size_t redis_count;
    struct advise_line *redkeep; /* redkeep.conf */
    size_t redkeep_count;
    int64_t
        loses_at_most_s; /* when the process or the node dies; -1: everything since the last save */
    int64_t recovery_s;  /* estimated time until the server serves again; -1 unknown */
    bool recovery_is_measured; /* from this server's own loads, else from a rule of thumb */
    int64_t memory_bytes;      /* to reserve for data, copy-on-write and buffers; -1 unknown */
    int64_t disk_bytes;        /* to reserve on the volume; -1 unknown */
};

/* The caller releases *out. */
void advise(const struct advise_wish *wish, const struct advise_server *server, struct advice *out);
void advice_release(struct advice *advice);

/* The texts of the two files, comments with the reasons included; the caller frees. */
char *advice_redis_conf(const struct advice *advice);
char *advice_redkeep_conf(const struct advice *advice);
/* For `advise --diff`: each redis.conf line that the running server has otherwise: name, running,
 * advised, why. The caller frees. */
struct json *advice_diff_json(const struct advice *advice, const struct pairs *config);
struct json *advice_to_json(const struct advice *advice);

#endif
