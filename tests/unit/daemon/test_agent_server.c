/*
 * What looks at the server mean: alarms, roles, how much was loaded, how much has shrunk, how much
 * has changed.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/agent.h"
#include "support/agent_sim.h"

#define TO_ONE (AGENT_SIM_NOON + 59 * AGENT_SIM_MIN)

/* At 12:59, with a hook and a backup of 1000 keys. */
static void init(struct agent_sim *sim, const struct agent_config *config)
{
    struct agent_config with_hook = *config;

    with_hook.has_notify = true;
    with_hook.max_age_ms = 1000 * AGENT_SIM_H;
    agent_sim_init_with(sim, &with_hook, TO_ONE);
    agent_sim_has_backup(sim, AGENT_SIM_MIN / 2, 1000);
}

static void init_hourly(struct agent_sim *sim)
{
    struct agent_config config = agent_sim_config("@hourly");

    init(sim, &config);
}

START_TEST(a_server_that_cannot_be_reached_is_an_alarm_after_a_while)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    for (int i = 0; i < 5; i++) { /* it restarts, quickly */
        sim.server.is_down = true;
        agent_sim_run(&sim, 29 * AGENT_SIM_S);
        sim.server.is_down = false;
        agent_sim_run(&sim, 3 * AGENT_SIM_S);
    }
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:12 start backup\n");
    sim.server.is_lost = true;
    agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
    ck_assert(agent_sim_has(&sim, PROBLEM_SERVER_UNREACHABLE));
    ck_assert_uint_eq(sim.told, 1);
    sim.server.is_lost = false;
    agent_sim_run(&sim, 2 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

/* What comes behind "unreachable" says that it is there. */
START_TEST(a_server_that_is_there_again_is_not_unreachable)
{
    for (int is_busy = 0; is_busy < 2; is_busy++) {
        for (int is_long = 0; is_long < 2; is_long++) {
            auto_agent_sim struct agent_sim sim;

            init_hourly(&sim);
            sim.server.is_lost = true;
            agent_sim_run(&sim, (is_long ? 40 : 10) * AGENT_SIM_S);
            ck_assert(agent_sim_has(&sim, PROBLEM_SERVER_UNREACHABLE) == (is_long != 0));
            sim.server.is_lost = false;
            sim.server.is_busy = is_busy;
            sim.server.refuses = !is_busy;
            agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
            ck_assert(!agent_sim_has(&sim, PROBLEM_SERVER_UNREACHABLE));
            ck_assert(agent_sim_has(&sim, PROBLEM_SERVER_AUTH) == !is_busy);
        }
    }
}
END_TEST

START_TEST(without_looks_nothing_is_believed_for_long)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    sim.look_ms = 0;
    agent_sim_run(&sim, 14 * AGENT_SIM_S);
    ck_assert_int_eq(sim.status.readiness.state, READINESS_READY);
    agent_sim_run(&sim, 2 * AGENT_SIM_S);
    ck_assert_int_eq(sim.status.readiness.state, READINESS_UNREACHABLE);
    ck_assert(!agent_sim_has(&sim, PROBLEM_SERVER_UNREACHABLE));
    agent_sim_run(&sim, 31 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_SERVER_UNREACHABLE));
    sim.look_ms = 1000;
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(what_the_server_says_of_itself_is_passed_on)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    sim.server.bgsave_failed = true;
    sim.server.aof_failed = true;
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert(agent_sim_has(&sim, PROBLEM_BGSAVE_ERR));
    ck_assert(agent_sim_has(&sim, PROBLEM_WRITE_ERR));
    ck_assert_uint_eq(sim.told, 2);
    sim.server.bgsave_failed = false;
    sim.server.aof_failed = false; /* and it is switched off */
    agent_sim_run(&sim, AGENT_SIM_S);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_backup_is_taken_in_the_role_that_is_set)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.role = AGENT_ROLE_PRIMARY;
    init(&sim, &config);
    sim.server.is_replica = true;
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert_uint_eq(sim.status.skipped_role, 2);
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP)); /* whoever asks knows better */
    agent_sim_run(&sim, AGENT_SIM_MIN / 2);
    sim.server.is_replica = false; /* a failover */
    agent_sim_run(&sim, 2 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 14:59:00 start backup\n"
                                            "20 15:00:00 start backup\n"
                                            "20 16:00:00 start backup\n");
    ck_assert_uint_eq(sim.status.skipped_role, 2);
    config.role = AGENT_ROLE_REPLICA;
    agent_configure(sim.agent, &config, sim.now);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert_uint_eq(sim.status.skipped_role, 3);
}
END_TEST

