/*
 * The S3 store where even what helps it out of trouble fails: cleaning up that is refused,
 * answers that make no sense, a process that is asked to stop.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "store/s3_call.h"
#include "support/s3_case.h"

START_TEST(what_cannot_be_sent_at_all_is_told_with_what_was_attempted)
{
    auto_free char *key = xcalloc(1, 100001);
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    memset(key, 'k', 100000);
    ck_assert_int_eq(store_put_small(store, key, "b", 1, &err), -1);
    ck_assert_msg(strstr(err.msg, "store s3://bucket/p/kkk") == err.msg, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 0);
}
END_TEST

START_TEST(the_status_counts_where_an_error_is_told_at_endless_length)
{
    auto_free char *words = xcalloc(1, 9 * MIB + 1);
    auto_free char *answer = NULL;
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    memset(words, ' ', 9 * MIB);
    answer = s3_peer_format_answer(503, "", words);
    s3_case_rule("PUT ", PEER_ANSWER, 1, answer); /* which is to be tried again */
    ck_assert_msg(store_put_small(store, "a", "b", 1, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 2);
}
END_TEST

START_TEST(an_upload_that_began_without_an_id_is_looked_for)
{
    static const char no_id[] = "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>";
    static const char *const answers[] = {"", "<html/>", no_id};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        auto_free char *answer = s3_peer_format_answer(200, "", answers[i]);
        auto_store struct store *store = s3_case_open();
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule("POST ", PEER_ANSWER, 1, answer);
        ck_assert_int_eq(s3_case_put(store, "k", NULL, 6 * MIB, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "begin the upload of k") != NULL,
                      "%s", err.msg);
        ck_assert_uint_eq(s3_peer_count(peer, "GET /bucket?prefix=p%2Fk&uploads="), i + 1);
    }
}
END_TEST

START_TEST(the_first_error_is_told_when_cleaning_up_is_refused_too)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_free char *invalid = s3_peer_format_error(400, "InvalidPart", "");
    auto_free char *empty = s3_peer_format_answer(200, "", "");
    const struct {
        const char *match, *answer, *words;
    } rows[] = {
        {"PUT ", invalid, "InvalidPart"},        /* the upload stays */
        {"?uploads", empty, "begin the upload"}, /* nobody may list it */
        {"HEAD ", denied, "HTTP 403"},           /* the object stays */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_store struct store *store = s3_case_open();
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_case_rule(rows[i].match, PEER_ANSWER, 0, rows[i].answer);
        s3_case_rule("DELETE ", PEER_ANSWER, 0, denied);
        ck_assert_int_eq(s3_case_put(store, "k", NULL, 6 * MIB, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, rows[i].words) != NULL,
                      "row %zu: %s", i, err.msg);
    }
}
END_TEST

START_TEST(answers_that_make_no_sense_are_the_stores_fault)
{
    static const char foreign[] =
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>q/a</Key><Size>1</Size>"
        "</Contents></ListBucketResult>";
    auto_free char *answer = s3_peer_format_answer(200, "", foreign);
    auto_store struct store *store = s3_case_open();
    struct err err = {0};
    uint64_t size;

    s3_case_rule("HEAD ", PEER_ANSWER, 0, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
    s3_peer_put(peer, "/bucket/p/a", "x", 1);
    ck_assert_int_eq(store_head(store, "a", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "HEAD") != NULL, "%s", err.msg);

    s3_case_rule("GET /bucket?", PEER_ANSWER, 0, answer);
    ck_assert_int_eq(store_list(store, "", '\0', s3_case_stop, NULL, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "not asked for") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(large_parts_are_read_one_at_a_time)
{
    const struct store_get_request request = {
        .key = "k", .size = 300 * MIB, .chunk_bytes = 100 * MIB};
    auto_store struct store *store = s3_case_open();
    auto_source struct source *source = NULL;
    struct err err = {0};
    const uint8_t *chunk;
    size_t len;

    s3_peer_put(peer, "/bucket/p/k", "short", 5);
    ck_assert_int_eq(store_get(store, &request, &source, &err), 0);
    ck_assert_int_eq(source_next(source, &chunk, &len, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
    ck_assert_uint_le(s3_peer_count(peer, "GET /bucket/p/k"), 2); /* its two ranges */
}
END_TEST

/* Whether it was stored in time or not, what is said is so. */
START_TEST(an_interrupted_store_tells_what_came_of_it)
{
    static const enum s3_peer_fault faults[] = {PEER_OBEY, PEER_LOSE};

    cancel_init();
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        auto_store struct store *store = s3_case_open();
        const struct timespec at_once = {0};
        sigset_t terminate;
        struct err err = {0};
        uint64_t size;
        int rc;

        s3_peer_clear_rules(peer);
        s3_case_rule("PUT ", faults[i], 0, NULL);
        s3_case_rule("HEAD ", PEER_STALL, 0, NULL); /* else its answer may come first */
        ck_assert_int_eq(raise(SIGTERM), 0);
        rc = store_put_small(store, "k", "k", 1, &err);
        ck_assert_uint_eq(s3_peer_count_objects(peer), rc == 0 ? 1 : 0);
        ck_assert(rc == 0 || strstr(err.msg, "interrupted") != NULL);
        ck_assert_int_eq(rc, faults[i] == PEER_OBEY ? 0 : -1);
        ck_assert_int_eq(store_head(store, "k", &size, &err),
                         -1); /* a question is not waited for */
        ck_assert_msg(strstr(err.msg, "interrupted") != NULL, "%s", err.msg);

        (void)sigemptyset(&terminate);
        (void)sigaddset(&terminate, SIGTERM);
        ck_assert_int_eq(sigtimedwait(&terminate, NULL, &at_once), SIGTERM);
        ck_assert_int_eq(store_remove(store, "k", &err), 0);
    }
}
END_TEST

static Suite *store_s3_trouble_suite(void)
{
    Suite *suite = suite_create("store_s3_trouble");
    TCase *tc = tcase_create("peer");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, s3_case_begin, s3_case_end);
    tcase_add_test(tc, what_cannot_be_sent_at_all_is_told_with_what_was_attempted);
    tcase_add_test(tc, the_status_counts_where_an_error_is_told_at_endless_length);
    tcase_add_test(tc, an_upload_that_began_without_an_id_is_looked_for);
    tcase_add_test(tc, the_first_error_is_told_when_cleaning_up_is_refused_too);
    tcase_add_test(tc, answers_that_make_no_sense_are_the_stores_fault);
    tcase_add_test(tc, large_parts_are_read_one_at_a_time);
    tcase_add_test(tc, an_interrupted_store_tells_what_came_of_it);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_s3_trouble_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
