/*
 * The documents about versions as several servers write them, cut at every byte, and hostile ones.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_xml_versions.h"

static struct buf text_of(const char *text, size_t len)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 1 << 20);
    ck_assert_int_eq(buf_append(&buf, text, len, &err), 0);
    return buf;
}

static int note(void *context, const struct s3_xml_version *version, struct err *err)
{
    return buf_printf(context, err, "%s %s %llu %lld%s\n", version->key, version->id,
                      (unsigned long long)version->size, (long long)version->modified_ms,
                      version->is_marker ? " marker" : "");
}

static int parse(const char *text, size_t len, struct buf *seen, struct s3_xml_marker *next,
                 struct err *err)
{
    auto_buf struct buf buf = text_of(text, len);

    buf_init(seen, 1 << 20);
    return s3_xml_parse_versions(&buf, note, seen, next, err);
}

#define OPENED "<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define CLOSED "</ListVersionsResult>"
#define A_VERSION(key)                                                                 \
    "<Version><Key>" key "</Key><VersionId>v</VersionId><IsLatest>true</IsLatest>"     \
    "<LastModified>2026-11-20T17:30:00.000Z</LastModified><Size>7</Size><Owner><ID>me" \
    "</ID><DisplayName>x</DisplayName></Owner></Version>"

static const char page[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" OPENED
    "<Name>bucket</Name><Prefix>p/</Prefix><KeyMarker>p/0</KeyMarker><VersionIdMarker/>"
    "<NextKeyMarker>p/q%2B</NextKeyMarker><NextVersionIdMarker>a&amp;b</NextVersionIdMarker>"
    "<MaxKeys>3</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    "<DeleteMarker><Key>p/a%20b+c%2Bd</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest>"
    "<LastModified>2026-11-20T17:30:00.123Z</LastModified></DeleteMarker>"
    "<Version><Size>12345678901</Size><LastModified>2026-11-20T17:30:00Z</LastModified>"
    "<VersionId>null</VersionId><Key>p/a%20b+c%2Bd</Key><ETag>&quot;x&quot;</ETag></Version>"
    "<CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes>" A_VERSION("p/b") CLOSED;

START_TEST(versions_and_markers_come_in_the_order_of_the_document)
{
    auto_buf struct buf seen;
    struct s3_xml_marker next = {0};
    struct err err = {0};

    ck_assert_msg(parse(page, sizeof(page) - 1, &seen, &next, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&seen), "p/a b c+d v3 0 1795195800123 marker\n"
                                      "p/a b c+d null 12345678901 1795195800000\n"
                                      "p/b v 7 1795195800000\n");
    ck_assert_str_eq(next.key, "p/q+");
    ck_assert_str_eq(next.id, "a&b");
    s3_xml_marker_release(&next);
    ck_assert_ptr_null(next.key);
}
END_TEST

START_TEST(a_page_cut_anywhere_is_an_error)
{
    for (size_t len = 0; len < sizeof(page) - 1; len++) {
        auto_buf struct buf seen;
        struct s3_xml_marker next = {0};
        struct err err = {0};

        ck_assert_int_eq(parse(page, len, &seen, &next, &err), -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_ptr_null(next.key);
    }
}
END_TEST

START_TEST(where_the_next_page_begins_is_said_in_several_ways)
{
    static const struct {
        const char *text;
        const char *key; /* NULL: there is none */
        const char *id;
    } rows[] = {
        {OPENED CLOSED, NULL, NULL},
        {OPENED "<IsTruncated>false</IsTruncated><NextKeyMarker>a</NextKeyMarker>" CLOSED, NULL,
         NULL},
        {OPENED "<IsTruncated>true</IsTruncated><NextKeyMarker>a+%2B</NextKeyMarker>" CLOSED,
         "a+%2B", NULL},
        {OPENED "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"
                "<NextVersionIdMarker></NextVersionIdMarker>" CLOSED,
         "a", NULL},
        /* radosgw 16.2 encodes the keys, but not the marker */
        {OPENED "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                "<NextKeyMarker>p/a b+%41</NextKeyMarker><NextVersionIdMarker>v"
                "</NextVersionIdMarker>" A_VERSION("p%2Fa%20b%2B%2541") CLOSED,
         "p/a b+%41", "v"},
        {OPENED "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                "<NextKeyMarker>p%2Fa%20b%2B%2541</NextKeyMarker>" A_VERSION("p%2Fa%20b%2B%2541")
                    CLOSED,
         "p/a b+%41", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf seen;
        struct s3_xml_marker next = {0};
        struct err err = {0};

        ck_assert_msg(parse(rows[i].text, strlen(rows[i].text), &seen, &next, &err) == 0,
                      "row %zu: %s", i, err.msg);
        ck_assert_pstr_eq(next.key, rows[i].key);
        ck_assert_pstr_eq(next.id, rows[i].id);
        s3_xml_marker_release(&next);
    }
}
END_TEST

#define TIME "<LastModified>2026-11-20T17:30:00Z</LastModified>"
#define ROW(leaves) OPENED "<Version>" leaves "</Version>" CLOSED

