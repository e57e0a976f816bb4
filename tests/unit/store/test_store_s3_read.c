/*
 * The S3 store against a peer that misbehaves: opening, reading, listing.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/s3_call.h"
#include "support/s3_case.h"

static int get(struct store *store, const char *key, uint8_t *data, size_t len, struct err *err)
{
    const struct store_get_request request = {.key = key, .size = len, .chunk_bytes = MIB};
    auto_source struct source *source = NULL;
    size_t at = 0;

    if (store_get(store, &request, &source, err) != 0)
        return -1;
    for (;;) {
        const uint8_t *chunk;
        size_t n;

        if (source_next(source, &chunk, &n, err) != 0)
            return -1;
        if (n == 0)
            break;
        memcpy(data + at, chunk, n);
        at += n;
    }
    ck_assert_uint_eq(at, len);
    return 0;
}

START_TEST(a_ranged_read_survives_each_passing_fault)
{
    static const struct {
        enum s3_peer_fault fault;
        const char *text;
    } rows[] = {
        {PEER_ANSWER, PEER_SLOW_DOWN},
        {PEER_RESET_ANSWER, NULL},
        {PEER_CUT, NULL},
        {PEER_LOSE, NULL},
        {PEER_ANSWER, "HTTP/1.1 206 X\r\nContent-Range: bytes 0-3/5242880\r\n"
                      "Content-Length: 4\r\n\r\nabcd"},
        {PEER_ANSWER, "HTTP/1.1 206 X\r\nContent-Length: 4\r\n\r\nabcd"},
        {PEER_ANSWER, "HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n"},
    };
    auto_store struct store *store = s3_case_open();
    auto_free uint8_t *data = xmalloc(5 * MIB);
    auto_free uint8_t *back = xcalloc(1, 5 * MIB);

    peer_fill(data, 5 * MIB, 9);
    s3_peer_put(peer, "/bucket/p/k", data, 5 * MIB);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule("GET /bucket/p/k", rows[i].fault, 2, rows[i].text);
        memset(back, 0, 5 * MIB);
        ck_assert_msg(get(store, "k", back, 5 * MIB, &err) == 0, "row %zu: %s", i, err.msg);
        ck_assert_mem_eq(data, back, 5 * MIB);
    }
}
END_TEST

START_TEST(a_read_that_cannot_succeed_says_which_kind_of_trouble_it_is)
{
    auto_free char *no_bucket = s3_peer_format_error(404, "NoSuchBucket", "");
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    const struct {
        const char *text;
        enum err_kind kind;
    } rows[] = {
        {no_bucket, ERR_STORE},
        {denied, ERR_STORE},
        {"HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\nhtml", ERR_STORE},
        {"HTTP/1.1 302 X\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", ERR_STORE},
        {"HTTP/1.1 206 X\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\nabcd",
         ERR_CORRUPT},
        {"HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n", ERR_CORRUPT},
        {"HTTP/1.1 200 X\r\nContent-Length: 11\r\n\r\nhello world", ERR_STORE}, /* Range: what? */
        {"HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 11\r\n\r\nhello world",
         ERR_STORE},
    };
    auto_store struct store *store = s3_case_open();
    uint8_t back[10];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule("GET /bucket/p/k", PEER_ANSWER, 0, rows[i].text);
        ck_assert_int_eq(get(store, "k", back, 10, &err), -1);
        ck_assert_msg(err.kind == rows[i].kind, "row %zu: %s", i, err.msg);
    }
    {
        struct err err = {0};

        s3_peer_clear_rules(peer);
        ck_assert_int_eq(get(store, "k", back, 10, &err), -1);
        ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
    }
}
END_TEST

