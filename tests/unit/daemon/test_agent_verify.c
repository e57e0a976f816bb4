/*
 * What is done to backups that are there: verifications and drills by their schedule, retention
 * after each new backup.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/agent.h"
#include "support/agent_sim.h"

#define TEN_PAST (AGENT_SIM_NOON + 10 * AGENT_SIM_MIN)

static struct agent_config config_with(const char *verify)
{
    struct agent_config config = agent_sim_config("@daily");
    struct err err;

    ck_assert_int_eq(schedule_parse(verify, &config.verify_schedule, &err), 0);
    return config;
}

START_TEST(a_verification_runs_when_it_is_due)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = config_with("30 * * * *");

    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:30:00 start verify\n"
                                            "20 13:30:00 start verify\n");
}
END_TEST

START_TEST(there_is_nothing_to_verify_without_a_backup)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = config_with("@every 1m");

    config.schedule.kind = SCHEDULE_OFF;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "");
}
END_TEST

START_TEST(with_a_server_to_load_with_it_is_a_drill_and_its_time_is_kept)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = config_with("30 * * * *");

    config.has_drill = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_DRILL, 1,
                   (struct agent_sim_outcome){
                       .answer = "{\"results\":[{\"id\":\"x\",\"ok\":true,\"drilled\":true,"
                                 "\"seconds\":12.5}]}"});
    ck_assert_int_eq(sim.status.drilled_ms, -1);
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:30:00 start drill\n");
    ck_assert_int_gt(sim.status.drilled_ms, TEN_PAST);
    ck_assert(sim.status.drill_ok);
    ck_assert_int_eq(sim.status.drill_took_ms, 12500);
}
END_TEST

START_TEST(a_drill_that_fails_is_told_and_the_next_good_one_ends_it)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = config_with("30 * * * *");

    config.has_drill = true;
    config.has_notify = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_DRILL, 1,
                   (struct agent_sim_outcome){.exit_code = ERR_CORRUPT,
                                              .code = "BACKUP_CORRUPT",
                                              .message = "the server ended",
                                              .answer = "{\"results\":[{\"id\":\"x\",\"ok\":false,"
                                                        "\"drilled\":true,\"seconds\":null}]}"});
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_BACKUP_CORRUPT));
    ck_assert_uint_eq(sim.told, 1);
    ck_assert(!sim.status.drill_ok);
    ck_assert_int_eq(sim.status.drill_took_ms, -1);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert(!agent_sim_has(&sim, PROBLEM_BACKUP_CORRUPT));
}
END_TEST

START_TEST(one_that_is_too_new_was_not_looked_at_and_says_nothing_of_the_backup)
{
    static const struct {
        enum job_kind job;
        const char *more;
    } cases[] = {{JOB_VERIFY, ""}, {JOB_DRILL, ",\"drilled\":true"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_config config = config_with("30 * * * *");

        config.has_drill = cases[i].job == JOB_DRILL;
        agent_sim_init_with(&sim, &config, TEN_PAST);
        agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
        agent_sim_run(&sim, AGENT_SIM_MIN);
        ck_assert_uint_eq(sim.status.backup_count, 1);
        sim.status.drill_ok = true;
        auto_free char *answer =
            xasprintf("{\"results\":[{\"id\":\"%s\",\"ok\":false,\"too_new\":true%s}]}",
                      sim.status.backups[0].id, cases[i].more);
        agent_sim_next(&sim, cases[i].job, 1,
                       (struct agent_sim_outcome){.exit_code = ERR_TOO_NEW,
                                                  .code = "BACKUP_TOO_NEW",
                                                  .message = "of a newer server",
                                                  .answer = answer});
        agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
        ck_assert_uint_eq(sim.jobs[cases[i].job].started, 1);
        ck_assert(!agent_sim_has(&sim, PROBLEM_BACKUP_CORRUPT));
        ck_assert_int_eq(sim.status.backups[0].verified_ms, -1);
        ck_assert_int_eq(sim.status.drilled_ms, -1);
        ck_assert(sim.status.drill_ok);
    }
}
END_TEST

START_TEST(retention_follows_each_backup_and_the_list_is_read_again)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");
    unsigned lists;

    config.prunes = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 0);
    lists = sim.jobs[JOB_LIST].started;
    agent_sim_run(&sim, 51 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 1);
    ck_assert_uint_eq(sim.jobs[JOB_LIST].started, lists + 1);
}
END_TEST

START_TEST(retention_that_is_refused_is_one_alarm_until_it_is_not)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.prunes = true;
    config.has_notify = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_PRUNE, 3,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"});
    agent_sim_run(&sim, 3 * AGENT_SIM_H); /* backups and lists go well meanwhile */
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 3);
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    ck_assert_uint_eq(sim.told, 1);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert(!agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    ck_assert_uint_eq(sim.told, 2);
}
END_TEST

