/*
 * Jobs that fail, and who is told: tries, one alarm, one word when it is over, a hook that is dead.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/agent.h"
#include "support/agent_sim.h"

#define TO_ONE (AGENT_SIM_NOON + 59 * AGENT_SIM_MIN)

static const struct agent_sim_outcome denied = {
    .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"};
static const struct agent_sim_outcome forkless = {
    .exit_code = ERR_SERVER, .code = "FORK_FAILED", .message = "no memory"};
static const struct agent_sim_outcome hung = {.took_ms = -1, .save_ms = -1, .is_silent = true};

/* At 12:59, with a hook and a recent backup; backups do not get too old. */
static void init(struct agent_sim *sim, const char *schedule)
{
    struct agent_config config = agent_sim_config(schedule);

    config.has_notify = true;
    config.max_age_ms = 1000 * AGENT_SIM_H;
    agent_sim_init_with(sim, &config, TO_ONE);
    agent_sim_has_backup(sim, 30 * AGENT_SIM_MIN, 1000);
}

START_TEST(the_lines_about_a_problem_have_its_code)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 3, denied);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, AGENT_SIM_MIN / 2);
    ck_assert_uint_eq(agent_sim_logged(&sim, "warn STORE_DENIED: 403. HINT: Check the key"), 1);
    ck_assert_uint_eq(agent_sim_logged(&sim, "warn STORE_DENIED: the backup failed, try 1 of"), 1);
    ck_assert_uint_eq(agent_sim_logged(&sim, "error STORE_DENIED: no backup was taken: 403"), 1);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, AGENT_SIM_MIN / 2);
    ck_assert_uint_eq(agent_sim_logged(&sim, "info STORE_DENIED: STORE_DENIED is over"), 1);
}
END_TEST

START_TEST(a_backup_by_hand_is_waited_for_and_is_no_failure)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.has_notify = true;
    agent_sim_init_with(&sim, &config, AGENT_SIM_NOON + 10 * AGENT_SIM_MIN);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(
        &sim, JOB_BACKUP, 10,
        (struct agent_sim_outcome){
            .took_ms = 100, .exit_code = ERR_BUSY, .code = "LOCKED", .message = "another redkeep"});
    agent_sim_run(&sim, 55 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_LOCKED));
    agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 11);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(sim.told, 0);
}
END_TEST

START_TEST(a_backup_is_tried_three_times)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 2, denied);
    agent_sim_run(&sim, 65 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    agent_sim_run(&sim, AGENT_SIM_H);
    /* 3 s each; 5 s and 10 s in between; nobody is told */
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:08 start backup\n"
                                            "20 13:00:21 start backup\n"
                                            "20 14:00:00 start backup\n");
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_failed, 2);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 2);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].attempt, 1);
}
END_TEST

START_TEST(after_three_tries_there_is_an_alarm_and_the_next_time)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 3, denied);
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:08 start backup\n"
                                            "20 13:00:21 start backup\n"
                                            "20 13:00:24 tell failed STORE_DENIED\n"
                                            "20 14:00:00 start backup\n"
                                            "20 14:00:03 tell recovered\n"
                                            "20 15:00:00 start backup\n");
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_failure_of_hours_is_one_alarm)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, denied);
    agent_sim_run(&sim, 4 * AGENT_SIM_H);
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, forkless); /* another reason */
    agent_sim_run(&sim, 4 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 3 * 8);
    ck_assert_uint_eq(sim.told, 1);
    ck_assert_uint_eq(sim.status.problem_count, 2);
    agent_sim_store_back(&sim);
    agent_sim_run(&sim, 4 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.told, 2);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(settings_that_are_wrong_are_not_tried_again)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_CONFIG, .code = "CONFIG", .message = "no such word"});
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_CONFIG));
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:03 tell failed CONFIG\n"
                                            "20 14:00:00 start backup\n"
                                            "20 14:00:03 tell recovered\n");
    ck_assert_uint_eq(sim.status.problem_count, 0); /* a heartbeat would never come again */
}
END_TEST

START_TEST(a_time_that_comes_while_a_try_waits_is_that_try)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_sim_outcome slow = denied;

    slow.took_ms = 58 * AGENT_SIM_S;
    init(&sim, "* * * * *");
    agent_sim_next(&sim, JOB_BACKUP, 1, slow);
    agent_sim_run(&sim, 4 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:00 start backup\n"
                                            "20 13:00:04 start backup\n"
                                            "20 13:01:00 start backup\n"
                                            "20 13:02:00 start backup\n"
                                            "20 13:03:00 start backup\n");
}
END_TEST

