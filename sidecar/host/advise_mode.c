/*
 * What is decided first: the mode, how often the server saves and how often redkeep backs up.
 *
 * A process or a node that dies costs what is not on the volume: the mode decides that. A lost
 * volume costs what no backup holds: the schedule decides that. The recovery point binds both.
 */
#include <stddef.h>

#include "host/advise_plan.h"

enum {
    MINUTE = 60,
    HOUR = 3600,
    DAY = 24 * HOUR,
    SAVE_SLACK_S = 5,     /* a small save takes no time, and yet the next one may: be steady */
    UNSEEN_BACKUP_S = 30, /* what a backup is taken to need when nobody knows the data */
};
/* What a backup reads, compresses and uploads a second, on a network that is not fast. */
#define BACKUP_BYTES_PER_S ((int64_t)50 * 1000 * 1000)

static const int64_t intervals[] = {MINUTE,      2 * MINUTE,  3 * MINUTE,  5 * MINUTE, 10 * MINUTE,
                                    15 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR,       2 * HOUR,
                                    3 * HOUR,    4 * HOUR,    6 * HOUR,    12 * HOUR,  DAY};

/* The longest of the intervals that is at most at_most; when that is less than at_least, the
 * shortest that is not; the last one when there is no such. */
static int64_t interval(int64_t at_least, int64_t at_most)
{
    size_t last = sizeof intervals / sizeof intervals[0] - 1;
    size_t i = last;

    while (i > 0 && intervals[i] > at_most)
        i--;
    while (i < last && intervals[i] < at_least)
        i++;
    return intervals[i];
}

static int64_t save_span(const struct advise_plan *plan)
{
    return plan->save_s > SAVE_SLACK_S ? plan->save_s : SAVE_SLACK_S;
}

/* A server that saves for more than a third of its time forks and copies without end. */
static int64_t shortest_pause(const struct advise_plan *plan)
{
    return 3 * save_span(plan) > MINUTE ? 3 * save_span(plan) : MINUTE;
}

/* What was written just after the fork of one save is on the volume when the next one is done, and
 * the server counts the pause from the end of the save. */
static int64_t saves_lose(const struct advise_plan *plan, int64_t every_s)
{
    return every_s + 2 * save_span(plan);
}

static bool saves_fit(const struct advise_plan *plan)
{
    int64_t recovery_point_s = plan->wish->recovery_point_s;

    return recovery_point_s < 0 ||
           saves_lose(plan, interval(shortest_pause(plan), MINUTE)) <= recovery_point_s;
}

static enum advise_mode mode_of(const struct advise_plan *plan)
{
    const struct advise_wish *wish = plan->wish;

    if (wish->durability == ADVISE_BEST_EFFORT) {
        if (wish->use == ADVISE_CACHE && wish->recovery_point_s < 0)
            return ADVISE_MODE_NONE;
        if (saves_fit(plan))
            return ADVISE_MODE_RDB;
    }
    return wish->use == ADVISE_RECORD ? ADVISE_MODE_HYBRID : ADVISE_MODE_AOF;
}

static void decide_saves(struct advise_plan *plan)
{
    int64_t recovery_point_s = plan->wish->recovery_point_s;
    int64_t at_most_s = HOUR;

    if (plan->advice->mode == ADVISE_MODE_RDB) {
        at_most_s = plan->wish->use == ADVISE_CACHE ? HOUR : 5 * MINUTE;
        if (recovery_point_s >= 0)
            at_most_s = recovery_point_s - 2 * save_span(plan);
        if (at_most_s > HOUR)
            at_most_s = HOUR;
    } else if (plan->advice->mode != ADVISE_MODE_HYBRID) {
        return;
    }
    plan->save_every_s = interval(shortest_pause(plan), at_most_s);
}

