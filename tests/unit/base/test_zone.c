/*
 * Civil time: which moment shows it, against a list of what the C library shows at every minute of
 * the days around a change of the clocks; and which names are zones.
 */
#include "base/zone.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/parse.h"
#include "support/scratch.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define DAY_MIN 1440

static void use(const char *name)
{
    struct err err;

    ck_assert_msg(zone_use(name, &err) == 0, "%s", err.msg);
}

static int64_t seconds(const char *rfc3339)
{
    struct err err;
    int64_t ms;

    ck_assert_msg(parse_rfc3339(rfc3339, &ms, &err) == 0, "%s", err.msg);
    return ms / 1000;
}

/* The text of a civil time as if it were UTC: a number that can be compared and counted on. */
static struct zone_civil civil_of(int64_t wall_min)
{
    time_t wall_s = wall_min * 60;
    struct tm tm;

    if (gmtime_r(&wall_s, &tm) == NULL)
        ck_abort(); /* an assertion of check costs a write, too much for every minute */
    return (struct zone_civil){
        .year = tm.tm_year + 1900,
        .month = tm.tm_mon + 1,
        .day = tm.tm_mday,
        .hour = tm.tm_hour,
        .minute = tm.tm_min,
        .weekday = tm.tm_wday,
    };
}

static int64_t wall_of(const struct zone_civil *civil)
{
    struct tm tm = {
        .tm_year = civil->year - 1900,
        .tm_mon = civil->month - 1,
        .tm_mday = civil->day,
        .tm_hour = civil->hour,
        .tm_min = civil->minute,
    };

    return timegm(&tm) / 60;
}

static const struct {
    const char *zone;
    const char
        *around; /* a change of the clocks, at which the offset is other than 9 days before */
} changes[] = {
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
    {"Africa/Casablanca", "2026-02-15T02:00:00Z"},
    {"Africa/Casablanca", "2026-03-22T02:00:00Z"},
    {"America/Nuuk", "2024-03-31T01:00:00Z"},     /* the last hour of a day */
    {"America/St_Johns", "2006-10-29T02:31:00Z"}, /* from 00:01 back to the day before */
    {"America/St_Johns", "2006-04-02T03:31:00Z"},
    {"Antarctica/Troll", "2026-03-29T01:00:00Z"}, /* two hours */
    {"Africa/Monrovia", "1972-01-07T00:44:30Z"},  /* not a whole minute */
    {"Asia/Pyongyang", "2018-05-04T15:00:00Z"},
};

START_TEST(every_civil_minute_has_its_first_moment)
{
    use(changes[_i].zone);

    int64_t change = seconds(changes[_i].around) / 60;
    int64_t first = change - 9 * DAY_MIN;
    int64_t last = change + 9 * DAY_MIN;
    struct zone_civil shown;

    /* the table tells the truth */
    zone_civil(first * 60, &shown);
    int64_t before = wall_of(&shown) - first;
    zone_civil(last * 60, &shown);
    ck_assert_int_ne(wall_of(&shown) - last, before);

    int64_t moment = first;

    zone_civil(first * 60, &shown);
    for (int64_t wall = wall_of(&shown) + 1; moment < last - 2 * DAY_MIN; wall++) {
        struct zone_civil asked = civil_of(wall);

        zone_civil(moment * 60, &shown);
        while (wall_of(&shown) < wall)
            zone_civil(++moment * 60, &shown);
        asked.weekday = 99; /* is ignored */
        if (zone_moment(&asked) != moment * 60)
            ck_abort_msg("%s: %d-%d-%d %d:%d is %lld, not %lld", changes[_i].zone, asked.year,
                         asked.month, asked.day, asked.hour, asked.minute,
                         (long long)zone_moment(&asked), (long long)moment * 60);
    }
}
END_TEST