/* A server whose role is told only when it has loaded. */
START_TEST(a_role_that_is_told_late_counts_too)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.role = AGENT_ROLE_REPLICA;
    agent_sim_init_with(&sim, &config, TO_ONE); /* there is no backup yet: one is due at once */
    sim.server.is_down = true;
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_ptr_nonnull(sim.status.waiting_for);
    sim.server.is_down = false;
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert_ptr_null(sim.status.waiting_for);
    ck_assert_uint_eq(sim.status.skipped_role, 1);
    sim.server.is_replica = true;
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:00:00 start backup\n");
}
END_TEST

/* Whether data has collapsed, the job decides (shrink.h), and it says so while it runs. */
START_TEST(a_collapse_is_an_alarm_until_a_backup_warns_of_none)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    agent_sim_run(&sim, AGENT_SIM_S);
    sim.server.keys = 1; /* nothing is made of the figures here */
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    ck_assert(!agent_sim_has(&sim, PROBLEM_SHRUNK));
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_report(&sim, JOB_BACKUP, "{\"warning\":{\"code\":\"SHRUNK\",\"message\":\"1 key\"}}");
    agent_sim_report(&sim, JOB_BACKUP,
                     "{\"warning\":{\"code\":\"STORE_DENIED\",\"message\":\"no pin\"}}");
    ck_assert(!agent_sim_has(&sim, PROBLEM_SHRUNK)); /* it may fail yet */
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_SHRUNK));
    ck_assert(agent_sim_has(&sim, PROBLEM_STORE_DENIED));
    ck_assert_str_eq(status_find(&sim.status, PROBLEM_SHRUNK)->detail, "1 key");
    ck_assert_uint_eq(sim.told, 2);
    (void)agent_sim_ask(&sim, JOB_BACKUP);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_server_that_loaded_less_is_shouted_about)
{
    static const struct {
        uint64_t keys;    /* after the restart */
        uint64_t expires; /* in the backup */
        bool is_less;
    } rows[] = {
        {1000, 0, false}, {999, 0, true},    {0, 0, true},     {5000, 0, false},
        {999, 1, false},  {900, 100, false}, {899, 100, true}, {0, 1000, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_agent_sim struct agent_sim sim;

        init_hourly(&sim);
        sim.server.expires = rows[i].expires;
        sim.backups[0].expires = rows[i].expires;
        agent_sim_run(&sim, 10 * AGENT_SIM_S);
        agent_sim_restart_server(&sim, rows[i].keys);
        sim.server.is_loading = true;
        agent_sim_run(&sim, 10 * AGENT_SIM_S);
        ck_assert(!agent_sim_has(&sim, PROBLEM_LOADED_LESS));
        sim.server.is_loading = false;
        agent_sim_run(&sim, 10 * AGENT_SIM_S);
        ck_assert_msg(agent_sim_has(&sim, PROBLEM_LOADED_LESS) == rows[i].is_less, "row %zu", i);
        ck_assert_uint_eq(sim.told, rows[i].is_less);
        (void)agent_sim_ask(&sim, JOB_BACKUP); /* a backup of what there is now is no comfort */
        agent_sim_run(&sim, AGENT_SIM_MIN);
        ck_assert_msg(agent_sim_has(&sim, PROBLEM_LOADED_LESS) == rows[i].is_less, "row %zu", i);
        agent_sim_restart_server(&sim, 1000000);
        agent_sim_run(&sim, AGENT_SIM_MIN);
        ck_assert(!agent_sim_has(&sim, PROBLEM_LOADED_LESS));
    }
}
END_TEST

START_TEST(a_sidecar_that_starts_beside_an_old_server_says_nothing_of_its_load)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    sim.server.keys = 3; /* deleted since the backup, and never restarted */
    agent_sim_run(&sim, 30 * AGENT_SIM_S);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

START_TEST(a_sidecar_that_starts_after_its_server_compares_all_the_same)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    sim.server.keys = 3;
    sim.server.started_ms = sim.now.mono_ms - 10 * AGENT_SIM_S; /* behind the backup */
    agent_sim_run(&sim, 30 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_LOADED_LESS));
}
END_TEST

