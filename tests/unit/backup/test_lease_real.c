/*
 * Processes that take turns at a real repository: Ceph's radosgw, started for this test alone.
 */
#include "backup/lease.h"

#include <check.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/rgw.h"
#include "support/s3_peer_env.h"

#define BUCKET "redkeep-tests"

static struct rgw rgw;
static struct peer_env settings;

static void start_rgw(void)
{
    peer_env_init(&settings, NULL);
    rgw_start(&rgw, BUCKET, NULL, NULL, &settings);
}

static void stop_rgw(void)
{
    rgw_stop(&rgw);
    peer_env_release(&settings);
}

static struct store *open_bucket(void)
{
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(&settings, BUCKET "/repository",
                                &(struct store_options){.clock = clock_system()}, &store,
                                &err) == 0,
                  "%s", err.msg);
    return store;
}

struct turn {
    int64_t from_ms;
    int64_t to_ms;
};

static void must_not_warn(void *context, enum problem problem, const char *text)
{
    (void)context;
    ck_abort_msg("problem %d: %s", (int)problem, text);
}

/* In a process of its own: holds the lease for a while, then tells when that was. */
static pid_t start_turn(int out_fd, int64_t work_ms, int64_t term_ms)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        const struct lease_options options = {
            .name = "set",
            .instance = "pod-0",
            .term_ms = term_ms,
            .wait_max_ms = 600000,
            .clock = clock_system(),
            .on_warning = must_not_warn,
        };
        struct lease *lease = NULL;
        struct err err = {0};
        struct turn turn;

        ck_assert_msg(lease_take(open_bucket(), &options, &lease, &err) == 0, "%s", err.msg);
        turn.from_ms = clock_mono_ms(clock_system());
        ck_assert_int_eq(write(out_fd, "", 1), 1);
        clock_sleep_ms(clock_system(), work_ms);
        turn.to_ms = clock_mono_ms(clock_system());
        lease_free(lease);
        ck_assert_int_eq(write(out_fd, &turn, sizeof(turn)), sizeof(turn));
        _exit(0);
    }
    return pid;
}

static struct turn read_turn(int fd)
{
    struct turn turn = {0};

    ck_assert_int_eq(read(fd, &turn, sizeof(turn)), sizeof(turn));
    return turn;
}

static void wait_for_sign(int fd)
{
    char sign;

    ck_assert_int_eq(read(fd, &sign, 1), 1);
}

START_TEST(processes_take_turns)
{
    enum { PROCESSES = 2 };
    int pipes[PROCESSES][2];
    pid_t pids[PROCESSES];
    struct turn turns[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        ck_assert_int_eq(pipe(pipes[i]), 0);
        pids[i] = start_turn(pipes[i][1], 300, 60000);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;

        wait_for_sign(pipes[i][0]);
        turns[i] = read_turn(pipes[i][0]);
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_int_eq(status, 0);
        for (int k = 0; k < i; k++)
            ck_assert(turns[i].from_ms >= turns[k].to_ms || turns[k].from_ms >= turns[i].to_ms);
    }
}
END_TEST

START_TEST(the_lease_of_a_process_that_was_killed_runs_out)
{
    enum { TERM_MS = 2000 };
    int first[2];
    int second[2];
    int64_t killed_ms;
    int status = -1;
    pid_t pid;

    ck_assert_int_eq(pipe(first), 0);
    ck_assert_int_eq(pipe(second), 0);
    pid = start_turn(first[1], 600000, TERM_MS);
    wait_for_sign(first[0]);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    killed_ms = clock_mono_ms(clock_system());

    pid = start_turn(second[1], 0, TERM_MS);
    wait_for_sign(second[0]);
    ck_assert_int_ge(read_turn(second[0]).from_ms - killed_ms, TERM_MS);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static Suite *lease_real_suite(void)
{
    Suite *suite = suite_create("lease_real");
    TCase *tc = tcase_create("radosgw");

    tcase_add_unchecked_fixture(tc, start_rgw, stop_rgw);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, processes_take_turns);
    tcase_add_test(tc, the_lease_of_a_process_that_was_killed_runs_out);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(lease_real_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
