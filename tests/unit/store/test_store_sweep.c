/* What puts that never came to their end have left: in a directory, and behind a peer. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/s3_case.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOON INT64_C(1795176000000)
#define PAGE(inner) "<ListMultipartUploadsResult>" inner "</ListMultipartUploadsResult>"
#define TAG(name, text) "<" name ">" text "</" name ">"
#define UPLOAD(key, id, time) \
    TAG("Upload", TAG("Key", key) TAG("UploadId", id) TAG("Initiated", time))
#define OLD "2026-11-19T11:00:00.000Z"
#define NEW "2026-11-20T13:00:00.000Z"

/* ---- a directory ---- */

static const struct {
    const char *path; /* a directory when it ends in '/' */
    int64_t modified_ms;
    bool goes;
} files[] = {
    {"db-0/backups/a/data.tar.zst", NOON - 1000000, false},
    {"db-0/backups/a/.redkeep-0123456789abcdef.tmp", NOON, true},
    {"db-0/backups/a/.redkeep-1123456789abcdef.tmp", NOON + 1, false}, /* somebody writes it */
    {"db-0/backups/b/.redkeep-0123456789abcdef.tmp", 1000, true},
    {"db-0/restores/.redkeep-0123456789abcdef.tmp", 1000, true},
    {"db-0/.redkeep-0123456789abcdef.tmp", 1000, true},
    {"db-0/backups/a/.redkeep-notes", 1000, false}, /* nobody's */
    {"db-0/backups/a/notes.tmp", 1000, false},
    {"db-0/backups/.redkeep-dir.tmp/", 0, false},
    {"db-0/backups/.redkeep-dir.tmp/.redkeep-0.tmp", 1000, false},
    {"db-1/backups/a/.redkeep-0123456789abcdef.tmp", 1000, false}, /* another's */
    {".redkeep-0123456789abcdef.tmp", 1000, false},
};

static void make_file(const char *root, const char *path, int64_t modified_ms)
{
    auto_free char *full = xasprintf("%s/%s", root, path);
    const struct timespec times[2] = {
        {.tv_sec = modified_ms / 1000, .tv_nsec = modified_ms % 1000 * 1000000},
        {.tv_sec = modified_ms / 1000, .tv_nsec = modified_ms % 1000 * 1000000}};

    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(full, 0700);
        *at = '/';
    }
    if (full[strlen(full) - 1] == '/')
        return;
    auto_close int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(futimens(fd, times), 0);
}

static bool is_there(const char *root, const char *path)
{
    auto_free char *full = xasprintf("%s/%s", root, path);

    return access(full, F_OK) == 0;
}

