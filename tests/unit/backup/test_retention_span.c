/* "1y6m": how long keep-within reaches back, in text. */
#include <check.h>
#include <stdlib.h>

#include "backup/retention.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *text;
    struct retention_span span;
    const char *formatted;
} known[] = {
    {"7d", {.days = 7}, "7d"},
    {"6m", {.months = 6}, "6m"},
    {"2w", {.days = 14}, "14d"},
    {"1y5m7d2h", {1, 5, 7, 2}, "1y5m7d2h"},
    {"1y2w1d", {1, 0, 15, 0}, "1y15d"},
    {"0", {0}, "0"},
    {"0d", {0}, "0"},
    {"100000h", {.hours = 100000}, "100000h"},
};

START_TEST(a_span_is_read_and_written)
{
    struct retention_span span = {0};
    struct err err = {0};
    char text[48];

    ck_assert_msg(retention_parse_span(known[_i].text, &span, &err) == 0, "%s", err.msg);
    ck_assert_mem_eq(&span, &known[_i].span, sizeof(span));
    retention_format_span(&span, text, sizeof(text));
    ck_assert_str_eq(text, known[_i].formatted);
}
END_TEST

START_TEST(what_is_no_span_is_refused)
{
    static const char *const texts[] = {
        "",     "7",   "d",   "7days", "1h1d", "1d1d",      "-1d",  "7 d",
        "1.5d", "15s", "5ms", "7D",    "off",  "100001d",   "7d1",  "99999999999999999999d",
        " 7d",  "7d ", "m",   "1m1y",  "+1d",  "00000001d", "1w1w", "7\xc3\xa4",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct retention_span span = {1, 2, 3, 4};
        struct err err = {0};

        ck_assert_msg(retention_parse_span(texts[i], &span, &err) == -1, "%s", texts[i]);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_uint_eq(span.hours, 4);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retention_span");
    TCase *tcase = tcase_create("span");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, a_span_is_read_and_written, 0, (int)COUNT(known));
    tcase_add_test(tcase, what_is_no_span_is_refused);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
