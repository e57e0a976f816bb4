/*
 * The end: in every order, in every state, with every kind of trouble: inside drain_ms, with the
 * right exit code.
 */
#include <check.h>
#include <stdlib.h>

#include "daemon/agent.h"
#include "support/agent_sim.h"

#define TO_ONE (AGENT_SIM_NOON + 59 * AGENT_SIM_MIN)
#define DRAIN_MS 25000

static const struct agent_sim_outcome hangs = {.took_ms = -1, .save_ms = -1};
static const struct agent_sim_outcome denied = {
    .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"};

/* At 12:59:30, all well. */
static void init_with(struct agent_sim *sim, struct agent_config config)
{
    agent_sim_init_with(sim, &config, TO_ONE);
    agent_sim_has_backup(sim, AGENT_SIM_MIN / 2, 1000);
    agent_sim_run(sim, 30 * AGENT_SIM_S);
}

static void init(struct agent_sim *sim)
{
    init_with(sim, agent_sim_config("@hourly"));
}

/* SIGTERM; it has to be gone in time. */
static void stop(struct agent_sim *sim, int exit_code)
{
    int64_t stop_ms = sim->now.mono_ms;

    agent_sim_stop(sim);
    agent_sim_run(sim, 10 * DRAIN_MS);
    ck_assert(sim->has_exited);
    ck_assert_int_lt(sim->exit_ms - stop_ms, sim->config.drain_ms);
    ck_assert_int_eq(sim->exit_code, exit_code);
}

START_TEST(a_server_that_went_first_is_backed_up)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    sim.server.is_down = true;
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    stop(&sim, 0);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:35 start final-backup\n"
                                            "20 12:59:36 exit 0\n");
}
END_TEST

START_TEST(a_server_that_goes_at_the_same_time_is_waited_for)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    agent_sim_stop(&sim);
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert(sim.status.is_stopping);
    sim.server.is_lost = true; /* it saves, and answers nothing */
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    sim.server.is_down = true;
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:40 start final-backup\n"
                                            "20 12:59:41 exit 0\n");
}
END_TEST

START_TEST(a_server_that_stays_is_left)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    stop(&sim, 0);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:53 exit 0\n");
    ck_assert_uint_eq(agent_sim_logged(&sim, "the server still runs"), 1);
}
END_TEST

/* Each look is an event, and each event a tick: they may not chase one another. */
START_TEST(a_server_that_is_waited_for_is_not_asked_without_a_pause)
{
    auto_agent_sim struct agent_sim sim;
    unsigned before;

    init(&sim);
    before = sim.looks;
    agent_sim_stop(&sim);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_ge(sim.looks - before, 45);
    ck_assert_uint_le(sim.looks - before, 51);
}
END_TEST

START_TEST(what_is_due_while_it_stops_is_not_begun)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    sim.server.is_loading = true;
    agent_sim_run(&sim, 40 * AGENT_SIM_S);
    ck_assert_ptr_nonnull(sim.status.waiting_for);
    agent_sim_stop(&sim);
    ck_assert_ptr_null(sim.status.waiting_for);
    ck_assert_int_eq(sim.status.next_backup_ms, -1);
    sim.server.is_loading = false;
    agent_sim_jump(&sim, -AGENT_SIM_H);
    agent_configure(sim.agent, &sim.config, sim.now);
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert_int_eq(sim.status.next_backup_ms, -1);
    ck_assert_str_eq(agent_sim_story(&sim), "");
}
END_TEST

START_TEST(a_backup_in_its_save_is_stopped_for_the_final_one)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    agent_sim_next(&sim, JOB_BACKUP, 1, hangs);
    agent_sim_run(&sim, 35 * AGENT_SIM_S);
    sim.server.is_down = true;
    stop(&sim, 0);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:05 stop backup\n"
                                            "20 13:00:05 start final-backup\n"
                                            "20 13:00:06 exit 0\n");
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_backup_in_its_upload_comes_to_its_end_first)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.took_ms = 12000});
    agent_sim_run(&sim, 35 * AGENT_SIM_S);
    sim.server.is_down = true;
    stop(&sim, 0);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 13:00:12 start final-backup\n"
                                            "20 13:00:13 exit 0\n");
}
END_TEST

START_TEST(a_final_backup_that_fails_is_tried_again)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    agent_sim_next(&sim, JOB_FINAL, 2, denied);
    sim.server.is_down = true;
    stop(&sim, 0);
    ck_assert_uint_eq(sim.jobs[JOB_FINAL].started, 3);
}
END_TEST

