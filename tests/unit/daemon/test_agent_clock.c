/*
 * Clocks that jump, that are slewed, and that are changed twice a year.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/zone.h"
#include "daemon/agent.h"
#include "support/agent_sim.h"

#define TEN_PAST (AGENT_SIM_NOON + 10 * AGENT_SIM_MIN)

static void init(struct agent_sim *sim, const char *schedule)
{
    agent_sim_init(sim, schedule, TEN_PAST);
    agent_sim_has_backup(sim, 5 * AGENT_SIM_MIN, 1000);
    agent_sim_run(sim, 10 * AGENT_SIM_S);
}

START_TEST(a_jump_forth_over_many_times_is_one_run)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_jump(&sim, 5 * AGENT_SIM_H);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 17:10:11 start backup\n"
                                            "20 18:00:00 start backup\n");
    ck_assert_uint_eq(agent_sim_logged(&sim, "the clock jumped by 18000 s"), 1);
}
END_TEST

START_TEST(a_jump_back_is_planned_anew)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_jump(&sim, -5 * AGENT_SIM_H);
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 08:00:00 start backup\n"
                                            "20 09:00:00 start backup\n");
}
END_TEST

START_TEST(every_goes_on_after_a_jump)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@every 30m");
    agent_sim_jump(&sim, -5 * AGENT_SIM_H);
    agent_sim_run(&sim, 61 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 07:40:11 start backup\n"
                                            "20 08:10:11 start backup\n");
    agent_sim_jump(&sim, 9 * AGENT_SIM_H);
    agent_sim_run(&sim, 40 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 17:11:11 start backup\n"
                                            "20 17:41:11 start backup\n");
}
END_TEST

/* It jumps back over the time of a run that has just begun: not the same again at once. */
START_TEST(a_jump_back_behind_a_run_repeats_nothing_in_a_row)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_run(&sim, 50 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n");
    agent_sim_jump(&sim, -30 * AGENT_SIM_MIN);
    agent_sim_run(&sim, 29 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"); /* 30 minutes later */
}
END_TEST

START_TEST(jumps_while_a_backup_runs_start_no_other)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.took_ms = 20 * AGENT_SIM_MIN});
    agent_sim_run(&sim, 55 * AGENT_SIM_MIN);
    agent_sim_jump(&sim, 3 * AGENT_SIM_H);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    agent_sim_jump(&sim, -7 * AGENT_SIM_H);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    agent_sim_jump(&sim, 4 * AGENT_SIM_H);
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n");
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 14:00:00 start backup\n");
}
END_TEST

/* The clock of a machine that has just booted is set right: what was to be made up for still is. */
START_TEST(a_jump_back_does_not_forget_the_first_backup)
{
    for (int has_old = 0; has_old < 2; has_old++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_config config = agent_sim_config("@daily");

        config.jitter_ms = AGENT_SIM_H;
        agent_sim_init_with(&sim, &config, TEN_PAST);
        if (has_old)
            agent_sim_has_backup(&sim, 72 * AGENT_SIM_H, 1000);
        agent_sim_run(&sim, 2 * AGENT_SIM_S);
        agent_sim_jump(&sim, -2 * AGENT_SIM_H);
        agent_sim_run(&sim, AGENT_SIM_H);
        ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
        agent_sim_run(&sim, 8 * AGENT_SIM_H);
        ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    }
}
END_TEST

START_TEST(retries_and_limits_go_by_the_other_clock)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.exit_code = 1});
    agent_sim_run(&sim, 50 * AGENT_SIM_MIN - 5 * AGENT_SIM_S); /* 13:00:05, the try has failed */
    agent_sim_jump(&sim, -10 * AGENT_SIM_H);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 03:00:08 start backup\n");
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 1);
}
END_TEST

START_TEST(a_clock_that_is_slewed_does_not_jump)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        auto_agent_sim struct agent_sim sim;

        init(&sim, "@hourly");
        for (int i = 0; i < 40000; i++) { /* half a second each ten: far more than adjtime does */
            agent_sim_jump(&sim, sign * 500);
            agent_sim_run(&sim, 10 * AGENT_SIM_S);
        }
        ck_assert_uint_eq(agent_sim_logged(&sim, "jumped"), 0);
        ck_assert_uint_ge(sim.jobs[JOB_BACKUP].started, 105);
        ck_assert_uint_le(sim.jobs[JOB_BACKUP].started, 117);
    }
}
END_TEST

/* What came of a day of this schedule in Berlin. */
static unsigned runs_of_day(const char *schedule, int64_t from_ms, char **story)
{
    auto_agent_sim struct agent_sim sim;
    struct err err;

    ck_assert_int_eq(zone_use("Europe/Berlin", &err), 0);
    agent_sim_init(&sim, schedule, from_ms);
    agent_sim_has_backup(&sim, 0, 1000);
    agent_sim_run(&sim, 24 * AGENT_SIM_H);
    *story = strdup(agent_sim_story(&sim));
    return sim.jobs[JOB_BACKUP].started;
}

START_TEST(the_day_on_which_the_clocks_change)
{
    static const struct {
        const char *schedule;
        int64_t from_ms; /* noon in Berlin, on the day before */
        const char *story;
        unsigned runs;
    } rows[] = {
        /* 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC */
        {"30 2 * * *", INT64_C(1774695600000), "29 01:00:00 start backup\n", 1},
        {"0 3 * * *", INT64_C(1774695600000), "29 01:00:00 start backup\n", 1},
        {"@hourly", INT64_C(1774695600000), NULL, 24},
        /* 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC */
        {"30 2 * * *", INT64_C(1792836000000), "25 00:30:00 start backup\n", 1},
        {"@hourly", INT64_C(1792836000000), NULL, 24},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *story = NULL;

        ck_assert_msg(runs_of_day(rows[i].schedule, rows[i].from_ms, &story) == rows[i].runs,
                      "row %zu", i);
        if (rows[i].story != NULL)
            ck_assert_str_eq(story, rows[i].story);
        free(story);
    }
}
END_TEST

static Suite *agent_clock_suite(void)
{
    Suite *suite = suite_create("agent_clock");
    TCase *jumps = tcase_create("jumps");
    TCase *zone = tcase_create("zone");

    tcase_add_test(jumps, a_jump_forth_over_many_times_is_one_run);
    tcase_add_test(jumps, a_jump_back_is_planned_anew);
    tcase_add_test(jumps, every_goes_on_after_a_jump);
    tcase_add_test(jumps, a_jump_back_behind_a_run_repeats_nothing_in_a_row);
    tcase_add_test(jumps, jumps_while_a_backup_runs_start_no_other);
    tcase_add_test(jumps, a_jump_back_does_not_forget_the_first_backup);
    tcase_add_test(jumps, retries_and_limits_go_by_the_other_clock);
    tcase_add_test(jumps, a_clock_that_is_slewed_does_not_jump);
    suite_add_tcase(suite, jumps);
    tcase_add_test(zone, the_day_on_which_the_clocks_change);
    suite_add_tcase(suite, zone);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_clock_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
