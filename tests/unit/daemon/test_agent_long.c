/*
 * Weeks of it: exactly one run for each time, and not one byte more in the end than in the
 * beginning. What is on the heap is counted by standing in front of the C library's allocator;
 * under a sanitizer, which has one of its own, that is asked.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/agent.h"
#include "support/agent_sim.h"

#define ONE_TO_ONE (AGENT_SIM_NOON + 59 * AGENT_SIM_MIN)

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);

static size_t heap_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
void *__libc_malloc(size_t size);
void __libc_free(void *memory);

struct block { /* stands in front of what the caller gets */
    void *begin;
    size_t size;
};

static _Atomic size_t live_bytes;

static size_t heap_bytes(void)
{
    return live_bytes;
}

static struct block *block_of(void *memory)
{
    return (struct block *)memory - 1;
}

static void *give(size_t alignment, size_t size)
{
    size_t room = alignment + sizeof(struct block);
    char *begin = size <= PTRDIFF_MAX / 2 ? __libc_malloc(room + size) : NULL;
    char *memory;

    if (begin == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memory = begin + room - ((uintptr_t)begin + room) % alignment;
    *block_of(memory) = (struct block){.begin = begin, .size = size};
    live_bytes += size;
    return memory;
}

void *malloc(size_t size)
{
    return give(sizeof(struct block), size);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    void *memory =
        give(sizeof(struct block), __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);

    return memory != NULL ? memset(memory, 0, bytes) : NULL;
}

void free(void *memory)
{
    if (memory == NULL)
        return;
    live_bytes -= block_of(memory)->size;
    __libc_free(block_of(memory)->begin);
}

void *realloc(void *memory, size_t size)
{
    void *other = give(sizeof(struct block), size);

    if (other == NULL || memory == NULL)
        return other;
    memcpy(other, memory, block_of(memory)->size < size ? block_of(memory)->size : size);
    free(memory);
    return other;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return give(alignment < sizeof(struct block) ? sizeof(struct block) : alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = aligned_alloc(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}
#endif

/* xorshift: the same on every machine. */
static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

static void init(struct agent_sim *sim, const char *schedule)
{
    struct agent_config config = agent_sim_config(schedule);

    config.has_notify = true;
    config.has_heartbeat = true;
    agent_sim_init_with(sim, &config, ONE_TO_ONE);
    agent_sim_has_backup(sim, 0, 1000);
    sim->is_quiet = true;
}

struct tally {
    uint64_t turns;  /* times of the schedule */
    uint64_t alarms; /* turns without a backup */
    uint64_t tries;
};

/* How the next run goes: most of them well, some at the second or third try, some not at all. All
 * of it fits into its minute. */
static void script_minute(struct agent_sim *sim, uint64_t *seed, bool is_well, struct tally *tally)
{
    static const struct agent_sim_outcome failures[] = {
        {.exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "no route"},
        {.exit_code = ERR_SERVER, .code = "FORK_FAILED", .message = "no memory"},
        {.exit_code = -1, .signal = 11},
        {.exit_code = 1},
        {.cannot_start = true},
    };
    int fails = is_well || draw(seed, 10) > 0 ? 0 : 1 + (int)draw(seed, 3);

    if (fails > 0)
        agent_sim_next(sim, JOB_BACKUP, fails,
                       failures[draw(seed, sizeof(failures) / sizeof(failures[0]))]);
    else
        agent_sim_next(sim, JOB_BACKUP, 1,
                       (struct agent_sim_outcome){.took_ms = 1500 + (int64_t)draw(seed, 50000)});
    if (!is_well && draw(seed, 50) == 0)
        agent_sim_next(sim, (enum job_kind)(JOB_LIST + draw(seed, 3)), 1, failures[draw(seed, 3)]);
    tally->turns++;
    tally->alarms += fails == 3;
    tally->tries += fails == 3 ? 3 : (uint64_t)fails + 1;
}

static void run_minutes(struct agent_sim *sim, unsigned minutes, bool is_well, uint64_t *seed,
                        struct tally *tally)
{
    for (unsigned i = 0; i < minutes; i++) {
        script_minute(sim, seed, is_well, tally);
        agent_sim_run(sim, AGENT_SIM_MIN); /* to one second before the next */
        ck_assert_uint_eq(sim->status.jobs[JOB_BACKUP].count_ok, tally->turns - tally->alarms);
        ck_assert_uint_eq(sim->jobs[JOB_BACKUP].started, tally->tries);
    }
}

START_TEST(a_week_of_minutes_leaves_nothing_behind)
{
    auto_agent_sim struct agent_sim sim;
    struct tally tally = {0};
    uint64_t seed = 20261120;
    size_t before;

    init(&sim, "* * * * *");
    agent_sim_run(&sim, 59 * AGENT_SIM_S);
    run_minutes(&sim, 200, false, &seed, &tally); /* everything was seen once */
    run_minutes(&sim, 90, true, &seed, &tally);
    before = heap_bytes();
    run_minutes(&sim, 7 * 24 * 60, false, &seed, &tally);
    run_minutes(&sim, 90, true, &seed, &tally);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(heap_bytes(), before);
    ck_assert_uint_gt(tally.alarms, 100);
    ck_assert_uint_ge(sim.told, tally.alarms); /* and each recovery */
}
END_TEST

/* Each hour: the server may restart at any moment, and load for a while. */
static void run_hour(struct agent_sim *sim, uint64_t *seed, bool is_well)
{
    int64_t rest_ms = AGENT_SIM_H;
    int64_t at_ms = 1000 * (int64_t)draw(seed, 3000);
    int64_t down_ms = 1000 * (int64_t)draw(seed, 120);
    int64_t load_ms = 1000 * (int64_t)draw(seed, 300);

    if (!is_well && draw(seed, 4) == 0) {
        agent_sim_run(sim, at_ms);
        sim->server.is_down = true;
        agent_sim_run(sim, down_ms);
        agent_sim_restart_server(sim, 900 + draw(seed, 300));
        sim->server.is_down = false;
        sim->server.is_loading = true;
        agent_sim_run(sim, load_ms);
        sim->server.is_loading = false;
        rest_ms -= at_ms + down_ms + load_ms;
    }
    sim->server.changes += (int64_t)draw(seed, 10);
    agent_sim_run(sim, rest_ms);
}

/* A load that brings less than the newest backup holds stands as a problem until the next one. */
static void load_well(struct agent_sim *sim)
{
    agent_sim_restart_server(sim, 5000);
    agent_sim_run(sim, AGENT_SIM_H);
}

START_TEST(a_month_of_hours_with_a_server_that_restarts_leaves_nothing_behind)
{
    auto_agent_sim struct agent_sim sim;
    uint64_t seed = 42;
    uint64_t hours = 0;
    size_t before;

    init(&sim, "@hourly");
    sim.look_ms = 5000;
    agent_sim_run(&sim, 59 * AGENT_SIM_S);
    for (int i = 0; i < 48; i++, hours++)
        run_hour(&sim, &seed, i >= 44);
    load_well(&sim);
    hours++;
    ck_assert_uint_eq(sim.status.problem_count, 0);
    before = heap_bytes();
    for (int i = 0; i < 30 * 24; i++, hours++) {
        run_hour(&sim, &seed, i >= 30 * 24 - 4);
        ck_assert_uint_ge(sim.status.jobs[JOB_BACKUP].count_ok, hours);
        ck_assert_uint_le(sim.status.jobs[JOB_BACKUP].count_ok, hours + 1);
    }
    load_well(&sim);
    ck_assert_uint_eq(sim.status.problem_count, 0);
    ck_assert_uint_eq(heap_bytes(), before);
    ck_assert_uint_gt(sim.server.process, 100);
}
END_TEST

START_TEST(the_count_of_the_heap_sees_a_byte)
{
    size_t before = heap_bytes();
    char *volatile byte = malloc(1);

    ck_assert_uint_eq(heap_bytes(), before + 1);
    free(byte);
    ck_assert_uint_eq(heap_bytes(), before);
}
END_TEST

static Suite *agent_long_suite(void)
{
    Suite *suite = suite_create("agent_long");
    TCase *tc = tcase_create("weeks");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_count_of_the_heap_sees_a_byte);
    tcase_add_test(tc, a_week_of_minutes_leaves_nothing_behind);
    tcase_add_test(tc, a_month_of_hours_with_a_server_that_restarts_leaves_nothing_behind);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(agent_long_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
