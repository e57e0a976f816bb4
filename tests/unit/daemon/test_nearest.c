/*
 * Typing slips and what they were meant to be.
 */
#include "daemon/nearest.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/settings_table.h"

static const struct {
    const char *word;
    const char *expected;
} slips[] = {
    {"redis-ulr", "redis-url"},     /* swapped */
    {"redis-ur", "redis-url"},      /* dropped */
    {"redis--url", "redis-url"},    /* doubled */
    {"redis-yrl", "redis-url"},     /* changed */
    {"repo", "repository"},         /* the beginning */
    {"username", "redis-username"}, /* the end */
    {"password", "redis-password"}, /* the end */
    {"data_dir", "data-dir"},       /* another separator */
    {"datadir", "data-dir"},
    {"compression", "compression-level"},
    {"compress", "compress-workers"},
    {"conf", "config"},
    {"jsn", "json"},
    {"jso", "json"},
    {"", "use"}, /* nothing at all: the shortest */
};

static const struct option_spec options[] = {{.name = "json", .help = ""}, {0}};

START_TEST(a_slip_finds_the_name_that_was_meant)
{
    ck_assert_str_eq(setting_nearest(slips[_i].word, options), slips[_i].expected);
}
END_TEST

START_TEST(every_name_is_nearest_to_itself)
{
    for (size_t i = 0; i < setting_count; i++)
        ck_assert_str_eq(setting_nearest(setting_table[i].name, options), setting_table[i].name);
}
END_TEST

START_TEST(a_word_of_any_length_finds_something)
{
    char word[300];

    for (size_t len = 0; len < sizeof word; len++) {
        for (size_t i = 0; i < len; i++)
            word[i] = (char)('a' + i % 26);
        word[len] = '\0';
        ck_assert_ptr_nonnull(setting_nearest(word, NULL));
    }
}
END_TEST

START_TEST(the_first_of_equals_wins)
{
    struct nearest nearest = nearest_to("ab");

    ck_assert_ptr_null(nearest.best);
    nearest_try(&nearest, "ac");
    nearest_try(&nearest, "ad");
    ck_assert_str_eq(nearest.best, "ac");
    nearest_try(&nearest, "ab");
    ck_assert_str_eq(nearest.best, "ab");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nearest");
    TCase *tcase = tcase_create("names");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, a_slip_finds_the_name_that_was_meant, 0,
                        sizeof slips / sizeof slips[0]);
    tcase_add_test(tcase, every_name_is_nearest_to_itself);
    tcase_add_test(tcase, a_word_of_any_length_finds_something);
    tcase_add_test(tcase, the_first_of_equals_wins);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