START_TEST(what_was_asked_for_is_tried_again_too)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "off");
    agent_sim_run(&sim, AGENT_SIM_MIN);
    agent_sim_next(&sim, JOB_BACKUP, 4, denied);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:08 start backup\n"
                                            "20 13:00:21 start backup\n"
                                            "20 13:00:24 tell failed STORE_DENIED\n"
                                            "20 14:00:00 start backup\n"
                                            "20 14:00:08 start backup\n"
                                            "20 14:00:11 tell recovered\n");
}
END_TEST

START_TEST(asking_does_not_wait_for_the_next_try)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, denied);
    agent_sim_run(&sim, 65 * AGENT_SIM_S);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:05 start backup\n");
}
END_TEST

START_TEST(a_job_that_crashes_is_named)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.exit_code = -1, .signal = 11});
    agent_sim_run(&sim, 65 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_JOB_CRASHED));
    ck_assert_ptr_nonnull(strstr(sim.status.jobs[JOB_BACKUP].last_message, "signal 11"));
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_crashed, 1);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:08 start backup\n");
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_job_that_hangs_is_stopped_and_then_killed)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_sim_outcome deaf = hung;

    deaf.is_deaf = true;
    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, hung);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:10:00 stop backup\n"
                                            "20 13:10:06 start backup\n");
    agent_sim_next(&sim, JOB_BACKUP, 1, deaf);
    agent_sim_run(&sim, 12 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 14:00:00 start backup\n"
                                            "20 14:10:00 stop backup\n"
                                            "20 14:10:30 kill backup\n"
                                            "20 14:10:36 start backup\n");
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_hung, 2);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_crashed, 0);
}
END_TEST

START_TEST(a_job_that_not_even_a_kill_ends_is_killed_once)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_sim_outcome stuck = hung;

    stuck.is_stuck = true;
    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, stuck);
    agent_sim_run(&sim, 24 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:10:00 stop backup\n"
                                            "20 13:10:30 kill backup\n");
}
END_TEST

/* Every kind of job that hangs is stopped; none holds up backups. */
START_TEST(jobs_that_hang_hold_up_no_backup)
{
    static const enum job_kind kinds[] = {JOB_LIST, JOB_NOTIFY, JOB_HEARTBEAT};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_config config = agent_sim_config("@hourly");

        config.has_notify = true;
        config.has_heartbeat = true;
        agent_sim_init_with(&sim, &config, TO_ONE);
        agent_sim_has_backup(&sim, 30 * AGENT_SIM_MIN, 1000);
        agent_sim_next(&sim, kinds[i], AGENT_SIM_FOR_EVER, hung);
        agent_sim_run(&sim, AGENT_SIM_S);
        sim.server.bgsave_failed = true; /* something to tell */
        agent_sim_run(&sim, AGENT_SIM_MIN);
        sim.server.bgsave_failed = false;
        agent_sim_run(&sim, 8 * AGENT_SIM_H);
        ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 8);
        ck_assert_uint_ge(sim.status.jobs[kinds[i]].count_hung, 1);
    }
}
END_TEST

START_TEST(a_job_that_cannot_be_started_has_failed)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 3, (struct agent_sim_outcome){.cannot_start = true});
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:05 start backup\n"
                                            "20 13:00:15 start backup\n"
                                            "20 13:00:16 tell failed FAILED\n");
    ck_assert_str_eq(sim.status.jobs[JOB_BACKUP].last_message, "no fork");
}
END_TEST

START_TEST(a_job_that_says_nothing_is_explained)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.exit_code = 77});
    agent_sim_run(&sim, 65 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_FAILED));
    ck_assert_str_eq(sim.status.jobs[JOB_BACKUP].last_message,
                     "it ended with exit code 77 and said nothing");
}
END_TEST

/* An answer that cannot be read: the backup is there all the same, so the repository is asked. */
START_TEST(a_backup_whose_answer_is_lost_is_looked_up)
{
    static const char *const answers[] = {"", "[]", "{\"id\":7}", "true"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        init(&sim, "@hourly");
        agent_sim_run(&sim, 30 * AGENT_SIM_S);
        agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.answer = answers[i]});
        agent_sim_run(&sim, AGENT_SIM_MIN);
        ck_assert_uint_eq(sim.jobs[JOB_LIST].started, 2);
        ck_assert_uint_eq(sim.status.backups_total, 2);
        ck_assert_uint_eq(sim.status.problem_count, 0);
    }
}
END_TEST

