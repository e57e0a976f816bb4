/*
 * What the parts of the advice share while it is made: what was seen, in numbers, and what has been
 * decided so far. advise.c calls them in the order in which they stand here.
 */
#ifndef HOST_ADVISE_PLAN_H
#define HOST_ADVISE_PLAN_H

#include "host/advise.h"

/* A write in the page cache goes to the disk each second; one that waits for a sync that is still
 * running is put off for two (redis-server: flushAppendOnlyFile). */
#define ADVISE_EVERY_SECOND_LOSES_S 2

struct advise_plan {
    const struct advise_wish *wish;
    const struct advise_server *server;
    struct advice *advice;

    /* seen; -1: not */
    int64_t used_bytes;
    int64_t cow_bytes; /* the most that a save or a rewrite has needed; 0 is not measured: -1 */
    int64_t save_s;    /* how long a save takes: the last one, else guessed from the size */

    /* decided */
    int64_t save_every_s;   /* the longest of the save points; 0: there are none */
    int64_t backup_every_s; /* 0: no backups */
    int64_t backup_takes_s;
    int64_t maxmemory_bytes; /* -1: there is nothing to tell it from; 0: no limit */
    int64_t data_bytes;      /* memory to plan for; -1: unknown */
};

static inline bool advise_has_log(enum advise_mode mode)
{
    return mode == ADVISE_MODE_AOF || mode == ADVISE_MODE_HYBRID;
}

void advise_look(struct advise_plan *plan);           /* what was seen */
void advise_choose(struct advise_plan *plan);         /* mode, intervals, reasons, loses_at_most */
void advise_reserve(struct advise_plan *plan);        /* maxmemory, memory, disk, recovery */
void advise_compose(struct advise_plan *plan);        /* the lines of both files */
void advise_warn(struct advise_plan *plan);           /* of the wish */
void advise_warn_of_server(struct advise_plan *plan); /* of what runs */

/* Adds a sentence. */
void advise_say(struct advise_texts *texts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The number called name in INFO, or in CONFIG; -1 when it is not there. */
int64_t advise_info(const struct advise_plan *plan, const char *name);
int64_t advise_config(const struct advise_plan *plan, const char *name);
/* Is name in CONFIG, and is it value? */
bool advise_config_is(const struct advise_plan *plan, const char *name, const char *value);
/* part * percent / 100, without overflow; -1 stays -1. */
int64_t advise_percent(int64_t bytes, int64_t percent);

#endif