static void decide_backups(struct advise_plan *plan)
{
    int64_t recovery_point_s = plan->wish->recovery_point_s;
    int64_t at_most_s = plan->wish->use == ADVISE_CACHE ? DAY : HOUR;
    int64_t at_least_s;

    plan->backup_takes_s = plan->used_bytes < 0
                               ? UNSEEN_BACKUP_S
                               : save_span(plan) + plan->used_bytes / BACKUP_BYTES_PER_S;
    if (plan->advice->mode == ADVISE_MODE_NONE)
        return;
    at_least_s = 2 * plan->backup_takes_s;
    if (recovery_point_s >= 0)
        at_most_s = recovery_point_s - plan->backup_takes_s;
    if (at_least_s < shortest_pause(plan))
        at_least_s = shortest_pause(plan);
    plan->backup_every_s = interval(at_least_s, at_most_s);
}

static void say_mode(struct advise_plan *plan)
{
    struct advise_texts *reasons = &plan->advice->reasons;

    switch (plan->advice->mode) {
    case ADVISE_MODE_NONE:
        advise_say(reasons, "A cache is filled again from what it caches, so nothing is written to "
                            "the volume and no save ever forks the server.");
        break;
    case ADVISE_MODE_RDB:
        advise_say(reasons, "Best effort is met by saves alone: the server never waits for the "
                            "disk, the dump is small, and it loads fastest.");
        break;
    case ADVISE_MODE_AOF:
        advise_say(reasons, "The append-only file has every write, and it alone is read at a start "
                            "with appendonly yes, so save points would fork the server for a file "
                            "that nothing reads.");
        break;
    case ADVISE_MODE_HYBRID:
        advise_say(reasons, "The append-only file has every write; an hourly save puts a second, "
                            "independent copy beside it, which a damaged log cannot take along.");
        break;
    }
}

static void say_sync(struct advise_plan *plan)
{
    struct advise_texts *reasons = &plan->advice->reasons;

    if (!advise_has_log(plan->advice->mode))
        return;
    advise_say(reasons,
               "An append-only file with an RDB base loads about twice as fast as one that "
               "holds commands only.");
    switch (plan->wish->durability) {
    case ADVISE_BEST_EFFORT:
        advise_say(reasons, "Saves alone would lose more than the recovery point, so best effort "
                            "becomes an append-only file that is synced each second.");
        break;
    case ADVISE_EVERY_SECOND:
        advise_say(reasons,
                   "It is synced each second: a crash costs at most %d seconds of writes, "
                   "and clients seldom wait for the disk.",
                   ADVISE_EVERY_SECOND_LOSES_S);
        break;
    case ADVISE_ALWAYS:
        advise_say(reasons, "It is synced before a client hears that its write is done: a crash "
                            "costs nothing that was acknowledged.");
        break;
    }
}

static void say_backups(struct advise_plan *plan)
{
    struct advise_texts *reasons = &plan->advice->reasons;

    if (plan->backup_every_s == 0)
        return;
    advise_say(reasons, "The mode is for crashes; what survives the loss of the volume is the "
                        "newest backup, so the schedule is what bounds that loss.");
    if (plan->wish->use == ADVISE_QUEUE)
        advise_say(reasons, "A queue that is put back as it was runs finished jobs again, so only "
                            "its newest backups are worth keeping.");
}

void advise_choose(struct advise_plan *plan)
{
    struct advice *advice = plan->advice;

    advice->mode = mode_of(plan);
    decide_saves(plan);
    decide_backups(plan);
    if (advice->mode == ADVISE_MODE_NONE)
        advice->loses_at_most_s = -1;
    else if (advice->mode == ADVISE_MODE_RDB)
        advice->loses_at_most_s = saves_lose(plan, plan->save_every_s);
    else
        advice->loses_at_most_s =
            plan->wish->durability == ADVISE_ALWAYS ? 0 : ADVISE_EVERY_SECOND_LOSES_S;
    advice->loses_at_most_volume_s =
        plan->backup_every_s == 0 ? -1 : plan->backup_every_s + plan->backup_takes_s;
    say_mode(plan);
    say_sync(plan);
    say_backups(plan);
}
