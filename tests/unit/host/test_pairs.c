/*
 * Names with values: what INFO's lines give, what is asked for, what is no number.
 */
#include "host/pairs.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char info_text[] = "# Server\r\nredis_version:7.0.15\r\nmultiplexing_api:epoll\r\n"
                                "\r\n# Keyspace\r\ndb0:keys=1,expires=0\r\nempty:\r\n:nameless\r\n"
                                "no colon\r\nlast:-5";

START_TEST(the_lines_of_info_become_pairs)
{
    struct pairs pairs = {0};

    pairs_add_info(&pairs, info_text, sizeof(info_text) - 1);
    ck_assert_uint_eq(pairs.count, 5);
    ck_assert_str_eq(pairs_get(&pairs, "redis_version"), "7.0.15");
    ck_assert_str_eq(pairs_get(&pairs, "db0"), "keys=1,expires=0");
    ck_assert_str_eq(pairs_get(&pairs, "empty"), "");
    ck_assert_str_eq(pairs_get(&pairs, "last"), "-5");
    ck_assert_ptr_null(pairs_get(&pairs, "nameless"));
    ck_assert_ptr_null(pairs_get(&pairs, "# Server"));
    pairs_release(&pairs);
    ck_assert_uint_eq(pairs.count, 0);
}
END_TEST

START_TEST(an_info_text_may_be_cut_anywhere)
{
    for (size_t len = 0; len < sizeof(info_text); len++) {
        struct pairs pairs = {0};
        char *cut = malloc(len + 1); /* exactly as long, so that a sanitizer sees more */

        ck_assert_ptr_nonnull(cut);
        memcpy(cut, info_text, len);
        pairs_add_info(&pairs, cut, len);
        ck_assert_uint_le(pairs.count, 5);
        pairs_release(&pairs);
        free(cut);
    }
}
END_TEST

START_TEST(names_are_found_in_any_case_and_the_first_counts)
{
    struct pairs pairs = {0};

    pairs_add(&pairs, "maxmemory-policy", "noeviction");
    pairs_add(&pairs, "MaxMemory-Policy", "other");
    ck_assert_str_eq(pairs_get(&pairs, "MAXMEMORY-POLICY"), "noeviction");
    ck_assert(pairs_is(&pairs, "maxmemory-policy", "noeviction"));
    ck_assert(!pairs_is(&pairs, "maxmemory-policy", "NOEVICTION"));
    ck_assert(!pairs_is(&pairs, "maxmemory", "noeviction"));
    pairs_release(&pairs);
}
END_TEST

START_TEST(no_pairs_at_all_answer_nothing)
{
    int64_t number = 7;

    ck_assert_ptr_null(pairs_get(NULL, "a"));
    ck_assert(!pairs_i64(NULL, "a", &number));
    ck_assert(!pairs_is(NULL, "a", ""));
    ck_assert_int_eq(number, 7);
}
END_TEST

START_TEST(a_thousand_pairs_are_all_found)
{
    struct pairs pairs = {0};
    char name[16];
    int64_t number = 0;

    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        pairs_add(&pairs, name, name + 1);
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        ck_assert(pairs_i64(&pairs, name, &number));
        ck_assert_int_eq(number, i);
    }
    pairs_release(&pairs);
}
END_TEST

static const struct {
    const char *text;
    bool is_number;
    int64_t number;
} numbers[] = {
    {"0", true, 0},
    {"-1", true, -1},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775807", true, -INT64_MAX},
    {"9223372036854775808", false, 0},
    {"99999999999999999999999", false, 0},
    {"", false, 0},
    {"-", false, 0},
    {"--1", false, 0},
    {"+1", false, 0},
    {"1 ", false, 0},
    {"1.5", false, 0},
    {"\xff", false, 0},
};

START_TEST(only_whole_numbers_are_numbers)
{
    struct pairs pairs = {0};
    int64_t number = 4242;

    pairs_add(&pairs, "n", numbers[_i].text);
    ck_assert_int_eq(pairs_i64(&pairs, "n", &number), numbers[_i].is_number);
    ck_assert_int_eq(number, numbers[_i].is_number ? numbers[_i].number : 4242);
    pairs_release(&pairs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pairs");
    TCase *tcase = tcase_create("pairs");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, the_lines_of_info_become_pairs);
    tcase_add_test(tcase, an_info_text_may_be_cut_anywhere);
    tcase_add_test(tcase, names_are_found_in_any_case_and_the_first_counts);
    tcase_add_test(tcase, no_pairs_at_all_answer_nothing);
    tcase_add_test(tcase, a_thousand_pairs_are_all_found);
    tcase_add_loop_test(tcase, only_whole_numbers_are_numbers, 0,
                        (int)(sizeof(numbers) / sizeof(numbers[0])));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
