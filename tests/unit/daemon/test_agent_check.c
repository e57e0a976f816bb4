/*
 * The checks in the sidecar: when they run, and what the log says of them, once.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/agent.h"
#include "support/agent_sim.h"

#define ROW(STATUS)                                                                       \
    "{\"id\":\"backlog\",\"status\":\"" STATUS "\",\"value\":\"128\",\"wanted\":\"511\"," \
    "\"scope\":\"host\",\"why\":\"It is short.\",\"fix\":\"# not from here\\nsysctl -w x=1\"}"
#define REPORT(STATUS) "{\"checks\":[" ROW(STATUS) "],\"worst\":\"" STATUS "\"}"

static void say(struct agent_sim *sim, const char *answer)
{
    agent_sim_next(sim, JOB_CHECK, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){.answer = answer});
}

static unsigned started(const struct agent_sim *sim)
{
    return sim->jobs[JOB_CHECK].started;
}

START_TEST(the_first_one_waits_for_server_and_repository)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", AGENT_SIM_NOON);
    sim.server.is_loading = true;
    agent_sim_run(&sim, 20 * AGENT_SIM_S);
    ck_assert_uint_eq(started(&sim), 0);
    sim.server.is_loading = false;
    agent_sim_run(&sim, 2 * AGENT_SIM_S);
    ck_assert_uint_eq(started(&sim), 0); /* the first backup of all is taken: that is no finding */
    agent_sim_run(&sim, 4 * AGENT_SIM_S);
    ck_assert_uint_eq(started(&sim), 1);
    ck_assert_uint_eq(sim.status.backup_count, 1);
    ck_assert_int_ge(sim.status.checks_read_ms, AGENT_SIM_NOON);
    ck_assert_uint_eq(sim.status.checks.count, 1);
    agent_sim_run(&sim, 60 * AGENT_SIM_MIN);
    ck_assert_uint_eq(started(&sim), 7); /* every ten minutes */
}
END_TEST

START_TEST(one_that_saw_no_server_is_made_again_when_there_is_one)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", AGENT_SIM_NOON);
    sim.server.is_down = true;
    agent_sim_run(&sim, 40 * AGENT_SIM_S);
    ck_assert_uint_eq(started(&sim), 1); /* what there is to see without it is seen */
    agent_sim_run(&sim, 60 * AGENT_SIM_S);
    ck_assert_uint_eq(started(&sim), 1);
    sim.server.is_down = false;
    agent_sim_run(&sim, 5 * AGENT_SIM_S);
    ck_assert_uint_eq(started(&sim), 2);
    agent_sim_run(&sim, 9 * AGENT_SIM_MIN);
    ck_assert_uint_eq(started(&sim), 2);
}
END_TEST

START_TEST(a_finding_is_logged_once_until_it_is_over_or_worse)
{
    static const struct {
        const char *answer;
        unsigned warned;
        unsigned failed;
        unsigned over;
    } rounds[] = {
        {REPORT("warn"), 1, 0, 0},    {REPORT("warn"), 1, 0, 0}, {REPORT("unknown"), 1, 0, 0},
        {REPORT("warn"), 1, 0, 0},    {REPORT("fail"), 1, 1, 0}, {REPORT("fail"), 1, 1, 0},
        {REPORT("warn"), 1, 1, 0},    {REPORT("ok"), 1, 1, 1},   {REPORT("ok"), 1, 1, 1},
        {REPORT("unknown"), 1, 1, 1}, {REPORT("warn"), 2, 1, 1},
    };
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@daily", AGENT_SIM_NOON);
    for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
        say(&sim, rounds[i].answer);
        agent_sim_run(&sim, i == 0 ? AGENT_SIM_MIN : 10 * AGENT_SIM_MIN);
        ck_assert_uint_eq(started(&sim), i + 1);
        ck_assert_uint_eq(agent_sim_logged(&sim, "check backlog (host) warns: 128; wanted: 511. "
                                                 "It is short. HINT: sysctl -w x=1\n"),
                          rounds[i].warned);
        ck_assert_uint_eq(agent_sim_logged(&sim, "check backlog (host) fails: 128"),
                          rounds[i].failed);
        ck_assert_uint_eq(agent_sim_logged(&sim, "check backlog is ok now"), rounds[i].over);
    }
    ck_assert_uint_eq(sim.status.problem_count, 0); /* it is no alarm */
}
END_TEST

START_TEST(what_a_delete_came_to_is_known_for_a_day)
{
    static const char *const refused = "{\"checks\":[],\"worst\":\"ok\",\"may_delete\":false}";
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", AGENT_SIM_NOON);
    agent_sim_run(&sim, AGENT_SIM_H); /* none was tried, or it told nothing */
    ck_assert_uint_gt(started(&sim), 4);
    ck_assert_str_eq(sim.check_input, "");
    agent_sim_next(&sim, JOB_CHECK, 1, (struct agent_sim_outcome){.answer = refused});
    agent_sim_run(&sim, 15 * AGENT_SIM_MIN);
    unsigned before = started(&sim);
    for (unsigned i = 1; i < 24 * 6 - 1; i++) {
        agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
        ck_assert_str_eq(sim.check_input, "{\"may_delete\":false}");
    }
    ck_assert_uint_ge(started(&sim), before + 24 * 6 - 3);
    agent_sim_run(&sim, 30 * AGENT_SIM_MIN);
    ck_assert_str_eq(sim.check_input, "");
}
END_TEST

