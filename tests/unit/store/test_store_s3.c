/*
 * The S3 store against a peer that misbehaves: writing. What is retried, what is told, what is
 * left behind.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "store/s3_call.h"
#include "support/s3_case.h"

START_TEST(a_small_put_survives_each_passing_fault)
{
    auto_free char *internal = s3_peer_format_error(500, "InternalError", "");
    auto_free char *timeout = s3_peer_format_error(400, "RequestTimeout", "");
    auto_free char *mismatch = s3_peer_format_error(400, "XAmzContentSHA256Mismatch", "");
    const struct {
        enum s3_peer_fault fault;
        const char *text;
    } rows[] = {
        {PEER_ANSWER, PEER_SLOW_DOWN},
        {PEER_ANSWER, internal},
        {PEER_ANSWER, timeout},
        {PEER_ANSWER, mismatch},
        {PEER_RESET_BODY, NULL},
        {PEER_LOSE, NULL},
        {PEER_RESET_ANSWER, NULL},
        {PEER_ANSWER, "garbage\r\n\r\n"},
        {PEER_ANSWER, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nhtml"},
    };
    auto_store struct store *store = s3_case_open();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *key = xasprintf("key-%zu", i);
        auto_free char *path = xasprintf("/bucket/p/%s", key);
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule("PUT ", rows[i].fault, 2, rows[i].text);
        ck_assert_msg(store_put_small(store, key, "hello", 5, &err) == 0, "row %zu: %s", i,
                      err.msg);
        ck_assert_uint_eq(s3_peer_count_faults(peer), 2);
        ck_assert(s3_peer_has(peer, path, "hello", 5));
    }
}
END_TEST

START_TEST(an_early_answer_to_a_large_put_does_not_poison_the_next_request)
{
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xcalloc(1, 4 * MIB);
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    struct err err = {0};

    s3_case_rule("PUT ", PEER_EARLY, 1, denied);
    ck_assert_int_eq(store_put_small(store, "a", data, 4 * MIB, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_msg(store_put_small(store, "b", "b", 1, &err) == 0, "%s", err.msg);
    ck_assert(s3_peer_has(peer, "/bucket/p/b", "b", 1));
}
END_TEST

START_TEST(connections_are_kept_alive)
{
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), 0);
    ck_assert_uint_eq(s3_peer_count_connections(peer), 1);
}
END_TEST

START_TEST(a_put_that_never_works_says_why_and_leaves_nothing)
{
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    s3_case_rule("PUT ", PEER_ANSWER, 0, PEER_SLOW_DOWN);
    ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(err.code, 503);
    ck_assert_uint_eq(s3_peer_count_faults(peer), 10);
    ck_assert_ptr_nonnull(strstr(err.msg, "store s3://bucket/p/a: HTTP 503 SlowDown: Slow down"));
    ck_assert_ptr_nonnull(strstr(err.msg, "10 attempts"));
    ck_assert_ptr_nonnull(strstr(err.msg, "HINT: "));
    ck_assert_uint_eq(s3_peer_count_objects(peer), 0);
}
END_TEST

START_TEST(a_put_whose_answers_are_all_lost_is_taken_back)
{
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    s3_case_rule("PUT ", PEER_LOSE, 0, NULL);
    ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), -1);
    ck_assert_int_eq(s3_case_put(store, "c", (const uint8_t *)"d", 1, &err), -1);
    ck_assert_uint_eq(s3_peer_count_objects(peer), 0);
}
END_TEST

START_TEST(an_upload_in_parts_survives_each_passing_fault)
{
    auto_free char *error_in_200 =
        s3_peer_format_answer(200, "", "<Error><Code>InternalError</Code></Error>");
    const struct {
        const char *match;
        enum s3_peer_fault fault;
        const char *text;
    } rows[] = {
        {"?uploads", PEER_ANSWER, PEER_SLOW_DOWN},
        {"?uploads", PEER_LOSE, NULL},
        {"?uploads", PEER_RESET_ANSWER, NULL},
        {"?uploads", PEER_ANSWER, error_in_200},
        {"partNumber=2", PEER_ANSWER, PEER_SLOW_DOWN},
        {"partNumber=2", PEER_EARLY, PEER_SLOW_DOWN},
        {"partNumber=3", PEER_RESET_BODY, NULL},
        {"partNumber=1", PEER_LOSE, NULL},
        {"POST /bucket/p/k?uploadId", PEER_ANSWER, PEER_SLOW_DOWN},
        {"POST /bucket/p/k?uploadId", PEER_ANSWER, error_in_200},
        {"POST /bucket/p/k?uploadId", PEER_LOSE, NULL},
        {"POST /bucket/p/k?uploadId", PEER_RESET_ANSWER, NULL},
        {"HEAD ", PEER_LOSE, NULL},
    };
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xmalloc(12 * MIB);

    peer_fill(data, 12 * MIB, 5);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule(rows[i].match, rows[i].fault, 2, rows[i].text);
        data[0] = (uint8_t)i;
        ck_assert_msg(s3_case_put(store, "k", data, 12 * MIB, &err) == 0, "row %zu: %s", i,
                      err.msg);
        ck_assert_uint_ge(s3_peer_count_faults(peer), 1);
        ck_assert(s3_peer_has(peer, "/bucket/p/k", data, 12 * MIB));
        ck_assert_msg(s3_peer_count_uploads(peer) == 0, "row %zu leaves an upload", i);
    }
}
END_TEST

START_TEST(a_completion_whose_answer_is_lost_is_decided_by_head)
{
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xcalloc(1, 6 * MIB);
    struct err err = {0};

    s3_case_rule("POST /bucket/p/k?uploadId", PEER_LOSE, 1, NULL);
    ck_assert_msg(s3_case_put(store, "k", data, 6 * MIB, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "POST /bucket/p/k?uploadId"), 2); /* NoSuchUpload */
    ck_assert(s3_peer_has(peer, "/bucket/p/k", data, 6 * MIB));

    s3_peer_clear_rules(peer);
    s3_case_rule("POST /bucket/p/l?uploadId", PEER_RESET_BODY, 0, NULL);
    ck_assert_int_eq(s3_case_put(store, "l", data, 6 * MIB, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_uint_eq(s3_peer_count_objects(peer), 1);
    ck_assert_uint_eq(s3_peer_count_uploads(peer), 0);
}
END_TEST

START_TEST(a_part_that_never_works_aborts_the_upload)
{
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xcalloc(1, 30 * MIB);
    struct err err = {0};

    s3_case_rule("partNumber=3", PEER_ANSWER, 0, PEER_SLOW_DOWN);
    ck_assert_int_eq(s3_case_put(store, "k", data, 30 * MIB, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_nonnull(strstr(err.msg, "part 3"));
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE /bucket/p/k?uploadId="), 1);
    ck_assert_uint_eq(s3_peer_count_uploads(peer), 0);
    ck_assert_uint_eq(s3_peer_count_objects(peer), 0);
}
END_TEST

START_TEST(an_upload_is_aborted_until_it_is_gone)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    static const char done[] = "HTTP/1.1 204 X\r\n\r\n"; /* so it says, and a part comes after it */
    const struct {
        unsigned in_vain;
        const char *list;
        unsigned aborts, lists;
        size_t left;
    } rows[] = {
        {1, NULL, 2, 2, 0},
        {2, NULL, 3, 3, 0},
        {1, denied, 3, 2, 0}, /* the third finds it gone */
        {9, NULL, 3, 3, 1},   /* it was tried */
    };
    auto_free uint8_t *data = xcalloc(1, 6 * MIB);
    auto_store struct store *store = s3_case_open();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *key = xasprintf("key-%zu", i);
        auto_free char *abort = xasprintf("DELETE /bucket/p/%s?uploadId=", key);
        auto_free char *list = xasprintf("GET /bucket/p/%s?max-parts=1&uploadId=", key);
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule("PUT ", PEER_ANSWER, 0, denied);
        s3_case_rule("DELETE ", PEER_ANSWER, rows[i].in_vain, done);
        if (rows[i].list != NULL)
            s3_case_rule(list, PEER_ANSWER, 0, rows[i].list);
        ck_assert_int_eq(s3_case_put(store, key, data, 6 * MIB, &err), -1);
        ck_assert_msg(strstr(err.msg, "AccessDenied") != NULL, "row %zu: %s", i, err.msg);
        ck_assert_uint_eq(s3_peer_count(peer, abort), rows[i].aborts);
        ck_assert_uint_eq(s3_peer_count(peer, list), rows[i].lists);
        ck_assert_uint_eq(s3_peer_count_uploads(peer), rows[i].left);
    }
}
END_TEST

START_TEST(an_object_stored_with_another_size_is_corrupt_and_removed)
{
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xcalloc(1, 6 * MIB);
    struct err err = {0};

    s3_case_rule("HEAD ", PEER_ANSWER, 1, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    ck_assert_int_eq(s3_case_put(store, "k", data, 6 * MIB, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count_objects(peer), 0);
}
END_TEST

START_TEST(more_than_5_tib_is_a_configuration_error)
{
    auto_store struct store *store = s3_case_open();
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    struct err err = {0};

    ck_assert_int_eq(store_put(store, "k", (UINT64_C(5) << 40) + 1, &parts, &sink, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_int_eq(store_put(store, "k", UINT64_C(5) << 40, &parts, &sink, &err), 0);
    sink_free(sink);
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 1); /* an unused sink asks nothing */
}
END_TEST

START_TEST(a_limit_of_bandwidth_and_given_parts_are_kept_to)
{
    const struct store_options options = {.bandwidth_limit = 1 << 30, .part_bytes = 6 * MIB};
    auto_store struct store *store = NULL;
    auto_free uint8_t *data = xcalloc(1, 14 * MIB);
    struct err err = {0};

    ck_assert_int_eq(peer_env_open(&env, "bucket/p", &options, &store, &err), 0);
    ck_assert_msg(s3_case_put(store, "k", data, 14 * MIB, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "partNumber="), 3);
    ck_assert(s3_peer_has(peer, "/bucket/p/k", data, 14 * MIB));
}
END_TEST

START_TEST(the_window_grows_only_while_the_store_is_slow)
{
    static const struct {
        int64_t quickest_ms;
        unsigned count;
        int64_t observed_ms;
        bool may;
    } rows[] = {
        {30, 2, 5, false},   {30, 2, 50, true},    {30, 4, 50, false},  {30, 4, 130, true},
        {30, 11, 130, true}, {30, 12, 130, false}, {-1, 2, 50, true},   {0, 2, 50, false},
        {1, 4, 399, false},  {1, 4, 500, true},    {1, 12, 500, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct s3 s3 = {.quickest_ms = rows[i].quickest_ms};

        ck_assert_msg(s3_may_grow(&s3, rows[i].count, 12, rows[i].observed_ms) == rows[i].may,
                      "row %zu", i);
    }
}
END_TEST

START_TEST(an_interrupted_upload_is_aborted)
{
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xcalloc(1, 30 * MIB);
    const struct timespec at_once = {0};
    sigset_t terminate;
    struct err err = {0};

    cancel_init();
    s3_case_rule("partNumber=2", PEER_STALL, 0, NULL);
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert_int_eq(s3_case_put(store, "k", data, 30 * MIB, &err), -1);
    ck_assert_msg(strstr(err.msg, "interrupted") != NULL, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count_uploads(peer), 0);
    ck_assert_uint_eq(s3_peer_count_objects(peer), 0);

    (void)sigemptyset(&terminate);
    (void)sigaddset(&terminate, SIGTERM);
    ck_assert_int_eq(sigtimedwait(&terminate, NULL, &at_once), SIGTERM);
    ck_assert_msg(store_put_small(store, "m", "m", 1, &err) == 0, "%s", err.msg);
}
END_TEST

static Suite *store_s3_suite(void)
{
    Suite *suite = suite_create("store_s3");
    TCase *tc = tcase_create("peer");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, s3_case_begin, s3_case_end);
    tcase_add_test(tc, a_small_put_survives_each_passing_fault);
    tcase_add_test(tc, an_early_answer_to_a_large_put_does_not_poison_the_next_request);
    tcase_add_test(tc, connections_are_kept_alive);
    tcase_add_test(tc, a_put_that_never_works_says_why_and_leaves_nothing);
    tcase_add_test(tc, a_put_whose_answers_are_all_lost_is_taken_back);
    tcase_add_test(tc, an_upload_in_parts_survives_each_passing_fault);
    tcase_add_test(tc, a_completion_whose_answer_is_lost_is_decided_by_head);
    tcase_add_test(tc, a_part_that_never_works_aborts_the_upload);
    tcase_add_test(tc, an_upload_is_aborted_until_it_is_gone);
    tcase_add_test(tc, an_object_stored_with_another_size_is_corrupt_and_removed);
    tcase_add_test(tc, more_than_5_tib_is_a_configuration_error);
    tcase_add_test(tc, a_limit_of_bandwidth_and_given_parts_are_kept_to);
    tcase_add_test(tc, the_window_grows_only_while_the_store_is_slow);
    tcase_add_test(tc, an_interrupted_upload_is_aborted);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_s3_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
