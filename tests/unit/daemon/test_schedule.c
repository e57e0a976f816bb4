/*
 * When a schedule is due: known answers, what holds for every schedule, pauses and jitter. The days
 * on which the clocks change have a file of their own, test_schedule_clocks.c.
 */
#include "daemon/schedule.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/zone.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

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
    const char *text;
    const char *after;
    const char *due[3]; /* one behind the other */
} known[] = {
    {"UTC",
     "* * * * *",
     "2026-11-20T17:30:00Z",
     {"2026-11-20T17:31:00Z", "2026-11-20T17:32:00Z", "2026-11-20T17:33:00Z"}},
    {"UTC",
     "* * * * *",
     "2026-11-20T17:29:59.999Z",
     {"2026-11-20T17:30:00Z", "2026-11-20T17:31:00Z", "2026-11-20T17:32:00Z"}},
    {"UTC",
     "@hourly",
     "2026-12-31T22:00:00.001Z",
     {"2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z", "2027-01-01T01:00:00Z"}},
    {"UTC",
     "@daily",
     "2026-02-27T00:00:00Z",
     {"2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"}},
    {"UTC",
     "@weekly",
     "2026-11-20T17:30:00Z",
     {"2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z"}},
    {"UTC",
     "@monthly",
     "2026-11-20T17:30:00Z",
     {"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"}},
    {"UTC",
     "@yearly",
     "2026-01-01T00:00:00Z",
     {"2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"}},
    {"UTC",
     "*/20 9-10 * * mon-fri",
     "2026-11-20T10:30:00Z", /* a Friday */
     {"2026-11-20T10:40:00Z", "2026-11-23T09:00:00Z", "2026-11-23T09:20:00Z"}},
    {"UTC",
     "0 0 31 * *",
     "2026-01-31T00:00:00Z",
     {"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"}},
    {"UTC",
     "0 12 29 2 *",
     "2026-11-20T17:30:00Z",
     {"2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z", "2036-02-29T12:00:00Z"}},
    {"UTC",
     "0 12 29 2 *", /* 2100 is no leap year, 2000 was */
     "2092-03-01T00:00:00Z",
     {"2096-02-29T12:00:00Z", "2104-02-29T12:00:00Z", "2108-02-29T12:00:00Z"}},
    {"UTC",
     "0 12 29 2 *",
     "1996-03-01T00:00:00Z",
     {"2000-02-29T12:00:00Z", "2004-02-29T12:00:00Z", "2008-02-29T12:00:00Z"}},
    {"UTC",
     "0 0 29 2 */7", /* when it is a Sunday */
     "2026-11-20T17:30:00Z",
     {"2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z", "2088-02-29T00:00:00Z"}},
    {"UTC",
     "0 0 29 2 */7",
     "2088-02-29T00:00:00Z",
     {"2128-02-29T00:00:00Z", "2156-02-29T00:00:00Z", "2184-02-29T00:00:00Z"}},
    {"UTC",
     "0 0 13 * 5", /* the 13th and every Friday */
     "2026-11-10T00:00:00Z",
     {"2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z"}},
    {"UTC",
     "0 0 13 * 5",
     "2026-12-05T00:00:00Z",
     {"2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z", "2026-12-18T00:00:00Z"}},
    {"UTC",
     "0 0 */12 * 5", /* the 1st, 13th and 25th, when it is a Friday */
     "2026-11-10T00:00:00Z",
     {"2026-11-13T00:00:00Z", "2026-12-25T00:00:00Z", "2027-01-01T00:00:00Z"}},
    {"UTC",
     "0 0 13 * */5", /* the 13th, when it is a Sunday or a Friday */
     "2026-11-10T00:00:00Z",
     {"2026-11-13T00:00:00Z", "2026-12-13T00:00:00Z", "2027-06-13T00:00:00Z"}},
    {"UTC",
     "0 0 30 2 1", /* there is no such day, but Mondays in February */
     "2026-11-10T00:00:00Z",
     {"2027-02-01T00:00:00Z", "2027-02-08T00:00:00Z", "2027-02-15T00:00:00Z"}},
    {"UTC",
     "30 4 * * 7",
     "2026-11-20T17:30:00Z",
     {"2026-11-22T04:30:00Z", "2026-11-29T04:30:00Z", "2026-12-06T04:30:00Z"}},
    {"Asia/Kathmandu",
     "0 3 * * *",
     "2026-11-20T17:30:00Z",
     {"2026-11-20T21:15:00Z", "2026-11-21T21:15:00Z", "2026-11-22T21:15:00Z"}},
    {"Asia/Kathmandu",
     "@hourly",
     "2026-11-20T17:30:00Z",
     {"2026-11-20T18:15:00Z", "2026-11-20T19:15:00Z", "2026-11-20T20:15:00Z"}},
    {"UTC",
     "@daily",
     "1970-01-01T00:00:00Z",
     {"1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z", "1970-01-04T00:00:00Z"}},
    {"UTC",
     "@every 90s",
     "2026-11-20T17:30:00.123Z",
     {"2026-11-20T17:31:30.123Z", "2026-11-20T17:33:00.123Z", "2026-11-20T17:34:30.123Z"}},
};

