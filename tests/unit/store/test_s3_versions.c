/*
 * A bucket as it was, against a peer whose listings are written down here: which version counts,
 * what is asked for, and that an answer which cannot be trusted is no answer.
 */
#include "store/s3_versions.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "support/s3_case.h"

#define VERSIONED "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
#define PAGE(rows) "<ListVersionsResult>" rows "</ListVersionsResult>"
#define MORE(rows, key, id)                                                           \
    PAGE(rows "<IsTruncated>true</IsTruncated><NextKeyMarker>" key "</NextKeyMarker>" \
              "<NextVersionIdMarker>" id "</NextVersionIdMarker>")
#define LEAVES(key, id, second)                                                               \
    "<Key>p/" key "</Key><VersionId>" id "</VersionId><LastModified>2026-11-20T17:30:" second \
    "Z</LastModified>"
#define VERSION(key, id, second) "<Version>" LEAVES(key, id, second) "<Size>3</Size></Version>"
#define MARKER(key, id, second) "<DeleteMarker>" LEAVES(key, id, second) "</DeleteMarker>"

/* times 0: always */
static void answer(const char *match, const char *body, unsigned times)
{
    auto_free char *text = s3_peer_format_answer(200, "", body);

    s3_case_rule(match, PEER_ANSWER, times, text);
}

static int try_open(const char *as_of, struct store **out, struct err *err)
{
    struct store_options options = {.is_past = true};

    ck_assert_int_eq(parse_rfc3339(as_of, &options.as_of_ms, err), 0);
    return peer_env_open(&env, "bucket/p", &options, out, err);
}

/* A versioned bucket that lists that page, as it was then. */
static struct store *open_as_of(const char *as_of, const char *page)
{
    struct store *store = NULL;
    struct err err = {0};

    s3_peer_clear_rules(peer);
    answer("?versioning=", VERSIONED, 0);
    answer("&versions=", page, 0);
    ck_assert_msg(try_open(as_of, &store, &err) == 0, "%s", err.msg);
    return store;
}

static int note(void *context, const struct store_entry *entry, struct err *err)
{
    return buf_printf(context, err, "%s %llu\n", entry->key, (unsigned long long)entry->size);
}

static int list(struct store *store, const char *prefix, char delimiter, struct buf *seen,
                struct err *err)
{
    buf_init(seen, 1 << 20);
    return store_list(store, prefix, delimiter, note, seen, err);
}

START_TEST(the_youngest_that_is_not_younger_than_the_moment_counts)
{
    static const char *const pages[] = {
        /* as S3 has it: newest first, markers among them */
        PAGE(MARKER("a", "v4", "40") VERSION("a", "v3", "30") MARKER("a", "v2", "20")
                 VERSION("a", "v1", "10")),
        /* all markers behind all versions */
        PAGE(VERSION("a", "v3", "30") VERSION("a", "v1", "10") MARKER("a", "v4", "40")
                 MARKER("a", "v2", "20")),
        /* in no order at all */
        PAGE(VERSION("a", "v1", "10") MARKER("a", "v4", "40") VERSION("a", "v3", "30")
                 MARKER("a", "v2", "20")),
    };
    static const struct {
        const char *as_of;
        const char *id; /* NULL: not there */
    } rows[] = {
        {"2026-11-20T17:30:09.999Z", NULL}, {"2026-11-20T17:30:10Z", "v1"},
        {"2026-11-20T17:30:10.500Z", "v1"}, {"2026-11-20T17:30:19Z", "v1"},
        {"2026-11-20T17:30:20Z", NULL},     {"2026-11-20T17:30:29Z", NULL},
        {"2026-11-20T17:30:30Z", "v3"},     {"2026-11-20T18:30:39+01:00", "v3"},
        {"2026-11-20T17:30:40Z", NULL},     {"2026-11-21T00:00:00Z", NULL},
    };

    for (size_t i = 0; i < 3 * sizeof(rows) / sizeof(rows[0]); i++) {
        const char *id = rows[i / 3].id;
        auto_store struct store *store = open_as_of(rows[i / 3].as_of, pages[i % 3]);
        auto_buf struct buf seen;
        auto_buf struct buf bytes;
        auto_free char *match = xasprintf("GET /bucket/p/a?versionId=%s", id);
        uint64_t size = 0;
        struct err err = {0};

        answer(match, "abc", 0);
        buf_init(&bytes, 100);
        ck_assert_int_eq(list(store, "", '\0', &seen, &err), 0);
        ck_assert_str_eq(buf_text(&seen), id != NULL ? "a 3\n" : "");
        ck_assert_int_eq(store_head(store, "a", &size, &err), id != NULL ? 0 : -1);
        ck_assert_int_eq(store_get_small(store, "a", &bytes, &err), id != NULL ? 0 : -1);
        ck_assert_str_eq(buf_text(&bytes), id != NULL ? "abc" : "");
        ck_assert_uint_eq(size, id != NULL ? 3 : 0);
        ck_assert_int_eq(err.kind, id != NULL ? ERR_NONE : ERR_NOT_FOUND);
    }
}
END_TEST