START_TEST(retention_that_did_not_reach_the_store_is_over_when_a_list_does)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.prunes = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_PRUNE, 1,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "away"});
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 1);
    ck_assert(!agent_sim_has(&sim, PROBLEM_STORE_UNREACHABLE));
}
END_TEST

START_TEST(a_store_that_is_away_at_the_next_one_is_no_end_of_it)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.prunes = true;
    config.has_notify = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_PRUNE, 1,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"});
    agent_sim_run(&sim, AGENT_SIM_H);
    agent_sim_next(&sim, JOB_PRUNE, 1,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "away"});
    agent_sim_run(&sim, AGENT_SIM_H); /* the list behind it goes well */
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 2);
    ck_assert(!agent_sim_has(&sim, PROBLEM_STORE_UNREACHABLE));
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 3);
    ck_assert(!agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    ck_assert_uint_eq(sim.told, 4); /* the beginning and the end of each */
}
END_TEST

START_TEST(a_drill_that_failed_is_a_problem_until_one_goes_well)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.has_drill = true;
    config.has_notify = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_DRILL, 1,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_FAILED, .code = "DISK_FULL", .message = "no room"});
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(agent_sim_ask(&sim, JOB_VERIFY));
    agent_sim_run(&sim, 2 * AGENT_SIM_H); /* backups and lists go well meanwhile */
    ck_assert_uint_eq(sim.jobs[JOB_DRILL].started, 1);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 2);
    ck_assert(agent_sim_has(&sim, PROBLEM_DISK_FULL));
    ck_assert_uint_eq(sim.told, 1);
    ck_assert(agent_sim_ask(&sim, JOB_VERIFY));
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_DRILL].started, 2);
    ck_assert(!agent_sim_has(&sim, PROBLEM_DISK_FULL));
    ck_assert_uint_eq(sim.told, 2);
}
END_TEST

START_TEST(retention_that_is_switched_off_is_no_problem_any_more)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.prunes = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_PRUNE, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"});
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    config.prunes = false;
    agent_configure(sim.agent, &config, sim.now);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(!agent_sim_has(&sim, PROBLEM_STORE_DENIED));
}
END_TEST

/* Of a sidecar whose last verification, or drill, was refused its disk. */
static void init_held(struct agent_sim *sim, enum job_kind job)
{
    struct agent_config config = config_with("30 * * * *");

    config.schedule.kind = SCHEDULE_OFF;
    config.has_drill = job == JOB_DRILL;
    config.has_heartbeat = true;
    agent_sim_init_with(sim, &config, TEN_PAST);
    agent_sim_has_backup(sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(sim, job, 1,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_FAILED, .code = "DISK_FULL", .message = "no room"});
    agent_sim_run(sim, 30 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(sim, PROBLEM_DISK_FULL));
}

