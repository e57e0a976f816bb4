/*
 * The environment of other programs: what is left, and in which order.
 */
#include "base/environment.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

START_TEST(others_get_all_but_what_is_ours)
{
    static const char *const given[] = {"PATH=/bin",  "REDKEEP_REDIS_PASSWORD=a",
                                        "AWS=1",      "AWS_SECRET_ACCESS_KEY=b",
                                        "REDKEEP=2",  "XAWS_=3",
                                        "REDKEEP_=c", NULL};
    static const char *const expected[] = {"PATH=/bin", "AWS=1", "REDKEEP=2", "XAWS_=3"};
    const size_t count = sizeof(expected) / sizeof(expected[0]);
    auto_free char **list = environment_of_others((char *const *)(uintptr_t)given);

    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(list[i], expected[i]);
    ck_assert_ptr_null(list[count]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("environment");
    TCase *tcase = tcase_create("environment");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, others_get_all_but_what_is_ours);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
