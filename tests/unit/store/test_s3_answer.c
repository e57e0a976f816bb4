/*
 * Lines of an answer's head, also from servers that mean ill.
 */
#include <check.h>
#include <string.h>

#include "store/s3_answer.h"

static struct s3_answer answer_with(const char *line)
{
    struct s3_answer answer;

    s3_answer_init(&answer, 100);
    s3_answer_add_header(&answer, line, strlen(line));
    return answer;
}

START_TEST(what_is_of_use_is_kept)
{
    ck_assert_str_eq(answer_with("ETag: \"abc\"\r\n").etag, "\"abc\"");
    ck_assert_str_eq(answer_with("etag:abc\r\n").etag, "abc");
    ck_assert_str_eq(answer_with("ETAG:\r\n").etag, "");
    ck_assert_str_eq(answer_with("x-amz-request-id: tx1  \r\n").request_id, "tx1");
    ck_assert_str_eq(answer_with("x-amz-bucket-region: eu-west-1\r\n").region, "eu-west-1");
    ck_assert_str_eq(answer_with("Content-Range: bytes 0-1/2\r\n").content_range, "bytes 0-1/2");
    ck_assert_int_eq(answer_with("Date: Fri, 24 May 2013 00:00:00 GMT\r\n").date_s, 1369353600);
    ck_assert_int_eq(answer_with("Retry-After: 120\r\n").retry_after_s, 120);
}
END_TEST

START_TEST(what_makes_no_sense_is_passed_over)
{
    static const char *const lines[] = {
        "",
        "\r\n",
        ":",
        "HTTP/1.1 200 OK\r\n",
        "Date: yesterday\r\n",
        "Date: \r\n",
        "Retry-After: -1\r\n",
        "Retry-After: 99999999999999999999\r\n",
        "Retry-After: Fri, 24 May 2013 00:00:00 GMT\r\n",
        "Date: Fri, 24 May 2013 00:00:00 GMTx\r\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct s3_answer answer = answer_with(lines[i]);

        ck_assert_int_eq(answer.date_s, -1);
        ck_assert_int_eq(answer.retry_after_s, -1);
        ck_assert_str_eq(answer.etag, "");
    }
}
END_TEST

START_TEST(text_is_cut_and_made_printable)
{
    char line[4096];
    struct s3_answer answer;

    memset(line, 'e', sizeof(line));
    memcpy(line, "ETag: ", 6);
    line[10] = '\x1b';
    s3_answer_init(&answer, 100);
    s3_answer_add_header(&answer, line, sizeof(line));
    ck_assert_uint_eq(strlen(answer.etag), sizeof(answer.etag) - 1);
    ck_assert_int_eq(answer.etag[4], '?');
}
END_TEST

START_TEST(ranges_are_read_or_refused)
{
    static const char *const bad[] = {"",
                                      "bytes",
                                      "bytes 1-2",
                                      "bytes */3",
                                      "bytes 1/2-3",
                                      "bytes 1-2/*",
                                      "items 1-2/3",
                                      "bytes -1-2/3",
                                      "bytes 1-2/3x",
                                      "bytes 1-2/99999999999999999999"};
    struct s3_range range = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct s3_answer answer;

        s3_answer_init(&answer, 1);
        s3_answer_copy_text(answer.content_range, sizeof(answer.content_range), bad[i],
                            strlen(bad[i]));
        ck_assert_msg(!s3_answer_get_range(&answer, &range), "%s", bad[i]);
    }
    {
        struct s3_answer answer = answer_with("Content-Range: bytes 5-9/18446744073709551615\r\n");

        ck_assert(s3_answer_get_range(&answer, &range));
        ck_assert_uint_eq(range.from, 5);
        ck_assert_uint_eq(range.to, 9);
        ck_assert_uint_eq(range.total, UINT64_MAX);
    }
}
END_TEST

static Suite *s3_answer_suite(void)
{
    Suite *suite = suite_create("s3_answer");
    TCase *tc = tcase_create("head");

    tcase_add_test(tc, what_is_of_use_is_kept);
    tcase_add_test(tc, what_makes_no_sense_is_passed_over);
    tcase_add_test(tc, text_is_cut_and_made_printable);
    tcase_add_test(tc, ranges_are_read_or_refused);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_answer_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
