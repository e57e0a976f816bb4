/*
 * Anything, in any order: what agent_sim.c asserts after every step holds, and the agent still
 * works afterwards.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/agent.h"
#include "support/agent_sim.h"

#define STEPS 100000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

static bool one_in(uint64_t *seed, uint64_t n)
{
    return draw(seed, n) == 0;
}

static struct agent_config any_config(uint64_t *seed)
{
    static const char *const schedules[] = {"* * * * *",  "@hourly",     "@daily", "@every 1m",
                                            "@every 20m", "*/7 3 * * *", "off"};
    struct agent_config config = agent_sim_config(schedules[draw(seed, COUNT(schedules))]);

    config.jitter_ms = one_in(seed, 3) ? (int64_t)draw(seed, 1000000) : 0;
    config.max_age_ms = one_in(seed, 3) ? 1 + (int64_t)draw(seed, 10000000) : 0;
    config.role = (enum agent_role)draw(seed, 3);
    config.on_changes = one_in(seed, 2) ? draw(seed, 100) : 0;
    config.drain_ms = (int64_t)draw(seed, 40000);
    config.has_notify = !one_in(seed, 3);
    config.has_heartbeat = !one_in(seed, 3);
    return config;
}

static struct agent_sim_outcome any_outcome(uint64_t *seed)
{
    static const int exits[] = {0, 0, 1, 2, 3, 5, 6, 7, 8, 77, -1};
    static const char *const answers[] = {"", "[]", "{\"backups\":[{\"id\":1}]}", "{\"id\":\"x\"}"};
    struct agent_sim_outcome how = {
        .took_ms = one_in(seed, 10) ? -1 : (int64_t)draw(seed, 200000),
        .save_ms = one_in(seed, 4) ? -1 : (int64_t)draw(seed, 60000),
        .exit_code = exits[draw(seed, COUNT(exits))],
        .is_silent = one_in(seed, 4),
        .is_deaf = one_in(seed, 8),
        .cannot_start = one_in(seed, 20),
    };

    if (how.exit_code < 0)
        how.signal = 1 + (int)draw(seed, 31);
    if (how.exit_code != 0 && !one_in(seed, 4)) {
        how.code = problem_row((enum problem)(1 + draw(seed, PROBLEM_COUNT - 1)))->code;
        how.message = "so it is";
    }
    if (one_in(seed, 8))
        how.answer = answers[draw(seed, COUNT(answers))];
    return how;
}

static void any_server(struct agent_sim *sim, uint64_t *seed)
{
    struct agent_sim_server *server = &sim->server;

    switch (draw(seed, 12)) {
    case 0:
        server->is_down = !server->is_down;
        break;
    case 1:
        server->is_lost = !server->is_lost;
        break;
    case 2:
        server->is_busy = !server->is_busy;
        break;
    case 3:
        server->refuses = !server->refuses;
        break;
    case 4:
        server->is_loading = !server->is_loading;
        break;
    case 5:
        server->is_replica = !server->is_replica;
        break;
    case 6:
        server->link_down_s = (int64_t)draw(seed, 1000) - 1;
        break;
    case 7:
        server->saves = (int64_t)draw(seed, 5) - 1;
        server->changes = (int64_t)draw(seed, 500) - 1;
        break;
    case 8:
        server->bgsave_failed = !server->bgsave_failed;
        break;
    case 9:
        server->aof_failed = !server->aof_failed;
        break;
    case 10:
        server->expires = draw(seed, 100);
        break;
    default:
        agent_sim_restart_server(sim, draw(seed, 2000));
        break;
    }
}

static void any_report(struct agent_sim *sim, uint64_t *seed)
{
    static const char *const lines[] = {
        "{\"progress\":{\"what\":\"w\",\"done\":1,\"total\":9,\"rate\":3}}",
        "{\"event\":\"the server saves\"}",
        "{\"error\":{\"code\":\"DISK_FULL\",\"message\":\"full\"}}",
        "{\"counts\":{\"requests\":[{\"status\":200,\"count\":1}],\"retries\":1}}",
        "[]",
    };

    agent_sim_report(sim, (enum job_kind)draw(seed, JOB_KIND_COUNT),
                     lines[draw(seed, COUNT(lines))]);
}

