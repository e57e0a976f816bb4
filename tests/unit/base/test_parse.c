/*
 * Strict conversions, as tables. What is refused leaves the output alone and quotes the text.
 */
#include "base/parse.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define UNTOUCHED 424242

static void check_refusal(const struct err *err, const char *text)
{
    char quoted[80] = "\"";

    strncat(quoted, text, 64);
    ck_assert_int_eq(err->kind, ERR_CONFIG);
    ck_assert_msg(strstr(err->msg, quoted) == err->msg, "%s does not quote %s", err->msg, quoted);
}

/* What no conversion but that of a boolean accepts. */
static const char *const nonsense[] = {
    "",          " ",
    "+",         "-",
    "+1",        " 1",
    "1 ",        "1\n",
    "\t1",       "0x10",
    "1e3",       "1.5",
    "1,000",     "abc",
    "NaN",       "inf",
    "--1",       "1-",
    "1_000",     "\xef\xbc\x91", /* a full-width one */
    "\xd9\xa1",                  /* an Arabic one */
    "1\xc2\xa0",                 /* a no-break space */
    "\xff\xfe",  "99999999999999999999999999999999999999999999999999999999999999999999999999999999",
};

START_TEST(nonsense_is_no_value_of_any_kind)
{
    const char *text = nonsense[_i];
    struct err err;
    uint64_t number = UNTOUCHED;
    int64_t signed_number = UNTOUCHED;
    bool yes = true;

    ck_assert_int_eq(parse_u64(text, &number, &err), -1);
    check_refusal(&err, text);
    ck_assert_int_eq(parse_bool(text, &yes, &err), -1);
    check_refusal(&err, text);
    ck_assert_int_eq(parse_size(text, &number, &err), -1);
    check_refusal(&err, text);
    ck_assert_int_eq(parse_duration(text, &signed_number, &err), -1);
    check_refusal(&err, text);
    ck_assert_int_eq(parse_rfc3339(text, &signed_number, &err), -1);
    check_refusal(&err, text);
    ck_assert_uint_eq(number, UNTOUCHED);
    ck_assert_int_eq(signed_number, UNTOUCHED);
    ck_assert(yes);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    uint64_t value;
} numbers[] = {
    {"0", true, 0},
    {"00", true, 0},
    {"007", true, 7},
    {"9", true, 9},
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551616", false, 0},
    {"18446744073709551620", false, 0},
    {"28446744073709551615", false, 0},
    {"184467440737095516150", false, 0},
    {"-0", false, 0},
    {"-1", false, 0},
    {"1k", false, 0},
};

START_TEST(whole_numbers)
{
    uint64_t value = UNTOUCHED;
    struct err err = {0};

    ck_assert_int_eq(parse_u64(numbers[_i].text, &value, &err), numbers[_i].ok ? 0 : -1);
    ck_assert_uint_eq(value, numbers[_i].ok ? numbers[_i].value : UNTOUCHED);
}
END_TEST

static const struct {
    const char *text;
    int value; /* -1: refused */
} booleans[] = {
    {"yes", 1},  {"no", 0}, {"true", 1}, {"false", 0}, {"on", 1},    {"off", 0},
    {"1", 1},    {"0", 0},  {"YES", 1},  {"No", 0},    {"tRuE", 1},  {"y", -1},
    {"oui", -1}, {"2", -1}, {"01", -1},  {"ye", -1},   {"yess", -1}, {"no ", -1},
};

