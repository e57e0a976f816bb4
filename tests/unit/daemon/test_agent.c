/*
 * When the agent takes backups: on time, once, and not while it cannot.
 */
#include "daemon/agent.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/agent_sim.h"

#define TEN_PAST (AGENT_SIM_NOON + 10 * AGENT_SIM_MIN)

/* With a hook. */
static void init_told(struct agent_sim *sim, const char *schedule)
{
    struct agent_config config = agent_sim_config(schedule);

    config.has_notify = true;
    agent_sim_init_with(sim, &config, TEN_PAST);
}

START_TEST(a_backup_begins_on_time)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", TEN_PAST);
    agent_sim_has_backup(&sim, 9 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 14:00:00 start backup\n"
                                            "20 15:00:00 start backup\n");
    ck_assert_int_eq(sim.status.next_backup_ms, AGENT_SIM_NOON + 4 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 3);
    ck_assert_uint_eq(sim.status.backups_total, 4);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

/* The delay behind each of 24 slots. */
static void delays_of(const char *instance, int64_t jitter_ms, int64_t delays[24])
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.jitter_ms = jitter_ms;
    agent_sim_init_with(&sim, &config, AGENT_SIM_NOON + 30 * AGENT_SIM_MIN);
    free(sim.status.instance);
    sim.status.instance = xstrdup(instance);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    for (int i = 0; i < 24; i++) {
        int64_t slot = AGENT_SIM_NOON + (i + 1) * AGENT_SIM_H;

        agent_sim_run(&sim, AGENT_SIM_H);
        delays[i] = sim.status.jobs[JOB_BACKUP].started_ms - slot;
        ck_assert_int_ge(delays[i], 0);
        ck_assert_int_lt(delays[i], jitter_ms + AGENT_SIM_S);
        ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, (unsigned)i + 1);
    }
}

START_TEST(jitter_is_within_its_range_and_another_for_each_instance)
{
    int64_t mine[24];
    int64_t again[24];
    int64_t other[24];
    int late = 0;
    int same = 0;

    delays_of("cache-0", 10 * AGENT_SIM_MIN, mine);
    delays_of("cache-0", 10 * AGENT_SIM_MIN, again);
    delays_of("cache-1", 10 * AGENT_SIM_MIN, other);
    ck_assert_mem_eq(mine, again, sizeof(mine));
    for (int i = 0; i < 24; i++) {
        late += mine[i] > 5 * AGENT_SIM_MIN;
        same += mine[i] == other[i];
    }
    ck_assert_int_gt(late, 4);
    ck_assert_int_lt(late, 20);
    ck_assert_int_lt(same, 3);
}
END_TEST

START_TEST(what_was_missed_is_made_up_for_exactly_once)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", TEN_PAST);
    agent_sim_has_backup(&sim, 5 * AGENT_SIM_H, 1000);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:10:00 start backup\n"
                                            "20 13:00:00 start backup\n");
    ck_assert_uint_eq(agent_sim_logged(&sim, "was missed since"), 1);
}
END_TEST

START_TEST(what_was_missed_is_made_up_for_with_jitter_too)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@daily");

    config.jitter_ms = 10 * AGENT_SIM_MIN;
    agent_sim_init_with(&sim, &config, TEN_PAST);
    agent_sim_has_backup(&sim, 3 * 24 * AGENT_SIM_H, 1000);
    agent_sim_run(&sim, 11 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    ck_assert_int_gt(sim.status.jobs[JOB_BACKUP].started_ms, TEN_PAST + AGENT_SIM_S);
    ck_assert_int_lt(sim.status.jobs[JOB_BACKUP].started_ms, TEN_PAST + 10 * AGENT_SIM_MIN);
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 2);
}
END_TEST

START_TEST(the_first_backup_is_taken_at_once)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@daily", TEN_PAST);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:10:00 start backup\n");
    ck_assert_uint_eq(agent_sim_logged(&sim, "no backup of cache-0 yet"), 1);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(sim.told, 0);
}
END_TEST

START_TEST(without_a_schedule_there_are_only_backups_that_are_asked_for)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "off", TEN_PAST);
    agent_sim_run(&sim, 72 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_int_eq(sim.status.next_backup_ms, -1);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, 72 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "23 12:10:00 start backup\n");
}
END_TEST

