/*
 * The n-th request meets with a fault, for every n until none does. A passing fault changes
 * nothing; a final one fails the operation. Either way nothing is left behind: no open upload, no
 * half object, no descriptor.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/s3_peer.h"
#include "support/s3_peer_env.h"

#define MIB ((size_t)1024 * 1024)

enum { DATA_BYTES = 11 * 1024 * 1024, MAX_REQUESTS = 60 };

struct run {
    struct store *store;
    const uint8_t *data;
    bool is_data_stored;
    bool is_manifest_stored;
};

static int count_entry(void *context, const struct store_entry *entry, struct err *err)
{
    (void)entry;
    (void)err;
    (*(int *)context)++;
    return 0;
}

static int store_data(struct run *run, struct err *err)
{
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    int rc = store_put(run->store, "backup/data", DATA_BYTES, &parts, &sink, err);

    for (size_t at = 0; rc == 0 && at < DATA_BYTES; at += MIB)
        rc = sink_write(sink, run->data + at, MIB, err);
    if (rc == 0)
        rc = sink_finish(sink, err);
    sink_free(sink);
    object_parts_release(&parts);
    run->is_data_stored = rc == 0;
    return rc;
}

static int read_data(struct run *run, struct err *err)
{
    const struct store_get_request request = {
        .key = "backup/data", .size = DATA_BYTES, .chunk_bytes = 3 * MIB};
    auto_source struct source *source = NULL;
    const uint8_t *chunk;
    size_t at = 0;
    size_t len = 1;

    if (store_get(run->store, &request, &source, err) != 0)
        return -1;
    while (len > 0) {
        if (source_next(source, &chunk, &len, err) != 0)
            return -1;
        ck_assert_mem_eq(chunk, run->data + at, len);
        at += len;
    }
    ck_assert_uint_eq(at, DATA_BYTES);
    return 0;
}

static int use_store(struct run *run, struct err *err)
{
    auto_buf struct buf back;
    uint64_t size;
    int count = 0;

    buf_init(&back, 100);
    if (store_data(run, err) != 0)
        return -1;
    if (store_put_small(run->store, "backup/manifest", "m", 1, err) != 0)
        return -1;
    run->is_manifest_stored = true;
    if (store_list(run->store, "", '\0', count_entry, &count, err) != 0)
        return -1;
    ck_assert_int_eq(count, 2);
    if (store_head(run->store, "backup/data", &size, err) != 0 ||
        store_get_small(run->store, "backup/manifest", &back, err) != 0 ||
        read_data(run, err) != 0 || store_remove(run->store, "backup/manifest", err) != 0)
        return -1;
    run->is_manifest_stored = false;
    return 0;
}

/* One run with the fault at request n; false when it did not fire. */
static bool run_with_fault(unsigned n, const struct s3_peer_rule *fault, bool is_final)
{
    unsigned descriptors = peer_count_descriptors();
    auto_free uint8_t *data = xmalloc(DATA_BYTES);
    struct s3_peer *peer = s3_peer_new();
    struct s3_peer_rule rule = *fault;
    struct run run = {.data = data};
    struct peer_env env;
    struct err err = {0};
    bool fired;
    int rc;

    peer_fill(data, DATA_BYTES, n);
    peer_env_init(&env, s3_peer_get_url(peer));
    rule.skip = n;
    rule.times = 1;
    s3_peer_add_rule(peer, &rule);
    rc = peer_env_open(&env, "bucket/p", NULL, &run.store, &err);
    if (rc == 0)
        rc = use_store(&run, &err);
    store_free(run.store);
    fired = s3_peer_count_faults(peer) > 0;

    ck_assert_msg((rc != 0) == (is_final && fired), "request %u: %s", n, err.msg);
    if (rc != 0)
        ck_assert_msg(err.kind == ERR_STORE, "request %u: %s", n, err.msg);
    ck_assert_msg(s3_peer_count_uploads(peer) == 0, "request %u leaves an upload", n);
    ck_assert_uint_eq(s3_peer_count_objects(peer),
                      (run.is_data_stored ? 1U : 0U) + (run.is_manifest_stored ? 1U : 0U));
    peer_env_release(&env);
    s3_peer_free(peer);
    ck_assert_uint_eq(peer_count_descriptors(), descriptors);
    return fired;
}

static void sweep(enum s3_peer_fault fault, const char *text, bool is_final)
{
    const struct s3_peer_rule rule = {.fault = fault, .text = text};
    unsigned n = 0;

    while (run_with_fault(n, &rule, is_final))
        ck_assert_uint_lt(++n, MAX_REQUESTS);
    ck_assert_uint_gt(n, 10);
}

START_TEST(an_overloaded_server_is_asked_again)
{
    sweep(PEER_ANSWER, PEER_SLOW_DOWN, false);
}
END_TEST

START_TEST(a_reset_in_the_request_is_no_harm)
{
    sweep(PEER_RESET_BODY, NULL, false);
}
END_TEST

START_TEST(a_lost_answer_is_no_harm)
{
    sweep(PEER_LOSE, NULL, false);
}
END_TEST

START_TEST(a_reset_in_the_answer_is_no_harm)
{
    sweep(PEER_RESET_ANSWER, NULL, false);
}
END_TEST

START_TEST(an_answer_cut_short_is_no_harm)
{
    sweep(PEER_CUT, NULL, false);
}
END_TEST

START_TEST(a_refusal_is_final_and_leaves_nothing)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");

    sweep(PEER_ANSWER, denied, true);
}
END_TEST

static Suite *store_faults_suite(void)
{
    Suite *suite = suite_create("store_faults");
    TCase *tc = tcase_create("sweep");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, an_overloaded_server_is_asked_again);
    tcase_add_test(tc, a_reset_in_the_request_is_no_harm);
    tcase_add_test(tc, a_lost_answer_is_no_harm);
    tcase_add_test(tc, a_reset_in_the_answer_is_no_harm);
    tcase_add_test(tc, an_answer_cut_short_is_no_harm);
    tcase_add_test(tc, a_refusal_is_final_and_leaves_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_faults_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