START_TEST(booleans_in_any_case)
{
    bool value = booleans[_i].value != 1; /* the other one */
    struct err err = {0};

    if (booleans[_i].value < 0) {
        ck_assert_int_eq(parse_bool(booleans[_i].text, &value, &err), -1);
    } else {
        ck_assert_int_eq(parse_bool(booleans[_i].text, &value, &err), 0);
        ck_assert_int_eq(value, booleans[_i].value);
    }
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    uint64_t bytes;
} sizes[] = {
    {"0", true, 0},
    {"123", true, 123},
    {"123b", true, 123},
    {"123B", true, 123},
    {"1k", true, 1000},
    {"1K", true, 1000},
    {"1kb", true, 1024},
    {"1KB", true, 1024},
    {"64KiB", true, 65536},
    {"64kib", true, 65536},
    {"1m", true, 1000000},
    {"5MiB", true, 5242880},
    {"5mb", true, 5242880},
    {"5MB", true, 5242880},
    {"1g", true, 1000000000},
    {"2GiB", true, UINT64_C(2147483648)},
    {"1gb", true, 1073741824},
    {"1t", true, UINT64_C(1000000000000)},
    {"1TiB", true, UINT64_C(1099511627776)},
    {"1tb", true, UINT64_C(1099511627776)},
    {"16777215TiB", true, UINT64_C(16777215) << 40},
    {"16777216TiB", false, 0},
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551615b", true, UINT64_MAX},
    {"18446744073709551615k", false, 0},
    {"18446744073709551616", false, 0},
    {"18014398509481983kib", true, UINT64_C(18014398509481983) << 10},
    {"18014398509481984kib", false, 0},
    {"1p", false, 0},
    {"1 k", false, 0},
    {"1.5g", false, 0},
    {"-1k", false, 0},
    {"k", false, 0},
    {"1kbb", false, 0},
    {"1ki", false, 0},
    {"1bk", false, 0},
};

START_TEST(sizes_with_the_units_of_redis_conf)
{
    uint64_t bytes = UNTOUCHED;
    struct err err = {0};

    ck_assert_int_eq(parse_size(sizes[_i].text, &bytes, &err), sizes[_i].ok ? 0 : -1);
    ck_assert_uint_eq(bytes, sizes[_i].ok ? sizes[_i].bytes : UNTOUCHED);
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} durations[] = {
    {"0", 0},
    {"0s", 0},
    {"0h0m0s", 0},
    {"250ms", 250},
    {"15s", 15000},
    {"5m", 300000},
    {"2h", 7200000},
    {"7d", 604800000},
    {"2w", 1209600000},
    {"1h30m", 5400000},
    {"1w2d3h4m5s6ms", 788645006},
    {"90m", 5400000},
    {"1m500ms", 60500},
    {"9223372036854775807ms", INT64_MAX},
    {"9223372036854775808ms", -1},
    {"18446744073709551615ms", -1},
    {"9223372036854775s807ms", INT64_MAX},
    {"9223372036854775s808ms", -1},
    {"15250284453w", -1},
    {"15250284452w", INT64_C(15250284452) * 604800000},
    {"15", -1},
    {"00", -1},
    {"1h30", -1},
    {"30m1h", -1},
    {"1h1h", -1},
    {"1ms1s", -1},
    {"1S", -1},
    {"1H", -1},
    {"1sec", -1},
    {"1y", -1},
    {"1.5h", -1},
    {"-1s", -1},
    {"s", -1},
    {"h1", -1},
    {"1 h", -1},
    {"1h 30m", -1},
    {"1s ", -1},
    {"off", -1},
};

