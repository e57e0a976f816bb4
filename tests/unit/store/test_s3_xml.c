/*
 * The documents as several servers write them, cut at every byte, and hostile ones.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_xml.h"

static struct buf text_of(const char *text, size_t len)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 1 << 24);
    ck_assert_int_eq(buf_append(&buf, text, len, &err), 0);
    return buf;
}

static const char list_page[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    "<Name>bucket</Name><Prefix>p/</Prefix><MaxKeys>1000</MaxKeys>\n"
    "<Contents><Key>p/a%20b+c%2Bd</Key><LastModified>2026-11-20T17:30:00.123Z</LastModified>"
    "<ETag>&quot;x&quot;</ETag><Size>12345678901</Size><Owner><ID>me</ID></Owner></Contents>"
    "<Contents><Key>p/%E6%97%A5</Key><Size>0</Size></Contents>"
    "<CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>"
    "<IsTruncated>true</IsTruncated><NextContinuationToken>tok&amp;en</NextContinuationToken>"
    "<EncodingType>url</EncodingType></ListBucketResult>";

struct seen {
    struct buf text;
};

static int note_entry(void *context, const struct s3_xml_entry *entry, struct err *err)
{
    return buf_printf(context, err, "%s %llu %lld%s\n", entry->key, (unsigned long long)entry->size,
                      (long long)entry->modified_ms, entry->is_prefix ? " prefix" : "");
}

static int parse_list(const char *text, size_t len, struct buf *seen, char **token, struct err *err)
{
    auto_buf struct buf buf = text_of(text, len);

    buf_init(seen, 1 << 20);
    return s3_xml_parse_list(&buf, note_entry, seen, token, err);
}

START_TEST(a_page_of_a_listing_is_read)
{
    auto_buf struct buf seen;
    auto_free char *token = NULL;
    struct err err = {0};

    ck_assert_msg(parse_list(list_page, sizeof(list_page) - 1, &seen, &token, &err) == 0, "%s",
                  err.msg);
    ck_assert_str_eq(buf_text(&seen), "p/a b c+d 12345678901 1795195800123\n"
                                      "p/\xe6\x97\xa5 0 0\n"
                                      "p/q/ 0 0 prefix\n");
    ck_assert_str_eq(token, "tok&en");
}
END_TEST

START_TEST(a_page_cut_anywhere_is_an_error)
{
    for (size_t len = 0; len < sizeof(list_page) - 1; len++) {
        auto_buf struct buf seen;
        char *token = NULL;
        struct err err = {0};

        ck_assert_int_eq(parse_list(list_page, len, &seen, &token, &err), -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_ptr_null(token);
    }
}
END_TEST

START_TEST(keys_are_decoded_only_when_the_answer_says_so)
{
    static const char page[] = "<ListBucketResult><Contents><Key>a%20+b</Key><Size>1</Size>"
                               "</Contents></ListBucketResult>";
    auto_buf struct buf seen;
    char *token = NULL;
    struct err err = {0};

    ck_assert_int_eq(parse_list(page, sizeof(page) - 1, &seen, &token, &err), 0);
    ck_assert_str_eq(buf_text(&seen), "a%20+b 1 0\n");
    ck_assert_ptr_null(token);
}
END_TEST

START_TEST(what_is_no_listing_is_refused)
{
    static const char *const rows[] = {
        "",
        "   ",
        "not xml",
        "<html><body>Welcome to the hotel's network</body></html>",
        "<Error><Code>AccessDenied</Code></Error>",
        "<ListBucketResult>",
        "<ListBucketResult/><ListBucketResult/>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%4</Key><Size>1</Size>"
        "</Contents></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%00</Key><Size>1</Size>"
        "</Contents></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key><Size>1</Size>"
        "</Contents></ListBucketResult>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult/>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><ListBucketResult>&a;"
        "</ListBucketResult>",
        "<ListBucketResult>&a;</ListBucketResult>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></"
        "a>",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf seen;
        char *token = NULL;
        struct err err = {0};

        ck_assert_msg(parse_list(rows[i], strlen(rows[i]), &seen, &token, &err) == -1, "%s",
                      rows[i]);
        ck_assert_msg(err.kind == ERR_STORE, "%s: %s", rows[i], err.msg);
        ck_assert_ptr_null(token);
    }
}
END_TEST

START_TEST(a_value_without_end_is_refused)
{
    size_t len = 1 << 20;
    auto_free char *text = xmalloc(len + 64);
    auto_buf struct buf seen;
    char *token = NULL;
    struct err err = {0};

    memset(text, 'a', len);
    memcpy(text, "<ListBucketResult><Contents><Key>", 33);
    memcpy(text + len, "</Key></Contents></ListBucketResult>", 37);
    ck_assert_int_eq(parse_list(text, strlen(text), &seen, &token, &err), -1);
    ck_assert_msg(strstr(err.msg, "too long") != NULL, "%s", err.msg);
}
END_TEST

static int refuse_entry(void *context, const struct s3_xml_entry *entry, struct err *err)
{
    (void)context;
    return err_set(err, ERR_BUSY, "enough: %s", entry->key);
}

START_TEST(a_visitor_can_stop_the_reading)
{
    auto_buf struct buf buf = text_of(list_page, sizeof(list_page) - 1);
    char *token = NULL;
    struct err err = {0};

    ck_assert_int_eq(s3_xml_parse_list(&buf, refuse_entry, NULL, &token, &err), -1);
    ck_assert_int_eq(err.kind, ERR_BUSY);
    ck_assert_ptr_null(token);
}
END_TEST

START_TEST(error_documents_are_recognised)
{
    static const struct {
        const char *text;
        bool is_error;
        const char *code, *message, *request_id, *region;
    } rows[] = {
        {"<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>"
         "<Message>wrong &lt;region&gt;</Message><Region>eu-west-1</Region>"
         "<RequestId>ABC</RequestId><HostId>x</HostId></Error>",
         true, "AuthorizationHeaderMalformed", "wrong <region>", "ABC", "eu-west-1"},
        {"<Error><Code>A\nB\x7f</Code><StringToSign>secret</StringToSign></Error>", true, "A?B?",
         "", "", ""},
        {"<Error/>", true, "Unknown", "", "", ""},
        {"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender"
         "</Type><Code>ExpiredTokenException</Code><Message>m</Message></Error><RequestId>r"
         "</RequestId></ErrorResponse>",
         true, "ExpiredTokenException", "m", "r", ""},
        {"<ListBucketResult><Error><Code>X</Code></Error></ListBucketResult>", false, "", "", "",
         ""},
        {"", false, "", "", "", ""},
        {"<Error><Code>X", false, "", "", "", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf buf = text_of(rows[i].text, strlen(rows[i].text));
        struct s3_error error = {.code = ""};

        ck_assert_msg(s3_xml_parse_error(&buf, &error) == rows[i].is_error, "%s", rows[i].text);
        ck_assert_str_eq(error.code, rows[i].code);
        ck_assert_str_eq(error.message, rows[i].message);
        ck_assert_str_eq(error.request_id, rows[i].request_id);
        ck_assert_str_eq(error.region, rows[i].region);
    }
}
END_TEST

START_TEST(the_id_of_an_upload_is_read)
{
    static const char initiated[] =
        "<InitiateMultipartUploadResult xmlns=\"x\"><Bucket>b</Bucket><Key>k</Key>"
        "<UploadId>2~abc</UploadId></InitiateMultipartUploadResult>";
    static const char other[] = "<ListMultipartUploadsResult/>";
    auto_buf struct buf buf = text_of(initiated, sizeof(initiated) - 1);
    auto_buf struct buf list = text_of(other, sizeof(other) - 1);
    auto_free char *id = NULL;
    struct err err = {0};

    ck_assert_int_eq(s3_xml_parse_upload_id(&buf, &id, &err), 0);
    ck_assert_str_eq(id, "2~abc");
    ck_assert_int_eq(s3_xml_parse_upload_id(&list, &id, &err), -1);
}
END_TEST

START_TEST(an_upload_without_id_is_an_error)
{
    static const char *const rows[] = {
        "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
        "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
        "<InitiateMultipartUploadResult><UploadId>a</UploadId>",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf buf = text_of(rows[i], strlen(rows[i]));
        char *id = NULL;
        struct err err = {0};

        ck_assert_int_eq(s3_xml_parse_upload_id(&buf, &id, &err), -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_ptr_null(id);
    }
}
END_TEST

START_TEST(completion_is_told_from_failure_whatever_the_etag)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        {"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>", 0},
        {"<CompleteMultipartUploadResult><ETag>a-3</ETag></CompleteMultipartUploadResult>", 0},
        {"<CompleteMultipartUploadResult><ETag>&quot;a-3&quot;</ETag>"
         "</CompleteMultipartUploadResult>",
         0},
        {"<Error><Code>InternalError</Code></Error>", -1},
        {"", -1},
        {"<CompleteMultipartUploadResult>", -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf buf = text_of(rows[i].text, strlen(rows[i].text));
        struct err err = {0};

        ck_assert_int_eq(s3_xml_parse_complete(&buf, &err), rows[i].rc);
    }
}
END_TEST

START_TEST(sts_credentials_are_read)
{
    static const char text[] =
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>s"
        "</SubjectFromWebIdentityToken><Credentials><SessionToken>tok</SessionToken>"
        "<SecretAccessKey>sec</SecretAccessKey><Expiration>2026-11-20T17:30:00Z</Expiration>"
        "<AccessKeyId>ak</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>";
    auto_buf struct buf buf = text_of(text, sizeof(text) - 1);
    auto_s3_keys struct s3_keys keys = {0};
    struct err err = {0};

    ck_assert_int_eq(s3_xml_parse_credentials(&buf, &keys, &err), 0);
    ck_assert_str_eq(keys.access_key, "ak");
    ck_assert_str_eq(keys.secret_key.text, "sec");
    ck_assert_str_eq(keys.session_token.text, "tok");
    ck_assert_int_eq(keys.expires_ms, 1795195800000);
}
END_TEST

static Suite *s3_xml_suite(void)
{
    Suite *suite = suite_create("s3_xml");
    TCase *tc = tcase_create("documents");

    tcase_add_test(tc, a_page_of_a_listing_is_read);
    tcase_add_test(tc, a_page_cut_anywhere_is_an_error);
    tcase_add_test(tc, keys_are_decoded_only_when_the_answer_says_so);
    tcase_add_test(tc, what_is_no_listing_is_refused);
    tcase_add_test(tc, a_value_without_end_is_refused);
    tcase_add_test(tc, a_visitor_can_stop_the_reading);
    tcase_add_test(tc, error_documents_are_recognised);
    tcase_add_test(tc, the_id_of_an_upload_is_read);
    tcase_add_test(tc, an_upload_without_id_is_an_error);
    tcase_add_test(tc, completion_is_told_from_failure_whatever_the_etag);
    tcase_add_test(tc, sts_credentials_are_read);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_xml_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
