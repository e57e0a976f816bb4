/*
 * Small puts on conditions in a bucket: a peer that answers in every way that S3 servers do.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "support/s3_peer.h"
#include "support/s3_peer_env.h"
#include "support/store_conditions.h"

static struct s3_peer *peer;
static struct peer_env env;

static void set_up(void)
{
    cancel_init();
    peer = s3_peer_new();
    peer_env_init(&env, s3_peer_get_url(peer));
}

static void tear_down(void)
{
    s3_peer_free(peer);
    peer_env_release(&env);
}

static struct store *open_store(void)
{
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(&env, "bucket/p", NULL, &store, &err) == 0, "%s", err.msg);
    return store;
}

static int put_if(struct store *store, const char *text, const char *tag, char **out_tag,
                  struct err *err)
{
    return store_put_small_if(
        store, &(struct store_put_if){.key = "k", .data = text, .len = strlen(text), .tag = tag},
        out_tag, err);
}

static void rule(const char *match, enum s3_peer_fault fault, unsigned times, const char *text)
{
    s3_peer_add_rule(
        peer, &(struct s3_peer_rule){.match = match, .fault = fault, .times = times, .text = text});
}

START_TEST(a_bucket_keeps_conditions)
{
    auto_store struct store *a = open_store();
    auto_store struct store *b = open_store();

    store_conditions_hold(a, b);
}
END_TEST

START_TEST(conditions_are_sent_and_signed)
{
    auto_store struct store *store = open_store();
    auto_free char *tag = NULL;
    auto_free char *tag2 = NULL;
    auto_free char *head = NULL;
    auto_free char *head2 = NULL;
    auto_free char *wanted = NULL;
    struct err err = {0};

    ck_assert_msg(put_if(store, "one", NULL, &tag, &err) == 0, "%s", err.msg);
    head = s3_peer_copy_head(peer, "PUT ");
    ck_assert_msg(strstr(head, "\r\nif-none-match: *\r\n") != NULL, "%s", head);
    ck_assert_msg(strstr(head, "SignedHeaders=host;if-none-match;x-amz-") != NULL, "%s", head);
    ck_assert_ptr_null(strstr(head, "if-match"));

    ck_assert_msg(put_if(store, "two", tag, &tag2, &err) == 0, "%s", err.msg);
    head2 = s3_peer_copy_head(peer, "PUT ");
    wanted = xasprintf("\r\nif-match: %s\r\n", tag);
    ck_assert_msg(strstr(head2, wanted) != NULL, "%s", head2);
    ck_assert_msg(strstr(head2, "SignedHeaders=host;if-match;x-amz-") != NULL, "%s", head2);
    ck_assert_uint_eq(s3_peer_count(peer, "GET /bucket/"), 0); /* no question more than needed */
}
END_TEST