START_TEST(a_list_that_comes_later_than_the_load_is_compared_then)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    agent_sim_restart_server(&sim, 3);
    agent_sim_next(&sim, JOB_LIST, 2,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "no"});
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(!agent_sim_has(&sim, PROBLEM_LOADED_LESS));
    sim.server.keys = 100000; /* written since: it is the load that counts */
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_LOADED_LESS));
}
END_TEST

START_TEST(a_backup_whose_keys_nobody_counted_does_not_hide_the_one_before)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    agent_sim_has_backup(&sim, AGENT_SIM_S, 1000);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert_uint_ge(sim.status.backup_count, 2);
    sim.status.backups[0].has_keys = false; /* the final one, taken without a server */
    agent_sim_restart_server(&sim, 0);
    agent_sim_run(&sim, 10 * AGENT_SIM_S);
    ck_assert(agent_sim_has(&sim, PROBLEM_LOADED_LESS));
}
END_TEST

START_TEST(each_load_is_judged_once)
{
    auto_agent_sim struct agent_sim sim;

    init_hourly(&sim);
    agent_sim_run(&sim, AGENT_SIM_S);
    for (int i = 0; i < 3; i++) {
        agent_sim_restart_server(&sim, 3);
        agent_sim_run(&sim, 10 * AGENT_SIM_S);
    }
    ck_assert_uint_eq(agent_sim_logged(&sim, "the server has loaded: 3 keys"), 3);
    ck_assert_uint_eq(sim.told, 1);
}
END_TEST

static void init_on_changes(struct agent_sim *sim, uint64_t n)
{
    struct agent_config config = agent_sim_config("@hourly");

    config.on_changes = n;
    init(sim, &config);
    agent_sim_run(sim, 2 * AGENT_SIM_MIN); /* the first of this sidecar: nothing is known yet */
    ck_assert_str_eq(agent_sim_story(sim), "20 13:00:00 start backup\n");
}

START_TEST(what_has_not_changed_is_not_backed_up)
{
    auto_agent_sim struct agent_sim sim;

    init_on_changes(&sim, 1000);
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert_uint_eq(sim.status.skipped_unchanged, 3);
    ck_assert_int_eq(sim.status.unchanged_ms, AGENT_SIM_NOON + 4 * AGENT_SIM_H);
    ck_assert_int_eq(sim.status.changes_since_backup, 0);
    sim.server.changes = 1;
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "20 17:00:00 start backup\n");
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    ck_assert(agent_sim_ask(&sim, JOB_BACKUP));
    ck_assert_str_eq(agent_sim_story(&sim), "20 18:01:00 start backup\n");
}
END_TEST

static void change_save(struct agent_sim *sim)
{
    sim->server.saves++; /* another's, which took changes with it */
}

static void change_restart(struct agent_sim *sim)
{
    agent_sim_restart_server(sim, sim->server.keys);
}

static void change_unknown(struct agent_sim *sim)
{
    sim->server.changes = -1;
}

static void change_no_saves(struct agent_sim *sim)
{
    sim->server.saves = -1;
}

/* it may be written to by others who reach it */
static void change_lost(struct agent_sim *sim)
{
    sim->server.is_lost = true;
    agent_sim_run(sim, 2 * AGENT_SIM_H);
    ck_assert_ptr_nonnull(sim->status.waiting_for);
    sim->server.is_lost = false;
}

static void change_busy(struct agent_sim *sim)
{
    sim->server.is_busy = true;
}

static void change_failed(struct agent_sim *sim)
{
    agent_sim_next(sim, JOB_BACKUP, 3,
                   (struct agent_sim_outcome){
                       .exit_code = ERR_STORE, .code = "STORE_DENIED", .message = "403"});
    (void)agent_sim_ask(sim, JOB_BACKUP);
}