START_TEST(durations_and_sums_of_them)
{
    int64_t ms = UNTOUCHED;
    struct err err = {0};
    bool ok = durations[_i].ms >= 0;

    ck_assert_int_eq(parse_duration(durations[_i].text, &ms, &err), ok ? 0 : -1);
    ck_assert_int_eq(ms, ok ? durations[_i].ms : UNTOUCHED);
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"2026-11-20T17:30:00Z", INT64_C(1795195800000)},
    {"2026-11-20t17:30:00z", INT64_C(1795195800000)},
    {"2026-11-20 17:30:00Z", INT64_C(1795195800000)},
    {"2026-11-20T19:30:00+02:00", INT64_C(1795195800000)},
    {"2026-11-20T13:00:00-04:30", INT64_C(1795195800000)},
    {"2026-11-20T17:30:00-00:00", INT64_C(1795195800000)},
    {"2026-11-21T17:29:00+23:59", INT64_C(1795195800000)},
    {"2026-11-20T17:30:00.9Z", INT64_C(1795195800900)},
    {"2026-11-20T17:30:00.12Z", INT64_C(1795195800120)},
    {"2026-11-20T17:30:00.999999999Z", INT64_C(1795195800999)},
    {"2026-11-20T17:30:00.00000000000000000000000000000000001Z", INT64_C(1795195800000)},
    {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
    {"2024-02-29T23:59:59Z", INT64_C(1709251199000)},
    {"2100-03-01T00:00:00Z", INT64_C(4107542400000)},
    {"1969-12-31T23:30:00-00:30", 0},
    {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
    {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
    {"2016-12-31T23:59:60.5Z", INT64_C(1483228800500)},
    {"2017-01-01T05:29:60+05:30", INT64_C(1483228800000)},
    {"2016-12-31T23:58:60Z", -1},
    {"2016-12-31T12:59:60Z", -1},
    {"2016-12-31T23:59:61Z", -1},
    {"9999-12-31T23:59:60Z", -1},
    {"9999-12-31T23:59:59-00:01", -1},
    {"1970-01-01T00:00:00+00:01", -1},
    {"1969-12-31T23:59:59Z", -1},
    {"1900-01-01T00:00:00Z", -1},
    {"0000-01-01T00:00:00Z", -1},
    {"2023-02-29T00:00:00Z", -1},
    {"2100-02-29T00:00:00Z", -1},
    {"2026-02-30T00:00:00Z", -1},
    {"2026-00-01T00:00:00Z", -1},
    {"2026-13-01T00:00:00Z", -1},
    {"2026-01-00T00:00:00Z", -1},
    {"2026-01-32T00:00:00Z", -1},
    {"2026-04-31T00:00:00Z", -1},
    {"2026-01-01T24:00:00Z", -1},
    {"2026-01-01T00:60:00Z", -1},
    {"2026-01-01T00:00:00", -1},
    {"2026-01-01T00:00Z", -1},
    {"2026-01-01", -1},
    {"2026-1-1T00:00:00Z", -1},
    {"2026-01-01T0:00:00Z", -1},
    {"26-01-01T00:00:00Z", -1},
    {"20260101T000000Z", -1},
    {"12026-01-01T00:00:00Z", -1},
    {"+2026-01-01T00:00:00Z", -1},
    {"2026-01-01T00:00:00.Z", -1},
    {"2026-01-01T00:00:00,5Z", -1},
    {"2026-01-01T00:00:00+0200", -1},
    {"2026-01-01T00:00:00+02", -1},
    {"2026-01-01T00:00:00+24:00", -1},
    {"2026-01-01T00:00:00+00:60", -1},
    {"2026-01-01T00:00:00Z ", -1},
    {"2026-01-01T00:00:00ZZ", -1},
    {" 2026-01-01T00:00:00Z", -1},
    {"2026-01-01  00:00:00Z", -1},
    {"2026-01-01T00:00:00 Z", -1},
    {"2026/01/01T00:00:00Z", -1},
    {"now", -1},
};

START_TEST(moments_as_rfc3339)
{
    int64_t ms = UNTOUCHED;
    struct err err = {0};
    bool ok = times[_i].ms >= 0;

    ck_assert_msg(parse_rfc3339(times[_i].text, &ms, &err) == (ok ? 0 : -1), "%s", times[_i].text);
    ck_assert_int_eq(ms, ok ? times[_i].ms : UNTOUCHED);
}
END_TEST

START_TEST(no_beginning_of_a_moment_is_one)
{
    static const char whole[] = "2026-11-20T17:30:00.5+02:00";
    char text[sizeof(whole)];

    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        int64_t ms;
        struct err err;

        memcpy(text, whole, len);
        text[len] = '\0';
        ck_assert_int_eq(parse_rfc3339(text, &ms, &err), -1);
    }
}
END_TEST

START_TEST(days_until_9999_go_there_and_back)
{
    const int64_t day_ms = 86400000;
    const int64_t last_ms = INT64_C(253402300799999);
    const int64_t every_day_until = 150 * 365 * day_ms; /* then now and then, on every date */

    for (int64_t ms = 12345678; ms <= last_ms; ms += ms < every_day_until ? day_ms : 97 * day_ms) {
        char text[32];
        int64_t back;
        struct err err;

        format_rfc3339_ms(ms, text, sizeof(text));
        ck_assert_uint_eq(strlen(text), 24);
        ck_assert_int_eq(parse_rfc3339(text, &back, &err), 0);
        ck_assert_int_eq(back, ms);
    }
}
END_TEST

static const struct {
    int64_t ms;
    const char *text;
    const char *text_ms;
} formatted_times[] = {
    {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"},
    {999, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.999Z"},
    {INT64_C(1795195800042), "2026-11-20T17:30:00Z", "2026-11-20T17:30:00.042Z"},
    {INT64_C(951782400000), "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"},
    {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z"},
    {INT64_MAX, "292278994-08-17T07:12:55Z", "292278994-08-17T07:12:55.807Z"},
    {INT64_MIN, "-292275055-05-16T16:47:04Z", "-292275055-05-16T16:47:04.192Z"},
};

START_TEST(moments_are_formatted)
{
    char text[32];

    format_rfc3339(formatted_times[_i].ms, text, sizeof(text));
    ck_assert_str_eq(text, formatted_times[_i].text);
    format_rfc3339_ms(formatted_times[_i].ms, text, sizeof(text));
    ck_assert_str_eq(text, formatted_times[_i].text_ms);
}
END_TEST

static const struct {
    uint64_t bytes;
    const char *text;
} formatted_sizes[] = {
    {0, "0 B"},
    {17, "17 B"},
    {999, "999 B"},
    {1000, "1.0 kB"},
    {1049, "1.0 kB"},
    {1050, "1.1 kB"},
    {9949, "9.9 kB"},
    {9950, "10 kB"},
    {640000, "640 kB"},
    {999499, "999 kB"},
    {999500, "1.0 MB"},
    {1340000000, "1.3 GB"},
    {UINT64_C(999499999999), "999 GB"},
    {UINT64_C(999500000000), "1.0 TB"},
    {UINT64_C(5000000000000000), "5.0 PB"},
    {UINT64_MAX, "18 EB"},
};

START_TEST(sizes_are_formatted_for_people)
{
    char text[16];

    format_size(formatted_sizes[_i].bytes, text, sizeof(text));
    ck_assert_str_eq(text, formatted_sizes[_i].text);
}
END_TEST

static const struct {
    int64_t ms;
    const char *text;
} formatted_durations[] = {
    {-1, "unknown"},       {0, "0 ms"},         {350, "350 ms"},       {999, "999 ms"},
    {1000, "1.0 s"},       {4299, "4.2 s"},     {9999, "9.9 s"},       {10000, "10 s"},
    {59999, "59 s"},       {60000, "1m 00s"},   {200000, "3m 20s"},    {3599999, "59m 59s"},
    {3600000, "1h 00m"},   {3720000, "1h 02m"}, {86399999, "23h 59m"}, {86400000, "1d 00h"},
    {273600000, "3d 04h"},
};

START_TEST(durations_are_formatted_for_people)
{
    char text[16];

    format_duration(formatted_durations[_i].ms, text, sizeof(text));
    ck_assert_str_eq(text, formatted_durations[_i].text);
}
END_TEST

START_TEST(what_does_not_fit_is_cut_and_terminated)
{
    for (size_t size = 1; size < 32; size++) {
        char text[33];

        memset(text, '#', sizeof(text));
        format_rfc3339_ms(INT64_MIN, text, size);
        ck_assert_uint_lt(strlen(text), size);
        ck_assert_int_eq(text[size], '#');
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parse");
    TCase *tcase = tcase_create("conversions");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, nonsense_is_no_value_of_any_kind, 0, COUNT(nonsense));
    tcase_add_loop_test(tcase, whole_numbers, 0, COUNT(numbers));
    tcase_add_loop_test(tcase, booleans_in_any_case, 0, COUNT(booleans));
    tcase_add_loop_test(tcase, sizes_with_the_units_of_redis_conf, 0, COUNT(sizes));
    tcase_add_loop_test(tcase, durations_and_sums_of_them, 0, COUNT(durations));
    tcase_add_loop_test(tcase, moments_as_rfc3339, 0, COUNT(times));
    tcase_add_test(tcase, no_beginning_of_a_moment_is_one);
    tcase_add_test(tcase, days_until_9999_go_there_and_back);
    tcase_add_loop_test(tcase, moments_are_formatted, 0, COUNT(formatted_times));
    tcase_add_loop_test(tcase, sizes_are_formatted_for_people, 0, COUNT(formatted_sizes));
    tcase_add_loop_test(tcase, durations_are_formatted_for_people, 0, COUNT(formatted_durations));
    tcase_add_test(tcase, what_does_not_fit_is_cut_and_terminated);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
