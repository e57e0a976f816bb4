/*
 * The text of a schedule, as tables: what it sets, and what is refused in which words.
 */
#include "daemon/schedule.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define ALL_MINUTES UINT64_C(0xfffffffffffffff)
#define ALL_HOURS 0xffffffU
#define ALL_DAYS 0xfffffffeU
#define ALL_MONTHS 0x1ffeU
#define ALL_WEEKDAYS 0x7fU
#define BIT(n) (UINT64_C(1) << (n))

static const struct {
    const char *text;
    uint64_t minutes;
    uint64_t hours;
    uint64_t days;
    uint64_t months;
    uint64_t weekdays;
} crons[] = {
    {"* * * * *", ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {"0 * * * *", BIT(0), ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {"59 23 31 12 6", BIT(59), BIT(23), BIT(31), BIT(12), BIT(6)},
    {"00 05 01 01 00", BIT(0), BIT(5), BIT(1), BIT(1), BIT(0)},
    {"0-59 0-23 1-31 1-12 0-6", ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {"0-59 0-23 1-31 1-12 1-7", ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {"0-59 0-23 1-31 1-12 0-7", ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    /* lists, ranges, steps, and all of them together */
    {"0,15,30,45 0 1 1 *", BIT(0) | BIT(15) | BIT(30) | BIT(45), BIT(0), BIT(1), BIT(1),
     ALL_WEEKDAYS},
    {"*/15 */6 */10 */3 */2", BIT(0) | BIT(15) | BIT(30) | BIT(45),
     BIT(0) | BIT(6) | BIT(12) | BIT(18), BIT(1) | BIT(11) | BIT(21) | BIT(31),
     BIT(1) | BIT(4) | BIT(7) | BIT(10), BIT(0) | BIT(2) | BIT(4) | BIT(6)},
    {"10-30/10,5,59 8-10 28-31 2-3 1-5", BIT(5) | BIT(10) | BIT(20) | BIT(30) | BIT(59),
     BIT(8) | BIT(9) | BIT(10), BIT(28) | BIT(29) | BIT(30) | BIT(31), BIT(2) | BIT(3), 0x3e},
    {"*/60 */24 */31 */12 */7", BIT(0), BIT(0), BIT(1), BIT(1), BIT(0)},
    {"5,5,5 1-3,2-4 * * *", BIT(5), BIT(1) | BIT(2) | BIT(3) | BIT(4), ALL_DAYS, ALL_MONTHS,
     ALL_WEEKDAYS},
    {"7-7/1 0 * * *", BIT(7), BIT(0), ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {"0 *,3 * * *", BIT(0), ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    /* Sunday is 0 and 7 */
    {"0 0 * * 7", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, BIT(0)},
    {"0 0 * * 5-7", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, BIT(5) | BIT(6) | BIT(0)},
    {"0 0 * * fri-sun", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, BIT(5) | BIT(6) | BIT(0)},
    {"0 0 * * sun-tue", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, BIT(0) | BIT(1) | BIT(2)},
    {"0 0 * * 1-7/2", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, BIT(1) | BIT(3) | BIT(5) | BIT(0)},
    /* names in any case */
    {"0 0 1 jan,FEB,Mar,apr,may,jun sun", BIT(0), BIT(0), BIT(1), 0x7e, BIT(0)},
    {"0 0 1 JUL-dec mon,Tue,WED,thu,Fri,sat", BIT(0), BIT(0), BIT(1), 0x1f80, 0x7e},
    {"0 0 1 jan-dec/6 Mon-fri/2", BIT(0), BIT(0), BIT(1), BIT(1) | BIT(7),
     BIT(1) | BIT(3) | BIT(5)},
    /* blanks */
    {"  30\t3 *  * \t * ", BIT(30), BIT(3), ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    /* the words */
    {"@yearly", BIT(0), BIT(0), BIT(1), BIT(1), ALL_WEEKDAYS},
    {"@annually", BIT(0), BIT(0), BIT(1), BIT(1), ALL_WEEKDAYS},
    {"@monthly", BIT(0), BIT(0), BIT(1), ALL_MONTHS, ALL_WEEKDAYS},
    {"@weekly", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, BIT(0)},
    {"@daily", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {"@midnight", BIT(0), BIT(0), ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {" @hourly ", BIT(0), ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    /* dates that come, if seldom */
    {"0 0 29 2 *", BIT(0), BIT(0), BIT(29), BIT(2), ALL_WEEKDAYS},
    {"0 0 31 1,2 *", BIT(0), BIT(0), BIT(31), BIT(1) | BIT(2), ALL_WEEKDAYS},
    {"0 0 30 2 1", BIT(0), BIT(0), BIT(30), BIT(2), BIT(1)}, /* on Mondays */
    {"0 0 30-31,1 2 *", BIT(0), BIT(0), BIT(30) | BIT(31) | BIT(1), BIT(2), ALL_WEEKDAYS},
};

START_TEST(the_five_fields)
{
    struct schedule schedule;
    struct err err;

    memset(&schedule, 0xff, sizeof(schedule));
    ck_assert_msg(schedule_parse(crons[_i].text, &schedule, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(schedule.kind, SCHEDULE_CRON);
    ck_assert_uint_eq(schedule.minutes, crons[_i].minutes);
    ck_assert_uint_eq(schedule.hours, crons[_i].hours);
    ck_assert_uint_eq(schedule.days, crons[_i].days);
    ck_assert_uint_eq(schedule.months, crons[_i].months);
    ck_assert_uint_eq(schedule.weekdays, crons[_i].weekdays);
    ck_assert_int_eq(schedule.every_hour, crons[_i].hours == ALL_HOURS);
    ck_assert_int_eq(schedule.every_ms, 0);
}
END_TEST

static const struct {
    const char *text;
    bool any_day;
    bool any_weekday;
} stars[] = {
    {"0 0 * * *", true, true},      {"0 0 1 * *", false, true},      {"0 0 * * 1", true, false},
    {"0 0 1 * 1", false, false},    {"0 0 */2 * 1", true, false},    {"0 0 1 * */2", false, true},
    {"0 0 1-31 * 1", false, false}, {"0 0 1,*/2 * 1", false, false}, {"0 0 *,1 * 1", true, false},
};

START_TEST(a_field_that_begins_with_a_star_restricts_nothing)
{
    struct schedule schedule;
    struct err err;

    ck_assert_msg(schedule_parse(stars[_i].text, &schedule, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(schedule.any_day, stars[_i].any_day);
    ck_assert_int_eq(schedule.any_weekday, stars[_i].any_weekday);
}
END_TEST

static const struct {
    const char *text;
    int64_t every_ms;
} pauses[] = {
    {"@every 15m", 900000},        {"@every 1m", 60000},
    {"@every 60s", 60000},         {"@every 90s", 90000},
    {"@every 1h30m", 5400000},     {"@every\t7d", 604800000},
    {" @every   60000ms ", 60000}, {"@every 15250284452w", INT64_C(9223372036569600000)},
};

START_TEST(a_pause_between_two_runs)
{
    struct schedule schedule;
    struct err err;

    ck_assert_msg(schedule_parse(pauses[_i].text, &schedule, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(schedule.kind, SCHEDULE_EVERY);
    ck_assert_int_eq(schedule.every_ms, pauses[_i].every_ms);
}
END_TEST

START_TEST(never)
{
    struct schedule schedule;
    struct err err;

    ck_assert_int_eq(schedule_parse("off", &schedule, &err), 0);
    ck_assert_int_eq(schedule.kind, SCHEDULE_OFF);
    ck_assert_int_eq(schedule_parse(" off\t", &schedule, &err), 0);
    ck_assert_int_eq(schedule.kind, SCHEDULE_OFF);
}
END_TEST

static const struct {
    const char *text;
    const char *says;
} malformed[] = {
    /* not five fields */
    {"", "0 fields"},
    {"  \t ", "0 fields"},
    {"*", "1 field, not five"},
    {"* * * *", "4 fields"},
    {"* * * * * *", "6 fields"},
    {"0 0 3 * * *", "6 fields"},
    {"0 0 0 1 1 *", "6 fields"},
    {"0 3 * * * 2026", "6 fields"},
    {"0 3 * * * root redkeep backup", "8 fields"},
    /* past a field's bounds, in the order of the fields */
    {"60 * * * *", "the minute \"60\" is not in 0 to 59"},
    {"-1 * * * *", "the minute \"-1\""},
    {"0-60 * * * *", "the minute \"0-60\""},
    {"* 24 * * *", "the hour \"24\" is not in 0 to 23"},
    {"0 0 0 * *", "the day of the month \"0\" is not in 1 to 31"},
    {"0 0 32 * *", "the day of the month \"32\""},
    {"0 0 1 0 *", "the month \"0\" is not in 1 to 12, or jan to dec"},
    {"0 0 1 13 *", "the month \"13\""},
    {"0 0 * * 8", "the weekday \"8\" is not in 0 to 7, or sun to sat"},
    {"18446744073709551616 * * * *", "the minute"},
    {"4294967296 * * * *", "the minute \"4294967296\""},
    /* no numbers */
    {"a * * * *", "the minute \"a\""},
    {"0x1 * * * *", "the minute \"0x1\""},
    {"+1 * * * *", "the minute \"+1\""},
    {"1.5 * * * *", "the minute \"1.5\""},
    {"1e1 * * * *", "the minute \"1e1\""},
    {"\xd9\xa1 * * * *", "the minute"},
    {"0 0 * * *\n", "the weekday"},
    {"0 0\n* * *", "4 fields"},
    {"0\xc2\xa0"
     "0 0 * * *",
     "the minute"}, /* a no-break space */
    {"3pm * * * *", "the minute \"3pm\""},
    {"TZ=UTC 0 * * *", "the minute \"TZ=UTC\""},
    /* names in the wrong place, or too long */
    {"jan * * * *", "the minute \"jan\""},
    {"0 mon * * *", "the hour \"mon\""},
    {"0 0 mon * *", "the day of the month \"mon\""},
    {"0 0 * mon *", "the month \"mon\""},
    {"0 0 * * jan", "the weekday \"jan\""},
    {"0 0 * january *", "the month \"january\""},
    {"0 0 * * sunday", "the weekday \"sunday\""},
    {"0 0 * ja *", "the month \"ja\""},
    {"0 0 * * \xc3\xa9t\xc3\xa9", "the weekday"},
    /* what is Quartz's and not cron's */
    {"0 0 ? * *", "the day of the month \"?\""},
    {"0 0 L * *", "the day of the month \"L\""},
    {"0 0 15W * *", "the day of the month \"15W\""},
    {"0 0 * * 5#2", "the weekday \"5#2\""},
    {"H * * * *", "the minute \"H\""},
    /* lists */
    {", * * * *", "the minute \"\""},
    {"1, * * * *", "the minute \"\""},
    {",1 * * * *", "the minute \"\""},
    {"1,,2 * * * *", "the minute \"\""},
    {"1,2,60 * * * *", "the minute \"60\""},
    {"1;2 * * * *", "the minute \"1;2\""},
    /* ranges */
    {"5-1 * * * *", "the minute \"5-1\""},
    {"0 22-2 * * *", "the hour \"22-2\""},
    {"0 0 * nov-feb *", "the month \"nov-feb\""},
    {"0 0 * * fri-mon", "the weekday \"fri-mon\""},
    {"1- * * * *", "the minute \"1-\""},
    {"- * * * *", "the minute \"-\""},
    {"1--2 * * * *", "the minute \"1--2\""},
    {"1-2-3 * * * *", "the minute \"1-2-3\""},
    {"*-5 * * * *", "the minute \"*-5\""},
    {"1-* * * * *", "the minute \"1-*\""},
    {"1..5 * * * *", "the minute \"1..5\""},
    {"** * * * *", "the minute \"**\""},
    {"*5 * * * *", "the minute \"*5\""},
    {"~ * * * *", "the minute \"~\""},
    {"1~5 * * * *", "the minute \"1~5\""},
    /* steps */
    {"*/0 * * * *", "the minute \"*/0\""},
    {"*/ * * * *", "the minute \"*/\""},
    {"/5 * * * *", "the minute \"/5\""},
    {"*/-5 * * * *", "the minute \"*/-5\""},
    {"*/a * * * *", "the minute \"*/a\""},
    {"*/5/2 * * * *", "the minute \"*/5/2\""},
    {"1-30/ * * * *", "the minute \"1-30/\""},
    {"0 0 * */jan *", "the month \"*/jan\""},
    {"5/15 * * * *", "the minute \"5/15\" has a step without a range. HINT: write 5-59/15"},
    {"*/61 * * * *", "the minute \"*/61\" has a step wider than its range"},
    {"*/90 * * * *", "write @every 90m"},
    {"0 */25 * * *", "the hour \"*/25\" has a step wider"},
    {"1-5/6 * * * *", "the minute \"1-5/6\" has a step wider"},
    {"*/18446744073709551615 * * * *", "has a step wider"},
    /* dates that never come */
    {"0 0 30 2 *", "it never comes"},
    {"0 0 31 2 *", "it never comes"},
    {"0 0 30,31 feb *", "it never comes"},
    {"0 0 31 4 *", "it never comes"},
    {"0 0 31 2,4,6,9,11 *", "it never comes"},
    {"0 0 31 sep */2", "it never comes"},
    /* words */
    {"Off", "1 field"},
    {"off off", "2 fields"},
    {"never", "1 field, not five"},
    {"hourly", "1 field, not five"},
    {"@", "@hourly, @daily"},
    {"@Hourly", "@hourly, @daily"},
    {"@reboot", "@hourly, @daily"},
    {"@hourly @daily", "@hourly, @daily"},
    {"@daily 3", "@hourly, @daily"},
    {"@every15m", "@hourly, @daily"},
    {"@every", "\"\" is not a duration"},
    {"@every ", "\"\" is not a duration"},
    {"@every 15", "\"15\" is not a duration"},
    {"@every -15m", "\"-15m\" is not a duration"},
    {"@every 15m 3h", "\"15m 3h\" is not a duration"},
    {"@every 0", "\"0\" is less than a minute"},
    {"@every 59s", "\"59s\" is less than a minute"},
    {"@every 59999ms", "\"59999ms\" is less than a minute"},
    {"@every 99999999999999999999w", "is not a duration"},
    {"@every 9223372036854775807w", "is not a duration that can be counted"},
};

START_TEST(what_is_no_schedule_is_refused_in_words_that_help)
{
    struct schedule schedule;
    struct schedule untouched;
    struct err err = {0};
    char begin[80] = "\"";

    memset(&schedule, 0x5a, sizeof(schedule));
    memcpy(&untouched, &schedule, sizeof(schedule));
    ck_assert_msg(schedule_parse(malformed[_i].text, &schedule, &err) == -1, "%s is accepted",
                  malformed[_i].text);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    strncat(begin, malformed[_i].text, 64);
    ck_assert_msg(strstr(err.msg, begin) == err.msg, "%s does not quote %s", err.msg, begin);
    ck_assert_ptr_nonnull(strstr(err.msg, "\" is not a schedule: "));
    ck_assert_msg(strstr(err.msg, malformed[_i].says) != NULL, "%s says not %s", err.msg,
                  malformed[_i].says);
    ck_assert_mem_eq(&schedule, &untouched, sizeof(schedule));
}
END_TEST

START_TEST(no_beginning_of_a_cron_line_is_one)
{
    static const char whole[] = "*/5 1-3,4 1,15 jan-dec/2 mon";
    char cut[sizeof(whole)];

    for (size_t len = 0; len < sizeof(whole) - 3; len++) {
        struct schedule schedule;
        struct err err;

        memcpy(cut, whole, len);
        cut[len] = '\0';
        ck_assert_msg(schedule_parse(cut, &schedule, &err) == -1, "%s is accepted", cut);
    }
}
END_TEST

START_TEST(a_very_long_text_is_refused_as_well)
{
    size_t len = 1 << 20;
    char *text = malloc(len + 1);
    struct schedule schedule;
    struct err err;

    ck_assert_ptr_nonnull(text);
    memset(text, '1', len);
    text[len] = '\0';
    ck_assert_int_eq(schedule_parse(text, &schedule, &err), -1);
    memset(text, ',', len);
    ck_assert_int_eq(schedule_parse(text, &schedule, &err), -1);
    memset(text, ' ', len);
    ck_assert_int_eq(schedule_parse(text, &schedule, &err), -1);
    for (size_t i = 0; i < len; i += 2)
        text[i] = '*';
    ck_assert_int_eq(schedule_parse(text, &schedule, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "fields, not five"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule_parse");
    TCase *tcase = tcase_create("text");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_five_fields, 0, COUNT(crons));
    tcase_add_loop_test(tcase, a_field_that_begins_with_a_star_restricts_nothing, 0, COUNT(stars));
    tcase_add_loop_test(tcase, a_pause_between_two_runs, 0, COUNT(pauses));
    tcase_add_test(tcase, never);
    tcase_add_loop_test(tcase, what_is_no_schedule_is_refused_in_words_that_help, 0,
                        COUNT(malformed));
    tcase_add_test(tcase, no_beginning_of_a_cron_line_is_one);
    tcase_add_test(tcase, a_very_long_text_is_refused_as_well);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
