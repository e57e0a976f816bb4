/*
 * Schedules on the days on which the clocks change, against a list of every run in the weeks around
 * the change, made minute by minute from what the clocks show: a time that is left out runs behind
 * the gap, one that comes twice runs once, and every hour means every hour.
 */
#include "daemon/schedule.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/zone.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MINUTE_MS INT64_C(60000)
#define DAY_MIN 1440
#define SIDE_MIN (15 * DAY_MIN) /* of the window, before and behind the change */
#define WINDOW_MIN (2 * SIDE_MIN)
#define NEAR_MIN 900 /* how far from the change every minute is asked for */

static void use(const char *name)
{
    struct err err;

    ck_assert_msg(zone_use(name, &err) == 0, "%s", err.msg);
}

static struct schedule parsed(const char *text)
{
    struct schedule schedule;
    struct err err;

    ck_assert_msg(schedule_parse(text, &schedule, &err) == 0, "%s", err.msg);
    return schedule;
}

static int64_t moment(const char *rfc3339)
{
    struct err err;
    int64_t ms;

    ck_assert_msg(parse_rfc3339(rfc3339, &ms, &err) == 0, "%s", err.msg);
    return ms;
}

static const struct {
    const char *zone;
    const char *at; /* a change of the clocks, or about then */
} changes[] = {
    {"UTC", "2026-12-31T23:59:00Z"},
    {"UTC", "2028-02-29T12:00:00Z"},
    {"Europe/Berlin", "2026-03-29T01:00:00Z"},
    {"Europe/Berlin", "2026-10-25T01:00:00Z"},
    {"America/New_York", "2026-03-08T07:00:00Z"},
    {"America/New_York", "2026-11-01T06:00:00Z"},
    {"Australia/Lord_Howe", "2026-10-03T15:30:00Z"}, /* half an hour */
    {"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
    {"Pacific/Apia", "2011-12-30T10:00:00Z"}, /* 30 December is no day */
    {"Pacific/Kwajalein", "1993-08-21T12:00:00Z"},
    {"America/Sao_Paulo", "2017-10-15T03:00:00Z"}, /* at midnight */
    {"America/Sao_Paulo", "2018-02-18T02:00:00Z"},
    {"Asia/Kathmandu", "1985-12-31T18:30:00Z"}, /* a quarter of an hour, at midnight */
    {"Asia/Kathmandu", "2026-11-20T17:30:00Z"}, /* none */
    {"Africa/Casablanca", "2026-02-15T02:00:00Z"},
    {"Africa/Casablanca", "2026-03-22T02:00:00Z"},
    {"America/Nuuk", "2024-03-31T01:00:00Z"},     /* the last hour of a day */
    {"America/St_Johns", "2006-10-29T02:31:00Z"}, /* from 00:01 back to the day before */
    {"America/St_Johns", "2006-04-02T03:31:00Z"},
    {"Antarctica/Troll", "2026-03-29T01:00:00Z"}, /* two hours */
    {"Asia/Pyongyang", "2018-05-04T15:00:00Z"},   /* the last half hour of a day */
};

static const char *const texts[] = {
    "* * * * *",
    "@hourly",
    "30 * * * *",
    "*/7 * * * *",
    "0,1,59 * * * *",
    "15 * * * 0,6",
    "45 * 29-31,1-15 * *",
    "@daily",
    "1 0 * * *",
    "59 23 * * *",
    "30 2 * * *",
    "0 3 * * *",
    "* 2 * * *",
    "*/15 2-3 * * *",
    "0 */2 * * *",
    "10,40 */3 * * *",
    "30 23,0,1 * * *",
    "0 3 * * 1-5",
    "0 0 * * sun",
    "*/20 1 15 * 5",
    "0 0 */2 * 1-6",
    "@weekly",
    "@monthly",
    "0 2 28-31,1 * *",
    "0 12 31 12 *",
};

/* The weeks around a change: what the clocks show at each minute, and which are due. */
struct window {
    int64_t first;            /* minutes since 1970 */
    int64_t wall[WINDOW_MIN]; /* what the clocks show, counted as if it were UTC */
    bool due[WINDOW_MIN];
};

static int64_t wall_at(int64_t minute)
{
    struct zone_civil shown;

    zone_civil(minute * 60, &shown);

    struct tm tm = {
        .tm_year = shown.year - 1900,
        .tm_mon = shown.month - 1,
        .tm_mday = shown.day,
        .tm_hour = shown.hour,
        .tm_min = shown.minute,
    };

    return timegm(&tm) / 60;
}

static bool fits(const struct schedule *schedule, int64_t wall)
{
    time_t wall_s = wall * 60;
    struct tm tm;

    if (gmtime_r(&wall_s, &tm) == NULL)
        ck_abort(); /* an assertion of check costs a write, too much for every minute */

    bool is_date = (schedule->days >> tm.tm_mday & 1) != 0;
    bool is_weekday = (schedule->weekdays >> tm.tm_wday & 1) != 0;
    bool is_both = schedule->any_day || schedule->any_weekday;

    return (schedule->minutes >> tm.tm_min & 1) != 0 && (schedule->hours >> tm.tm_hour & 1) != 0 &&
           (schedule->months >> (tm.tm_mon + 1) & 1) != 0 &&
           (is_both ? is_date && is_weekday : is_date || is_weekday);
}

static void open_window(struct window *window, int64_t at_ms)
{
    window->first = at_ms / MINUTE_MS - SIDE_MIN;
    for (int i = 0; i < WINDOW_MIN; i++)
        window->wall[i] = wall_at(window->first + i);
}

/* The header's rules, word for word, without regard to cost. */
static void mark_due(struct window *window, const struct schedule *schedule)
{
    memset(window->due, 0, sizeof(window->due));
    for (int i = 0; i < WINDOW_MIN && schedule->every_hour; i++)
        window->due[i] = fits(schedule, window->wall[i]);
    if (schedule->every_hour)
        return;

    int64_t highest = window->wall[0] - 1; /* that the clocks have shown so far */

    for (int i = 0; i < WINDOW_MIN; i++) {
        int64_t shown = window->wall[i];

        if (shown <= highest)
            continue; /* it comes again */
        for (int64_t wall = highest + 1; wall <= shown; wall++) {
            bool is_gap_of_days =
                wall / DAY_MIN > highest / DAY_MIN && wall / DAY_MIN < shown / DAY_MIN;

            if (fits(schedule, wall) && !is_gap_of_days)
                window->due[i] = true;
        }
        highest = shown;
    }
}

static int next_due(const struct window *window, int from)
{
    while (from < WINDOW_MIN && !window->due[from])
        from++;
    return from;
}

/* The answer for after_ms must be the due minute at index, or past the window. */
static void check_next(const struct window *window, const char *text,
                       const struct schedule *schedule, int64_t after_ms, int index)
{
    int64_t next = schedule_next(schedule, after_ms);
    int64_t wanted = (window->first + index) * MINUTE_MS;

    if (index < WINDOW_MIN ? next == wanted : next >= wanted)
        return;

    char after[32];
    char got[32];
    char right[32];

    format_rfc3339_ms(after_ms, after, sizeof(after));
    format_rfc3339_ms(next, got, sizeof(got));
    format_rfc3339_ms(wanted, right, sizeof(right));
    ck_abort_msg("\"%s\" behind %s is %s, not %s", text, after, got, right);
}

START_TEST(every_run_in_the_weeks_around_a_change_of_the_clocks)
{
    auto_free struct window *window = xmalloc(sizeof(*window));

    use(changes[_i].zone);
    open_window(window, moment(changes[_i].at));
    for (int t = 0; t < COUNT(texts); t++) {
        struct schedule schedule = parsed(texts[t]);

        mark_due(window, &schedule);
        /* from run to run through all of it */
        for (int64_t i = -1; i < WINDOW_MIN;) {
            int next = next_due(window, (int)i + 1);

            check_next(window, texts[t], &schedule, (window->first + i) * MINUTE_MS, next);
            i = next;
        }
        /* from every minute near the change, its beginning and its end */
        for (int i = SIDE_MIN - NEAR_MIN; i < SIDE_MIN + NEAR_MIN; i++) {
            int64_t now = (window->first + i) * MINUTE_MS;
            int next = next_due(window, i + 1);

            check_next(window, texts[t], &schedule, now, next);
            check_next(window, texts[t], &schedule, now + MINUTE_MS - 1, next);
        }
    }
}
END_TEST

static const struct {
    const char *zone;
    const char *text;
    const char *after;
    const char *due[4];
} known[] = {
    /* 02:30 is left out: it runs at 03:00 */
    {"Europe/Berlin",
     "30 2 * * *",
     "2026-03-28T00:00:00Z",
     {"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z",
      "2026-03-31T00:30:00Z"}},
    /* 02:30 comes twice: the first one */
    {"Europe/Berlin",
     "30 2 * * *",
     "2026-10-24T12:00:00Z",
     {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z",
      "2026-10-28T01:30:00Z"}},
    /* what is made up and what is due anyway are one run */
    {"Europe/Berlin",
     "*/30 2,3 * * *",
     "2026-03-28T12:00:00Z",
     {"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z",
      "2026-03-30T00:30:00Z"}},
    {"Europe/Berlin",
     "@hourly",
     "2026-10-24T23:00:00Z",
     {"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z",
      "2026-10-25T03:00:00Z"}},
    {"Europe/Berlin",
     "@hourly",
     "2026-03-28T23:00:00Z",
     {"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z",
      "2026-03-29T03:00:00Z"}},
    /* midnight is left out */
    {"America/Sao_Paulo",
     "@daily",
     "2017-10-13T12:00:00Z",
     {"2017-10-14T03:00:00Z", "2017-10-15T03:00:00Z", "2017-10-16T02:00:00Z",
      "2017-10-17T02:00:00Z"}},
    /* 30 December is no day: nothing is made up for it */
    {"Pacific/Apia",
     "0 3 * * *",
     "2011-12-29T00:00:00Z",
     {"2011-12-29T13:00:00Z", "2011-12-30T13:00:00Z", "2011-12-31T13:00:00Z",
      "2012-01-01T13:00:00Z"}},
    {"Pacific/Apia",
     "0 3 30 * *",
     "2011-11-01T00:00:00Z",
     {"2011-11-30T13:00:00Z", "2012-01-29T13:00:00Z", "2012-03-29T13:00:00Z",
      "2012-04-29T14:00:00Z"}},
    /* the last hour of a day is left out: it runs at the next midnight */
    {"America/Nuuk",
     "30 23 * * *",
     "2024-03-30T12:00:00Z",
     {"2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z", "2024-04-02T00:30:00Z",
      "2024-04-03T00:30:00Z"}},
    /* half an hour is left out, and comes again */
    {"Australia/Lord_Howe",
     "15 2 * * *",
     "2026-10-03T00:00:00Z",
     {"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z", "2026-10-05T15:15:00Z",
      "2026-10-06T15:15:00Z"}},
    {"Australia/Lord_Howe",
     "45 * * * *",
     "2026-04-04T14:00:00Z",
     {"2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z",
      "2026-04-04T17:15:00Z"}},
};

START_TEST(known_days)
{
    struct schedule schedule = parsed(known[_i].text);
    int64_t now = moment(known[_i].after);

    use(known[_i].zone);
    for (int i = 0; i < COUNT(known[_i].due); i++) {
        char shown[32];

        now = schedule_next(&schedule, now);
        format_rfc3339(now, shown, sizeof(shown));
        ck_assert_str_eq(shown, known[_i].due[i]);
    }
}
END_TEST

static const struct {
    const char *zone;
    const char *from;
} years[] = {
    {"UTC", "2023-06-01T12:00:00Z"},
    {"Europe/Berlin", "2023-06-01T12:00:00Z"},
    {"America/New_York", "2023-06-01T12:00:00Z"},
    {"Australia/Lord_Howe", "2023-06-01T12:00:00Z"},
    {"Pacific/Apia", "2010-06-01T12:00:00Z"},
    {"America/Sao_Paulo", "2016-06-01T12:00:00Z"},
    {"Asia/Kathmandu", "1984-06-01T12:00:00Z"},
    {"Africa/Casablanca", "2023-06-01T12:00:00Z"},
};

/* The next date that the clocks show, looking at them every quarter of an hour. */
static int64_t next_date(int64_t *minute)
{
    int64_t date = wall_at(*minute) / DAY_MIN;

    while (wall_at(*minute) / DAY_MIN <= date)
        *minute += 15;
    return wall_at(*minute) / DAY_MIN;
}

START_TEST(a_daily_job_runs_once_on_every_day_that_there_is)
{
    static const char *const daily[] = {"@daily",    "30 0 * * *",  "0 2 * * *",  "15 2 * * *",
                                        "0 3 * * *", "30 12 * * *", "59 23 * * *"};

    use(years[_i].zone);
    for (int t = 0; t < COUNT(daily); t++) {
        struct schedule schedule = parsed(daily[t]);
        int64_t minute = moment(years[_i].from) / MINUTE_MS;
        int64_t run = 0;

        /* begin with the last moment before a date, of which the run is behind it */
        (void)next_date(&minute);
        run = (minute - 15) * MINUTE_MS;
        while (wall_at(run / MINUTE_MS + 1) / DAY_MIN < wall_at(minute) / DAY_MIN)
            run += MINUTE_MS;
        for (int day = 0; day < 3 * 366; day++) {
            int64_t date = wall_at(minute) / DAY_MIN;
            int64_t next = schedule_next(&schedule, run);

            if (next <= run || wall_at(next / MINUTE_MS) / DAY_MIN != date)
                ck_abort_msg("\"%s\" behind %lld is %lld", daily[t], (long long)run,
                             (long long)next);
            run = next;
            (void)next_date(&minute);
        }
    }
}
END_TEST

START_TEST(the_next_time_never_falls_while_time_passes)
{
    use(changes[_i].zone);
    for (int t = 0; t < COUNT(texts); t++) {
        struct schedule schedule = parsed(texts[t]);
        int64_t last = 0;

        /* odd steps through two years, far from minutes and hours */
        for (int64_t now = moment(changes[_i].at) - 365 * DAY_MIN * MINUTE_MS, i = 0; i < 4000;
             i++) {
            int64_t next = schedule_next(&schedule, now);

            if (next <= now || next < last || next % MINUTE_MS != 0 ||
                schedule_next(&schedule, next - 1) != next)
                ck_abort_msg("\"%s\" behind %lld is %lld", texts[t], (long long)now,
                             (long long)next);
            last = next;
            now += 63113851;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule_clocks");
    TCase *tcase = tcase_create("changes of the clocks");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_run_in_the_weeks_around_a_change_of_the_clocks, 0,
                        COUNT(changes));
    tcase_add_loop_test(tcase, known_days, 0, COUNT(known));
    tcase_add_loop_test(tcase, a_daily_job_runs_once_on_every_day_that_there_is, 0, COUNT(years));
    tcase_add_loop_test(tcase, the_next_time_never_falls_while_time_passes, 0, COUNT(changes));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
