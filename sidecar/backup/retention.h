/*
 * Which backups stay: a pure decision in restic's words, with the reasons for each that stays.
 *
 *   last N                          the newest N
 *   hourly, daily, weekly,
 *   monthly N                       the newest of each hour, day, ISO week, month that has one,
 *                                   until there are N; what has none is not counted. While fewer
 *                                   than N have one, the oldest backup stays too
 *   within D                        all that are newer than the newest one less D
 *
 * One that several rules want stays once, and counts for each of them. Hours and days are those of
 * the process's zone (base/zone.h); an hour that comes twice is one hour.
 */
#ifndef BACKUP_RETENTION_H
#define BACKUP_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum retention_rule {
    RETENTION_LAST,
    RETENTION_HOURLY,
    RETENTION_DAILY,
    RETENTION_WEEKLY,
    RETENTION_MONTHLY,
    RETENTION_RULES,
};

struct retention_span { /* by the calendar; a month before 31 March is the last of February */
    unsigned years;
    unsigned months;
    unsigned days;
    unsigned hours;
};

struct retention_rules { /* none at all: everything stays */
    unsigned keep[RETENTION_RULES];
    struct retention_span within;
};

struct retention_item {
    int64_t time_ms; /* when it was asked for; negative: not known */
    bool is_pinned;
    bool is_newest_proven;
};

/* Why one stays, beside the rules: bits above theirs. */
enum retention_because {
    RETENTION_WITHIN = 1 << RETENTION_RULES,
    RETENTION_NO_RULES = RETENTION_WITHIN << 1,
    RETENTION_PROVEN = RETENTION_WITHIN << 2, /* the newest that is */
    RETENTION_PINNED = RETENTION_WITHIN << 3,
    RETENTION_FUTURE = RETENTION_WITHIN << 4, /* the clock was wrong, then or now: not counted */
    RETENTION_NO_TIME = RETENTION_WITHIN << 5,
};

struct retention_decision {
    unsigned because; /* 1 << rule, and enum retention_because; 0: it goes */
    unsigned oldest;  /* those rules of `because` for which it stays as the oldest of all */
    unsigned rank;    /* which of the last it is, from 1 */
};

/* Is there any rule? */
bool retention_has_rules(const struct retention_rules *rules);

/* Decides on count items, oldest first. */
void retention_decide(const struct retention_rules *rules, const struct retention_item *items,
                      size_t count, int64_t now_ms, struct retention_decision *decisions);

#define RETENTION_REASONS_MAX 12
#define RETENTION_REASON_SIZE 80

/* The reasons in words: "last 3 of 24", "daily 2026-11-20", "newest proven". Returns how many;
 * 0: it goes. */
size_t retention_explain(const struct retention_rules *rules, const struct retention_item *item,
                         const struct retention_decision *decision,
                         char out[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE]);

/* "1y6m", "2w", "7d12h", and sums of them in falling order; a month is m, as for restic. "0" is
 * none. ERR_CONFIG. */
int retention_parse_span(const char *text, struct retention_span *out, struct err *err);
/* "1y6m14d12h"; "0". out holds at least 48 bytes. */
void retention_format_span(const struct retention_span *span, char *out, size_t out_size);

#endif