START_TEST(temporary_files_that_nobody_writes_are_removed)
{
    char *root = tmpdir_new();
    auto_free char *url = xasprintf("file://%s", root);
    const struct store_options options = {.url = url, .clock = clock_system()};
    auto_store struct store *store = NULL;
    struct store_sweep sweep = {.prefix = "db-0/", .before_ms = NOON};
    struct err err = {0};

    ck_assert_msg(store_open(&options, &store, &err) == 0, "%s", err.msg);
    for (size_t i = 0; i < COUNT(files); i++)
        make_file(root, files[i].path, files[i].modified_ms);
    auto_free char *link = xasprintf("%s/db-0/backups/a/.redkeep-link.tmp", root);
    ck_assert_int_eq(symlink("/etc/passwd", link), 0);
    for (int round = 0; round < 3; round++) {
        struct store_swept swept = {0};

        sweep.confirm = round > 0;
        ck_assert_msg(store_sweep(store, &sweep, &swept, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(swept.count, round < 2 ? 4 : 0);
        ck_assert(!swept.is_unknown);
        for (size_t i = 0; i < COUNT(files); i++)
            ck_assert_msg(is_there(root, files[i].path) == (round == 0 || !files[i].goes), "%s",
                          files[i].path);
    }
    ck_assert(!is_there(root, "db-0/backups/b")); /* nothing is left in it */

    struct store_swept swept = {0};
    sweep.prefix = "db-9/";
    ck_assert_int_eq(store_sweep(store, &sweep, &swept, &err), 0);
    ck_assert_uint_eq(swept.count, 0);
    tmpdir_remove(root);
}
END_TEST

START_TEST(a_directory_of_somebody_else_is_passed_over)
{
    static const char *const open_to_all[] = {"", "/db-0", "/db-0/a", "/db-0/z"};
    char *root = tmpdir_new();
    auto_free char *url = xasprintf("file://%s", root);
    auto_free char *closed = xasprintf("%s/db-0/closed", root);
    const struct store_options options = {.url = url, .clock = clock_system()};
    const struct store_sweep sweep = {.prefix = "db-0/", .before_ms = NOON};
    bool is_root = geteuid() == 0;
    auto_store struct store *store = NULL;
    struct store_swept swept = {0};
    struct err err = {0};

    make_file(root, "db-0/a/.redkeep-0123456789abcdef.tmp", NOON);
    make_file(root, "db-0/closed/.redkeep-0123456789abcdef.tmp", NOON);
    make_file(root, "db-0/z/.redkeep-0123456789abcdef.tmp", NOON);
    ck_assert_int_eq(chmod(closed, 0), 0);
    for (size_t i = 0; i < COUNT(open_to_all); i++) {
        auto_free char *path = xasprintf("%s%s", root, open_to_all[i]);

        ck_assert_int_eq(chmod(path, 0755), 0);
    }
    ck_assert_msg(store_open(&options, &store, &err) == 0, "%s", err.msg);
    if (is_root)
        ck_assert_int_eq(seteuid(65534), 0);
    int rc = store_sweep(store, &sweep, &swept, &err);
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(closed, 0755), 0);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_uint_eq(swept.count, 2);
    tmpdir_remove(root);
}
END_TEST

/* ---- a peer ---- */

static void answer(const char *match, int status, const char *body)
{
    auto_free char *text = s3_peer_format_answer(status, "", body);

    s3_case_rule(match, PEER_ANSWER, 0, text);
}

static bool is_ours(const char *key)
{
    return strcmp(key, "db-0/foreign") != 0;
}

static const struct store_sweep wanted = {
    .prefix = "db-0/", .is_ours = is_ours, .before_ms = NOON, .confirm = true};

static const char one_page[] = PAGE(
    UPLOAD("p/db-0/backups/x/data.tar.zst", "1", OLD) UPLOAD("p/db-0/a", "2", NEW) UPLOAD(
        "p/db-1/a", "3", OLD) UPLOAD("q/db-0/a", "4", OLD) UPLOAD("p/db-0/foreign", "7", OLD)
        UPLOAD("p/db-0/a", "5", OLD) "<Upload><Key>p/db-0/a</Key><UploadId>6</UploadId></Upload>");

START_TEST(old_uploads_below_the_prefix_are_aborted)
{
    auto_store struct store *store = s3_case_open();
    struct store_sweep look = wanted;
    struct store_swept swept = {0};
    struct err err = {0};

    answer("uploads=", 200, one_page);
    look.confirm = false;
    ck_assert_msg(store_sweep(store, &look, &swept, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(swept.count, 2);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 0);
    ck_assert_uint_eq(
        s3_peer_count(peer, "GET /bucket?max-uploads=1000&prefix=p%2Fdb-0%2F&uploads="), 1);

    swept = (struct store_swept){0};
    s3_peer_clear_rules(peer);
    answer("uploads=", 200, one_page);
    answer("DELETE ", 204, "");
    ck_assert_msg(store_sweep(store, &wanted, &swept, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(swept.count, 2);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE "), 2);
    ck_assert_uint_eq(
        s3_peer_count(peer, "DELETE /bucket/p/db-0/backups/x/data.tar.zst?uploadId=1"), 1);
    ck_assert_uint_eq(s3_peer_count(peer, "DELETE /bucket/p/db-0/a?uploadId=5"), 1);
}
END_TEST

static int pass_over(void *context, const struct store_entry *entry, struct err *err)
{
    (void)context;
    (void)entry;
    (void)err;
    return 0;
}

START_TEST(how_old_an_upload_is_says_the_clock_of_the_store)
{
    static const int64_t day_ms = INT64_C(24) * 60 * 60 * 1000;
    auto_free char *skewed = s3_peer_format_error(403, "RequestTimeTooSkewed",
                                                  "Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n");
    auto_store struct store *store = NULL;
    struct store_sweep sweep = wanted;
    struct store_swept swept = {0};
    struct err err = {0};

    env.now_ms = NOON + 2 * day_ms;
    sweep.before_ms = env.now_ms - day_ms;
    s3_case_rule("GET ", PEER_ANSWER, 1, skewed);
    ck_assert_msg(peer_env_open(&env, "bucket/p", NULL, &store, &err) == 0, "%s", err.msg);
    answer("uploads=", 200, one_page);
    answer("DELETE ", 204, "");
    ck_assert_msg(store_sweep(store, &sweep, &swept, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(swept.count, 2);
    ck_assert_uint_eq(s3_peer_count(peer, "uploadId=2"), 0);
    ck_assert_msg(store_list(store, "", '\0', pass_over, NULL, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(store->clock_offset_ms, -2 * day_ms);
}
END_TEST

START_TEST(every_page_is_asked_for)
{
    auto_store struct store *store = s3_case_open();
    struct store_swept swept = {0};
    struct err err = {0};

    answer("key-marker=b", 200, PAGE(UPLOAD("p/db-0/c", "3", OLD)));
    answer("key-marker=a", 200,
           PAGE(UPLOAD("p/db-0/b", "2", OLD) "<IsTruncated>true</IsTruncated><NextKeyMarker>b"
                                             "</NextKeyMarker>"));
    answer("uploads=", 200,
           PAGE(UPLOAD("p/db-0/a", "1", OLD) "<IsTruncated>true</IsTruncated><NextKeyMarker>a"
                                             "</NextKeyMarker><NextUploadIdMarker>1"
                                             "</NextUploadIdMarker>"));
    answer("DELETE ", 204, "");
    ck_assert_msg(store_sweep(store, &wanted, &swept, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(swept.count, 3);
    ck_assert_uint_eq(s3_peer_count(peer, "upload-id-marker=1"), 1);

    s3_peer_clear_rules(peer);
    answer("uploads=", 200,
           PAGE("<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"));
    ck_assert_int_eq(store_sweep(store, &wanted, &swept, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "in circles"));
}
END_TEST

START_TEST(who_may_not_list_uploads_is_told_that_nobody_knows)
{
    static const int refusals[] = {400, 403, 405, 501};
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct store_swept swept = {0};
        auto_free char *text = s3_peer_format_error(refusals[i], "Refused", "");

        s3_peer_clear_rules(peer);
        s3_case_rule("uploads=", PEER_ANSWER, 0, text);
        ck_assert_msg(store_sweep(store, &wanted, &swept, &err) == 0, "%s", err.msg);
        ck_assert(swept.is_unknown);
        ck_assert_uint_eq(swept.count, 0);
    }
    struct store_swept swept = {0};
    s3_peer_clear_rules(peer);
    answer("uploads=", 200, "<html/>");
    ck_assert_int_eq(store_sweep(store, &wanted, &swept, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert(!swept.is_unknown);
}
END_TEST

START_TEST(an_upload_that_has_gone_is_gone_and_one_that_may_not_be_aborted_is_an_error)
{
    auto_free char *gone = s3_peer_format_error(404, "NoSuchUpload", "");
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_store struct store *store = s3_case_open();
    struct store_swept swept = {0};
    struct err err = {0};

    answer("uploads=", 200, one_page);
    s3_case_rule("uploadId=1", PEER_ANSWER, 0, gone);
    s3_case_rule("uploadId=5", PEER_ANSWER, 0, denied);
    ck_assert_int_eq(store_sweep(store, &wanted, &swept, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(err.code, 403);
    ck_assert_uint_eq(swept.count, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_sweep");
    TCase *dir = tcase_create("a directory");
    TCase *s3 = tcase_create("a peer");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, dir);
    tcase_add_test(dir, temporary_files_that_nobody_writes_are_removed);
    tcase_add_test(dir, a_directory_of_somebody_else_is_passed_over);
    suite_add_tcase(suite, s3);
    tcase_add_checked_fixture(s3, s3_case_begin, s3_case_end);
    tcase_set_timeout(s3, 60);
    tcase_add_test(s3, old_uploads_below_the_prefix_are_aborted);
    tcase_add_test(s3, how_old_an_upload_is_says_the_clock_of_the_store);
    tcase_add_test(s3, every_page_is_asked_for);
    tcase_add_test(s3, who_may_not_list_uploads_is_told_that_nobody_knows);
    tcase_add_test(s3, an_upload_that_has_gone_is_gone_and_one_that_may_not_be_aborted_is_an_error);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
