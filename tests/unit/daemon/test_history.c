/*
 * What a row of looks at the server tells, with made clocks.
 */
#include "daemon/history.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MINUTE_MS 60000
#define WALL_MS INT64_C(1795248500000)

/* A look at a server that loads: begun at second 1000 of its clock. */
static void look_loading(struct history *history, int64_t ms, int64_t bytes)
{
    auto_redis_info struct redis_server_info info = {0};
    auto_free char *text = xasprintf("loading:1\r\nloading_start_time:1000\r\n"
                                     "server_time_usec:%lld\r\nloading_loaded_bytes:%lld\r\n",
                                     (long long)(1000000 + ms) * 1000, (long long)bytes);

    redis_info_parse(text, strlen(text), &info);
    history_look(history, &info, WALL_MS + ms, ms);
}

static void look_loaded(struct history *history)
{
    static const char text[] = "loading:0\r\nserver_time_usec:1010000000\r\n";
    auto_redis_info struct redis_server_info info = {0};

    redis_info_parse(text, strlen(text), &info);
    history_look(history, &info, WALL_MS, 0);
}

START_TEST(a_load_is_measured_from_the_first_look_to_the_last)
{
    struct history history = {0};

    look_loading(&history, 700, 1000);
    ck_assert_int_eq(history.load.bytes, 0);
    look_loading(&history, 2699, 2000);
    ck_assert_int_eq(history.load.bytes, 0); /* seen for too short a time */
    look_loading(&history, 2700, 5000);
    ck_assert_int_eq(history.load.bytes, 4000);
    ck_assert_int_eq(history.load.took_ms, 2000);
    look_loading(&history, 4700, 9000);
    look_loaded(&history);
    ck_assert_int_eq(history.load.bytes, 8000);
    ck_assert_int_eq(history.load.took_ms, 4000);
    ck_assert_int_eq(history.load.at_ms, WALL_MS + 4700);
}
END_TEST

START_TEST(a_short_load_after_a_long_one_leaves_what_is_known)
{
    struct history history = {0};

    look_loading(&history, 0, 0);
    look_loading(&history, 3000, 6000);
    look_loaded(&history);
    look_loading(&history, 9000, 10);
    look_loading(&history, 9500, 20);
    look_loaded(&history);
    ck_assert_int_eq(history.load.bytes, 6000);
    ck_assert_int_eq(history.load.took_ms, 3000);
}
END_TEST

START_TEST(a_load_that_stands_still_or_goes_back_is_no_measure)
{
    struct history history = {0};

    look_loading(&history, 0, 500);
    look_loading(&history, 5000, 500);
    ck_assert_int_eq(history.load.bytes, 0);
    look_loading(&history, 6000, 100); /* another one, begun in the same second */
    look_loading(&history, 4000, 200); /* its clock was set back */
    look_loading(&history, 5999, 300);
    ck_assert_int_eq(history.load.bytes, 0);
    look_loading(&history, 6000, 300);
    ck_assert_int_eq(history.load.bytes, 100);
    ck_assert_int_eq(history.load.took_ms, 2000);
}
END_TEST

static void look_delays(struct history *history, const char *run_id, int64_t count, int64_t mono_ms)
{
    auto_redis_info struct redis_server_info info = {0};
    auto_free char *text = count < 0
                               ? xasprintf("run_id:%s\r\nloading:0\r\n", run_id)
                               : xasprintf("run_id:%s\r\nloading:0\r\naof_delayed_fsync:%lld\r\n",
                                           run_id, (long long)count);

    redis_info_parse(text, strlen(text), &info);
    history_look(history, &info, WALL_MS, mono_ms);
}

START_TEST(of_delays_the_last_hour_counts)
{
    struct history history = {0};

    look_delays(&history, "a", 5000, 0);
    ck_assert_int_eq(history.delays.span_ms, 0);
    look_delays(&history, "a", 5003, MINUTE_MS);
    ck_assert_int_eq(history.delays.count, 3);
    ck_assert_int_eq(history.delays.span_ms, MINUTE_MS);
    for (int64_t minute = 2; minute <= 59; minute++)
        look_delays(&history, "a", 5003, minute * MINUTE_MS);
    ck_assert_int_eq(history.delays.count, 3);
    for (int64_t minute = 60; minute <= 600; minute++) {
        look_delays(&history, "a", 5003, minute * MINUTE_MS);
        ck_assert_int_ge(history.delays.span_ms, 59 * MINUTE_MS);
        ck_assert_int_le(history.delays.span_ms, 70 * MINUTE_MS);
    }
    ck_assert_int_eq(history.delays.count, 0);
    look_delays(&history, "a", 5010, 601 * MINUTE_MS);
    ck_assert_int_eq(history.delays.count, 7);
}
END_TEST

START_TEST(another_server_begins_again)
{
    static const struct {
        const char *run_id;
        int64_t count;
        int64_t span_ms;
    } looks[] = {
        {"b", 100, 0}, /* another process */
        {"a", 99, 0},  /* CONFIG RESETSTAT */
        {"a", -1, 0},  /* no append-only file any more */
        {"a", 101, 30 * MINUTE_MS},
    };

    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        struct history history = {0};

        look_delays(&history, "a", 100, 0);
        look_delays(&history, "a", 100, 20 * MINUTE_MS);
        look_delays(&history, looks[i].run_id, looks[i].count, 30 * MINUTE_MS);
        ck_assert_int_eq(history.delays.span_ms, looks[i].span_ms);
        ck_assert_int_eq(history.delays.count, looks[i].span_ms > 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("history");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, a_load_is_measured_from_the_first_look_to_the_last);
    tcase_add_test(tcase, a_short_load_after_a_long_one_leaves_what_is_known);
    tcase_add_test(tcase, a_load_that_stands_still_or_goes_back_is_no_measure);
    tcase_add_test(tcase, of_delays_the_last_hour_counts);
    tcase_add_test(tcase, another_server_begins_again);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