START_TEST(every_answer_is_told_for_what_it_is)
{
    static const struct {
        const char *tag, *code;
        int status;
        enum err_kind kind;
        const char *words;
    } rows[] = {
        {NULL, "PreconditionFailed", 412, ERR_BUSY, "there already"},
        {"\"t\"", "PreconditionFailed", 412, ERR_BUSY, "changed meanwhile"},
        {NULL, "ConditionalRequestConflict", 409, ERR_BUSY, "there already"},
        {"\"t\"", "ConditionalRequestConflict", 409, ERR_BUSY, "changed meanwhile"},
        {"\"t\"", "NoSuchKey", 404, ERR_BUSY, "changed meanwhile"},
        {"\"t\"", "NoSuchBucket", 404, ERR_STORE, "NoSuchBucket"},
        {NULL, "NotImplemented", 501, ERR_STORE, "this store knows no conditional writes"},
        {"\"t\"", "NotImplemented", 501, ERR_STORE, "this store knows no conditional writes"},
        {NULL, "AccessDenied", 403, ERR_STORE, "HINT"},
        {NULL, "BucketAlreadyExists", 409, ERR_STORE, "HTTP 409"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *answer = s3_peer_format_error(rows[i].status, rows[i].code, "");
        auto_store struct store *store = open_store();
        char *tag = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_peer_put(peer, "/bucket/p/k", "somebody's", 10);
        rule("PUT ", PEER_ANSWER, 0, answer);
        ck_assert_int_eq(put_if(store, "mine", rows[i].tag, &tag, &err), -1);
        ck_assert_msg(err.kind == rows[i].kind && strstr(err.msg, rows[i].words) != NULL,
                      "row %zu: kind %d: %s", i, (int)err.kind, err.msg);
        ck_assert_ptr_null(tag);
        ck_assert_uint_eq(s3_peer_count(peer, "PUT "), i + 1); /* none of them is tried again */
        ck_assert(s3_peer_has(peer, "/bucket/p/k", "somebody's", 10));
    }
}
END_TEST

START_TEST(what_was_done_is_done_though_its_answer_was_lost)
{
    static const enum s3_peer_fault faults[] = {PEER_LOSE, PEER_RESET_ANSWER, PEER_CUT};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        auto_store struct store *store = open_store();
        auto_free char *text = xasprintf("text %zu", i);
        auto_free char *tag = NULL;
        auto_free char *tag2 = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        ck_assert_int_eq(store_remove(store, "k", &err), 0);
        rule("PUT ", faults[i], 1, NULL);
        ck_assert_msg(put_if(store, text, NULL, &tag, &err) == 0, "%s", err.msg);
        ck_assert(s3_peer_has(peer, "/bucket/p/k", text, strlen(text)));
        s3_peer_clear_rules(peer);
        rule("PUT ", faults[i], 1, NULL);
        ck_assert_msg(put_if(store, "next", tag, &tag2, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(s3_peer_count_faults(peer), 1);
        ck_assert(s3_peer_has(peer, "/bucket/p/k", "next", 4));
    }
}
END_TEST

START_TEST(an_attempt_that_was_overloaded_is_made_again)
{
    auto_store struct store *store = open_store();
    auto_free char *tag = NULL;
    struct err err = {0};

    rule("PUT ", PEER_ANSWER, 2, PEER_SLOW_DOWN);
    ck_assert_msg(put_if(store, "one", NULL, &tag, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 3);
}
END_TEST

START_TEST(who_cannot_find_out_whether_it_was_stored_says_so)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_store struct store *store = open_store();
    char *tag = NULL;
    struct err err = {0};

    s3_peer_put(peer, "/bucket/p/k", "x", 1);
    rule("GET /bucket/p/k", PEER_ANSWER, 0, denied);
    ck_assert_int_eq(put_if(store, "mine", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "find out whether k was") != NULL, "%s",
                  err.msg);

    s3_peer_clear_rules(peer); /* refused, and gone when it is looked at */
    auto_free char *refused = s3_peer_format_error(412, "PreconditionFailed", "");
    rule("PUT ", PEER_ANSWER, 0, refused);
    ck_assert_int_eq(store_remove(store, "k", &err), 0);
    ck_assert_int_eq(put_if(store, "mine", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_BUSY && strstr(err.msg, "removed") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_store_without_tags_knows_no_conditions)
{
    auto_free char *much = xcalloc(1, 301);
    auto_free char *cut = NULL;
    const char *headers[] = {"", "ETag: \r\n", "ETag: W/\"abc\"\r\n", NULL};

    memset(much, 'e', 300);
    cut = xasprintf("ETag: \"%s\"\r\n", much);
    headers[3] = cut;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        auto_free char *stored = s3_peer_format_answer(200, headers[i], "");
        auto_free char *read = s3_peer_format_answer(200, headers[i], "mine");
        auto_store struct store *store = open_store();
        auto_buf struct buf bytes;
        char *tag = NULL;
        struct err err = {0};

        buf_init(&bytes, 1000);
        s3_peer_clear_rules(peer);
        rule("PUT ", PEER_ANSWER, 0, stored);
        rule("GET /bucket/p/k", PEER_ANSWER, 0, read);
        ck_assert_int_eq(put_if(store, "mine", NULL, &tag, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "no conditional writes") != NULL,
                      "%s", err.msg);
        ck_assert_int_eq(store_get_small_tagged(store, "k", &bytes, &tag, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "ETag") != NULL, "%s", err.msg);
        ck_assert_ptr_null(tag);
        ck_assert_uint_eq(bytes.len, 0);
    }
}
END_TEST

START_TEST(a_tag_is_sent_back_as_it_came)
{
    static const char *const tags[] = {"\"quoted\"", "unquoted", "\"odd ,;= text\"", "x"};

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        auto_free char *header = xasprintf("ETag: %s\r\n", tags[i]);
        auto_free char *answer = s3_peer_format_answer(200, header, "mine");
        auto_free char *wanted = xasprintf("\r\nif-match: %s\r\n", tags[i]);
        auto_store struct store *store = open_store();
        auto_free char *tag = NULL;
        auto_free char *tag2 = NULL;
        auto_free char *head = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        rule("PUT ", PEER_ANSWER, 0, answer);
        ck_assert_msg(put_if(store, "mine", NULL, &tag, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(tag, tags[i]);
        ck_assert_int_eq(put_if(store, "mine too", tag, &tag2, &err), 0);
        head = s3_peer_copy_head(peer, "PUT ");
        ck_assert_msg(strstr(head, wanted) != NULL, "%s", head);
    }
}
END_TEST

START_TEST(a_store_that_refuses_what_holds_knows_no_conditions)
{
    auto_free char *refused = s3_peer_format_error(412, "PreconditionFailed", "");
    auto_store struct store *store = open_store();
    auto_free char *tag = NULL;
    auto_free char *head = NULL;
    char *tag2 = NULL;
    struct err err = {0};

    ck_assert_int_eq(put_if(store, "one", NULL, &tag, &err), 0);
    rule("PUT ", PEER_ANSWER, 0, refused);
    ck_assert_int_eq(put_if(store, "two", tag, &tag2, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "no conditional writes") != NULL, "%s",
                  err.msg);
    head = s3_peer_copy_head(peer, "PUT ");
    ck_assert_msg(strstr(head, "\r\nif-match: etag-1\r\n") != NULL, "%s", head);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 3);
}
END_TEST

START_TEST(a_store_that_matches_tags_without_their_quotes_is_known_from_then_on)
{
    auto_free char *refused = s3_peer_format_error(412, "PreconditionFailed", "");
    auto_free char *stored = s3_peer_format_answer(200, "ETag: \"etag-1\"\r\n", "");
    auto_store struct store *store = open_store();
    auto_free char *tag = NULL;
    auto_free char *head = NULL;
    struct err err = {0};

    ck_assert_int_eq(put_if(store, "one", NULL, &tag, &err), 0);
    rule("PUT ", PEER_ANSWER, 1, refused);
    rule("PUT ", PEER_ANSWER, 0, stored);
    for (unsigned i = 0; i < 3; i++) {
        auto_free char *tag2 = NULL;

        ck_assert_msg(put_if(store, "two", tag, &tag2, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 3 + i);
    }
    head = s3_peer_copy_head(peer, "PUT ");
    ck_assert_msg(strstr(head, "\r\nif-match: etag-1\r\n") != NULL, "%s", head);
}
END_TEST

START_TEST(only_what_may_go_on_goes_on_after_a_stop)
{
    env.stall_s = 1;
    auto_store struct store *store = open_store();
    struct store_put_if put = {.key = "k", .data = "last", .len = 4};
    auto_free char *tag = NULL;
    struct err err = {0};

    ck_assert_int_eq(raise(SIGTERM), 0);
    rule("PUT ", PEER_ANSWER, 2, PEER_SLOW_DOWN);
    ck_assert_int_eq(store_put_small_if(store, &put, &tag, &err), -1);
    ck_assert_msg(strstr(err.msg, "interrupted") != NULL, "%s", err.msg);
    put.even_if_stopped = true;
    ck_assert_msg(store_put_small_if(store, &put, &tag, &err) == 0, "%s", err.msg);
    ck_assert(s3_peer_has(peer, "/bucket/p/k", "last", 4));
    ck_assert_uint_eq(s3_peer_count_faults(peer), 2);

    put.tag = tag; /* and gives up soon when nobody answers */
    rule("PUT ", PEER_STALL, 0, NULL);
    char *tag2 = NULL;
    ck_assert_int_eq(store_put_small_if(store, &put, &tag2, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_uint_le(s3_peer_count(peer, "PUT "), 3 + 2);
}
END_TEST

static Suite *store_if_s3_suite(void)
{
    Suite *suite = suite_create("store_if_s3");
    TCase *tc = tcase_create("bucket");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_bucket_keeps_conditions);
    tcase_add_test(tc, conditions_are_sent_and_signed);
    tcase_add_test(tc, every_answer_is_told_for_what_it_is);
    tcase_add_test(tc, what_was_done_is_done_though_its_answer_was_lost);
    tcase_add_test(tc, an_attempt_that_was_overloaded_is_made_again);
    tcase_add_test(tc, who_cannot_find_out_whether_it_was_stored_says_so);
    tcase_add_test(tc, a_store_without_tags_knows_no_conditions);
    tcase_add_test(tc, a_tag_is_sent_back_as_it_came);
    tcase_add_test(tc, a_store_that_refuses_what_holds_knows_no_conditions);
    tcase_add_test(tc, a_store_that_matches_tags_without_their_quotes_is_known_from_then_on);
    tcase_add_test(tc, only_what_may_go_on_goes_on_after_a_stop);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_if_s3_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
