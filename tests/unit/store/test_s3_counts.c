/*
 * What is counted of the requests to S3 and reported at the end, and the names of what goes wrong
 * with them: both are what an operator sees of a store.
 */
#include "store/s3_counts.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/report.h"
#include "store/store.h"
#include "support/s3_case.h"

static int reports_fd = -1;

static void listen_to_reports(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    reports_fd = fds[0];
    report_to(fds[1]);
}

/* That is among what was reported, of which nothing is left then. */
static void check_reported(const char *wanted)
{
    char text[65536] = "";
    size_t len = 0;
    ssize_t n;

    while ((n = read(reports_fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    ck_assert_msg(strstr(text, wanted) != NULL, "not %s in: %s", wanted, text);
}

START_TEST(without_a_request_there_is_nothing_to_say)
{
    struct s3_counts counts = {0};

    ck_assert_ptr_null(s3_counts_to_json(&counts));
}
END_TEST

START_TEST(requests_are_counted_by_the_status_of_their_answers)
{
    static const struct s3_answer answers[] = {
        {.status = 200},
        {.status = 200},
        {.status = 206},
        {.status = 503},
        {.status = 200, .fault = HTTP_BROKEN}, /* not a whole answer */
        {.status = 0, .fault = HTTP_REFUSED},
        {.status = 200, .fault = HTTP_TOO_LONG},
        {.status = 999}, /* no HTTP */
        {.status = -1},
    };
    struct s3_counts counts = {0};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        s3_counts_add(&counts, &answers[i]);
    s3_counts_add_retry(&counts);

    auto_json struct json *json = s3_counts_to_json(&counts);
    auto_free char *text = json_print(json, false);
    ck_assert_str_eq(text, "{\"requests\":[{\"status\":0,\"count\":4},{\"status\":200,\"count\":3},"
                           "{\"status\":206,\"count\":1},{\"status\":503,\"count\":1}],"
                           "\"retries\":1}");
}
END_TEST

START_TEST(what_every_status_at_once_takes_is_reported)
{
    struct s3_counts counts = {0};

    listen_to_reports();
    for (long status = 200; status < 290; status++)
        s3_counts_add(&counts, &(struct s3_answer){.status = status});
    report_counts(s3_counts_to_json(&counts));
    check_reported("{\"counts\":{\"requests\":[{\"status\":200,\"count\":1},");
}
END_TEST

START_TEST(a_store_reports_its_requests_when_it_is_freed)
{
    struct store *store;
    struct err err = {0};

    listen_to_reports();
    store = s3_case_open();
    s3_case_rule("PUT ", PEER_ANSWER, 2, PEER_SLOW_DOWN);
    s3_case_rule("PUT ", PEER_RESET_ANSWER, 1, NULL);
    ck_assert_msg(store_put_small(store, "a", "b", 1, &err) == 0, "%s", err.msg);
    store_free(store);
    check_reported("{\"counts\":{\"requests\":[{\"status\":0,\"count\":1},{\"status\":200,"
                   "\"count\":2},{\"status\":503,\"count\":2}],\"retries\":3}}\n");
}
END_TEST

START_TEST(a_store_that_cannot_be_opened_reports_them_too)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    struct store *store = NULL;
    struct err err = {0};

    listen_to_reports();
    s3_case_rule("GET ", PEER_ANSWER, 0, denied);
    ck_assert_int_eq(peer_env_open(&env, "bucket/p", NULL, &store, &err), -1);
    check_reported("{\"counts\":{\"requests\":[{\"status\":403,\"count\":1}],");
}
END_TEST

static const struct {
    int status;
    const char *code;
    enum problem problem;
} refusals[] = {
    {401, "Unauthorized", PROBLEM_STORE_DENIED},
    {403, "AccessDenied", PROBLEM_STORE_DENIED},
    {403, "SignatureDoesNotMatch", PROBLEM_STORE_DENIED},
    {400, "ExpiredToken", PROBLEM_STORE_DENIED},
    {400, "InvalidToken", PROBLEM_STORE_DENIED},
    {403, "QuotaExceeded", PROBLEM_DISK_FULL},
    {507, "XMinioStorageFull", PROBLEM_DISK_FULL},
    {404, "NoSuchBucket", PROBLEM_STORE_MISSING},
    {400, "InvalidRequest", PROBLEM_STORE_UNREACHABLE},
    {503, "SlowDown", PROBLEM_STORE_UNREACHABLE},
};

START_TEST(a_refusal_has_its_name)
{
    auto_free char *answer = s3_peer_format_error(refusals[_i].status, refusals[_i].code, "");
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    s3_case_rule("PUT ", PEER_ANSWER, 0, answer);
    ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_msg(err_problem(&err) == refusals[_i].problem, "%s: %s",
                  problem_row(err_problem(&err))->code, err.msg);
}
END_TEST

START_TEST(an_object_that_is_not_there_is_no_missing_bucket)
{
    auto_store struct store *store = s3_case_open();
    auto_buf struct buf out = {0};
    struct err err = {0};

    buf_init(&out, 100);
    ck_assert_int_eq(store_get_small(store, "a", &out, &err), -1);
    ck_assert_int_eq(err_problem(&err), PROBLEM_NO_BACKUP);
}
END_TEST

START_TEST(credentials_that_cannot_be_had_are_a_denial)
{
    struct store *store = NULL;
    struct err err = {0};

    peer_env_set(&env, "AWS_ACCESS_KEY_ID", NULL);
    peer_env_set(&env, "AWS_SECRET_ACCESS_KEY", NULL);
    peer_env_set(&env, "AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    ck_assert_int_eq(peer_env_open(&env, "bucket/p", NULL, &store, &err), -1);
    ck_assert_msg(err_problem(&err) == PROBLEM_STORE_DENIED, "%s: %s",
                  problem_row(err_problem(&err))->code, err.msg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3_counts");
    TCase *pure = tcase_create("pure");
    TCase *store = tcase_create("store");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(pure, without_a_request_there_is_nothing_to_say);
    tcase_add_test(pure, requests_are_counted_by_the_status_of_their_answers);
    tcase_add_test(pure, what_every_status_at_once_takes_is_reported);
    tcase_add_checked_fixture(store, s3_case_begin, s3_case_end);
    tcase_add_test(store, a_store_reports_its_requests_when_it_is_freed);
    tcase_add_test(store, a_store_that_cannot_be_opened_reports_them_too);
    tcase_add_loop_test(store, a_refusal_has_its_name, 0, sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(store, an_object_that_is_not_there_is_no_missing_bucket);
    tcase_add_test(store, credentials_that_cannot_be_had_are_a_denial);
    suite_add_tcase(suite, pure);
    suite_add_tcase(suite, store);
    tcase_set_timeout(store, 120); /* a ceiling for slow machines, not an expectation */
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
