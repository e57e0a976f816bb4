/*
 * When a schedule is due: see schedule.h. Days are found by counting civil days, which needs no
 * zone; only the times of one or two days are then looked up as moments. zone_moment never falls
 * when its civil time rises, so what is due behind a moment stands behind its civil time.
 */
#include "daemon/schedule.h"

#include <string.h>

#include "base/hash.h"
#include "base/zone.h"

#define DAY_MIN 1440
#define MINUTE_MS INT64_C(60000)
#define LAST_MS INT64_C(221845392000000) /* the year 9000 */
/* 29 February on one given weekday can be 40 years away, when a century begins without it */
#define RAREST_DAYS (41 * 366)

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* The beginning of the next day. */
static void step_day(struct zone_civil *day)
{
    day->hour = 0;
    day->minute = 0;
    day->weekday = (day->weekday + 1) % 7;
    if (++day->day <= days_in_month(day->year, day->month))
        return;
    day->day = 1;
    if (++day->month <= 12)
        return;
    day->month = 1;
    day->year++;
}

static bool is_day(const struct schedule *schedule, const struct zone_civil *day)
{
    bool fits_day = (schedule->days >> day->day & 1) != 0;
    bool fits_weekday = (schedule->weekdays >> day->weekday & 1) != 0;

    if ((schedule->months >> day->month & 1) == 0)
        return false;
    if (schedule->any_day || schedule->any_weekday)
        return fits_day && fits_weekday;
    return fits_day || fits_weekday;
}

static bool is_minute(const struct schedule *schedule, int minute_of_day)
{
    return (schedule->hours >> minute_of_day / 60 & 1) != 0 &&
           (schedule->minutes >> minute_of_day % 60 & 1) != 0;
}

/* Moves *day to the first day of the schedule, itself included. */
static bool find_day(const struct schedule *schedule, struct zone_civil *day)
{
    for (int i = 0; i < RAREST_DAYS; i++) {
        if (is_day(schedule, day))
            return true;
        step_day(day);
    }
    return false;
}

/* Where a zone changed sides of the date line, a whole day is left out. */
static bool is_left_out(const struct zone_civil *day)
{
    struct zone_civil begin = *day;
    struct zone_civil shown;

    begin.hour = 0;
    begin.minute = 0;
    zone_civil(zone_moment(&begin), &shown);
    return shown.day != day->day;
}

/* The first moment behind after_s among the times of this day, from its hour and minute on. */
static int64_t next_in_day(const struct schedule *schedule, struct zone_civil day, int64_t after_s)
{
    if (is_left_out(&day))
        return INT64_MAX;
    for (int minute = day.hour * 60 + day.minute; minute < DAY_MIN; minute++) {
        if (!is_minute(schedule, minute))
            continue;
        day.hour = minute / 60;
        day.minute = minute % 60;

        int64_t time_s = zone_moment(&day);

        if (time_s > after_s)
            return time_s;
    }
    return INT64_MAX;
}

/* By the clock on the wall: every time of the schedule has one moment. */
static int64_t next_by_wall(const struct schedule *schedule, int64_t after_s)
{
    struct zone_civil day;

    zone_civil(after_s, &day);
    for (; find_day(schedule, &day); step_day(&day)) {
        int64_t time_s = next_in_day(schedule, day, after_s);

        if (time_s != INT64_MAX)
            return time_s;
    }
    return INT64_MAX;
}

/* By real time: every moment that shows a time of the schedule. Steps through the minutes of an
 * hour at most, or of the time that comes twice. */
static int64_t next_by_moment(const struct schedule *schedule, int64_t after_s)
{
    int64_t time_s = after_s - after_s % 60 + (after_s < 0 ? 0 : 60);

    while (true) {
        struct zone_civil shown;

        zone_civil(time_s, &shown);
        if (is_day(schedule, &shown)) {
            if ((schedule->minutes >> shown.minute & 1) != 0)
                return time_s;
            time_s += 60;
            continue;
        }
        if (!find_day(schedule, &shown))
            return INT64_MAX;

        int64_t begin_s = zone_moment(&shown);

        time_s = begin_s > time_s ? begin_s : time_s + 60;
    }
}

int64_t schedule_next(const struct schedule *schedule, int64_t after_ms)
{
    int64_t next = INT64_MAX;

    if (schedule->kind == SCHEDULE_OFF)
        return INT64_MAX;
    if (schedule->kind == SCHEDULE_EVERY)
        return __builtin_add_overflow(after_ms, schedule->every_ms, &next) ? INT64_MAX : next;
    if (after_ms >= LAST_MS)
        return INT64_MAX;

    int64_t after_s = after_ms < 0 ? -1 : after_ms / 1000;

    next =
        schedule->every_hour ? next_by_moment(schedule, after_s) : next_by_wall(schedule, after_s);
    return next == INT64_MAX ? INT64_MAX : next * 1000;
}

/* The first and the last minute of a day of the schedule, and the widest pause between two. */
static void look_at_day(const struct schedule *schedule, int *first, int *last, int *widest)
{
    *first = -1;
    *last = -1;
    *widest = 0;
    for (int minute = 0; minute < DAY_MIN; minute++) {
        if (!is_minute(schedule, minute))
            continue;
        if (*first < 0)
            *first = minute;
        else if (minute - *last > *widest)
            *widest = minute - *last;
        *last = minute;
    }
}

int64_t schedule_period(const struct schedule *schedule, int64_t from_ms)
{
    struct zone_civil day;
    int first;
    int last;
    int widest;
    int run_day = 0;

    if (schedule->kind != SCHEDULE_CRON)
        return schedule->kind == SCHEDULE_EVERY ? schedule->every_ms : 0;

    look_at_day(schedule, &first, &last, &widest);
    zone_civil(from_ms / 1000, &day);
    (void)find_day(schedule, &day); /* there is one: schedule_parse made sure */
    for (int i = 1; i <= 366 || (run_day == 0 && i <= RAREST_DAYS); i++) {
        step_day(&day);
        if (!is_day(schedule, &day))
            continue;

        int pause = (i - run_day) * DAY_MIN + first - last;

        if (pause > widest)
            widest = pause;
        run_day = i;
    }
    return widest * MINUTE_MS;
}

int64_t schedule_jitter(const char *instance, int64_t due_ms, int64_t jitter_ms)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 *sha = sha256_new();
    uint64_t number;

    sha256_update(sha, &due_ms, sizeof(due_ms));
    sha256_update(sha, instance, strlen(instance));
    sha256_finish(sha, digest);
    sha256_free(sha);
    memcpy(&number, digest, sizeof(number));
    return jitter_ms > 0 ? (int64_t)(number % (uint64_t)jitter_ms) : 0;
}