static const struct {
    const char *zone;
    const char *moment;
    const char *shown;
} known[] = {
    {"UTC", "2026-11-20T17:30:59.999Z", "2026-11-20 17:30 UTC"},
    {"Etc/UTC", "1970-01-01T00:00:00Z", "1970-01-01 00:00 UTC"},
    {"GMT", "2024-02-29T23:59:00Z", "2024-02-29 23:59 GMT"},
    {"Europe/Berlin", "2026-11-20T17:30:00Z", "2026-11-20 18:30 CET"},
    {"Europe/Berlin", "2026-07-20T22:30:00Z", "2026-07-21 00:30 CEST"},
    {"America/New_York", "2026-01-01T04:59:00Z", "2025-12-31 23:59 EST"},
    {"Asia/Kathmandu", "2026-11-20T17:30:00Z", "2026-11-20 23:15 +0545"},
    {"Pacific/Apia", "2011-12-30T09:59:00Z", "2011-12-29 23:59 -10"},
    {"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31 00:00 +14"},
    {"America/Argentina/Buenos_Aires", "2026-11-20T17:30:00Z", "2026-11-20 14:30 -03"},
    {"Etc/GMT+5", "2026-11-20T17:30:00Z", "2026-11-20 12:30 -05"},
};

START_TEST(moments_as_the_clocks_show_them)
{
    struct err err;
    char shown[48];
    int64_t ms;

    use(known[_i].zone);
    ck_assert_int_eq(parse_rfc3339(known[_i].moment, &ms, &err), 0);
    zone_format(ms, shown, sizeof(shown));
    ck_assert_str_eq(shown, known[_i].shown);

    struct zone_civil civil;

    zone_civil(ms / 1000, &civil);
    ck_assert_int_eq(zone_moment(&civil), ms / 1000 - ms / 1000 % 60);
}
END_TEST

START_TEST(the_whole_of_civil_time)
{
    struct zone_civil civil;

    use("UTC");
    zone_civil(seconds("2026-11-20T17:31:59Z"), &civil);
    ck_assert_int_eq(civil.year, 2026);
    ck_assert_int_eq(civil.month, 11);
    ck_assert_int_eq(civil.day, 20);
    ck_assert_int_eq(civil.hour, 17);
    ck_assert_int_eq(civil.minute, 31);
    ck_assert_int_eq(civil.weekday, 5);
    zone_civil(-1, &civil);
    ck_assert_int_eq(civil.year, 1969);
    ck_assert_int_eq(civil.minute, 59);
    ck_assert_int_eq(zone_moment(&civil), -60);
    use("Africa/Monrovia"); /* 44 minutes and 30 seconds behind UTC then */
    zone_civil(-90000, &civil);
    ck_assert_int_eq(civil.hour, 22);
    ck_assert_int_eq(civil.minute, 15);
    ck_assert_int_eq(zone_moment(&civil), -90000);
}
END_TEST

START_TEST(moments_outside_of_the_calendar_are_held_at_its_ends)
{
    struct zone_civil civil;
    char shown[48];

    use("Europe/Berlin");
    zone_civil(INT64_MIN, &civil);
    ck_assert_int_le(civil.year, 2);
    zone_civil(INT64_MAX, &civil);
    ck_assert_int_ge(civil.year, 9998);
    for (size_t size = 1; size < sizeof(shown); size++) {
        memset(shown, '#', sizeof(shown));
        zone_format(INT64_MAX, shown, size);
        ck_assert_uint_lt(strlen(shown), size);
        ck_assert_int_eq(shown[size], '#');
    }
    zone_format(INT64_MIN, shown, sizeof(shown));
    ck_assert_int_eq(shown[0], '0');
}
END_TEST

START_TEST(milliseconds_before_1970_belong_to_the_minute_before)
{
    char shown[48];

    use("UTC");
    zone_format(-1, shown, sizeof(shown));
    ck_assert_str_eq(shown, "1969-12-31 23:59 UTC");
}
END_TEST

static const char *const no_zones[] = {
    "",
    " ",
    ".",
    "..",
    "../zoneinfo/Europe/Berlin",
    "Europe/../Europe/Berlin",
    "Europe/./Berlin",
    "/usr/share/zoneinfo/Europe/Berlin",
    ":Europe/Berlin",
    "Europe//Berlin",
    "Europe/Berlin/",
    "/Europe/Berlin",
    "Europe/Berlin ",
    " Europe/Berlin",
    "Europe/Berlin\n",
    "Europe\\Berlin",
    "Europe",        /* a folder */
    "Europe/berlin", /* names are spelled */
    "Europe/Atlantis",
    "utc",
    "UTC0",
    "CET-1CEST,M3.5.0,M10.5.0/3", /* what TZ may be, and a setting may not */
    "<+03>-3",
    "+02:00",
    "zone.tab",
    "tzdata.zi",
    "right/Europe/Berlin", /* counts leap seconds */
    "Europe/Berlin/Mitte",
    "\xff\xfe",
    ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), /* longer
                                                                                             than
                                                                                             any */
};

