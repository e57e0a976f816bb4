/*
 * Heartbeats, notifications, and when a backup is too old.
 */
#include <check.h>
#include <stdlib.h>

#include "daemon/agent.h"
#include "support/agent_sim.h"

#define TO_ONE (AGENT_SIM_NOON + 59 * AGENT_SIM_MIN)

static const struct agent_sim_outcome denied = {
    .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"};

static void init(struct agent_sim *sim, const char *schedule)
{
    struct agent_config config = agent_sim_config(schedule);

    config.has_notify = true;
    config.has_heartbeat = true;
    agent_sim_init_with(sim, &config, TO_ONE);
}

START_TEST(a_backup_by_hand_ends_the_alarm_that_there_is_none)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@daily");

    config.max_age_ms = AGENT_SIM_H;
    agent_sim_init_with(&sim, &config, TO_ONE);
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 40 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_BACKUP_STALE));
    agent_sim_has_backup(&sim, 0, 1000);
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert(!agent_sim_has(&sim, PROBLEM_BACKUP_STALE));
}
END_TEST

START_TEST(what_a_backup_warns_of_stands_until_one_goes_without)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@daily");
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    for (int i = 0; i < 2; i++) {
        agent_sim_run(&sim, 30 * AGENT_SIM_S);
        (void)agent_sim_ask(&sim, JOB_BACKUP);
        agent_sim_report(&sim, JOB_BACKUP,
                         "{\"warning\":{\"code\":\"LOCKED\",\"message\":\"the lease is lost\"}}");
        agent_sim_run(&sim, 10 * AGENT_SIM_S);
        ck_assert(agent_sim_has(&sim, PROBLEM_LOCKED));
        ck_assert_uint_eq(sim.told, 1);
    }
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(!agent_sim_has(&sim, PROBLEM_LOCKED));
}
END_TEST

START_TEST(what_the_final_backup_warns_of_is_told)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@daily");
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 30 * AGENT_SIM_S);
    sim.server.is_down = true;
    agent_sim_stop(&sim);
    agent_sim_run(&sim, AGENT_SIM_S / 2);
    agent_sim_report(&sim, JOB_FINAL, "{\"warning\":{\"code\":\"SHRUNK\",\"message\":\"1 key\"}}");
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:30 start final-backup\n"
                                            "20 12:59:31 tell problem SHRUNK\n"
                                            "20 12:59:31 exit 0\n");
}
END_TEST

START_TEST(a_heartbeat_comes_every_minute_while_all_is_well)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
    ck_assert_uint_ge(sim.jobs[JOB_HEARTBEAT].started, 9);
    ck_assert_uint_le(sim.jobs[JOB_HEARTBEAT].started, 10);
}
END_TEST

static void break_save(struct agent_sim *sim)
{
    sim->server.bgsave_failed = true;
}

static void break_server(struct agent_sim *sim)
{
    sim->server.is_lost = true;
}

static void break_load(struct agent_sim *sim)
{
    sim->server.is_loading = true;
}

static void break_backups(struct agent_sim *sim)
{
    agent_sim_next(sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    (void)agent_sim_ask(sim, JOB_BACKUP);
}

static void break_list(struct agent_sim *sim)
{
    agent_sim_next(sim, JOB_LIST, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(sim, AGENT_SIM_H);
}

static void break_verify(struct agent_sim *sim)
{
    agent_sim_next(sim, JOB_VERIFY, 1,
                   (struct agent_sim_outcome){
                       .exit_code = 6, .code = "BACKUP_CORRUPT", .message = "a CRC is wrong"});
    (void)agent_sim_ask(sim, JOB_VERIFY);
}

/* agent_sim.c asserts at each heartbeat that nothing is wrong */
START_TEST(there_is_no_heartbeat_while_anything_is_wrong)
{
    static void (*const breaks[])(struct agent_sim *) = {break_save,    break_server, break_load,
                                                         break_backups, break_list,   break_verify};
    auto_agent_sim struct agent_sim sim;
    unsigned before;

    init(&sim, "@daily");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
    ck_assert_uint_ge(sim.jobs[JOB_HEARTBEAT].started, 9);
    breaks[_i](&sim);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    before = sim.jobs[JOB_HEARTBEAT].started;
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_HEARTBEAT].started, before);
    sim.server.bgsave_failed = false;
    sim.server.is_lost = false;
    sim.server.is_loading = false;
    agent_sim_store_back(&sim);
    (void)agent_sim_ask(&sim, JOB_VERIFY);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, 2 * AGENT_SIM_H); /* a list, too */
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_gt(sim.jobs[JOB_HEARTBEAT].started, before + 55);
}
END_TEST

