/* Pages of uploads that nobody has finished, as several servers write them. */
#include "store/s3_xml_uploads.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST(inner) "<ListMultipartUploadsResult xmlns=\"x\">" inner "</ListMultipartUploadsResult>"
#define ONE "<Upload><Key>k</Key><UploadId>1</UploadId></Upload>"

static struct buf text_of(const char *text)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 1 << 20);
    ck_assert_int_eq(buf_append(&buf, text, strlen(text), &err), 0);
    return buf;
}

static int note(void *context, const struct s3_xml_upload *upload, struct err *err)
{
    return buf_printf(context, err, "%s=%s@%lld ", upload->key, upload->id,
                      (long long)(upload->began_ms == INT64_MAX ? -1 : upload->began_ms));
}

START_TEST(uploads_are_read_with_their_times)
{
    static const struct {
        const char *text;
        const char *seen;
        const char *next; /* "key id", NULL: the last page */
    } rows[] = {
        {LIST(""), "", NULL},
        {"<ListMultipartUploadsResult/>", "", NULL},
        {LIST(ONE), "k=1@-1 ", NULL},
        {LIST("<Bucket>b</Bucket><Upload><Initiated>2026-11-20T17:30:00.123Z</"
              "Initiated><UploadId>2~x"
              "</UploadId><Key>a/b</Key><Initiator><ID>me</ID></Initiator></Upload>" ONE),
         "a/b=2~x@1795195800123 k=1@-1 ", NULL},
        {LIST("<Upload><Key>k</Key><UploadId>1</UploadId><Initiated>soon</Initiated></Upload>"),
         "k=1@-1 ", NULL},
        {LIST("<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
              "<IsTruncated>true</IsTruncated>" ONE),
         "k=1@-1 ", "k 1"},
        {LIST("<NextKeyMarker>k</NextKeyMarker><IsTruncated>true</IsTruncated>"), "", "k "},
        {LIST("<NextKeyMarker>k</NextKeyMarker><IsTruncated>false</IsTruncated>" ONE), "k=1@-1 ",
         NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_buf struct buf text = text_of(rows[i].text);
        auto_buf struct buf seen;
        struct s3_xml_marker next = {0};
        struct err err = {0};

        buf_init(&seen, 1000);
        ck_assert_msg(s3_xml_parse_uploads(&text, note, &seen, &next, &err) == 0, "row %zu: %s", i,
                      err.msg);
        ck_assert_str_eq(buf_text(&seen), rows[i].seen);
        ck_assert_int_eq(next.key != NULL, rows[i].next != NULL);
        if (next.key != NULL) {
            auto_free char *said = xasprintf("%s %s", next.key, next.id != NULL ? next.id : "");
            ck_assert_str_eq(said, rows[i].next);
        }
        s3_xml_marker_release(&next);
    }
}
END_TEST

START_TEST(who_wants_one_page_gets_no_marker)
{
    auto_buf struct buf text =
        text_of(LIST("<NextKeyMarker>k</NextKeyMarker><IsTruncated>true</IsTruncated>" ONE));
    auto_buf struct buf seen;
    struct err err = {0};

    buf_init(&seen, 1000);
    ck_assert_int_eq(s3_xml_parse_uploads(&text, note, &seen, NULL, &err), 0);
    ck_assert_str_eq(buf_text(&seen), "k=1@-1 ");
}
END_TEST

START_TEST(what_cannot_be_relied_on_is_an_error)
{
    static const char *const rows[] = {
        "",
        "<ListBucketResult/>",
        "<ListMultipartUploadsResult>",
        LIST("<Upload><Key>k</Key></Upload>"),
        LIST("<Upload><UploadId>1</UploadId></Upload>"),
        LIST(ONE "<Upload></Upload>"),
        LIST("<IsTruncated>true</IsTruncated>" ONE),
        LIST("<IsTruncated>true</IsTruncated><NextKeyMarker></NextKeyMarker>"),
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_buf struct buf text = text_of(rows[i]);
        auto_buf struct buf seen;
        struct s3_xml_marker next = {0};
        struct err err = {0};

        buf_init(&seen, 1000);
        ck_assert_msg(s3_xml_parse_uploads(&text, note, &seen, &next, &err) == -1, "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_ptr_null(next.key);
    }
}
END_TEST

static int stop(void *context, const struct s3_xml_upload *upload, struct err *err)
{
    (void)context;
    return err_set(err, ERR_BUSY, "stop at %s", upload->key);
}

START_TEST(who_stops_the_reading_tells_why)
{
    auto_buf struct buf text = text_of(LIST(ONE ONE));
    struct err err = {0};

    ck_assert_int_eq(s3_xml_parse_uploads(&text, stop, NULL, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_BUSY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3_xml_uploads");
    TCase *tcase = tcase_create("uploads");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, uploads_are_read_with_their_times);
    tcase_add_test(tcase, who_wants_one_page_gets_no_marker);
    tcase_add_test(tcase, what_cannot_be_relied_on_is_an_error);
    tcase_add_test(tcase, who_stops_the_reading_tells_why);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