START_TEST(every_counts_from_the_newest_backup)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@every 15m", TEN_PAST);
    agent_sim_has_backup(&sim, 4 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 40 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:21:00 start backup\n"
                                            "20 12:36:00 start backup\n");
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, 20 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:50:00 start backup\n"
                                            "20 13:05:00 start backup\n");
}
END_TEST

START_TEST(every_makes_up_for_its_pauses_once)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@every 15m", TEN_PAST);
    agent_sim_has_backup(&sim, 40 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, 20 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:10:00 start backup\n"
                                            "20 12:25:01 start backup\n"); /* the next tick */
}
END_TEST

START_TEST(a_list_that_fails_for_hours_holds_up_no_schedule)
{
    auto_agent_sim struct agent_sim sim;

    init_told(&sim, "@hourly");
    agent_sim_next(&sim, JOB_LIST, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "no ListBucket"});
    agent_sim_run(&sim, 4 * AGENT_SIM_H);
    /* one alarm: that backups work does not mean that the list does */
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:10:00 tell problem STORE_DENIED\n"
                                            "20 13:00:00 start backup\n"
                                            "20 14:00:00 start backup\n"
                                            "20 15:00:00 start backup\n"
                                            "20 16:00:00 start backup\n");
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    ck_assert_uint_lt(sim.jobs[JOB_LIST].started, 60); /* it backs off */
    agent_sim_store_back(&sim);
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 16:11:08 tell recovered STORE_DENIED\n"
                                            "20 17:00:00 start backup\n"
                                            "20 18:00:00 start backup\n");
    ck_assert(!agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    ck_assert(sim.status.has_backups);
    ck_assert_uint_eq(sim.status.backups_total, 6);
}
END_TEST

START_TEST(a_repository_that_comes_back_tells_what_was_missed)
{
    auto_agent_sim struct agent_sim sim;

    init_told(&sim, "@daily");
    agent_sim_has_backup(&sim, 72 * AGENT_SIM_H, 1000);
    agent_sim_store_away(&sim);
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:10:00 tell problem STORE_UNREACHABLE\n");
    agent_sim_store_back(&sim);
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    ck_assert_uint_eq(agent_sim_logged(&sim, "was missed since"), 1);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_repository_that_was_emptied_gets_a_backup_at_once)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@daily", TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    sim.backup_count = 0;
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_uint_eq(agent_sim_logged(&sim, "are gone"), 1);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
}
END_TEST

/* Whatever made the list fail is over when it works; what a backup found out is not. */
START_TEST(a_list_that_works_again_clears_what_it_raised)
{
    static const char *const codes[] = {"STORE_UNREACHABLE", "CONFIG", "FAILED", "PERMISSION",
                                        "STORE_MISSING"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        init_told(&sim, "off");
        agent_sim_next(
            &sim, JOB_LIST, 3,
            (struct agent_sim_outcome){.exit_code = 1, .code = codes[i], .message = "it cannot"});
        agent_sim_run(&sim, 10 * AGENT_SIM_S);
        ck_assert_msg(agent_sim_has(&sim, problem_find(codes[i])), "%s", codes[i]);
        agent_sim_run(&sim, AGENT_SIM_H);
        ck_assert_msg(sim.status.problem_count == 0, "%s", codes[i]);
        ck_assert_uint_eq(sim.told, 2); /* that it is, that it is over */
    }
}
END_TEST

START_TEST(a_list_that_is_no_list_is_said)
{
    static const char *const answers[] = {"", "[]", "{}", "{\"backups\":[{}]}", "17", "null"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        agent_sim_init(&sim, "@daily", TEN_PAST);
        agent_sim_next(&sim, JOB_LIST, 2, (struct agent_sim_outcome){.answer = answers[i]});
        agent_sim_run(&sim, 4 * AGENT_SIM_S);
        ck_assert_msg(agent_sim_has(&sim, PROBLEM_FAILED), "%s", answers[i]);
        agent_sim_run(&sim, AGENT_SIM_H);
        ck_assert_msg(sim.status.problem_count == 0, "%s", answers[i]);
        ck_assert_uint_eq(sim.status.backups_total, 1);
    }
}
END_TEST