START_TEST(what_is_no_zone_is_refused_and_the_zone_stays)
{
    struct err err = {0};
    char quoted[80] = "\"";
    char shown[48];

    use("America/New_York");
    ck_assert_int_eq(zone_use(no_zones[_i], &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    strncat(quoted, no_zones[_i], 64);
    ck_assert_msg(strstr(err.msg, quoted) != NULL, "%s does not quote %s", err.msg, quoted);
    ck_assert_msg(strstr(err.msg, "UTC") != NULL, "%s says not what to do", err.msg);
    ck_assert_ptr_null(strstr(err.msg, "install")); /* the database is there */
    zone_format(0, shown, sizeof(shown));
    ck_assert_str_eq(shown, "1969-12-31 19:00 EST");
}
END_TEST

START_TEST(one_zone_after_the_other)
{
    char shown[48];

    for (int i = 0; i < 3; i++) {
        use("Europe/Berlin");
        zone_format(0, shown, sizeof(shown));
        ck_assert_str_eq(shown, "1970-01-01 01:00 CET");
        use("UTC");
        zone_format(0, shown, sizeof(shown));
        ck_assert_str_eq(shown, "1970-01-01 00:00 UTC");
    }
}
END_TEST

START_TEST(a_missing_database_is_named_and_utc_needs_none)
{
    struct scratch scratch;
    struct err err;
    char shown[48];

    scratch_init(&scratch);
    ck_assert_int_eq(setenv("TZDIR", scratch.path, 1), 0);
    ck_assert_int_eq(zone_use("Europe/Berlin", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "HINT: install the package tzdata"));
    ck_assert_ptr_nonnull(strstr(err.msg, scratch.path));
    use("UTC");
    zone_format(0, shown, sizeof(shown));
    ck_assert_str_eq(shown, "1970-01-01 00:00 UTC");
    use("GMT");
    use("Etc/UTC");
    scratch_release(&scratch);
    /* the folder itself is missing now */
    ck_assert_int_eq(zone_use("Europe/Berlin", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "tzdata"));
    use("UTC");
    ck_assert_int_eq(setenv("TZDIR", "", 1), 0); /* as if it were not set */
    use("Europe/Berlin");
}
END_TEST

START_TEST(a_file_that_is_no_zone_is_refused)
{
    struct scratch scratch;
    struct err err;

    scratch_init(&scratch);
    ck_assert_int_eq(setenv("TZDIR", scratch.path, 1), 0);
    scratch_write(&scratch, "Text", "This is no zone.\n", 17);
    scratch_write(&scratch, "Short", "TZi", 3);
    scratch_write(&scratch, "Empty", "", 0);
    ck_assert_int_eq(zone_use("Text", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_int_eq(zone_use("Short", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_int_eq(zone_use("Empty", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    scratch_release(&scratch);
}
END_TEST

START_TEST(a_database_that_cannot_be_asked_is_not_a_missing_zone)
{
    struct scratch scratch;
    struct err err;

    scratch_init(&scratch);

    auto_free char *loop = xasprintf("%s/Loop", scratch.path);

    ck_assert_int_eq(symlink("Loop", loop), 0);
    ck_assert_int_eq(setenv("TZDIR", scratch.path, 1), 0);
    ck_assert_int_eq(zone_use("Loop", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "opening the time zone"));
    scratch_release(&scratch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zone");
    TCase *tcase = tcase_create("civil time");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_civil_minute_has_its_first_moment, 0, COUNT(changes));
    tcase_add_loop_test(tcase, moments_as_the_clocks_show_them, 0, COUNT(known));
    tcase_add_test(tcase, the_whole_of_civil_time);
    tcase_add_test(tcase, moments_outside_of_the_calendar_are_held_at_its_ends);
    tcase_add_test(tcase, milliseconds_before_1970_belong_to_the_minute_before);
    tcase_add_loop_test(tcase, what_is_no_zone_is_refused_and_the_zone_stays, 0, COUNT(no_zones));
    tcase_add_test(tcase, one_zone_after_the_other);
    tcase_add_test(tcase, a_missing_database_is_named_and_utc_needs_none);
    tcase_add_test(tcase, a_file_that_is_no_zone_is_refused);
    tcase_add_test(tcase, a_database_that_cannot_be_asked_is_not_a_missing_zone);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