START_TEST(what_is_no_page_of_versions_is_refused)
{
    static const char *const rows[] = {
        "",
        "<html><body>Welcome to the hotel's network</body></html>",
        "<ListBucketResult/>",
        "<Error><Code>NotImplemented</Code></Error>",
        ROW(""),
        ROW("<VersionId>v</VersionId>" TIME "<Size>1</Size>"),
        ROW("<Key>a</Key>" TIME "<Size>1</Size>"),
        ROW("<Key>a</Key><VersionId></VersionId>" TIME "<Size>1</Size>"),
        ROW("<Key>a</Key><VersionId>v</VersionId><Size>1</Size>"),
        ROW("<Key>a</Key><VersionId>v</VersionId>" TIME),
        ROW("<Key>a</Key><VersionId>v</VersionId>" TIME "<Size>-1</Size>"),
        ROW("<Key>a</Key><VersionId>v</VersionId><LastModified>today</LastModified>"
            "<Size>1</Size>"),
        OPENED "<DeleteMarker><Key>a</Key><VersionId>v</VersionId></DeleteMarker>" CLOSED,
        OPENED A_VERSION("a") "<Version><Key>b</Key></Version>" CLOSED, /* nothing is inherited */
        OPENED "<EncodingType>url</EncodingType>" A_VERSION("%4") CLOSED,
        OPENED "<EncodingType>url</EncodingType>" A_VERSION("%00") CLOSED,
        OPENED "<IsTruncated>true</IsTruncated>" CLOSED,
        OPENED "<IsTruncated>true</IsTruncated><NextKeyMarker/>" CLOSED,
        OPENED "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
               "<NextKeyMarker>%zz</NextKeyMarker>" CLOSED,
        "<!DOCTYPE x [<!ENTITY a \"b\">]><ListVersionsResult/>",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf seen;
        struct s3_xml_marker next = {0};
        struct err err = {0};

        ck_assert_msg(parse(rows[i], strlen(rows[i]), &seen, &next, &err) == -1, "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_ptr_null(next.key);
    }
}
END_TEST

static int refuse(void *context, const struct s3_xml_version *version, struct err *err)
{
    (void)context;
    return err_set(err, ERR_BUSY, "not %s", version->key);
}

START_TEST(a_visitor_can_end_it)
{
    auto_buf struct buf buf = text_of(page, sizeof(page) - 1);
    struct s3_xml_marker next = {0};
    struct err err = {0};

    ck_assert_int_eq(s3_xml_parse_versions(&buf, refuse, NULL, &next, &err), -1);
    ck_assert_str_eq(err.msg, "not p/a b c+d");
    ck_assert_ptr_null(next.key);
}
END_TEST

START_TEST(a_bucket_is_versioned_when_it_says_that_it_is_or_was)
{
    static const struct {
        const char *text;
        int rc;
        enum s3_xml_versioning versioning;
    } rows[] = {
        {"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>", 0,
         S3_XML_VERSIONING_NEVER},
        {"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>"
         "</VersioningConfiguration>",
         0, S3_XML_VERSIONING_ENABLED},
        {"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", 0,
         S3_XML_VERSIONING_SUSPENDED},
        {"<VersioningConfiguration><Status>Disabled</Status></VersioningConfiguration>", 0,
         S3_XML_VERSIONING_NEVER},
        {"<VersioningConfiguration><x><Status>Enabled</Status></x></VersioningConfiguration>", 0,
         S3_XML_VERSIONING_NEVER},
        {"<VersioningConfiguration><Status>Enabled</Status>", -1, S3_XML_VERSIONING_NEVER},
        {"<Status>Enabled</Status>", -1, S3_XML_VERSIONING_NEVER},
        {"", -1, S3_XML_VERSIONING_NEVER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf buf = text_of(rows[i].text, strlen(rows[i].text));
        enum s3_xml_versioning versioning = S3_XML_VERSIONING_NEVER;
        struct err err = {0};

        ck_assert_msg(s3_xml_parse_versioning(&buf, &versioning, &err) == rows[i].rc, "row %zu", i);
        ck_assert_msg(versioning == rows[i].versioning, "row %zu", i);
        ck_assert_int_eq(err.kind, rows[i].rc == 0 ? ERR_NONE : ERR_STORE);
    }
}
END_TEST

static Suite *s3_xml_versions_suite(void)
{
    Suite *suite = suite_create("s3_xml_versions");
    TCase *tcase = tcase_create("documents");

    tcase_add_test(tcase, versions_and_markers_come_in_the_order_of_the_document);
    tcase_add_test(tcase, a_page_cut_anywhere_is_an_error);
    tcase_add_test(tcase, where_the_next_page_begins_is_said_in_several_ways);
    tcase_add_test(tcase, what_is_no_page_of_versions_is_refused);
    tcase_add_test(tcase, a_visitor_can_end_it);
    tcase_add_test(tcase, a_bucket_is_versioned_when_it_says_that_it_is_or_was);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_xml_versions_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
