/*
 * When something is to be done: five-field cron in the process's time zone, @hourly and its like,
 * @every, or never. Pure but for the zone (base/zone.h).
 *
 * On the day that the clocks change: a time that is left out runs at the first moment behind the
 * gap (but a day that is left out as a whole is no day); a time that comes twice runs the first
 * time only. A schedule of every hour goes by real time instead: it runs in each of the two hours,
 * and nothing is made up for the hour that is not. (The rule of cron(8) in Debian, which also goes
 * by real time for a `*` in the minute and for a step over all hours, and so can lose such a run.)
 */
#ifndef DAEMON_SCHEDULE_H
#define DAEMON_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum schedule_kind {
    SCHEDULE_OFF,
    SCHEDULE_CRON,
    SCHEDULE_EVERY,
};

struct schedule {
    enum schedule_kind kind;
    int64_t every_ms; /* SCHEDULE_EVERY */
    uint64_t minutes; /* bit m; cron */
    uint32_t hours;
    uint32_t days;   /* of the month, bits 1 to 31 */
    uint16_t months; /* bits 1 to 12 */
    uint8_t weekdays;
    bool any_day; /* the day of the month begins with `*`; both fields restricted: either fits */
    bool any_weekday; /* the same of the weekday */
    bool every_hour;  /* hours has all 24 */
};

/* "off"; "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"; "@every
 * 15m" (parse_duration, at least a minute); "MINUTE HOUR DAY MONTH WEEKDAY" with lists, ranges,
 * steps, names of months and weekdays in any case, 7 for Sunday. Blanks around it do not matter.
 * ERR_CONFIG with the field that is wrong and what it may be; also for a date that never comes
 * ("0 0 30 2 *"). */
int schedule_parse(const char *text, struct schedule *out, struct err *err);

/* The first time of the schedule behind after_ms (a cron minute's beginning). SCHEDULE_EVERY counts
 * from after_ms itself: give it the last run. INT64_MAX when there is none (off; past the year
 * 9000). */
int64_t schedule_next(const struct schedule *schedule, int64_t after_ms);

/* The longest pause between two runs in the year that follows the first run behind from_ms, or to
 * the second run when that is longer; by the clock on the wall, where every day has 24 hours. 0 for
 * off. */
int64_t schedule_period(const struct schedule *schedule, int64_t from_ms);

/* How much later the run that is due at due_ms is to begin: the same for the same instance and
 * time, spread evenly over [0, jitter_ms), so that several instances do not fork at once. 0 when
 * jitter_ms is not positive. */
int64_t schedule_jitter(const char *instance, int64_t due_ms, int64_t jitter_ms);

#endif