START_TEST(of_equal_times_the_first_in_the_listing_is_the_younger)
{
    static const struct {
        const char *page;
        const char *seen;
    } rows[] = {
        {PAGE(MARKER("a", "v2", "10") VERSION("a", "v1", "10")), ""},
        {PAGE(VERSION("a", "v2", "10") MARKER("a", "v1", "10")), "a 3\n"},
    };

    for (size_t i = 0; i < 2; i++) {
        auto_store struct store *store = open_as_of("2026-11-20T17:30:10Z", rows[i].page);
        auto_buf struct buf seen;
        struct err err = {0};

        ck_assert_int_eq(list(store, "", '\0', &seen, &err), 0);
        ck_assert_str_eq(buf_text(&seen), rows[i].seen);
    }
}
END_TEST

START_TEST(the_versions_of_a_key_go_on_on_the_next_page)
{
    auto_store struct store *store = open_as_of("2026-11-20T17:30:30Z", PAGE(""));
    auto_buf struct buf seen;
    struct err err = {0};

    s3_peer_clear_rules(peer);
    answer("key-marker=p%2Fb%2Bc&max-keys=1000&prefix=p%2F&version-id-marker=v%2F4&versions=",
           MORE(VERSION("b+c", "v3", "30"), "p/b+c", "v3"), 0);
    answer("key-marker=p%2Fb%2Bc&max-keys=1000&prefix=p%2F&version-id-marker=v3&versions=",
           PAGE(MARKER("b+c", "v2", "20") VERSION("b+c", "v1", "10") VERSION("d", "v9", "20")), 0);
    answer("/bucket?encoding-type=url&max-keys=1000&prefix=p%2F&versions=",
           MORE(VERSION("a", "v1", "10") MARKER("b+c", "v/4", "40"), "p/b+c", "v/4"), 0);
    ck_assert_msg(list(store, "", '\0', &seen, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&seen), "a 3\nb+c 3\nd 3\n");
}
END_TEST

START_TEST(folders_are_made_of_what_was_there)
{
    auto_store struct store *store = open_as_of(
        "2026-11-20T17:30:30Z",
        PAGE(VERSION("", "v", "10") VERSION("a/1", "v", "10") VERSION("a/2/3", "v", "10")
                 VERSION("b/1", "v", "40") MARKER("c/1", "v2", "20") VERSION("c/1", "v1", "10")
                     VERSION("d", "v", "10") VERSION("e/", "v", "10") VERSION("f/g/h", "v", "10")));
    auto_buf struct buf seen;
    struct err err = {0};

    ck_assert_msg(list(store, "", '/', &seen, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&seen), "a/ 0\nd 3\nf/ 0\n");
    buf_release(&seen);
    ck_assert_int_eq(list(store, "", '\0', &seen, &err), 0);
    ck_assert_str_eq(buf_text(&seen), "a/1 3\na/2/3 3\nd 3\nf/g/h 3\n");
    ck_assert_int_eq(store_list(store, "", '\0', s3_case_stop, NULL, &err), -1);
    ck_assert_str_eq(err.msg, "stop at a/1");
}
END_TEST

