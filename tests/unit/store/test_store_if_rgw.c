/*
 * Puts on conditions in a real bucket: Ceph's radosgw, started for this test alone.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/rgw.h"
#include "support/s3_peer_env.h"
#include "support/store_conditions.h"

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

static struct store *open_store(void)
{
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(&settings, BUCKET "/keep",
                                &(struct store_options){.clock = clock_system()}, &store,
                                &err) == 0,
                  "%s", err.msg);
    return store;
}

START_TEST(a_real_bucket_keeps_conditions)
{
    auto_store struct store *a = open_store();
    auto_store struct store *b = open_store();

    store_conditions_hold(a, b);
}
END_TEST

START_TEST(of_processes_that_race_in_a_real_bucket_no_two_ever_win)
{
    enum { RACERS = 4, TIMES = 10 };
    pid_t racers[RACERS];
    auto_store struct store *store = NULL;

    for (int i = 0; i < RACERS; i++) {
        racers[i] = fork();
        ck_assert_int_ge(racers[i], 0);
        if (racers[i] == 0) {
            struct store *mine = open_store();

            (void)store_conditions_count(mine, "leases/x", TIMES);
            store_free(mine);
            _exit(0);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        int status = -1;

        ck_assert_int_eq(waitpid(racers[i], &status, 0), racers[i]);
        ck_assert_int_eq(status, 0);
    }
    store = open_store();
    ck_assert_uint_eq(store_conditions_read(store, "leases/x"), RACERS * TIMES);
}
END_TEST

static Suite *store_if_rgw_suite(void)
{
    Suite *suite = suite_create("store_if_rgw");
    TCase *tc = tcase_create("radosgw");

    tcase_add_unchecked_fixture(tc, start_rgw, stop_rgw);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_real_bucket_keeps_conditions);
    tcase_add_test(tc, of_processes_that_race_in_a_real_bucket_no_two_ever_win);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_if_rgw_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