START_TEST(a_final_backup_that_fails_three_times_is_told)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.has_notify = true;
    init_with(&sim, config);
    agent_sim_next(&sim, JOB_FINAL, AGENT_SIM_FOR_EVER, denied);
    sim.server.is_down = true;
    stop(&sim, 1);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:59:30 start final-backup\n"
                                            "20 12:59:32 start final-backup\n"
                                            "20 12:59:34 start final-backup\n"
                                            "20 12:59:35 tell failed STORE_DENIED\n"
                                            "20 12:59:35 exit 1\n");
}
END_TEST

/* Another redkeep at work, a gateway that is started again: what passes is waited for. */
START_TEST(a_final_backup_is_tried_for_as_long_as_there_is_time)
{
    static const struct agent_sim_outcome passing[] = {
        {.exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "refused"},
        {.exit_code = ERR_BUSY, .code = "LOCKED", .message = "another redkeep works on it"},
    };

    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_config config = agent_sim_config("@hourly");

        config.has_notify = true;
        init_with(&sim, config);
        agent_sim_next(&sim, JOB_FINAL, 8, passing[i]);
        sim.server.is_down = true;
        stop(&sim, 0);
        ck_assert_uint_eq(sim.jobs[JOB_FINAL].started, 9);
        ck_assert_uint_eq(sim.told, 2); /* that it failed, and that it went well after all */
    }
}
END_TEST

START_TEST(a_store_that_stays_away_until_the_end_is_told_once)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");
    const struct agent_sim_outcome away = {
        .exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "refused"};

    config.has_notify = true;
    init_with(&sim, config);
    agent_sim_next(&sim, JOB_FINAL, AGENT_SIM_FOR_EVER, away);
    sim.server.is_down = true;
    stop(&sim, 1);
    ck_assert_uint_gt(sim.jobs[JOB_FINAL].started, 8);
    ck_assert_uint_eq(sim.told, 1);
    ck_assert(agent_sim_has(&sim, PROBLEM_DRAIN_TIMEOUT));
}
END_TEST

/* It may be in the save of its SHUTDOWN: that all is well is more than is known. */
START_TEST(a_server_that_is_silent_to_the_end_is_no_success)
{
    for (int never_looks = 0; never_looks < 2; never_looks++) {
        auto_agent_sim struct agent_sim sim;

        init(&sim);
        agent_sim_stop(&sim);
        if (never_looks)
            sim.look_ms = 0; /* the watcher itself waits for it */
        else
            sim.server.is_lost = true;
        agent_sim_run(&sim, 10 * DRAIN_MS);
        ck_assert(sim.has_exited);
        ck_assert_int_eq(sim.exit_code, 1);
        ck_assert(agent_sim_has(&sim, PROBLEM_DRAIN_TIMEOUT));
        ck_assert_uint_eq(agent_sim_logged(&sim, "the server still runs"), 0);
    }
}
END_TEST

START_TEST(a_final_backup_that_takes_too_long_is_lost)
{
    for (int is_deaf = 0; is_deaf < 2; is_deaf++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_sim_outcome slow = hangs;

        slow.is_deaf = is_deaf;
        init(&sim);
        agent_sim_next(&sim, JOB_FINAL, AGENT_SIM_FOR_EVER, slow);
        sim.server.is_down = true;
        stop(&sim, 1);
        ck_assert_str_eq(agent_sim_story(&sim), is_deaf ? "20 12:59:30 start final-backup\n"
                                                          "20 12:59:53 stop final-backup\n"
                                                          "20 12:59:54 kill final-backup\n"
                                                          "20 12:59:54 exit 1\n"
                                                        : "20 12:59:30 start final-backup\n"
                                                          "20 12:59:53 stop final-backup\n"
                                                          "20 12:59:53 exit 1\n");
        ck_assert(agent_sim_has(&sim, PROBLEM_DRAIN_TIMEOUT));
    }
}
END_TEST