START_TEST(known_times)
{
    struct schedule schedule = parsed(known[_i].text);
    int64_t now = moment(known[_i].after);

    use(known[_i].zone);
    for (int i = 0; i < COUNT(known[_i].due); i++) {
        char shown[32];

        now = schedule_next(&schedule, now);
        format_rfc3339_ms(now, shown, sizeof(shown));
        ck_assert_msg(now == moment(known[_i].due[i]), "%s: due %s, not %s", known[_i].text, shown,
                      known[_i].due[i]);
    }
}
END_TEST

START_TEST(nothing_is_due_when_it_is_off)
{
    struct schedule off = parsed("off");

    ck_assert_int_eq(schedule_next(&off, 0), INT64_MAX);
    ck_assert_int_eq(schedule_next(&off, INT64_MIN), INT64_MAX);
    ck_assert_int_eq(schedule_next(&off, INT64_MAX), INT64_MAX);
    ck_assert_int_eq(schedule_period(&off, 0), 0);
}
END_TEST

START_TEST(a_clock_that_is_far_off_harms_nobody)
{
    static const char *const texts[] = {"* * * * *", "@daily", "0 0 29 2 */7", "@every 15m"};

    use("Europe/Berlin");
    for (int i = 0; i < COUNT(texts); i++) {
        struct schedule schedule = parsed(texts[i]);
        int64_t last = moment("8999-12-31T22:00:00Z");

        ck_assert_int_eq(schedule_next(&schedule, INT64_MAX), INT64_MAX);
        ck_assert_int_gt(schedule_next(&schedule, INT64_MIN), INT64_MIN);
        ck_assert_int_gt(schedule_next(&schedule, -1), -1);
        ck_assert_int_gt(schedule_next(&schedule, last), last);
        ck_assert_int_gt(schedule_period(&schedule, INT64_MIN), 0);
        ck_assert_int_gt(schedule_period(&schedule, INT64_MAX), 0);
    }
    struct schedule daily = parsed("@daily");

    ck_assert_int_eq(schedule_next(&daily, INT64_MIN), 23 * HOUR_MS); /* Berlin's midnight */
    ck_assert_int_eq(schedule_next(&daily, moment("9000-01-01T00:00:00Z")), INT64_MAX);
}
END_TEST

START_TEST(every_counts_from_the_last_run_in_any_zone)
{
    struct schedule schedule = parsed("@every 7h");

    use("Europe/Berlin");
    for (int64_t run = moment("2026-03-28T23:17:04.005Z"), i = 0; i < 12; i++) {
        ck_assert_int_eq(schedule_next(&schedule, run), run + 7 * HOUR_MS);
        run += 7 * HOUR_MS;
    }
    ck_assert_int_eq(schedule_next(&schedule, -5), 7 * HOUR_MS - 5);
    ck_assert_int_eq(schedule_next(&schedule, INT64_MAX - 7 * HOUR_MS), INT64_MAX);
    ck_assert_int_eq(schedule_next(&schedule, INT64_MAX - 1), INT64_MAX);
}
END_TEST

static const struct {
    const char *text;
    int64_t pause_ms;
} pauses[] = {
    {"* * * * *", MINUTE_MS},
    {"@hourly", HOUR_MS},
    {"17 * * * *", HOUR_MS},
    {"*/15 * * * *", 15 * MINUTE_MS},
    {"0,10 * * * *", 50 * MINUTE_MS},
    {"0 */6 * * *", 6 * HOUR_MS},
    {"0 */5 * * *", 5 * HOUR_MS},
    {"0 9-17 * * *", 16 * HOUR_MS},
    {"@daily", DAY_MS},
    {"30 2 * * *", DAY_MS},
    {"0 0,1 * * *", 23 * HOUR_MS},
    {"@weekly", 7 * DAY_MS},
    {"0 3 * * 1-5", 3 * DAY_MS},
    {"0 9-17 * * 1-5", 2 * DAY_MS + 16 * HOUR_MS},
    {"0 3 * * 1,4", 4 * DAY_MS},
    {"@monthly", 31 * DAY_MS},
    {"0 0 31 * *", 61 * DAY_MS},
    {"0 0 1,15 * *", 17 * DAY_MS},
    {"0 0 13 * 5", 7 * DAY_MS},
    {"@every 15m", 15 * MINUTE_MS},
    {"@every 10d", 10 * DAY_MS},
};