/* What the newest backup holds is what the server has: it is as good as new. */
START_TEST(what_has_not_changed_does_not_get_too_old)
{
    auto_agent_sim struct agent_sim sim;
    struct agent_config config = agent_sim_config("@hourly");

    config.on_changes = 1000;
    agent_sim_init_with(&sim, &config, TO_ONE);
    agent_sim_run(&sim, 12 * AGENT_SIM_H);
    ck_assert_uint_ge(sim.status.skipped_unchanged, 11);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    sim.server.changes = 1;
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){.exit_code = 1});
    agent_sim_run(&sim, 3 * AGENT_SIM_H);
    ck_assert(agent_sim_has(&sim, PROBLEM_BACKUP_STALE));
}
END_TEST

START_TEST(what_is_not_certain_counts_as_changed)
{
    static void (*const changes[])(struct agent_sim *) = {
        change_save, change_restart, change_unknown, change_no_saves,
        change_lost, change_busy,    change_failed,
    };
    auto_agent_sim struct agent_sim sim;
    uint64_t before;

    init_on_changes(&sim, 1000000);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1);
    changes[_i](&sim);
    agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
    before = sim.status.jobs[JOB_BACKUP].count_ok;
    if (changes[_i] == change_lost)
        before--; /* it was due when it was lost */
    agent_sim_run(&sim, 52 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_ok, before + 1);
}
END_TEST

START_TEST(many_changes_are_backed_up_early)
{
    auto_agent_sim struct agent_sim sim;

    init_on_changes(&sim, 1000); /* 13:01:00 */
    sim.server.changes = 999;
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "");
    sim.server.changes = 1000;
    agent_sim_run(&sim, 20 * AGENT_SIM_S);
    sim.server.changes = 5000; /* at least a minute in between */
    agent_sim_run(&sim, 3 * AGENT_SIM_MIN);
    ck_assert_str_eq(agent_sim_story(&sim), "20 13:02:01 start backup\n"
                                            "20 13:03:01 start backup\n");
    ck_assert_uint_eq(agent_sim_logged(&sim, "because much has changed"), 2);
}
END_TEST

START_TEST(nothing_comes_early_while_backups_fail)
{
    auto_agent_sim struct agent_sim sim;

    init_on_changes(&sim, 10);
    sim.server.changes = 100;
    agent_sim_next(&sim, JOB_BACKUP, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){.exit_code = 1});
    agent_sim_run(&sim, 50 * AGENT_SIM_MIN);
    ck_assert_uint_eq(sim.jobs[JOB_BACKUP].started, 1 + 3);
}
END_TEST

static Suite *agent_server_suite(void)
{
    Suite *suite = suite_create("agent_server");
    TCase *state = tcase_create("state");
    TCase *role = tcase_create("role");
    TCase *size = tcase_create("size");
    TCase *changes = tcase_create("changes");

    tcase_add_test(state, a_server_that_cannot_be_reached_is_an_alarm_after_a_while);
    tcase_add_test(state, a_server_that_is_there_again_is_not_unreachable);
    tcase_add_test(state, without_looks_nothing_is_believed_for_long);
    tcase_add_test(state, what_the_server_says_of_itself_is_passed_on);
    suite_add_tcase(suite, state);
    tcase_add_test(role, a_backup_is_taken_in_the_role_that_is_set);
    tcase_add_test(role, a_role_that_is_told_late_counts_too);
    suite_add_tcase(suite, role);
    tcase_add_test(size, a_collapse_is_an_alarm_until_a_backup_warns_of_none);
    tcase_add_test(size, a_server_that_loaded_less_is_shouted_about);
    tcase_add_test(size, a_sidecar_that_starts_beside_an_old_server_says_nothing_of_its_load);
    tcase_add_test(size, a_sidecar_that_starts_after_its_server_compares_all_the_same);
    tcase_add_test(size, a_list_that_comes_later_than_the_load_is_compared_then);
    tcase_add_test(size, a_backup_whose_keys_nobody_counted_does_not_hide_the_one_before);
    tcase_add_test(size, each_load_is_judged_once);
    suite_add_tcase(suite, size);
    tcase_add_test(changes, what_has_not_changed_is_not_backed_up);
    tcase_add_test(changes, what_has_not_changed_does_not_get_too_old);
    tcase_add_loop_test(changes, what_is_not_certain_counts_as_changed, 0, 7);
    tcase_add_test(changes, many_changes_are_backed_up_early);
    tcase_add_test(changes, nothing_comes_early_while_backups_fail);
    suite_add_tcase(suite, changes);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_server_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