/* Every job, running and of every kind of stubbornness, when the signal comes; both orders. */
START_TEST(it_ends_in_time_whatever_runs)
{
    static const int64_t drains[] = {0, 500, 1500, 2000, 25000, 120000};
    enum job_kind kind = (enum job_kind)(_i % JOB_KIND_COUNT);
    bool is_down = _i / JOB_KIND_COUNT % 2 != 0;
    struct agent_sim_outcome how = hangs;

    how.is_deaf = _i / JOB_KIND_COUNT / 2 % 2 != 0;
    how.is_stuck = _i / JOB_KIND_COUNT / 4 % 2 != 0;
    for (size_t i = 0; i < sizeof(drains) / sizeof(drains[0]); i++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_config config = agent_sim_config("@every 1h");
        /* deaf: it is killed after 5 s, and then there is time for the final one, or there is not
         */
        bool is_lost =
            is_down && (kind == JOB_FINAL || (kind == JOB_BACKUP &&
                                              (how.is_stuck || (how.is_deaf && drains[i] < 6000))));
        int64_t stop_ms;

        config.has_notify = true;
        config.has_heartbeat = true;
        config.drain_ms = drains[i];
        config.has_drill = kind == JOB_DRILL;
        config.prunes = kind == JOB_PRUNE;
        if (kind == JOB_DRILL)
            config.verify_schedule = (struct schedule){SCHEDULE_EVERY, .every_ms = AGENT_SIM_MIN};
        init_with(&sim, config);
        agent_sim_next(&sim, kind, AGENT_SIM_FOR_EVER, how);
        if (kind == JOB_PRUNE)
            (void)agent_sim_ask(&sim, JOB_BACKUP);
        if (kind == JOB_NOTIFY)
            sim.server.bgsave_failed = true;
        if (kind == JOB_LIST)
            agent_sim_run(&sim, AGENT_SIM_H);
        if (kind == JOB_VERIFY || kind == JOB_BACKUP)
            (void)agent_sim_ask(&sim, kind);
        if (kind == JOB_CHECK)
            agent_sim_run(&sim, 9 * AGENT_SIM_MIN);
        agent_sim_run(&sim, 2 * AGENT_SIM_MIN);
        ck_assert(kind == JOB_FINAL || sim.jobs[kind].is_running);
        sim.server.is_down = is_down;
        stop_ms = sim.now.mono_ms;
        agent_sim_stop(&sim);
        agent_sim_run(&sim, 300 * AGENT_SIM_S);
        ck_assert(sim.has_exited);
        /* what is shorter than the time it takes to stop a job cannot be kept */
        ck_assert_int_le(sim.exit_ms - stop_ms, drains[i] < 1500 ? 1500 : drains[i]);
        if (drains[i] >= 3000 || !is_down)
            ck_assert_int_eq(sim.exit_code, is_lost);
    }
}
END_TEST

START_TEST(a_second_signal_does_not_wait)
{
    auto_agent_sim struct agent_sim sim;
    int64_t again_ms;

    init(&sim);
    agent_sim_stop(&sim);
    agent_sim_run(&sim, 2 * AGENT_SIM_S);
    again_ms = sim.now.mono_ms;
    agent_sim_stop(&sim);
    agent_sim_run(&sim, AGENT_SIM_S);
    ck_assert(sim.has_exited);
    ck_assert_int_eq(sim.exit_code, 0);
    ck_assert_int_eq(sim.exit_ms, again_ms);
}
END_TEST

START_TEST(a_second_signal_stops_the_final_backup)
{
    for (int is_deaf = 0; is_deaf < 2; is_deaf++) {
        auto_agent_sim struct agent_sim sim;
        struct agent_sim_outcome slow = hangs;
        int64_t again_ms;

        slow.is_deaf = is_deaf;
        init(&sim);
        sim.server.is_down = true;
        agent_sim_next(&sim, JOB_FINAL, AGENT_SIM_FOR_EVER, slow);
        agent_sim_stop(&sim);
        agent_sim_run(&sim, 2 * AGENT_SIM_S);
        again_ms = sim.now.mono_ms;
        agent_sim_stop(&sim);
        for (int i = 0; i < 5; i++) { /* and more of them: no later, no stop twice */
            agent_sim_run(&sim, 100);
            if (!sim.has_exited)
                agent_sim_stop(&sim);
        }
        agent_sim_run(&sim, 2 * AGENT_SIM_S);
        ck_assert(sim.has_exited);
        ck_assert_int_eq(sim.exit_code, 1);
        ck_assert_int_le(sim.exit_ms - again_ms, 1500);
    }
}
END_TEST

/* This sidecar takes no backups by itself, so nothing of it is lost. */
START_TEST(without_a_schedule_there_is_no_final_backup)
{
    for (int is_role = 0; is_role < 2; is_role++) {
        for (int is_twice = 0; is_twice < 2; is_twice++) {
            auto_agent_sim struct agent_sim sim;
            struct agent_config config = agent_sim_config(is_role ? "@hourly" : "off");

            config.role = is_role ? AGENT_ROLE_REPLICA : AGENT_ROLE_ANY;
            config.has_notify = true;
            init_with(&sim, config);
            /* a dead hook keeps it until its time is over */
            agent_sim_next(&sim, JOB_NOTIFY, AGENT_SIM_FOR_EVER, hangs);
            sim.server.bgsave_failed = true;
            agent_sim_run(&sim, 5 * AGENT_SIM_S);
            sim.server.is_down = true;
            agent_sim_run(&sim, 5 * AGENT_SIM_S);
            if (is_twice)
                agent_sim_stop(&sim);
            stop(&sim, 0);
            ck_assert(!agent_sim_has(&sim, PROBLEM_DRAIN_TIMEOUT));
            ck_assert_uint_eq(sim.jobs[JOB_FINAL].started, 0);
        }
    }
}
END_TEST