START_TEST(there_is_no_heartbeat_before_the_first_backup)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "off");
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_HEARTBEAT].started, 0);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert_uint_ge(sim.jobs[JOB_HEARTBEAT].started, 1);
}
END_TEST

START_TEST(notifications_go_out_one_by_one_and_in_order)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "off");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    agent_sim_next(&sim, JOB_NOTIFY, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){.took_ms = 20 * AGENT_SIM_S});
    sim.server.bgsave_failed = true;
    sim.server.aof_failed = true;
    agent_sim_run(&sim, AGENT_SIM_S);
    sim.server.refuses = true;
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:01 tell problem BGSAVE_ERR\n"
                                            "20 13:00:21 tell problem WRITE_ERR\n"
                                            "20 13:00:41 tell problem SERVER_AUTH\n");
}
END_TEST

START_TEST(the_end_of_what_was_told_is_told_once)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_S);
    sim.server.bgsave_failed = true;
    sim.server.is_lost = true;
    agent_sim_run(&sim, 20 * AGENT_SIM_S); /* not for long enough to be told */
    sim.server.is_lost = false;
    agent_sim_run(&sim, 19 * AGENT_SIM_S);
    sim.server.bgsave_failed = false;
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:22 tell problem BGSAVE_ERR\n"
                                            "20 12:59:41 tell recovered BGSAVE_ERR\n");
}
END_TEST

/* "A backup was taken again" says that all that kept it from being taken is over. */
START_TEST(a_backup_that_works_again_is_one_good_word)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_S);
    agent_sim_next(&sim, JOB_VERIFY, 1, denied);
    (void)agent_sim_ask(&sim, JOB_VERIFY);
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 5 * AGENT_SIM_H); /* two bad ones: the third is that it is too old */
    ck_assert_uint_eq(sim.told, 3);
    agent_sim_store_back(&sim);
    (void)agent_sim_story(&sim);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 18:00:00 start backup\n"
                                            "20 18:00:03 tell recovered\n");
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED)); /* of reading: no backup reads */
    (void)agent_sim_ask(&sim, JOB_VERIFY);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

/* The backup after it is as small: nothing has come back. */
START_TEST(the_end_of_a_collapse_is_no_good_word)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@daily");
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 30 * AGENT_SIM_S);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_report(&sim, JOB_BACKUP, "{\"warning\":{\"code\":\"SHRUNK\",\"message\":\"1 key\"}}");
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(sim.told, 1);
}
END_TEST

START_TEST(without_a_hook_nobody_is_told)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", TO_ONE);
    sim.server.bgsave_failed = true;
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 5 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_NOTIFY].started, 0);
    ck_assert_uint_eq(sim.jobs[JOB_HEARTBEAT].started, 0);
}
END_TEST

START_TEST(a_hook_that_refuses_drops_and_counts)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_S);
    agent_sim_next(&sim, JOB_NOTIFY, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){
                       .exit_code = 1, .code = "FAILED", .message = "the hook says 500"});
    for (int i = 0; i < 3; i++) {
        sim.server.bgsave_failed = i % 2 == 0;
        agent_sim_run(&sim, AGENT_SIM_MIN);
    }
    ck_assert_uint_eq(sim.jobs[JOB_NOTIFY].started, 3); /* none is tried twice */
    ck_assert_uint_eq(sim.status.notify_dropped, 3);
    ck_assert(agent_sim_has(&sim, PROBLEM_NOTIFY_FAILED));
    agent_sim_store_back(&sim);
    sim.times[JOB_NOTIFY] = 0;
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_NOTIFY_FAILED)); /* there was nothing to tell */
    sim.server.bgsave_failed = false;
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(!agent_sim_has(&sim, PROBLEM_NOTIFY_FAILED));
    ck_assert_uint_eq(sim.status.notify_dropped, 3);
}
END_TEST

