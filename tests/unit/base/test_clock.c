/*
 * The machine's clock and the fake one. Nothing here depends on how fast the machine is.
 */
#include "base/clock.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "support/fake_clock.h"

START_TEST(the_machines_wall_clock_is_the_time)
{
    int64_t before = (int64_t)time(NULL) - 1; /* time() may read a coarser clock */
    int64_t now = clock_wall_ms(clock_system());
    int64_t after = (int64_t)time(NULL) + 2;

    ck_assert_int_ge(now, before * 1000);
    ck_assert_int_le(now, after * 1000);
}
END_TEST

START_TEST(the_monotonic_clock_moves_at_least_as_far_as_was_slept)
{
    const struct clock *clock = clock_system();
    int64_t before = clock_mono_ms(clock);

    clock_sleep_ms(clock, 20);
    clock_sleep_ms(clock, 0);
    clock_sleep_ms(clock, -5);
    ck_assert_int_ge(clock_mono_ms(clock) - before, 19); /* both readings are cut to whole ms */
}
END_TEST

START_TEST(the_fake_clock_moves_only_when_told)
{
    struct fake_clock fake;

    fake_clock_init(&fake, 5000);
    ck_assert_int_eq(clock_wall_ms(&fake.clock), 5000);
    ck_assert_int_eq(clock_mono_ms(&fake.clock), 1000);
    fake_clock_advance(&fake, 10);
    clock_sleep_ms(&fake.clock, 90);
    ck_assert_int_eq(clock_wall_ms(&fake.clock), 5100);
    ck_assert_int_eq(clock_mono_ms(&fake.clock), 1100);
    ck_assert_int_eq(fake.slept_ms, 90);
    ck_assert_uint_eq(fake.sleeps, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clocks");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, the_machines_wall_clock_is_the_time);
    tcase_add_test(tcase, the_monotonic_clock_moves_at_least_as_far_as_was_slept);
    tcase_add_test(tcase, the_fake_clock_moves_only_when_told);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