START_TEST(what_is_due_while_one_runs_is_that_one)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", TEN_PAST);
    agent_sim_has_backup(&sim, 9 * AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_BACKUP, 1, (struct agent_sim_outcome){.took_ms = 150 * AGENT_SIM_MIN});
    agent_sim_run(&sim, 4 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n"
                                            "20 16:00:00 start backup\n");
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, 2);
}
END_TEST

static const struct {
    const char *name;
    struct agent_sim_server server;
} unready[] = {
    {"loads", {.is_loading = true}},
    {"reached", {.is_lost = true}},
    {"reached", {.is_down = true}},
    {"refuses", {.refuses = true}},
    {"in sync", {.is_replica = true, .is_syncing = true, .link_down_s = 900}},
    {"in sync", {.is_replica = true, .link_down_s = 10}},
};

START_TEST(a_server_that_is_not_ready_holds_a_backup_back)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_sim_server well;

    agent_sim_init(&sim, "@hourly", TEN_PAST);
    agent_sim_has_backup(&sim, 9 * AGENT_SIM_MIN, 1000);
    well = sim.server;
    agent_sim_run(&sim, 49 * AGENT_SIM_MIN);
    ck_assert_ptr_null(sim.status.waiting_for);
    sim.server = unready[_i].server;
    sim.server.keys = 1000;
    sim.server.process = 1;
    agent_sim_run(&sim, 138 * AGENT_SIM_MIN); /* to 15:17, and two slots were passed over */
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 0);
    ck_assert_ptr_nonnull(sim.status.waiting_for);
    ck_assert_ptr_nonnull(strstr(sim.status.waiting_for, unready[_i].name));
    ck_assert_uint_eq(agent_sim_logged(&sim, "is due and waits"), 1);
    sim.server = well;
    (void)agent_sim_story(&sim);
    agent_sim_run(&sim, 43 * AGENT_SIM_MIN);
    ck_assert_ptr_null(sim.status.waiting_for);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 2);
    /* at the very next look, and then by the schedule */
    ck_assert_ptr_nonnull(strstr(agent_sim_story(&sim), "20 15:17:01 start backup\n"));
    ck_assert_int_eq(sim.status.next_backup_ms, AGENT_SIM_NOON + 5 * AGENT_SIM_H);
}
END_TEST

START_TEST(a_server_that_a_script_blocks_was_ready_and_is)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", TEN_PAST);
    agent_sim_has_backup(&sim, 9 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    sim.server.is_busy = true;
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n");
}
END_TEST

START_TEST(a_replica_whose_primary_is_gone_for_long_is_backed_up)
{
    static const struct {
        int64_t down_s;
        uint64_t keys;
        bool is_syncing;
        unsigned backups;
    } rows[] = {
        {-1, 10, false, 1}, {299, 10, false, 0}, {300, 10, false, 1},
        {300, 0, false, 0}, {300, 10, true, 0},  {86400, 10, false, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        agent_sim_init(&sim, "@daily", TEN_PAST);
        sim.server.is_replica = true;
        sim.server.link_down_s = rows[i].down_s;
        sim.server.is_syncing = rows[i].is_syncing;
        sim.server.keys = rows[i].keys;
        agent_sim_run(&sim, AGENT_SIM_H);
        ck_assert_msg(sim.jobs[JOB_BACKUP].started == rows[i].backups, "row %zu", i);
    }
}
END_TEST

START_TEST(whoever_asks_gets_one_backup)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@daily", TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    sim.server.is_loading = true;
    agent_sim_run(&sim, 2 * AGENT_SIM_S);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    ck_assert(!agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 0);
    ck_assert(!agent_sim_ask(&sim, JOB_BACKUP)); /* one waits */
    sim.server.is_loading = false;
    agent_sim_run(&sim, 2 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    ck_assert(!agent_sim_ask(&sim, JOB_BACKUP)); /* one runs */
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_stop(&sim);
    ck_assert(!agent_sim_ask(&sim, JOB_BACKUP));
    ck_assert(!agent_sim_ask(&sim, JOB_VERIFY));
}
END_TEST

START_TEST(backups_and_verifications_wait_for_each_other)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@daily", TEN_PAST);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    agent_sim_next(&sim, JOB_VERIFY, 1, (struct agent_sim_outcome){.took_ms = AGENT_SIM_MIN});
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(agent_sim_ask(&sim, JOB_VERIFY));
    ck_assert(!agent_sim_ask(&sim, JOB_VERIFY));
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(!agent_sim_ask(&sim, JOB_VERIFY));
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    agent_sim_run(&sim, 51 * AGENT_SIM_S);
    ck_assert(agent_sim_ask(&sim, JOB_VERIFY)); /* while the backup runs */
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 12:10:10 start verify\n"
                                            "20 12:11:10 start backup\n"
                                            "20 12:11:13 start verify\n");
}
END_TEST