START_TEST(a_hook_that_hangs_costs_old_messages_and_no_backup)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_S);
    agent_sim_next(&sim, JOB_NOTIFY, AGENT_SIM_FOR_EVER, (struct agent_sim_outcome){.took_ms = -1});
    for (int i = 0; i < 101; i++) {
        sim.server.bgsave_failed = i % 2 == 0;
        agent_sim_run(&sim, AGENT_SIM_MIN);
    }
    /* 51 alarms, 50 ends: one is being told, 16 wait */
    ck_assert_uint_eq(sim.jobs[JOB_NOTIFY].started, 1);
    ck_assert_uint_eq(sim.status.notify_dropped, 101 - 17);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 2);
}
END_TEST

START_TEST(a_hook_that_is_taken_out_of_the_settings_is_no_problem_any_more)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_S);
    agent_sim_next(&sim, JOB_NOTIFY, AGENT_SIM_FOR_EVER, denied);
    sim.server.bgsave_failed = true;
    agent_sim_run(&sim, AGENT_SIM_MIN);
    sim.server.bgsave_failed = false;
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_NOTIFY_FAILED));
    agent_configure(sim.agent, &config, sim.now);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_backup_that_is_too_old_is_one_alarm)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000); /* of 12:29 */
    agent_sim_run(&sim, 30 * AGENT_SIM_S);
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 89 * AGENT_SIM_MIN);
    ck_assert(!agent_sim_has(&sim, PROBLEM_BACKUP_STALE));
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_BACKUP_STALE));
    agent_sim_run(&sim, 10 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.told, 2); /* that it failed, that it is too old */
    agent_sim_store_back(&sim);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(sim.told, 3);
}
END_TEST

START_TEST(what_was_never_backed_up_is_an_alarm_once_that_fails)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(!agent_sim_has(&sim, PROBLEM_NO_BACKUP));
    agent_sim_run(&sim, 6 * AGENT_SIM_H);
    ck_assert(agent_sim_has(&sim, PROBLEM_NO_BACKUP));
    ck_assert_uint_eq(sim.told, 2);
    agent_sim_store_back(&sim);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

/* It was ours, so its age is known, with or without a list. */
START_TEST(a_backup_gets_too_old_without_a_list_too)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_LIST, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 1);
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert(agent_sim_has(&sim, PROBLEM_BACKUP_STALE));
}
END_TEST

static Suite *agent_messages_suite(void)
{
    Suite *suite = suite_create("agent_messages");
    TCase *heartbeat = tcase_create("heartbeat");
    TCase *notify = tcase_create("notify");
    TCase *age = tcase_create("age");

    tcase_add_test(heartbeat, a_backup_by_hand_ends_the_alarm_that_there_is_none);
    tcase_add_test(heartbeat, what_a_backup_warns_of_stands_until_one_goes_without);
    tcase_add_test(heartbeat, what_the_final_backup_warns_of_is_told);
    tcase_add_test(heartbeat, a_heartbeat_comes_every_minute_while_all_is_well);
    tcase_add_loop_test(heartbeat, there_is_no_heartbeat_while_anything_is_wrong, 0, 6);
    tcase_add_test(heartbeat, there_is_no_heartbeat_before_the_first_backup);
    suite_add_tcase(suite, heartbeat);
    tcase_add_test(notify, notifications_go_out_one_by_one_and_in_order);
    tcase_add_test(notify, the_end_of_what_was_told_is_told_once);
    tcase_add_test(notify, a_backup_that_works_again_is_one_good_word);
    tcase_add_test(notify, the_end_of_a_collapse_is_no_good_word);
    tcase_add_test(notify, without_a_hook_nobody_is_told);
    tcase_add_test(notify, a_hook_that_refuses_drops_and_counts);
    tcase_add_test(notify, a_hook_that_hangs_costs_old_messages_and_no_backup);
    tcase_add_test(notify, a_hook_that_is_taken_out_of_the_settings_is_no_problem_any_more);
    suite_add_tcase(suite, notify);
    tcase_add_test(age, a_backup_that_is_too_old_is_one_alarm);
    tcase_add_test(age, what_was_never_backed_up_is_an_alarm_once_that_fails);
    tcase_add_test(age, a_backup_gets_too_old_without_a_list_too);
    suite_add_tcase(suite, age);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_messages_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