START_TEST(one_key_is_found_among_those_that_begin_like_it)
{
    auto_store struct store *store =
        open_as_of("2026-11-20T17:30:30Z",
                   MORE(VERSION("ab", "x", "10") VERSION("abc", "y", "10"), "p/abc", "y"));
    uint64_t size;
    struct err err = {0};

    ck_assert_int_eq(store_head(store, "a", &size, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "s3://bucket/p/a: at 2026-11-20T17:30:30.000Z"));
    ck_assert_uint_eq(s3_peer_count(peer, "prefix=p%2Fa&versions="), 1); /* no page is in vain */
    ck_assert_int_eq(store_head(store, "../a", &size, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

START_TEST(a_range_is_read_of_the_version)
{
    auto_store struct store *store =
        open_as_of("2026-11-20T17:30:30Z", PAGE(VERSION("a", "null", "10")));
    const struct store_get_request request = {.key = "a", .size = 3, .chunk_bytes = 3};
    auto_source struct source *source = NULL;
    auto_free char *head = NULL;
    const uint8_t *bytes;
    size_t len;
    struct err err = {0};

    s3_case_rule("GET /bucket/p/a?versionId=null", PEER_ANSWER, 1,
                 "HTTP/1.1 206 X\r\nContent-Range: bytes 0-2/3\r\nContent-Length: 3\r\n\r\nabc");
    ck_assert_int_eq(store_get(store, &request, &source, &err), 0);
    ck_assert_msg(source_next(source, &bytes, &len, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(bytes, "abc", 3);
    head = s3_peer_copy_head(peer, "versionId=null");
    ck_assert_ptr_nonnull(strstr(head, "bytes=0-2"));
}
END_TEST

START_TEST(a_version_that_was_removed_for_good_is_not_found)
{
    auto_store struct store *store =
        open_as_of("2026-11-20T17:30:30Z", PAGE(VERSION("a", "v", "10")));
    auto_free char *gone = s3_peer_format_error(404, "NoSuchVersion", "");
    auto_buf struct buf bytes;
    struct err err = {0};

    buf_init(&bytes, 100);
    s3_case_rule("versionId=v", PEER_ANSWER, 1, gone);
    ck_assert_int_eq(store_get_small(store, "a", &bytes, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(an_answer_that_cannot_be_trusted_is_no_empty_one)
{
    static const char *const pages[] = {
        "",
        "<ListVersionsResult>",
        "<ListBucketResult/>",
        PAGE("<Version><Key>p/a</Key></Version>"),
        PAGE("<Version><Key>q/a</Key><VersionId>v</VersionId><LastModified>2026-11-20T17:30:00Z"
             "</LastModified><Size>1</Size></Version>"),
        PAGE("<IsTruncated>true</IsTruncated>"),
        MORE(VERSION("b", "v", "10"), "p/b", "v"), /* the same page again and again */
    };

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        auto_store struct store *store = open_as_of("2026-11-20T17:30:30Z", PAGE(""));
        auto_buf struct buf seen;
        uint64_t size;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        answer("&versions=", pages[i], 0);
        ck_assert_msg(list(store, "", '\0', &seen, &err) == -1, "row %zu", i);
        ck_assert_msg(err.kind == ERR_STORE, "row %zu: %s", i, err.msg);
        if (i < 6) {
            ck_assert_int_eq(store_head(store, "a", &size, &err), -1);
            ck_assert_int_eq(err.kind, ERR_STORE);
        }
    }
}
END_TEST

START_TEST(pages_in_no_order_are_refused)
{
    auto_store struct store *store = open_as_of("2026-11-20T17:30:30Z", PAGE(""));
    auto_buf struct buf seen;
    struct err err = {0};

    s3_peer_clear_rules(peer);
    answer("key-marker=", PAGE(VERSION("a", "v", "10")), 0);
    answer("&versions=", MORE(VERSION("b", "v", "10"), "p/b", "v"), 0);
    ck_assert_int_eq(list(store, "", '\0', &seen, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_nonnull(strstr(err.msg, "no order"));
}
END_TEST

START_TEST(only_a_bucket_that_keeps_versions_is_opened)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_free char *no_bucket = s3_peer_format_error(404, "NoSuchBucket", "");
    auto_free char *unknown = s3_peer_format_error(501, "NotImplemented", "");
    auto_free char *off = s3_peer_format_answer(200, "", "<VersioningConfiguration/>");
    auto_free char *html = s3_peer_format_answer(200, "", "<html/>");
    auto_free char *on = s3_peer_format_answer(200, "", VERSIONED);
    auto_free char *empty = s3_peer_format_answer(200, "", PAGE(""));
    const struct {
        const char *versioning;
        const char *versions;
        enum err_kind kind;
        const char *words;
    } rows[] = {
        {on, empty, ERR_NONE, ""},
        {off, empty, ERR_CONFIG, "bucket keeps no versions"},
        {denied, empty, ERR_STORE, "s3:GetBucketVersioning"},
        {on, denied, ERR_STORE, "s3:ListBucketVersions and s3:GetObjectVersion"},
        {no_bucket, empty, ERR_STORE, "NoSuchBucket"},
        {on, no_bucket, ERR_STORE, "NoSuchBucket"},
        {unknown, empty, ERR_STORE, "501"},
        {html, empty, ERR_STORE, "VersioningConfiguration"},
        {on, html, ERR_STORE, "ListVersionsResult"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_store struct store *store = NULL;
        struct err err = {.msg = ""};
        int wanted = rows[i].kind == ERR_NONE ? 0 : -1;

        s3_peer_clear_rules(peer);
        s3_case_rule("?versioning=", PEER_ANSWER, 0, rows[i].versioning);
        s3_case_rule("&versions=", PEER_ANSWER, 0, rows[i].versions);
        ck_assert_msg(try_open("2026-11-20T17:30:30Z", &store, &err) == wanted, "row %zu", i);
        ck_assert_msg(err.kind == rows[i].kind, "row %zu: %s", i, err.msg);
        ck_assert_msg(strstr(err.msg, rows[i].words) != NULL, "row %zu: %s", i, err.msg);
    }
}
END_TEST

START_TEST(a_read_that_is_denied_names_the_permissions)
{
    auto_store struct store *store =
        open_as_of("2026-11-20T17:30:30Z", PAGE(VERSION("a", "v", "10")));
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_free char *wrong_key = s3_peer_format_error(403, "InvalidAccessKeyId", "");
    auto_buf struct buf bytes;
    struct err err = {0};

    buf_init(&bytes, 100);
    s3_case_rule("versionId=v", PEER_ANSWER, 1, denied);
    ck_assert_int_eq(store_get_small(store, "a", &bytes, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_nonnull(strstr(err.msg, "s3:GetObjectVersion"));
    s3_case_rule("versionId=v", PEER_ANSWER, 0, wrong_key);
    ck_assert_int_eq(store_get_small(store, "a", &bytes, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "AWS_ACCESS_KEY_ID"));
}
END_TEST

START_TEST(nothing_can_be_changed)
{
    auto_store struct store *store =
        open_as_of("2026-11-20T17:30:30Z", PAGE(VERSION("a", "v", "10")));
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    auto_buf struct buf bytes;
    char *tag = NULL;
    const struct store_put_if put = {.key = "a", .data = "x", .len = 1};
    unsigned before = s3_peer_count(peer, NULL);
    struct err err[5] = {0};

    buf_init(&bytes, 100);
    ck_assert_int_eq(store_put_small(store, "a", "x", 1, &err[0]), -1);
    ck_assert_int_eq(store_put(store, "a", 1, &parts, &sink, &err[1]), -1);
    ck_assert_int_eq(store_put_small_if(store, &put, &tag, &err[2]), -1);
    ck_assert_int_eq(store_get_small_tagged(store, "a", &bytes, &tag, &err[3]), -1);
    ck_assert_int_eq(store_remove(store, "a", &err[4]), -1);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(err[i].kind, ERR_FAILED);
        ck_assert_ptr_nonnull(strstr(err[i].msg, "as it was at 2026-11-20T17:30:30.000Z"));
    }
    ck_assert_uint_eq(s3_peer_count(peer, NULL), before);
}
END_TEST

START_TEST(a_directory_keeps_no_versions)
{
    const struct store_options options = {
        .url = "file:///tmp", .is_past = true, .as_of_ms = 1, .clock = &env.clock};
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_int_eq(store_open(&options, &store, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_null(store);
}
END_TEST

static Suite *s3_versions_suite(void)
{
    Suite *suite = suite_create("s3_versions");
    TCase *tcase = tcase_create("versions");

    tcase_add_checked_fixture(tcase, s3_case_begin, s3_case_end);
    tcase_add_test(tcase, the_youngest_that_is_not_younger_than_the_moment_counts);
    tcase_add_test(tcase, of_equal_times_the_first_in_the_listing_is_the_younger);
    tcase_add_test(tcase, the_versions_of_a_key_go_on_on_the_next_page);
    tcase_add_test(tcase, folders_are_made_of_what_was_there);
    tcase_add_test(tcase, one_key_is_found_among_those_that_begin_like_it);
    tcase_add_test(tcase, a_range_is_read_of_the_version);
    tcase_add_test(tcase, a_version_that_was_removed_for_good_is_not_found);
    tcase_add_test(tcase, an_answer_that_cannot_be_trusted_is_no_empty_one);
    tcase_add_test(tcase, pages_in_no_order_are_refused);
    tcase_add_test(tcase, only_a_bucket_that_keeps_versions_is_opened);
    tcase_add_test(tcase, a_read_that_is_denied_names_the_permissions);
    tcase_add_test(tcase, nothing_can_be_changed);
    tcase_add_test(tcase, a_directory_keeps_no_versions);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_versions_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
