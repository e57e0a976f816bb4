/*
 * The lines of both files. What is here is what the advice decides; what a server or redkeep has as
 * a good default for everybody is left out, but for what people are known to change.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host/advise_plan.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 24 * HOUR, DRAIN_S = 25, DRAIN_MAX_S = 3600 };

static void add(struct advise_lines *lines, const char *name, const char *why, char *value)
{
    lines->lines = xreallocarray(lines->lines, lines->count + 1, sizeof(*lines->lines));
    lines->lines[lines->count++] = (struct advise_line){.name = name, .value = value, .why = why};
}

static void set(struct advise_lines *lines, const char *name, const char *value, const char *why)
{
    add(lines, name, why, xstrdup(value));
}

static char *size_text(int64_t bytes)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    size_t unit = 0;

    while (unit < 3 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    return xasprintf("%" PRId64 "%s", bytes, units[unit]);
}

/* ---- redis.conf ---- */

static void add_saves(struct advise_plan *plan)
{
    struct advise_lines *lines = &plan->advice->redis;
    int64_t every_s = plan->save_every_s;
    int64_t floor_s = 3 * plan->save_s;

    if (every_s == 0)
        set(lines, "save", "",
            plan->advice->mode == ADVISE_MODE_NONE
                ? "nothing is written, and no fork takes memory or time"
                : "nothing reads the dump at a start; redkeep asks for a save when it backs up");
    else if (plan->advice->mode == ADVISE_MODE_HYBRID)
        add(lines, "save", "a second copy beside the append-only file",
            xasprintf("%" PRId64 " 1", every_s));
    else
        add(lines, "save",
            "how much a crash may cost: seconds and changes, more often when much was written",
            xasprintf("%" PRId64 " 1%s%s", every_s,
                      every_s > 300 && floor_s <= 300 ? " 300 100" : "",
                      every_s > MINUTE && floor_s <= MINUTE ? " 60 10000" : ""));
}

static void add_log(struct advise_plan *plan)
{
    struct advise_lines *lines = &plan->advice->redis;

    if (!advise_has_log(plan->advice->mode)) {
        set(lines, "appendonly", "no", "the dump is what the server loads");
        return;
    }
    set(lines, "appendonly", "yes", "every write is in the file that the server loads");
    if (plan->wish->durability == ADVISE_ALWAYS)
        set(lines, "appendfsync", "always", "a client hears of its write when it is on the disk");
    else
        set(lines, "appendfsync", "everysec", "a crash costs two seconds at most");
    set(lines, "aof-use-rdb-preamble", "yes", "the base loads as fast as a dump");
    set(lines, "no-appendfsync-on-rewrite", "no",
        "yes would leave half a minute of writes unsynced during each rewrite and each save");
    set(lines, "auto-aof-rewrite-percentage", "100",
        "rewritten when it is twice as long as after the last time: bounds the disk and the load");
    if (plan->wish->use == ADVISE_QUEUE)
        set(lines, "auto-aof-rewrite-min-size", "256mb",
            "a queue writes much and holds little: a low bound would rewrite all the time");
    else
        set(lines, "auto-aof-rewrite-min-size", "64mb", "a small file is not worth a fork");
    set(lines, "aof-load-truncated", "yes",
        "a last command that a power loss cut off does not stop the start; redkeep guard looks "
        "first");
}

static void add_dumps(struct advise_plan *plan)
{
    struct advise_lines *lines = &plan->advice->redis;
    int64_t volume_bytes = plan->server->volume_bytes;
    bool saves_alone = plan->advice->mode == ADVISE_MODE_RDB;
    bool must_stop = plan->wish->use == ADVISE_QUEUE || plan->wish->use == ADVISE_RECORD;

    if (plan->advice->mode == ADVISE_MODE_NONE)
        return;
    if (saves_alone && must_stop)
        set(lines, "stop-writes-on-bgsave-error", "yes",
            "saves are all that keeps this data: better no writes than lost ones");
    else
        set(lines, "stop-writes-on-bgsave-error", "no",
            saves_alone ? "a failed save is an alarm, and no outage"
                        : "the append-only file has the writes: a failed save, redkeep's too, is "
                          "an alarm and no outage");
    if (volume_bytes >= 0 && plan->advice->disk_bytes > volume_bytes)
        set(lines, "rdbcompression", "yes", "the volume is small");
    else
        set(lines, "rdbcompression", "no",
            "saves take 40 % less time and loads 20 %, and redkeep compresses what it stores, to "
            "less than from a compressed dump; the file itself is an eighth larger");
    set(lines, "rdbchecksum", "yes",
        "a damaged dump is found when it is read; a running server cannot change this");
}

/* The policy that runs already, when it is one of the kind. */
static const char *policy(const struct advise_plan *plan, const char *kind, const char *otherwise)
{
    const char *running = pairs_get(plan->server->config, "maxmemory-policy");

    return running != NULL && strncmp(running, kind, strlen(kind)) == 0 ? running : otherwise;
}