/* Most servers are well for most of the time. */
static void make_well(struct agent_sim *sim)
{
    sim->server.is_down = false;
    sim->server.is_lost = false;
    sim->server.is_busy = false;
    sim->server.refuses = false;
    sim->server.is_loading = false;
    sim->server.is_replica = false;
    sim->server.is_syncing = false;
    sim->server.bgsave_failed = false;
    sim->server.aof_failed = false;
    sim->look_ms = 1000;
    sim->next_look_ms = sim->now.mono_ms;
    for (size_t i = 0; i < JOB_KIND_COUNT; i++)
        sim->times[i] = 0;
}

static void step(struct agent_sim *sim, uint64_t *seed)
{
    switch (draw(seed, 16)) {
    case 0:
    case 1:
        any_server(sim, seed);
        break;
    case 2:
        agent_sim_next(sim, (enum job_kind)draw(seed, JOB_KIND_COUNT), 1 + (int)draw(seed, 6),
                       any_outcome(seed));
        break;
    case 3:
        any_report(sim, seed);
        break;
    case 4:
        (void)agent_sim_ask(sim, one_in(seed, 2) ? JOB_BACKUP : JOB_VERIFY);
        break;
    case 5:
        make_well(sim);
        break;
    case 6:
        if (one_in(seed, 8))
            agent_sim_jump(sim, ((int64_t)draw(seed, 200) - 100) * AGENT_SIM_H / 7);
        break;
    case 7:
        if (one_in(seed, 8)) {
            sim->config = any_config(seed);
            agent_configure(sim->agent, &sim->config, sim->now);
        }
        break;
    case 8:
        if (one_in(seed, 30))
            sim->look_ms = one_in(seed, 2) ? 0 : 1000;
        sim->unproven = one_in(seed, 4);
        break;
    case 9:
        if (one_in(seed, 60))
            agent_sim_stop(sim);
        break;
    case 10:
        agent_sim_run(sim, (int64_t)draw(seed, 300000));
        break;
    default:
        agent_sim_run(sim, (int64_t)draw(seed, 5000));
        break;
    }
}

/* Whatever was: with everything well again a backup that is asked for is taken. */
static void check_alive(struct agent_sim *sim)
{
    uint64_t before;

    make_well(sim);
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) /* what lives for ever does not any more */
        sim->jobs[i].alive_ms = INT64_MAX;
    agent_sim_run(sim, AGENT_SIM_H); /* what hangs is over */
    make_well(sim);
    before = sim->status.jobs[JOB_BACKUP].count_ok;
    (void)agent_sim_ask(sim, JOB_BACKUP);
    agent_sim_run(sim, AGENT_SIM_MIN);
    ck_assert_uint_gt(sim->status.jobs[JOB_BACKUP].count_ok, before);
    for (size_t i = 0; i < sim->status.problem_count; i++)
        ck_assert_int_ne(sim->status.problems[i].problem, PROBLEM_STORE_UNREACHABLE);
}

START_TEST(nothing_that_comes_breaks_it)
{
    uint64_t seed = 0x9e3779b97f4a7c15 + (uint64_t)_i * 1000003;
    unsigned exits = 0;
    unsigned steps = 0;

    while (steps < STEPS / 4) {
        auto_agent_sim struct agent_sim sim;
        struct agent_config config = any_config(&seed);
        unsigned until = steps + 100 + (unsigned)draw(&seed, 4000);

        agent_sim_init_with(&sim, &config, AGENT_SIM_NOON + (int64_t)draw(&seed, 1000000000));
        sim.is_quiet = true;
        for (; steps < until && !sim.has_exited; steps++)
            step(&sim, &seed);
        exits += sim.has_exited;
        if (!sim.has_exited && !sim.status.is_stopping)
            check_alive(&sim);
    }
    ck_assert_uint_gt(exits, 3);
}
END_TEST

static Suite *agent_fuzz_suite(void)
{
    Suite *suite = suite_create("agent_fuzz");
    TCase *tc = tcase_create("events");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, nothing_that_comes_breaks_it, 0, 4);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_fuzz_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
