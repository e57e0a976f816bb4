/*
 * The persistence configuration for what somebody needs, with reasons. Pure: what they stated and
 * what the running server showed in, a recommendation out.
 */
#ifndef HOST_ADVISE_H
#define HOST_ADVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "host/pairs.h"

enum advise_durability { ADVISE_BEST_EFFORT, ADVISE_EVERY_SECOND, ADVISE_ALWAYS };
enum advise_use { ADVISE_CACHE, ADVISE_SESSIONS, ADVISE_QUEUE, ADVISE_RECORD };
enum advise_storage { ADVISE_NVME, ADVISE_SSD, ADVISE_HDD, ADVISE_NETWORK };
enum advise_mode { ADVISE_MODE_NONE, ADVISE_MODE_RDB, ADVISE_MODE_AOF, ADVISE_MODE_HYBRID };

/* Whose load it was that the time of a start is told from. */
enum advise_load {
    ADVISE_LOAD_NONE, /* a rule of thumb */
    ADVISE_LOAD_NOW,  /* this server loads at the moment */
    ADVISE_LOAD_LAST, /* this server's last one, which the sidecar has seen */
    ADVISE_LOAD_DRILL,
};

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
    int64_t dump_bytes;         /* its dump, on the volume */
    int64_t volume_bytes;       /* all of the volume */
    int64_t memory_limit_bytes; /* of its container, or what it may use; not the host's */
    int64_t load_bytes_per_s;   /* measured on a load of this data; INFO of one that loads now is
                                   used when this is not known */
    enum advise_load load;      /* which load that was */
    int64_t load_at_ms;         /* when; wall clock */
    int64_t drill_s;            /* what the last drill took: restored and loaded */
};
#define ADVISE_SERVER_UNKNOWN                                                                   \
    {                                                                                           \
        .dump_bytes = -1, .volume_bytes = -1, .memory_limit_bytes = -1, .load_bytes_per_s = -1, \
        .drill_s = -1                                                                           \
    }

struct advise_line {  /* one setting of a ready configuration */
    const char *name; /* static */
    char *value;      /* as CONFIG GET shows it, but for sizes, which have a unit; "" is "" */
    const char *why;  /* static; what follows the name: no capital, no full stop */
};

struct advise_texts {
    char **texts; /* sentences */
    size_t count;
};

struct advise_lines {
    struct advise_line *lines;
    size_t count;
};

struct advice {
    enum advise_mode mode;
    struct advise_texts reasons;
    struct advise_texts warnings; /* what is risky in the wish, or on the running server */
    struct advise_lines redis;    /* redis.conf */
    struct advise_lines redkeep;  /* redkeep.conf */
    /* -1: unknown; of loses_*: everything */
    int64_t loses_at_most_s;        /* when the process or the node dies */
    int64_t loses_at_most_volume_s; /* when the volume is lost */
    int64_t recovery_s;             /* from the start until the server serves again */
    enum advise_load recovery_by;   /* the load it is told from */
    int64_t recovery_by_ms;         /* when that was; -1 */
    int64_t recovery_volume_s;      /* restored from the repository and loaded: the last drill */
    int64_t memory_bytes;           /* to reserve for data, copy-on-write and buffers */
    int64_t disk_bytes;             /* to reserve on the volume */
};

/* The caller releases *out. */
void advise(const struct advise_wish *wish, const struct advise_server *server, struct advice *out);
void advice_release(struct advice *advice);

static inline void cleanup_advice(struct advice *advice)
{
    advice_release(advice);
}
#define auto_advice auto_with(cleanup_advice)

/* "none", "rdb", "aof" (the append-only file alone), "hybrid" (it and save points). Static. */
const char *advise_mode_name(enum advise_mode mode);
/* "now", "last-load", "drill"; NULL for a rule of thumb. Static. */
const char *advise_load_name(enum advise_load load);
/* The words of the settings, each in the order of its enum, ended by NULL. */
extern const char *const advise_durability_words[];
extern const char *const advise_use_words[];
extern const char *const advise_storage_words[];

/* The texts of the two files, comments with the reasons included; the caller frees. */
char *advice_redis_conf(const struct advice *advice);
char *advice_redkeep_conf(const struct advice *advice);
/* For `advise --diff`: an array of {name, running, advised, why}, a row for each redis.conf line
 * that the running server has otherwise; running is null where it does not say. The caller frees.
 */
struct json *advice_diff_json(const struct advice *advice, const struct pairs *config);
/* The members of struct advice, lines as {name, value, why}, and the two texts; the caller frees.
 */
struct json *advice_to_json(const struct advice *advice);

#endif