START_TEST(settings_that_are_read_again_count_at_once)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@every 30m");

    agent_sim_init(&sim, "@daily", TEN_PAST);
    agent_sim_has_backup(&sim, 5 * AGENT_SIM_MIN, 1000);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_int_eq(sim.status.backup_max_age_ms, 48 * AGENT_SIM_H);
    agent_configure(sim.agent, &config, sim.now);
    ck_assert_int_eq(sim.status.next_backup_ms, TEN_PAST + 25 * AGENT_SIM_MIN);
    ck_assert_int_eq(sim.status.backup_max_age_ms, AGENT_SIM_H);
    config = agent_sim_config("off");
    agent_configure(sim.agent, &config, sim.now);
    ck_assert_int_eq(sim.status.next_backup_ms, -1);
    ck_assert_int_eq(sim.status.backup_max_age_ms, 0);
    config.max_age_ms = 7;
    agent_configure(sim.agent, &config, sim.now);
    ck_assert_int_eq(sim.status.backup_max_age_ms, 7);
}
END_TEST

START_TEST(settings_that_are_read_while_a_backup_runs_make_no_second_one)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.jitter_ms = 10 * AGENT_SIM_MIN;
    agent_sim_init_with(&sim, &config, AGENT_SIM_NOON + 30 * AGENT_SIM_MIN);
    agent_sim_has_backup(&sim, AGENT_SIM_MIN, 1000);
    while (sim.jobs[JOB_BACKUP].started == 0)
        agent_sim_run(&sim, AGENT_SIM_S);
    agent_configure(sim.agent, &config, sim.now);
    agent_sim_run(&sim, 40 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
}
END_TEST

static Suite *agent_suite(void)
{
    Suite *suite = suite_create("agent");
    TCase *schedule = tcase_create("schedule");
    TCase *list = tcase_create("list");
    TCase *waiting = tcase_create("waiting");

    tcase_add_test(schedule, a_backup_begins_on_time);
    tcase_add_test(schedule, jitter_is_within_its_range_and_another_for_each_instance);
    tcase_add_test(schedule, what_was_missed_is_made_up_for_exactly_once);
    tcase_add_test(schedule, what_was_missed_is_made_up_for_with_jitter_too);
    tcase_add_test(schedule, the_first_backup_is_taken_at_once);
    tcase_add_test(schedule, without_a_schedule_there_are_only_backups_that_are_asked_for);
    tcase_add_test(schedule, every_counts_from_the_newest_backup);
    tcase_add_test(schedule, every_makes_up_for_its_pauses_once);
    tcase_add_test(schedule, settings_that_are_read_again_count_at_once);
    tcase_add_test(schedule, settings_that_are_read_while_a_backup_runs_make_no_second_one);
    suite_add_tcase(suite, schedule);
    tcase_add_test(list, a_list_that_fails_for_hours_holds_up_no_schedule);
    tcase_add_test(list, a_repository_that_comes_back_tells_what_was_missed);
    tcase_add_test(list, a_repository_that_was_emptied_gets_a_backup_at_once);
    tcase_add_test(list, a_list_that_works_again_clears_what_it_raised);
    tcase_add_test(list, a_list_that_is_no_list_is_said);
    suite_add_tcase(suite, list);
    tcase_add_test(waiting, what_is_due_while_one_runs_is_that_one);
    tcase_add_loop_test(waiting, a_server_that_is_not_ready_holds_a_backup_back, 0,
                        sizeof(unready) / sizeof(unready[0]));
    tcase_add_test(waiting, a_server_that_a_script_blocks_was_ready_and_is);
    tcase_add_test(waiting, a_replica_whose_primary_is_gone_for_long_is_backed_up);
    tcase_add_test(waiting, whoever_asks_gets_one_backup);
    tcase_add_test(waiting, backups_and_verifications_wait_for_each_other);
    suite_add_tcase(suite, waiting);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