static void add_memory(struct advise_plan *plan)
{
    struct advise_lines *lines = &plan->advice->redis;

    if (plan->maxmemory_bytes > 0)
        add(lines, "maxmemory",
            plan->server->memory_limit_bytes > 0
                ? "leaves room for copy-on-write and buffers below the limit"
                : "as it is: redkeep does not know what the server may use",
            size_text(plan->maxmemory_bytes));
    switch (plan->wish->use) {
    case ADVISE_CACHE:
        set(lines, "maxmemory-policy", policy(plan, "allkeys-", "allkeys-lru"),
            "a full cache drops what is used least");
        break;
    case ADVISE_SESSIONS:
        set(lines, "maxmemory-policy", policy(plan, "volatile-", "volatile-lru"),
            "a full store drops sessions, and nothing that has no expiry");
        break;
    case ADVISE_QUEUE:
    case ADVISE_RECORD:
        set(lines, "maxmemory-policy", "noeviction",
            "a full server says so; it never drops what is meant to last");
        break;
    }
}

/* ---- redkeep.conf ---- */

static char *schedule_text(int64_t every_s)
{
    if (every_s == HOUR)
        return xstrdup("@hourly");
    if (every_s == DAY)
        return xstrdup("@daily");
    if (every_s % HOUR == 0)
        return xasprintf("@every %" PRId64 "h", every_s / HOUR);
    return xasprintf("@every %" PRId64 "m", every_s / MINUTE);
}

static void add_retention(struct advise_plan *plan)
{
    static const struct {
        const char *last;
        const char *daily;
        const char *weekly;
        const char *monthly;
    } kept[] = {
        [ADVISE_CACHE] = {"2", "off", "off", "off"},
        [ADVISE_SESSIONS] = {"24", "2", "off", "off"},
        [ADVISE_QUEUE] = {"24", "off", "off", "off"},
        [ADVISE_RECORD] = {"24", "7", "4", "12"},
    };
    struct advise_lines *lines = &plan->advice->redkeep;
    enum advise_use use = plan->wish->use;
    bool is_frequent = plan->backup_every_s < HOUR && use != ADVISE_CACHE;

    set(lines, "keep-last", kept[use].last, "the newest ones");
    set(lines, "keep-hourly", is_frequent ? "24" : "off",
        is_frequent ? "a day of hours behind the newest ones" : "the newest ones reach as far");
    set(lines, "keep-daily", kept[use].daily,
        use == ADVISE_RECORD ? "mistakes are found days later" : "older data is of no use");
    set(lines, "keep-weekly", kept[use].weekly,
        use == ADVISE_RECORD ? "or weeks later" : "older data is of no use");
    set(lines, "keep-monthly", kept[use].monthly,
        use == ADVISE_RECORD ? "or at the end of the year" : "older data is of no use");
}

static void add_alarms(struct advise_plan *plan)
{
    static const struct {
        const char *shrink;
        const char *why;
        const char *verify;
    } alarms[] = {
        [ADVISE_CACHE] = {"off", "a cache may be empty", "off"},
        [ADVISE_SESSIONS] = {"90", "sessions come and go", "@weekly"},
        [ADVISE_QUEUE] = {"off", "an empty queue is a good one", "@weekly"},
        [ADVISE_RECORD] = {"50", "a record that is suddenly half as large has lost data", "@daily"},
    };
    struct advise_lines *lines = &plan->advice->redkeep;
    enum advise_use use = plan->wish->use;

    set(lines, "shrink-alarm", alarms[use].shrink, alarms[use].why);
    set(lines, "verify-schedule", alarms[use].verify,
        "reads the newest backup back; with drill-server it is loaded too, and timed");
}

static void add_drain(struct advise_plan *plan)
{
    int64_t drain_s = DRAIN_S + 2 * plan->save_s;

    if (plan->save_s <= 0 || plan->save_every_s == 0)
        return; /* the default is enough; and without save points SHUTDOWN does not save */
    add(&plan->advice->redkeep, "drain-timeout",
        "the server saves when it is stopped, and that is stored; the pod needs longer than this",
        xasprintf("%" PRId64 "s", drain_s > DRAIN_MAX_S ? DRAIN_MAX_S : drain_s));
}

static void compose_redkeep(struct advise_plan *plan)
{
    struct advise_lines *lines = &plan->advice->redkeep;

    set(lines, "appendonly", advise_has_log(plan->advice->mode) ? "yes" : "no",
        "what the server is started with, so that a restore is laid out for it");
    if (plan->backup_every_s == 0) {
        set(lines, "backup-schedule", "off", "there is nothing that is worth keeping");
        return;
    }
    add(lines, "backup-schedule", "how much the loss of the volume may cost",
        schedule_text(plan->backup_every_s));
    set(lines, "backup-on-changes", "1000000",
        "nothing is stored when nothing was written, and sooner after a burst of writes");
    set(lines, "backup-include",
        advise_info(plan, "cluster_enabled") == 1 ? "rdb,acl,cluster" : "rdb,acl",
        "a dump that redkeep proves, and what it is loaded with");
    add_retention(plan);
    add_alarms(plan);
    add_drain(plan);
}

void advise_compose(struct advise_plan *plan)
{
    add_saves(plan);
    add_log(plan);
    add_dumps(plan);
    add_memory(plan);
    compose_redkeep(plan);
}