START_TEST(a_backup_that_the_end_interrupts_is_no_loss_while_the_server_runs)
{
    auto_agent_sim struct agent_sim sim;

    init(&sim);
    agent_sim_next(&sim, JOB_BACKUP, 1, hangs);
    agent_sim_run(&sim, 35 * AGENT_SIM_S);
    stop(&sim, 0);
    ck_assert(!agent_sim_has(&sim, PROBLEM_DRAIN_TIMEOUT));
}
END_TEST

START_TEST(a_dead_hook_costs_time_but_nothing_else)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.has_notify = true;
    init_with(&sim, config);
    agent_sim_next(&sim, JOB_NOTIFY, AGENT_SIM_FOR_EVER, hangs);
    for (int i = 0; i < 10; i++) { /* many wait to be told */
        sim.server.bgsave_failed = i % 2 == 0;
        agent_sim_run(&sim, 2 * AGENT_SIM_S);
    }
    sim.server.is_down = true;
    stop(&sim, 0);
    ck_assert_uint_eq(sim.jobs[JOB_NOTIFY].started, 1);
    ck_assert_uint_eq(sim.jobs[JOB_FINAL].started, 1);
}
END_TEST

/* That a job was stopped with the sidecar is no news. */
START_TEST(jobs_that_are_stopped_at_the_end_are_no_alarm)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.has_notify = true;
    init_with(&sim, config);
    agent_sim_next(&sim, JOB_VERIFY, 1, hangs);
    agent_sim_next(&sim, JOB_LIST, 1, hangs);
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.answer = ""});
    (void)agent_sim_ask(&sim, JOB_BACKUP); /* no answer: then there is a list */
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    (void)agent_sim_ask(&sim, JOB_VERIFY);
    agent_sim_run(&sim, AGENT_SIM_S);
    ck_assert(sim.jobs[JOB_VERIFY].is_running && sim.jobs[JOB_LIST].is_running);
    sim.server.is_down = true;
    stop(&sim, 0);
    ck_assert_uint_eq(sim.told, 0);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

static Suite *agent_drain_suite(void)
{
    Suite *suite = suite_create("agent_drain");
    TCase *order = tcase_create("order");
    TCase *trouble = tcase_create("trouble");

    tcase_add_test(order, a_server_that_went_first_is_backed_up);
    tcase_add_test(order, a_server_that_goes_at_the_same_time_is_waited_for);
    tcase_add_test(order, a_server_that_stays_is_left);
    tcase_add_test(order, a_server_that_is_waited_for_is_not_asked_without_a_pause);
    tcase_add_test(order, what_is_due_while_it_stops_is_not_begun);
    tcase_add_test(order, a_backup_in_its_save_is_stopped_for_the_final_one);
    tcase_add_test(order, a_backup_in_its_upload_comes_to_its_end_first);
    suite_add_tcase(suite, order);
    tcase_add_test(trouble, a_final_backup_that_fails_is_tried_again);
    tcase_add_test(trouble, a_final_backup_that_fails_three_times_is_told);
    tcase_add_test(trouble, a_final_backup_is_tried_for_as_long_as_there_is_time);
    tcase_add_test(trouble, a_store_that_stays_away_until_the_end_is_told_once);
    tcase_add_test(trouble, a_server_that_is_silent_to_the_end_is_no_success);
    tcase_add_test(trouble, a_final_backup_that_takes_too_long_is_lost);
    tcase_add_loop_test(trouble, it_ends_in_time_whatever_runs, 0, JOB_KIND_COUNT * 8);
    tcase_add_test(trouble, a_second_signal_does_not_wait);
    tcase_add_test(trouble, a_second_signal_stops_the_final_backup);
    tcase_add_test(trouble, without_a_schedule_there_is_no_final_backup);
    tcase_add_test(trouble, a_backup_that_the_end_interrupts_is_no_loss_while_the_server_runs);
    tcase_add_test(trouble, a_dead_hook_costs_time_but_nothing_else);
    tcase_add_test(trouble, jobs_that_are_stopped_at_the_end_are_no_alarm);
    suite_add_tcase(suite, trouble);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_drain_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
