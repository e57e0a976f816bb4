/*
 * What has to be reserved, and how long a start takes. Measured on the server where it has shown
 * it, else by rules of thumb: the load and file sizes of servers 7.0 to 9.1 with small random
 * values, warm and cold, in bytes of the file.
 */
#include <stddef.h>

#include "host/advise_plan.h"

enum {
    DUMP_PERCENT = 68,      /* of used_memory: a dump of strings that do not compress */
    UNPACKED_PERCENT = 113, /* of a dump with rdbcompression yes: one without */
    COW_PERCENT = 50,       /* of the data: copy-on-write, while nothing was measured */
    COW_STEP = 25,          /* measured ones are rounded up to such steps: be steady */
    BUFFERS_PERCENT = 10,   /* of the data: clients, replicas, fragmentation */
    ROOM_PERCENT = 110,     /* of a volume: a full one breaks the append-only file */
    START_S = 1,            /* a process that has nothing to load */
    GROWTH_PERCENT = 150,   /* of what is used now: what is planned for without a maxmemory */
};
#define MB ((int64_t)1000 * 1000)
#define MIB ((int64_t)1024 * 1024)

/* Cold, in bytes a second. */
static const struct {
    int64_t base;     /* a dump, or the base of an append-only file */
    int64_t commands; /* the rest of it */
} load_speed[] = {
    [ADVISE_NVME] = {120 * MB, 80 * MB},
    [ADVISE_SSD] = {100 * MB, 70 * MB},
    [ADVISE_HDD] = {60 * MB, 50 * MB},
    [ADVISE_NETWORK] = {60 * MB, 50 * MB},
};

/* A fork is there in every mode but none; there it is a replica's first synchronisation. */
static int64_t cow_percent(const struct advise_plan *plan)
{
    int64_t percent = COW_PERCENT;

    if (plan->advice->mode == ADVISE_MODE_NONE && advise_info(plan, "connected_slaves") <= 0)
        return 0;
    if (plan->cow_bytes > 0 && plan->used_bytes >= MIB) {
        int64_t seen = plan->cow_bytes / (plan->used_bytes / 100);

        percent = (seen + COW_STEP - 1) / COW_STEP * COW_STEP;
        percent = percent < COW_PERCENT ? COW_PERCENT : percent;
    }
    return percent > 100 ? 100 : percent; /* every page was copied */
}

static void decide_maxmemory(struct advise_plan *plan)
{
    int64_t limit = plan->server->memory_limit_bytes;

    plan->maxmemory_bytes = advise_config(plan, "maxmemory");
    if (limit > 0) {
        int64_t share = limit / (100 + cow_percent(plan) + BUFFERS_PERCENT) * 100;

        plan->maxmemory_bytes = share >= MIB ? share / MIB * MIB : share;
    }
    plan->data_bytes = plan->maxmemory_bytes > 0 ? plan->maxmemory_bytes
                                                 : advise_percent(plan->used_bytes, GROWTH_PERCENT);
}

/* Of bytes of memory; measured when the volume has a dump of data that is worth measuring. */
static int64_t dump_of(const struct advise_plan *plan, int64_t bytes)
{
    int64_t dump_bytes = plan->server->dump_bytes;
    int64_t percent = DUMP_PERCENT * UNPACKED_PERCENT / 100;

    if (dump_bytes > 16 * MIB && plan->used_bytes > 16 * MIB) {
        percent = dump_bytes / (plan->used_bytes / 100) + 1;
        if (advise_config_is(plan, "rdbcompression", "yes"))
            percent = percent * UNPACKED_PERCENT / 100;
        percent = percent > 1000 ? 1000 : percent; /* the data has gone since */
    }
    return advise_percent(bytes, percent);
}

static void decide_disk(struct advise_plan *plan)
{
    struct advice *advice = plan->advice;
    int64_t dump_bytes = dump_of(plan, plan->data_bytes);

    advice->disk_bytes = -1;
    if (advice->mode == ADVISE_MODE_NONE)
        advice->disk_bytes = 0;
    else if (dump_bytes < 0)
        return;
    else if (advice->mode == ADVISE_MODE_RDB)
        advice->disk_bytes = advise_percent(2 * dump_bytes, ROOM_PERCENT);
    else /* base, commands up to the size of the base, the dump of redkeep's saves, and what is
            being written: a new base, or a new dump */
        advice->disk_bytes = advise_percent(4 * dump_bytes, ROOM_PERCENT);
}

static void decide_memory(struct advise_plan *plan)
{
    plan->advice->memory_bytes =
        advise_percent(plan->data_bytes, 100 + cow_percent(plan) + BUFFERS_PERCENT);
}

/* What was measured, else what a server that loads right now shows. */
static int64_t speed_of_load(struct advise_plan *plan)
{
    const struct advise_server *server = plan->server;
    struct advice *advice = plan->advice;
    int64_t loaded_bytes = advise_info(plan, "loading_loaded_bytes");
    int64_t began_s = advise_info(plan, "loading_start_time");
    int64_t now_s = advise_info(plan, "server_time_usec") / 1000000;

    if (server->load_bytes_per_s > 0) {
        advice->recovery_by = server->load;
        advice->recovery_by_ms = server->load_at_ms;
        return server->load_bytes_per_s;
    }
    if (advise_info(plan, "loading") != 1 || loaded_bytes <= 0 || began_s <= 0 || now_s <= began_s)
        return -1;
    advice->recovery_by = ADVISE_LOAD_NOW;
    advice->recovery_by_ms = now_s * 1000;
    return loaded_bytes / (now_s - began_s);
}

static void estimate_recovery(struct advise_plan *plan)
{
    struct advice *advice = plan->advice;
    int64_t base_bytes = dump_of(plan, plan->used_bytes);
    /* before it is rewritten, the commands are as long as the base */
    int64_t command_bytes = advise_has_log(advice->mode) ? base_bytes : 0;
    bool is_loading = advise_info(plan, "loading") == 1;

    advice->recovery_s = -1;
    advice->recovery_by_ms = -1;
    if (is_loading && advise_info(plan, "loading_total_bytes") > 0) {
        base_bytes = advise_info(plan, "loading_total_bytes"); /* used_memory is half way */
        command_bytes = 0;
    }
    if (advice->mode == ADVISE_MODE_NONE) {
        advice->recovery_s = START_S;
        return;
    }
    if (base_bytes < 0)
        return;
    int64_t speed = speed_of_load(plan);
    if (speed > 0) {
        advice->recovery_s = START_S + (base_bytes + command_bytes) / speed;
    } else {
        advice->recovery_by = ADVISE_LOAD_NONE;
        advice->recovery_s = START_S + base_bytes / load_speed[plan->wish->storage].base +
                             command_bytes / load_speed[plan->wish->storage].commands;
    }
}

void advise_reserve(struct advise_plan *plan)
{
    decide_maxmemory(plan);
    decide_memory(plan);
    decide_disk(plan);
    estimate_recovery(plan);
}
