/*
 * What a bucket says of deleting, and that nothing is deleted to find out.
 */
#include "store/s3_deleting.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/s3_case.h"

#define KEPT "/bucket/p/db-0/backups/20261120T173000Z-4f3a9c/data.tar.zst"
#define NEVER "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"
#define IS(word) "<VersioningConfiguration><Status>" word "</Status></VersioningConfiguration>"

static void answer(const char *match, const char *body)
{
    auto_free char *text = s3_peer_format_answer(200, "", body);

    s3_case_rule(match, PEER_ANSWER, 0, text);
}

static void refuse(const char *match, int status, const char *code)
{
    auto_free char *text = s3_peer_format_error(status, code, "");

    s3_case_rule(match, PEER_ANSWER, 0, text);
}

static struct s3_deleting ask_with(int known_may_delete, int rc, const char *says)
{
    const struct s3_deleting_question question = {.below = "db-0/backups",
                                                  .known_may_delete = known_may_delete};
    auto_store struct store *store = s3_case_open();
    struct s3_deleting deleting = {0};
    struct err err = {0};

    s3_peer_put(peer, KEPT, "data", 4);
    ck_assert_msg(s3_deleting_ask(store, &question, &deleting, &err) == rc, "%s", err.msg);
    ck_assert_int_eq(err.kind, rc == 0 ? ERR_NONE : ERR_STORE);
    ck_assert_msg(says == NULL || strstr(err.msg, says) != NULL, "%s", err.msg);
    ck_assert(s3_peer_has(peer, KEPT, "data", 4));
    ck_assert_uint_eq(s3_peer_count_objects(peer), 1);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 0);
    ck_assert_uint_eq(s3_peer_count(peer, "POST "), 0);
    return deleting;
}

static struct s3_deleting ask(int rc, const char *says)
{
    return ask_with(-1, rc, says);
}

START_TEST(where_versions_are_kept_no_delete_is_tried)
{
    answer("?versioning=", IS("Enabled"));
    struct s3_deleting deleting = ask(0, NULL);
    ck_assert_int_eq(deleting.keeps_versions, 1);
    ck_assert_int_eq(deleting.may_delete, -1);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 0);
}
END_TEST

START_TEST(where_they_were_kept_once_a_delete_would_leave_a_marker)
{
    answer("?versioning=", IS("Suspended"));
    struct s3_deleting deleting = ask(0, NULL);
    ck_assert_int_eq(deleting.keeps_versions, 0);
    ck_assert_int_eq(deleting.may_delete, -1);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 0);
}
END_TEST

START_TEST(else_the_removal_of_a_key_that_nobody_wrote_is_tried)
{
    answer("?versioning=", NEVER);
    struct s3_deleting deleting = ask(0, NULL);
    ck_assert_int_eq(deleting.keeps_versions, 0);
    ck_assert_int_eq(deleting.may_delete, 1);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 1);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE /bucket/p/db-0/backups/none-"), 1);
    deleting = ask(0, NULL);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 2);
    auto_free char *head = s3_peer_copy_head(peer, "DELETE ");
    ck_assert_ptr_nonnull(strstr(head, "/data.tar.zst"));
}
END_TEST

START_TEST(what_was_found_before_is_not_tried_again)
{
    for (int known = 0; known <= 1; known++) {
        s3_peer_clear_rules(peer);
        answer("?versioning=", NEVER);
        struct s3_deleting deleting = ask_with(known, 0, NULL);
        ck_assert_int_eq(deleting.keeps_versions, 0);
        ck_assert_int_eq(deleting.may_delete, known);
        s3_peer_clear_rules(peer);
        answer("?versioning=", IS("Suspended")); /* of the bucket as it is now, it tells nothing */
        ck_assert_int_eq(ask_with(known, 0, NULL).may_delete, -1);
    }
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 0);
}
END_TEST

START_TEST(a_refusal_is_good_news)
{
    answer("?versioning=", NEVER);
    refuse("DELETE ", 403, "AccessDenied");
    struct s3_deleting deleting = ask(0, NULL);
    ck_assert_int_eq(deleting.keeps_versions, 0);
    ck_assert_int_eq(deleting.may_delete, 0);
}
END_TEST

START_TEST(what_is_no_answer_leaves_it_unknown)
{
    static const struct {
        const char *match;
        int status;
        const char *code;
    } refusals[] = {
        {"DELETE ", 403, "InvalidAccessKeyId"},
        {"DELETE ", 403, "SignatureDoesNotMatch"},
        {"DELETE ", 403, ""},
        {"DELETE ", 405, "MethodNotAllowed"},
        {"DELETE ", 501, "NotImplemented"},
    };

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        s3_peer_clear_rules(peer);
        answer("?versioning=", NEVER);
        refuse(refusals[i].match, refusals[i].status, refusals[i].code);
        struct s3_deleting deleting = ask(-1, "try to remove the missing");
        ck_assert_int_eq(deleting.keeps_versions, 0);
        ck_assert_int_eq(deleting.may_delete, -1);
    }
}
END_TEST

START_TEST(a_bucket_that_does_not_say_is_not_tried)
{
    static const struct {
        int status;
        const char *code; /* NULL: that body */
        const char *body;
    } answers[] = {
        {403, "AccessDenied", NULL},
        {501, "NotImplemented", NULL},
        {200, NULL, "<ListBucketResult/>"},
        {200, NULL, "<VersioningConfiguration><Status>Ena"},
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        s3_peer_clear_rules(peer);
        if (answers[i].code != NULL)
            refuse("?versioning=", answers[i].status, answers[i].code);
        else
            answer("?versioning=", answers[i].body);
        struct s3_deleting deleting = ask(-1, "ask for the versioning");
        ck_assert_int_eq(deleting.keeps_versions, -1);
        ck_assert_int_eq(deleting.may_delete, -1);
        ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3_deleting");
    TCase *tcase = tcase_create("deleting");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, s3_case_begin, s3_case_end);
    tcase_add_test(tcase, where_versions_are_kept_no_delete_is_tried);
    tcase_add_test(tcase, where_they_were_kept_once_a_delete_would_leave_a_marker);
    tcase_add_test(tcase, else_the_removal_of_a_key_that_nobody_wrote_is_tried);
    tcase_add_test(tcase, what_was_found_before_is_not_tried_again);
    tcase_add_test(tcase, a_refusal_is_good_news);
    tcase_add_test(tcase, what_is_no_answer_leaves_it_unknown);
    tcase_add_test(tcase, a_bucket_that_does_not_say_is_not_tried);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
