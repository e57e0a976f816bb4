/*
 * What is risky on the server that runs: first of all the ways in which the advice itself could
 * cost data when its redis.conf is put in place by a restart.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "host/advise_plan.h"

#define SLOW_FORK_US ((int64_t)500 * 1000)

static bool has_keys(const struct pairs *info)
{
    for (size_t i = 0; info != NULL && i < info->count; i++) {
        if (strncmp(info->names[i], "db", 2) == 0 && isdigit((unsigned char)info->names[i][2]))
            return true;
    }
    return false;
}

/* A server with appendonly yes reads nothing but the append-only files, and one with no reads
 * nothing but the dump: changed by a restart, what it has is not what it reads. */
static void warn_of_change(struct advise_plan *plan)
{
    struct advise_texts *warnings = &plan->advice->warnings;
    bool wants_log = advise_has_log(plan->advice->mode);
    int64_t has_log = advise_info(plan, "aof_enabled");

    if (!has_keys(plan->server->info))
        return;
    if (wants_log && has_log == 0)
        advise_say(warnings,
                   "Do not restart into appendonly yes: the server would ignore its dump and start "
                   "empty. Turn it on while it runs (CONFIG SET appendonly yes), wait until INFO "
                   "says aof_rewrite_in_progress:0, and only then change redis.conf. redkeep "
                   "prepare, before the start, also sees to it.");
    if (plan->advice->mode == ADVISE_MODE_RDB && has_log == 1)
        advise_say(warnings,
                   "Do not restart into appendonly no: the server would load its dump, which may "
                   "be old. Run BGSAVE first, or turn it off while it runs (CONFIG SET appendonly "
                   "no) and save then.");
    if (plan->advice->mode == ADVISE_MODE_NONE)
        advise_say(warnings, "This server has data, and with the advised redis.conf a restart "
                             "loses it: that is what a cache is.");
}

static void warn_of_nothing_kept(struct advise_plan *plan)
{
    struct advise_texts *warnings = &plan->advice->warnings;

    if (plan->advice->mode == ADVISE_MODE_NONE || advise_info(plan, "aof_enabled") != 0)
        return;
    if (advise_config_is(plan, "save", ""))
        advise_say(warnings, "The running server keeps nothing: it has neither save points nor an "
                             "append-only file.");
    else if (advise_has_log(plan->advice->mode) && plan->server->config != NULL)
        advise_say(warnings, "The running server has save points only: a crash costs all that was "
                             "written since its last save.");
}

static void warn_of_failures(struct advise_plan *plan)
{
    static const struct {
        const char *name;
        const char *bad;
        const char *warning;
    } failures[] = {
        {"rdb_last_bgsave_status", "err",
         "The last save of the running server failed; its log says why."},
        {"aof_last_bgrewrite_status", "err",
         "The last rewrite of the append-only file failed: it grows until one succeeds."},
        {"aof_last_write_status", "err",
         "The last write to the append-only file failed: the server refuses writes until one "
         "succeeds."},
    };
    struct advise_texts *warnings = &plan->advice->warnings;
    int64_t delayed = advise_info(plan, "aof_delayed_fsync");
    int64_t fork_us = advise_info(plan, "latest_fork_usec");

    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (pairs_is(plan->server->info, failures[i].name, failures[i].bad))
            advise_say(warnings, "%s", failures[i].warning);
    }
    int64_t uptime_s = advise_info(plan, "uptime_in_seconds");
    char up[16];

    format_duration(uptime_s < 0 ? -1 : uptime_s * 1000, up, sizeof(up));
    /* more than one an hour */
    if (delayed > 1 && (uptime_s < 0 || delayed > uptime_s / 3600))
        advise_say(warnings,
                   "The volume is slow, or was: %" PRId64 " times in the %s since the server "
                   "started a write has waited for a sync that took longer than two seconds%s.",
                   delayed, up,
                   plan->wish->durability == ADVISE_ALWAYS
                       ? ", and with fsync_always every client would have"
                       : "");
    if (fork_us >= SLOW_FORK_US && plan->advice->mode != ADVISE_MODE_NONE)
        advise_say(warnings,
                   "The last fork stopped the server for %" PRId64 " ms, and each save, backup and "
                   "rewrite forks: several smaller servers would stop for less.",
                   fork_us / 1000);
}

static void warn_of_memory(struct advise_plan *plan)
{
    struct advise_texts *warnings = &plan->advice->warnings;
    int64_t evicted = advise_info(plan, "evicted_keys");
    bool must_last = plan->wish->use == ADVISE_RECORD || plan->wish->use == ADVISE_QUEUE;

    if (must_last && evicted > 0)
        advise_say(warnings,
                   "The running server has evicted %" PRId64 " keys of data that is meant to last.",
                   evicted);
    if (must_last && evicted <= 0 && advise_config(plan, "maxmemory") > 0 &&
        !advise_config_is(plan, "maxmemory-policy", "noeviction"))
        advise_say(warnings, "The running server would evict, when it is full, keys that are meant "
                             "to last.");
    if (plan->maxmemory_bytes <= 0)
        advise_say(warnings, "No maxmemory can be advised: what the server may use is not known "
                             "(--memory says it), and without one it grows until it is killed.");
}

static void warn_of_checksum(struct advise_plan *plan)
{
    if (plan->advice->mode != ADVISE_MODE_NONE && advise_config_is(plan, "rdbchecksum", "no"))
        advise_say(&plan->advice->warnings,
                   "The running server writes dumps without a checksum: damage in them cannot be "
                   "found. It takes a restart to change that.");
}

void advise_warn_of_server(struct advise_plan *plan)
{
    warn_of_change(plan);
    warn_of_nothing_kept(plan);
    warn_of_failures(plan);
    warn_of_memory(plan);
    warn_of_checksum(plan);
}