START_TEST(other_settings_may_be_other_credentials)
{
    static const char *const allowed = "{\"checks\":[],\"worst\":\"ok\",\"may_delete\":true}";
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@hourly", AGENT_SIM_NOON);
    agent_sim_next(&sim, JOB_CHECK, 1, (struct agent_sim_outcome){.answer = allowed});
    agent_sim_run(&sim, 15 * AGENT_SIM_MIN);
    ck_assert_str_eq(sim.check_input, "{\"may_delete\":true}");
    agent_configure(sim.agent, &sim.config, sim.now);
    agent_sim_run(&sim, 15 * AGENT_SIM_MIN);
    ck_assert_str_eq(sim.check_input, "");
}
END_TEST

START_TEST(no_report_changes_nothing)
{
    static const struct agent_sim_outcome bad[] = {
        {.answer = ""},
        {.answer = "{}"},
        {.answer = "{\"checks\":[{\"id\":7}]}"},
        {.answer = REPORT("ok"), .exit_code = 1, .code = "FAILED", .message = "x"},
        {.answer = REPORT("ok"), .exit_code = -1, .signal = 11},
        {.cannot_start = true},
    };
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "@daily", AGENT_SIM_NOON);
    say(&sim, REPORT("warn"));
    agent_sim_run(&sim, AGENT_SIM_MIN);
    int64_t read_ms = sim.status.checks_read_ms;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        agent_sim_next(&sim, JOB_CHECK, AGENT_SIM_FOR_EVER, bad[i]);
        agent_sim_run(&sim, 10 * AGENT_SIM_MIN);
        ck_assert_int_eq(sim.status.checks_read_ms, read_ms);
        ck_assert_uint_eq(sim.status.checks.count, 1);
        ck_assert_int_eq(sim.status.checks.rows[0].status, CHECK_WARN);
    }
    ck_assert_uint_eq(sim.status.jobs[JOB_BACKUP].count_failed, 0);
    ck_assert_uint_eq(sim.status.problem_count, 0);
}
END_TEST

/* Everything at once is wrong: the queue of actions holds it. */
START_TEST(a_report_without_end_is_logged_up_to_a_bound)
{
    auto_agent_sim struct agent_sim sim;
    auto_json struct json *answer = json_object();
    struct json *rows = json_array();

    for (size_t i = 0; i < STATUS_CHECKS_MAX; i++) {
        auto_free char *id = xasprintf("check-%zu", i);
        struct json *row = json_object();

        json_set_string(row, "id", id);
        json_set_string(row, "status", "fail");
        json_set_string(row, "scope", "host");
        json_push(rows, row);
    }
    json_set(answer, "checks", rows);
    auto_free char *text = json_print(answer, false);
    agent_sim_init(&sim, "@daily", AGENT_SIM_NOON);
    say(&sim, text);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert_uint_eq(agent_sim_logged(&sim, "fails: ?"), 64);
    agent_sim_run(&sim, 10 * AGENT_SIM_MIN); /* those that were left out */
    ck_assert_uint_eq(agent_sim_logged(&sim, "fails: ?"), STATUS_CHECKS_MAX);
    agent_sim_run(&sim, AGENT_SIM_H);
    ck_assert_uint_eq(agent_sim_logged(&sim, "fails: ?"), STATUS_CHECKS_MAX);
}
END_TEST

START_TEST(at_the_end_it_is_stopped_and_no_more_begins)
{
    auto_agent_sim struct agent_sim sim;

    agent_sim_init(&sim, "off", AGENT_SIM_NOON);
    agent_sim_next(&sim, JOB_CHECK, AGENT_SIM_FOR_EVER,
                   (struct agent_sim_outcome){.took_ms = AGENT_SIM_FOR_EVER});
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(sim.jobs[JOB_CHECK].is_running);
    sim.server.is_down = true;
    agent_sim_stop(&sim);
    agent_sim_run(&sim, AGENT_SIM_MIN);
    ck_assert(sim.has_exited);
    ck_assert_int_eq(sim.exit_code, 0);
    ck_assert_uint_eq(started(&sim), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_check");
    TCase *tcase = tcase_create("check");

    tcase_add_test(tcase, the_first_one_waits_for_server_and_repository);
    tcase_add_test(tcase, one_that_saw_no_server_is_made_again_when_there_is_one);
    tcase_add_test(tcase, a_finding_is_logged_once_until_it_is_over_or_worse);
    tcase_add_test(tcase, what_a_delete_came_to_is_known_for_a_day);
    tcase_add_test(tcase, other_settings_may_be_other_credentials);
    tcase_add_test(tcase, no_report_changes_nothing);
    tcase_add_test(tcase, a_report_without_end_is_logged_up_to_a_bound);
    tcase_add_test(tcase, at_the_end_it_is_stopped_and_no_more_begins);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