START_TEST(an_answer_that_is_too_long_is_damage_only_to_a_small_object)
{
    auto_free char *long_text = xmalloc(9 * MIB + 1);
    auto_free char *answer = NULL;
    auto_store struct store *store = s3_case_open();
    auto_buf struct buf out;
    struct err err = {0};

    memset(long_text, 'x', 9 * MIB);
    long_text[9 * MIB] = '\0';
    answer = s3_peer_format_answer(200, "", long_text);
    s3_case_rule("GET ", PEER_ANSWER, 0, answer);
    buf_init(&out, MIB);
    ck_assert_int_eq(store_get_small(store, "k", &out, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
    ck_assert_int_eq(store_list(store, "", '\0', s3_case_stop, NULL, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, "longer than") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_listing_is_never_not_found)
{
    auto_free char *no_key = s3_peer_format_error(404, "NoSuchKey", "");
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    s3_case_rule("GET ", PEER_ANSWER, 0, no_key);
    ck_assert_int_eq(store_list(store, "", '\0', s3_case_stop, NULL, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
}
END_TEST

START_TEST(parts_that_nobody_stored_are_not_allocated)
{
    const struct store_get_request request = {
        .key = "k", .size = 2 * STORE_PART_BYTES_MAX, .chunk_bytes = STORE_PART_BYTES_MAX + 1};
    auto_store struct store *store = s3_case_open();
    struct source *source = NULL;
    struct err err = {0};

    ck_assert_int_eq(store_get(store, &request, &source, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "GET /bucket/p/k"), 0);
}
END_TEST

START_TEST(head_tells_a_missing_object_from_a_missing_bucket)
{
    auto_store struct store *store = s3_case_open();
    auto_free char *no_bucket = s3_peer_format_error(404, "NoSuchBucket", "");
    struct err err = {0};
    uint64_t size;

    ck_assert_int_eq(store_head(store, "k", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
    s3_case_rule("HEAD ", PEER_ANSWER, 0, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
    s3_case_rule("GET /bucket/p/k", PEER_ANSWER, 0, no_bucket);
    ck_assert_int_eq(store_head(store, "k", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_int_eq(store_remove(store, "x", &err), 0);
}
END_TEST

START_TEST(a_skewed_clock_is_corrected_by_the_servers_date)
{
    auto_free char *skewed = s3_peer_format_error(403, "RequestTimeTooSkewed",
                                                  "Date: Fri, 24 May 2013 00:00:00 GMT\r\n");
    auto_store struct store *store = NULL;
    auto_free char *head = NULL;
    struct err err = {0};

    s3_case_rule("GET ", PEER_ANSWER, 1, skewed);
    ck_assert_msg(peer_env_open(&env, "bucket/p", NULL, &store, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), 0);
    head = s3_peer_copy_head(peer, "PUT /bucket/p/a");
    ck_assert_ptr_nonnull(strstr(head, "x-amz-date: 20130524T000000Z"));
}
END_TEST

START_TEST(an_expired_token_is_renewed_once_and_then_reported)
{
    auto_free char *expired = s3_peer_format_error(400, "ExpiredToken", "");
    struct store *store = NULL;
    struct err err = {0};

    s3_case_rule("GET ", PEER_ANSWER, 0, expired);
    ck_assert_int_eq(peer_env_open(&env, "bucket/p", NULL, &store, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err.msg, "ExpiredToken"));
    ck_assert_ptr_nonnull(strstr(err.msg, "HINT: "));
    ck_assert_ptr_null(strstr(err.msg, "wJalr"));
}
END_TEST

START_TEST(a_transfer_that_stands_still_is_begun_again)
{
    auto_store struct store *store = NULL;
    struct err err = {0};

    env.stall_s = 1;
    store = s3_case_open();
    s3_case_rule("PUT ", PEER_STALL, 1, NULL);
    ck_assert_msg(store_put_small(store, "a", "b", 1, &err) == 0, "%s", err.msg);
    s3_case_rule("GET /bucket/p/a", PEER_DRIP, 1, NULL);
    {
        uint8_t back;

        ck_assert_msg(get(store, "a", &back, 1, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(back, 'b');
    }
    ck_assert_uint_eq(s3_peer_count_faults(peer), 2);
}
END_TEST

START_TEST(the_server_is_given_the_pause_it_asks_for)
{
    auto_store struct store *store = s3_case_open();
    auto_free char *busy = s3_peer_format_error(503, "SlowDown", "Retry-After: 7\r\n");
    struct err err = {0};

    s3_case_rule("PUT ", PEER_ANSWER, 2, busy);
    ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), 0);
    ck_assert_int_eq(env.slept_ms, 14000);
}
END_TEST

START_TEST(the_region_that_the_server_names_is_used)
{
    auto_free char *moved =
        s3_peer_format_error(301, "PermanentRedirect", "x-amz-bucket-region: eu-west-9\r\n");
    auto_store struct store *store = NULL;
    struct store *other = NULL;
    auto_free char *head = NULL;
    struct err err = {0};

    s3_case_rule("GET ", PEER_ANSWER, 1, moved);
    store = s3_case_open();
    head = s3_peer_copy_head(peer, "GET ");
    ck_assert_ptr_nonnull(strstr(head, "/eu-west-9/s3/aws4_request"));

    s3_peer_clear_rules(peer);
    s3_case_rule("GET ", PEER_ANSWER, 0, moved);
    ck_assert_int_eq(peer_env_open(&env, "bucket/p", NULL, &other, &err), -1);
    ck_assert_msg(strstr(err.msg, "eu-west-9") != NULL, "%s", err.msg);
    ck_assert_ptr_nonnull(strstr(err.msg, "HINT: "));
}
END_TEST

START_TEST(opening_fails_closed_on_answers_that_are_no_listing)
{
    static const char *const rows[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct store *store = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule("GET ", PEER_ANSWER, 0, rows[i]);
        ck_assert_int_eq(peer_env_open(&env, "bucket/p", NULL, &store, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    }
}
END_TEST

START_TEST(an_unreachable_store_is_given_up_after_three_attempts)
{
    struct store *store = NULL;
    struct err err = {0};

    peer_env_set(&env, "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    ck_assert_int_eq(peer_env_open(&env, "bucket/p", NULL, &store, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_msg(strstr(err.msg, "127.0.0.1") != NULL && strstr(err.msg, "3 attempts") != NULL,
                  "%s", err.msg);
}
END_TEST

START_TEST(a_listing_follows_tokens_but_not_in_circles)
{
    static const char page[] =
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
        "</NextContinuationToken></ListBucketResult>";
    auto_free char *answer = s3_peer_format_answer(200, "", page);
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    s3_peer_put(peer, "/bucket/p/a", "x", 1);
    ck_assert_int_eq(store_list(store, "", '\0', s3_case_stop, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_BUSY);
    ck_assert_str_eq(err.msg, "stop at a");
    s3_case_rule("GET ", PEER_ANSWER, 0, answer);
    ck_assert_int_eq(store_list(store, "", '\0', s3_case_stop, NULL, &err), -1);
    ck_assert_msg(strstr(err.msg, "circles") != NULL, "%s", err.msg);
}
END_TEST

/* Requests for `match` that have come, once there are `wanted` or that does not happen. */
static unsigned wait_for_requests(const char *match, unsigned wanted)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    for (int i = 0; i < 6000 && s3_peer_count(peer, match) < wanted; i++)
        (void)nanosleep(&pause, NULL);
    return s3_peer_count(peer, match);
}

START_TEST(as_many_ranges_are_read_ahead_as_parts_may_be_under_way)
{
    static const struct {
        unsigned parallel;
        unsigned requests;
    } rows[] = {{1, 1}, {4, 4}, {12, 12}, {64, 12}};
    auto_free uint8_t *data = xmalloc(16 * MIB);

    peer_fill(data, 16 * MIB, 5);
    s3_peer_put(peer, "/bucket/p/k", data, 16 * MIB);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct store_options options = {.upload_parallel = rows[i].parallel};
        const struct store_get_request request = {.key = "k", .size = 16 * MIB, .chunk_bytes = MIB};
        unsigned before = s3_peer_count(peer, "GET /bucket/p/k");
        auto_store struct store *store = NULL;
        auto_source struct source *source = NULL;
        const uint8_t *chunk = NULL;
        struct err err = {0};
        size_t len = 0;

        ck_assert_int_eq(peer_env_open(&env, "bucket/p", &options, &store, &err), 0);
        ck_assert_int_eq(store_get(store, &request, &source, &err), 0);
        ck_assert_msg(source_next(source, &chunk, &len, &err) == 0, "%s", err.msg);
        ck_assert_mem_eq(chunk, data, MIB);
        unsigned wanted = before + rows[i].requests;
        ck_assert_uint_eq(wait_for_requests("GET /bucket/p/k", wanted), wanted);
    }
}
END_TEST

static Suite *store_s3_read_suite(void)
{
    Suite *suite = suite_create("store_s3_read");
    TCase *tc = tcase_create("peer");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, s3_case_begin, s3_case_end);
    tcase_add_test(tc, a_ranged_read_survives_each_passing_fault);
    tcase_add_test(tc, a_read_that_cannot_succeed_says_which_kind_of_trouble_it_is);
    tcase_add_test(tc, an_answer_that_is_too_long_is_damage_only_to_a_small_object);
    tcase_add_test(tc, a_listing_is_never_not_found);
    tcase_add_test(tc, parts_that_nobody_stored_are_not_allocated);
    tcase_add_test(tc, head_tells_a_missing_object_from_a_missing_bucket);
    tcase_add_test(tc, a_skewed_clock_is_corrected_by_the_servers_date);
    tcase_add_test(tc, an_expired_token_is_renewed_once_and_then_reported);
    tcase_add_test(tc, a_transfer_that_stands_still_is_begun_again);
    tcase_add_test(tc, the_server_is_given_the_pause_it_asks_for);
    tcase_add_test(tc, the_region_that_the_server_names_is_used);
    tcase_add_test(tc, opening_fails_closed_on_answers_that_are_no_listing);
    tcase_add_test(tc, an_unreachable_store_is_given_up_after_three_attempts);
    tcase_add_test(tc, a_listing_follows_tokens_but_not_in_circles);
    tcase_add_test(tc, as_many_ranges_are_read_ahead_as_parts_may_be_under_way);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_s3_read_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
