/*
 * What is risky in what was asked for: wishes that contradict one another, and a recovery point
 * that the mode or the schedule cannot keep.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "base/parse.h"
#include "host/advise_plan.h"

struct span {
    char text[24];
};

static struct span span(int64_t seconds)
{
    struct span out = {0};

    if (seconds < 60) /* "5.0 s" is more precise than this is */
        (void)snprintf(out.text, sizeof(out.text), "%d seconds", (int)seconds);
    else
        format_duration(seconds * 1000, out.text, sizeof(out.text));
    return out;
}

static void warn_of_sync(struct advise_plan *plan)
{
    const struct advise_wish *wish = plan->wish;
    struct advise_texts *warnings = &plan->advice->warnings;

    if (wish->durability == ADVISE_ALWAYS && wish->storage == ADVISE_HDD)
        advise_say(warnings,
                   "fsync_always on a hard disk: each round of writes waits for a turn of the "
                   "disk, so a hundred rounds a second are about what to expect.");
    if (wish->durability == ADVISE_ALWAYS && wish->storage == ADVISE_NETWORK)
        advise_say(warnings, "fsync_always on network storage: each round of writes waits for the "
                             "network, and the server answers nobody meanwhile; an NFS server may "
                             "also say that it is done before it is.");
    if (advise_has_log(plan->advice->mode) && wish->durability != ADVISE_ALWAYS &&
        wish->storage == ADVISE_NETWORK)
        advise_say(warnings, "Network storage can stall: when a sync takes longer than two "
                             "seconds, every write waits for it.");
    if (wish->durability == ADVISE_ALWAYS && wish->use == ADVISE_CACHE)
        advise_say(warnings, "fsync_always for a cache: its writes wait for the disk, to keep what "
                             "can be had again.");
    if (wish->durability == ADVISE_EVERY_SECOND && wish->use == ADVISE_CACHE)
        advise_say(warnings, "A cache can be filled again: best_effort would spare it the "
                             "append-only file.");
}

static void warn_of_best_effort(struct advise_plan *plan)
{
    struct advise_texts *warnings = &plan->advice->warnings;
    int64_t loses_s = plan->advice->loses_at_most_s;

    if (plan->advice->mode != ADVISE_MODE_RDB)
        return;
    if (plan->wish->use == ADVISE_RECORD)
        advise_say(warnings,
                   "best_effort for a system of record: a crash costs up to %s of acknowledged "
                   "writes; fsync_every_second would lose %d seconds.",
                   span(loses_s).text, ADVISE_EVERY_SECOND_LOSES_S);
    if (plan->wish->use == ADVISE_QUEUE)
        advise_say(
            warnings,
            "best_effort for a queue: a crash costs up to %s of jobs that were accepted, and "
            "runs again those that were taken since.",
            span(loses_s).text);
}

static void warn_of_recovery_point(struct advise_plan *plan)
{
    struct advise_texts *warnings = &plan->advice->warnings;
    int64_t recovery_point_s = plan->wish->recovery_point_s;
    int64_t loses_s = plan->advice->loses_at_most_s;
    int64_t volume_s = plan->advice->loses_at_most_volume_s;

    if (recovery_point_s < 0)
        return;
    if (loses_s > recovery_point_s)
        advise_say(warnings,
                   "A crash may cost %s, more than the recovery point of %s: only fsync_always "
                   "loses nothing.",
                   span(loses_s).text, span(recovery_point_s).text);
    if (volume_s > recovery_point_s)
        advise_say(warnings,
                   "A lost volume may cost %s, more than the recovery point of %s: backups are "
                   "whole copies, and one each %s is as often as this server can give them. A "
                   "replica on another node is what loses less.",
                   span(volume_s).text, span(recovery_point_s).text,
                   span(plan->backup_every_s).text);
}

/* A primary that comes back empty makes its replicas empty too. */
static void warn_of_replicas(struct advise_plan *plan)
{
    if (plan->advice->mode == ADVISE_MODE_NONE && advise_info(plan, "connected_slaves") > 0)
        advise_say(&plan->advice->warnings,
                   "This server has replicas and would keep nothing: when it restarts it is empty, "
                   "and its replicas become empty with it. Keep it from restarting by itself.");
}

static void warn_of_room(struct advise_plan *plan)
{
    struct advise_texts *warnings = &plan->advice->warnings;
    const struct advise_server *server = plan->server;
    char needs[16];
    char has[16];

    if (server->volume_bytes >= 0 && plan->advice->disk_bytes > server->volume_bytes) {
        format_size((uint64_t)plan->advice->disk_bytes, needs, sizeof(needs));
        format_size((uint64_t)server->volume_bytes, has, sizeof(has));
        advise_say(warnings,
                   "The volume has %s and should have %s: when it is full the server refuses "
                   "writes, and the append-only file may be damaged.",
                   has, needs);
    }
    if (server->memory_limit_bytes > 0 && plan->used_bytes > plan->maxmemory_bytes) {
        format_size((uint64_t)plan->used_bytes, needs, sizeof(needs));
        format_size((uint64_t)server->memory_limit_bytes, has, sizeof(has));
        advise_say(warnings,
                   "The server already uses %s of the %s it may have, which leaves too little for "
                   "copy-on-write: a save can get it killed. With the advised maxmemory it would "
                   "refuse writes, or evict: give it more memory first.",
                   needs, has);
    }
}

void advise_warn(struct advise_plan *plan)
{
    warn_of_sync(plan);
    warn_of_best_effort(plan);
    warn_of_recovery_point(plan);
    warn_of_replicas(plan);
    warn_of_room(plan);
}