START_TEST(the_longest_pause_at_any_time_of_the_year)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "Pacific/Apia"};
    struct schedule schedule = parsed(pauses[_i].text);

    for (int zone = 0; zone < COUNT(zones); zone++) {
        use(zones[zone]);
        for (int64_t day = 0; day < 366; day++) {
            int64_t from = moment("2026-02-03T07:08:09.010Z") + day * (DAY_MS + 4 * MINUTE_MS);

            ck_assert_int_eq(schedule_period(&schedule, from), pauses[_i].pause_ms);
        }
    }
}
END_TEST

START_TEST(pauses_of_years)
{
    struct schedule yearly = parsed("@yearly");
    struct schedule januaries = parsed("* * * 1 *");
    struct schedule leap = parsed("0 0 29 2 *");
    struct schedule leap_sunday = parsed("0 0 29 2 */7");

    use("UTC");
    ck_assert_int_eq(schedule_period(&yearly, moment("2026-11-20T17:30:00Z")), 365 * DAY_MS);
    ck_assert_int_eq(schedule_period(&yearly, moment("2027-11-20T17:30:00Z")), 366 * DAY_MS);
    for (int64_t day = 0; day < 360; day++)
        ck_assert_int_eq(schedule_period(&januaries, moment("2026-02-01T00:00:00Z") + day * DAY_MS),
                         334 * DAY_MS + MINUTE_MS);
    ck_assert_int_eq(schedule_period(&leap, moment("2026-11-20T17:30:00Z")), 1461 * DAY_MS);
    ck_assert_int_eq(schedule_period(&leap, moment("2096-01-20T17:30:00Z")), 2921 * DAY_MS);
    ck_assert_int_eq(schedule_period(&leap_sunday, moment("2061-01-01T00:00:00Z")),
                     moment("2128-02-29T00:00:00Z") - moment("2088-02-29T00:00:00Z"));
}
END_TEST

START_TEST(jitter_stays_in_its_range_and_is_the_same_again)
{
    static const int64_t ranges[] = {1, 2, 1000, 59999, HOUR_MS, INT64_C(1) << 40, INT64_MAX};

    for (int i = 0; i < COUNT(ranges); i++) {
        for (int64_t run = 0; run < 1000; run++) {
            int64_t jitter = schedule_jitter("redis-0", run * HOUR_MS, ranges[i]);

            ck_assert_int_ge(jitter, 0);
            ck_assert_int_lt(jitter, ranges[i]);
            ck_assert_int_eq(schedule_jitter("redis-0", run * HOUR_MS, ranges[i]), jitter);
        }
    }
    ck_assert_int_eq(schedule_jitter("redis-0", 0, 0), 0);
    ck_assert_int_eq(schedule_jitter("redis-0", 0, -5), 0);
    ck_assert_int_eq(schedule_jitter("redis-0", 0, INT64_MIN), 0);
    ck_assert_int_ge(schedule_jitter("", INT64_MIN, 10), 0);
}
END_TEST

/* How many of count jitters in [0, 600 s) fall into each minute must be near to even. */
static void check_spread(const int *minutes, int count)
{
    for (int i = 0; i < 10; i++) {
        ck_assert_int_gt(minutes[i], count / 10 * 8 / 10);
        ck_assert_int_lt(minutes[i], count / 10 * 12 / 10);
    }
}

START_TEST(jitter_spreads_the_runs_of_one_instance)
{
    int minutes[10] = {0};

    for (int64_t run = 0; run < 10000; run++)
        minutes[schedule_jitter("redis-0", run * HOUR_MS, 10 * MINUTE_MS) / MINUTE_MS]++;
    check_spread(minutes, 10000);
}
END_TEST

START_TEST(jitter_spreads_the_instances_of_one_run)
{
    int minutes[10] = {0};
    int64_t due = moment("2026-11-20T18:00:00Z");

    for (int instance = 0; instance < 10000; instance++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "redis-%d", instance);
        minutes[schedule_jitter(name, due, 10 * MINUTE_MS) / MINUTE_MS]++;
    }
    check_spread(minutes, 10000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tcase = tcase_create("due times");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, known_times, 0, COUNT(known));
    tcase_add_test(tcase, nothing_is_due_when_it_is_off);
    tcase_add_test(tcase, a_clock_that_is_far_off_harms_nobody);
    tcase_add_test(tcase, every_counts_from_the_last_run_in_any_zone);
    tcase_add_loop_test(tcase, the_longest_pause_at_any_time_of_the_year, 0, COUNT(pauses));
    tcase_add_test(tcase, pauses_of_years);
    tcase_add_test(tcase, jitter_stays_in_its_range_and_is_the_same_again);
    tcase_add_test(tcase, jitter_spreads_the_runs_of_one_instance);
    tcase_add_test(tcase, jitter_spreads_the_instances_of_one_run);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