START_TEST(reports_of_any_shape_are_taken)
{
    static const char *const lines[] = {
        "{}",
        "[]",
        "17",
        "null",
        "\"x\"",
        "{\"error\":7}",
        "{\"error\":{}}",
        "{\"error\":{\"code\":7,\"message\":null}}",
        "{\"progress\":[]}",
        "{\"progress\":{\"what\":{},\"done\":-1,\"total\":\"x\",\"rate\":1e99}}",
        "{\"counts\":{\"requests\":{},\"retries\":-7}}",
        "{\"counts\":{\"requests\":[1,null,{},{\"status\":\"x\"}]}}",
        "{\"event\":[]}",
        "{\"warning\":1}",
        "{\"error\":{\"code\":\"NO_SUCH_CODE\",\"message\":\"m\"}}",
    };
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    for (enum job_kind job = 0; job < JOB_KIND_COUNT; job++) {
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
            agent_sim_report(&sim, job, lines[i]);
    }
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 1);
}
END_TEST

START_TEST(a_job_that_has_ended_does_nothing_any_more)
{
    const struct status_job *job;
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    job = &sim.status.jobs[JOB_BACKUP];
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_report(&sim, JOB_BACKUP,
                     "{\"progress\":{\"what\":\"x\",\"done\":1,\"total\":2,\"rate\":3}}");
    ck_assert_str_eq(job->doing, "x");
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(!job->is_running && job->last_ok);
    ck_assert_ptr_null(job->doing);
    ck_assert_uint_eq(job->done_bytes + job->total_bytes + job->bytes_per_s, 0);
}
END_TEST

START_TEST(requests_are_counted_by_what_came_back)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    for (int round = 0; round < 2; round++) {
        agent_sim_report(&sim, JOB_BACKUP,
                         "{\"counts\":{\"requests\":[{\"status\":200,\"count\":12},"
                         "{\"status\":0,\"count\":1}],\"retries\":3}}");
    }
    ck_assert_uint_eq(sim.status.request_count, 2);
    ck_assert_int_eq(sim.status.requests[0].http_code, 200);
    ck_assert_uint_eq(sim.status.requests[0].count, 24);
    ck_assert_uint_eq(sim.status.requests[1].count, 2);
    ck_assert_uint_eq(sim.status.store_retries, 6);
    for (int code = 300; code < 400; code++) {
        char line[80];

        (void)snprintf(line, sizeof(line),
                       "{\"counts\":{\"requests\":[{\"status\":%d,\"count\":1}]}}", code);
        agent_sim_report(&sim, JOB_LIST, line);
    }
    ck_assert_uint_eq(sim.status.request_count, STATUS_CODES_MAX);
}
END_TEST

START_TEST(unproven_backups_are_one_alarm_until_one_is_proven)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim, "@hourly");
    sim.unproven = true;
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert(agent_sim_has(&sim, PROBLEM_BACKUP_UNPROVEN));
    ck_assert_uint_eq(sim.told, 1);
    sim.unproven = false;
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(sim.told, 2); /* that it is over */
}
END_TEST

static Suite *agent_failures_suite(void)
{
    Suite *suite = suite_create("agent_failures");
    TCase *tries = tcase_create("tries");
    TCase *jobs = tcase_create("jobs");

    tcase_add_test(tries, the_lines_about_a_problem_have_its_code);
    tcase_add_test(tries, a_backup_by_hand_is_waited_for_and_is_no_failure);
    tcase_add_test(tries, a_backup_is_tried_three_times);
    tcase_add_test(tries, after_three_tries_there_is_an_alarm_and_the_next_time);
    tcase_add_test(tries, a_failure_of_hours_is_one_alarm);
    tcase_add_test(tries, settings_that_are_wrong_are_not_tried_again);
    tcase_add_test(tries, a_time_that_comes_while_a_try_waits_is_that_try);
    tcase_add_test(tries, what_was_asked_for_is_tried_again_too);
    tcase_add_test(tries, asking_does_not_wait_for_the_next_try);
    suite_add_tcase(suite, tries);
    tcase_add_test(jobs, a_job_that_crashes_is_named);
    tcase_add_test(jobs, a_job_that_hangs_is_stopped_and_then_killed);
    tcase_add_test(jobs, a_job_that_not_even_a_kill_ends_is_killed_once);
    tcase_add_test(jobs, jobs_that_hang_hold_up_no_backup);
    tcase_add_test(jobs, a_job_that_cannot_be_started_has_failed);
    tcase_add_test(jobs, a_job_that_says_nothing_is_explained);
    tcase_add_test(jobs, a_backup_whose_answer_is_lost_is_looked_up);
    tcase_add_test(jobs, reports_of_any_shape_are_taken);
    tcase_add_test(jobs, a_job_that_has_ended_does_nothing_any_more);
    tcase_add_test(jobs, requests_are_counted_by_what_came_back);
    tcase_add_test(jobs, unproven_backups_are_one_alarm_until_one_is_proven);
    suite_add_tcase(suite, jobs);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_failures_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