START_TEST(what_somebody_has_verified_by_hand_ends_the_problem)
{
    static const struct {
        enum job_kind held;
        int64_t later_ms; /* than the job that failed */
        bool is_bad;
        bool is_drill;
        bool is_over;
    } cases[] = {
        {JOB_VERIFY, 60000, false, false, true}, {JOB_VERIFY, 60000, false, true, true},
        {JOB_VERIFY, 60000, true, false, false}, {JOB_VERIFY, -60000, false, false, false},
        {JOB_DRILL, 60000, false, true, true},   {JOB_DRILL, 60000, false, false, false},
        {JOB_DRILL, -60000, false, true, false}, {JOB_DRILL, 60000, true, true, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        init_held(&sim, cases[i].held);
        unsigned pings = sim.jobs[JOB_HEARTBEAT].started;
        sim.backups[0].verified_ms =
            sim.status.jobs[cases[i].held].ended_ms / 1000 * 1000 + cases[i].later_ms;
        sim.backups[0].verified_ok = !cases[i].is_bad;
        sim.backups[0].drilled = cases[i].is_drill;
        unsigned lists = sim.jobs[JOB_LIST].started;
        agent_sim_run(&sim, 45 * AGENT_SIM_MIN); /* before the next one of the schedule */
        ck_assert_uint_gt(sim.jobs[JOB_LIST].started, lists);
        ck_assert_uint_eq(sim.jobs[cases[i].held].started, 1);
        ck_assert_msg(agent_sim_has(&sim, PROBLEM_DISK_FULL) != cases[i].is_over, "case %zu", i);
        ck_assert_int_eq(sim.jobs[JOB_HEARTBEAT].started > pings, cases[i].is_over);
    }
}
END_TEST

START_TEST(verifications_that_are_switched_off_are_no_problem_any_more)
{
    static const enum job_kind held[] = {JOB_VERIFY, JOB_DRILL};

    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        init_held(&sim, held[i]);
        struct agent_config config = sim.config;
        agent_configure(sim.agent, &config, sim.now);
        ck_assert(agent_sim_has(&sim, PROBLEM_DISK_FULL));
        config.verify_schedule.kind = SCHEDULE_OFF;
        agent_configure(sim.agent, &config, sim.now);
        ck_assert(!agent_sim_has(&sim, PROBLEM_DISK_FULL));
        agent_sim_run(&sim, AGENT_SIM_S);

        agent_sim_next(&sim, held[i], 1,
                       (struct agent_sim_outcome){
                           .exit_code = ERR_FAILED, .code = "DISK_FULL", .message = "no room"});
        ck_assert(agent_sim_ask(&sim, JOB_VERIFY));
        agent_sim_run(&sim, AGENT_SIM_MIN);
        ck_assert(agent_sim_has(&sim, PROBLEM_DISK_FULL));
        agent_configure(sim.agent, &config, sim.now); /* of something else */
        ck_assert(agent_sim_has(&sim, PROBLEM_DISK_FULL));
    }
}
END_TEST

START_TEST(a_backup_that_failed_removes_nothing)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.prunes = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"});
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert_uint_gt(sim.jobs[JOB_BACKUP].started, 3);
    ck_assert_uint_eq(sim.jobs[JOB_PRUNE].started, 0);
}
END_TEST

START_TEST(retention_comes_before_a_verification_and_both_keep_a_backup_waiting)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@daily");

    config.prunes = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_PRUNE, 1, (struct agent_sim_outcome){.took_ms = AGENT_SIM_MIN});
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    ck_assert(agent_sim_ask(&sim, JOB_VERIFY));
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert(sim.jobs[JOB_PRUNE].is_running);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(!sim.jobs[JOB_BACKUP].is_running);
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 2);
    ck_assert_uint_eq(sim.jobs[JOB_VERIFY].started, 1);
}
END_TEST

START_TEST(one_that_is_asked_for_while_retention_is_applied_comes_after_it)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@daily");

    config.prunes = true;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_PRUNE, 1, (struct agent_sim_outcome){.took_ms = AGENT_SIM_MIN});
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert(sim.jobs[JOB_PRUNE].is_running);
    ck_assert(agent_sim_ask(&sim, JOB_VERIFY));
    ck_assert(!agent_sim_ask(&sim, JOB_VERIFY));
    ck_assert_uint_eq(sim.jobs[JOB_VERIFY].started, 0);
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_VERIFY].started, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_verify");
    TCase *tests = tcase_create("agent");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, a_verification_runs_when_it_is_due);
    tcase_add_test(tests, there_is_nothing_to_verify_without_a_backup);
    tcase_add_test(tests, with_a_server_to_load_with_it_is_a_drill_and_its_time_is_kept);
    tcase_add_test(tests, a_drill_that_fails_is_told_and_the_next_good_one_ends_it);
    tcase_add_test(tests, one_that_is_too_new_was_not_looked_at_and_says_nothing_of_the_backup);
    tcase_add_test(tests, retention_follows_each_backup_and_the_list_is_read_again);
    tcase_add_test(tests, retention_that_is_refused_is_one_alarm_until_it_is_not);
    tcase_add_test(tests, retention_that_did_not_reach_the_store_is_over_when_a_list_does);
    tcase_add_test(tests, a_store_that_is_away_at_the_next_one_is_no_end_of_it);
    tcase_add_test(tests, a_drill_that_failed_is_a_problem_until_one_goes_well);
    tcase_add_test(tests, retention_that_is_switched_off_is_no_problem_any_more);
    tcase_add_test(tests, what_somebody_has_verified_by_hand_ends_the_problem);
    tcase_add_test(tests, verifications_that_are_switched_off_are_no_problem_any_more);
    tcase_add_test(tests, a_backup_that_failed_removes_nothing);
    tcase_add_test(tests, retention_comes_before_a_verification_and_both_keep_a_backup_waiting);
    tcase_add_test(tests, one_that_is_asked_for_while_retention_is_applied_comes_after_it);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
