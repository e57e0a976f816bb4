/*
 * Ranged reads: what is asked for at a time, and that a chunk read in two ranges is the chunk.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/s3_call.h"
#include "support/s3_case.h"

#define OBJECT_BYTES (26 * MIB + 3)
#define READ "GET /bucket/p/k"

static uint8_t *object;

static void set_up(void)
{
    s3_case_begin();
    object = xmalloc(OBJECT_BYTES);
    peer_fill(object, OBJECT_BYTES, 5);
    s3_peer_put(peer, "/bucket/p/k", object, OBJECT_BYTES);
}

static void tear_down(void)
{
    free(object);
    s3_case_end();
}

static struct store *open_store(unsigned parallel)
{
    const struct store_options options = {.upload_parallel = parallel};
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(&env, "bucket/p", &options, &store, &err) == 0, "%s", err.msg);
    return store;
}

/* Reads it all: every chunk but the last is of chunk_bytes. */
static int read_object(struct store *store, uint64_t offset, size_t chunk_bytes, struct err *err)
{
    const struct store_get_request request = {
        .key = "k", .offset = offset, .size = OBJECT_BYTES - offset, .chunk_bytes = chunk_bytes};
    auto_source struct source *source = NULL;
    size_t at = (size_t)offset;

    if (store_get(store, &request, &source, err) != 0)
        return -1;
    for (;;) {
        const uint8_t *chunk = NULL;
        size_t len = 0;

        if (source_next(source, &chunk, &len, err) != 0)
            return -1;
        if (len == 0)
            break;
        size_t left = OBJECT_BYTES - at;
        ck_assert_uint_eq(len, left < chunk_bytes ? left : chunk_bytes);
        ck_assert_mem_eq(chunk, object + at, len);
        at += len;
    }
    ck_assert_uint_eq(at, OBJECT_BYTES);
    return 0;
}

/* Reads that have been asked for, once there are `wanted` or that does not happen. */
static unsigned wait_for_reads(unsigned wanted)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    for (int i = 0; i < 6000 && s3_peer_count(peer, READ) < wanted; i++)
        (void)nanosleep(&pause, NULL);
    return s3_peer_count(peer, READ);
}

START_TEST(no_more_is_under_way_than_is_allowed)
{
    static const struct {
        unsigned parallel;
        size_t chunk_bytes;
        unsigned reads;
    } rows[] = {{1, MIB, 1},           {4, MIB, 4},           {12, MIB, 12},        {64, MIB, 12},
                {1, 2 * MIB, 1},       {3, 2 * MIB, 3},       {4, 2 * MIB, 4},      {5, 2 * MIB, 4},
                {12, 2 * MIB + 1, 12}, {64, 2 * MIB + 1, 12}, {64, 2 * MIB - 1, 12}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct store_get_request request = {
            .key = "k", .size = OBJECT_BYTES, .chunk_bytes = rows[i].chunk_bytes};
        unsigned wanted = s3_peer_count(peer, READ) + rows[i].reads;
        auto_store struct store *store = open_store(rows[i].parallel);
        auto_source struct source *source = NULL;
        const uint8_t *chunk = NULL;
        struct err err = {0};
        size_t len = 0;

        ck_assert_int_eq(store_get(store, &request, &source, &err), 0);
        ck_assert_msg(source_next(source, &chunk, &len, &err) == 0, "%s", err.msg);
        ck_assert_msg(wait_for_reads(wanted) == wanted, "row %zu", i);
    }
}
END_TEST

START_TEST(a_chunk_is_the_same_in_one_range_and_in_two)
{
    static const size_t chunk_bytes[] = {MIB,         2 * MIB - 1, 2 * MIB,
                                         2 * MIB + 1, 5 * MIB,     OBJECT_BYTES};
    static const unsigned parallel[] = {0, 1, 4, 12};

    for (size_t i = 0; i < sizeof(parallel) / sizeof(parallel[0]); i++) {
        auto_store struct store *store = open_store(parallel[i]);

        for (size_t k = 0; k < sizeof(chunk_bytes) / sizeof(chunk_bytes[0]); k++) {
            struct err err = {0};

            ck_assert_msg(read_object(store, 0, chunk_bytes[k], &err) == 0, "%s", err.msg);
            ck_assert_msg(read_object(store, 12345, chunk_bytes[k], &err) == 0, "%s", err.msg);
        }
    }
}
END_TEST

START_TEST(either_range_of_a_chunk_may_fail_for_a_while)
{
    static const enum s3_peer_fault faults[] = {PEER_ANSWER, PEER_RESET_ANSWER, PEER_CUT,
                                                PEER_LOSE};
    auto_store struct store *store = open_store(0);

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        for (unsigned skip = 0; skip < 5; skip++) {
            struct err err = {0};

            s3_peer_clear_rules(peer);
            s3_peer_add_rule(peer, &(struct s3_peer_rule){.match = READ,
                                                          .fault = faults[i],
                                                          .skip = skip,
                                                          .times = 2,
                                                          .text = PEER_SLOW_DOWN});
            ck_assert_msg(read_object(store, 0, 5 * MIB, &err) == 0, "%s", err.msg);
        }
    }
}
END_TEST

START_TEST(either_range_of_a_chunk_may_fail_for_good)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_store struct store *store = open_store(0);

    for (unsigned skip = 0; skip < 5; skip++) {
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_peer_add_rule(peer,
                         &(struct s3_peer_rule){
                             /* all from there on: a read that was given up may still come in */
                             .match = READ,
                             .fault = PEER_ANSWER,
                             .skip = skip,
                             .text = denied});
        ck_assert_int_eq(read_object(store, 0, 5 * MIB, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    }
}
END_TEST

static Suite *s3_get_suite(void)
{
    Suite *suite = suite_create("s3_get");
    TCase *tc = tcase_create("peer");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, no_more_is_under_way_than_is_allowed);
    tcase_add_test(tc, a_chunk_is_the_same_in_one_range_and_in_two);
    tcase_add_test(tc, either_range_of_a_chunk_may_fail_for_a_while);
    tcase_add_test(tc, either_range_of_a_chunk_may_fail_for_good);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_get_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
