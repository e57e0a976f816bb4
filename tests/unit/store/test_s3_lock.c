/*
 * Object lock: what is asked for (against a peer that shows it), and that a real server keeps it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_call.h"
#include "support/rgw.h"
#include "support/s3_case.h"

#define NOON_MS ((int64_t)1795262400000) /* 2026-11-21T12:00:00Z */

static const struct store_lock ten_days = {.days = 10, .small_name = "backup.json"};
static struct rgw rgw;
static struct peer_env settings;

static void start_rgw(void)
{
    peer_env_init(&settings, NULL);
    rgw_start(&rgw, "plain", NULL, NULL, &settings);
    rgw_make_locked_bucket(&rgw, "locked");
}

static void stop_rgw(void)
{
    rgw_stop(&rgw);
    peer_env_release(&settings);
}

static struct store *open_locking(struct peer_env *from, const char *place, struct store_lock lock,
                                  const struct clock *clock)
{
    const struct store_options options = {.lock = lock, .part_bytes = 5 * MIB, .clock = clock};
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(from, place, &options, &store, &err) == 0, "%s", err.msg);
    return store;
}

static void expect_head(const char *match, const char *words, bool is_there)
{
    auto_free char *head = s3_peer_copy_head(peer, match);

    ck_assert_ptr_nonnull(head);
    ck_assert_msg((strstr(head, words) != NULL) == is_there, "%s in %s", words, head);
}

START_TEST(data_and_manifest_ask_for_the_lock_and_nothing_else_does)
{
    static const char until[] = "x-amz-object-lock-retain-until-date: 2026-12-01T12:00:00Z\r\n";
    auto_store struct store *store = NULL;
    auto_free char *complete = NULL;
    struct err err = {0};

    env.now_ms = NOON_MS;
    store = open_locking(&env, "bucket/p", ten_days, &env.clock);
    ck_assert_int_eq(store_put_small(store, "a/backup.json", "x", 1, &err), 0);
    ck_assert_int_eq(store_put_small(store, "a/verified.json", "x", 1, &err), 0);
    ck_assert_int_eq(s3_case_put(store, "a/small", NULL, 1000, &err), 0);
    ck_assert_int_eq(s3_case_put(store, "a/large", NULL, 11 * MIB, &err), 0);

    expect_head("PUT /bucket/p/a/backup.json", until, true);
    expect_head("PUT /bucket/p/a/backup.json", "x-amz-object-lock-mode: GOVERNANCE\r\n", true);
    expect_head("PUT /bucket/p/a/backup.json", /* printf x | openssl sha256 -binary | base64 */
                "x-amz-checksum-sha256: LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\r\n", true);
    expect_head("PUT /bucket/p/a/backup.json", /* signed, too */
                "x-amz-object-lock-mode;x-amz-object-lock-retain-until-date", true);
    expect_head("PUT /bucket/p/a/verified.json", "x-amz-object-lock", false);
    expect_head("POST /bucket/p/a/large?uploads", until, true);
    expect_head("POST /bucket/p/a/large?uploads", "x-amz-checksum-algorithm: SHA256\r\n", true);
    expect_head("PUT /bucket/p/a/large?partNumber=2", "x-amz-checksum-sha256: ", true);
    expect_head("PUT /bucket/p/a/large?partNumber=2", "x-amz-object-lock", false);
    expect_head("PUT /bucket/p/a/small?retention", "x-amz-checksum-sha256: ", true);
    expect_head("PUT /bucket/p/a/large?retention", "x-amz-checksum-sha256: ", true);
    complete = s3_peer_copy_body(peer, "POST /bucket/p/a/large?uploadId");
    ck_assert_ptr_nonnull(strstr(complete, "=</ChecksumSHA256></Part></Complete"));
}
END_TEST

START_TEST(without_days_no_put_knows_of_locks)
{
    auto_store struct store *store = s3_case_open();
    struct err err = {0};

    ck_assert_int_eq(store_put_small(store, "a/backup.json", "x", 1, &err), 0);
    ck_assert_int_eq(s3_case_put(store, "a/large", NULL, 11 * MIB, &err), 0);
    expect_head("PUT /bucket/p/a/backup.json", "x-amz-object-lock", false);
    expect_head("PUT /bucket/p/a/backup.json", "x-amz-checksum", false);
    expect_head("POST /bucket/p/a/large?uploads", "x-amz-object-lock", false);
    expect_head("PUT /bucket/p/a/large?partNumber=1", "x-amz-checksum", false);
}
END_TEST

START_TEST(a_directory_cannot_lock)
{
    const struct store_options options = {
        .url = "file:///tmp", .lock = ten_days, .clock = clock_system()};
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_int_eq(store_open(&options, &store, &err), -1);
    ck_assert_msg(err.kind == ERR_CONFIG, "%s", err.msg);
    ck_assert_ptr_nonnull(strstr(err.msg, "s3-object-lock-days"));
}
END_TEST

static char *ask(struct store *store, const struct s3_call_request *request, struct err *err)
{
    struct s3 *s3 = (struct s3 *)(void *)((char *)store + sizeof(struct store));
    auto_s3_call struct s3_call *call = NULL;

    if (s3_call_run(s3, request, &call, err) != 0)
        return NULL;
    return xstrdup(buf_text(&s3_call_get_answer(call)->body));
}

/* The version of the only object below the prefix. */
static char *version_of(struct store *store, const char *prefix)
{
    const struct s3_call_request request = {.doing = "list the versions of",
                                            .method = "GET",
                                            .query = {{"versions", NULL}, {"prefix", prefix}},
                                            .query_count = 2};
    struct err err = {0};
    auto_free char *text = ask(store, &request, &err);
    const char *from;

    ck_assert_msg(text != NULL, "%s", err.msg);
    from = strstr(text, "<VersionId>");
    ck_assert_ptr_nonnull(from);
    from += strlen("<VersionId>");
    return xstrndup(from, strcspn(from, "<"));
}

START_TEST(a_locked_object_cannot_be_removed_before_its_day)
{
    static const struct {
        size_t len;
        bool is_compliance;
    } rows[] = {{0, false}, {1000, false}, {11 * MIB, false}, {1000, true}, {11 * MIB, true}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *prefix = xasprintf("row-%zu/", i);
        auto_free char *place = xasprintf("locked/row-%zu", i);
        struct store_lock lock = ten_days;
        struct err err = {0};

        lock.is_compliance = rows[i].is_compliance;
        auto_store struct store *store = open_locking(&settings, place, lock, clock_system());
        ck_assert_msg(s3_case_put(store, "k", NULL, rows[i].len, &err) == 0, "row %zu: %s", i,
                      err.msg);
        auto_free char *version = version_of(store, prefix);
        const struct s3_call_request remove = {.doing = "remove a version of",
                                               .method = "DELETE",
                                               .key = "k",
                                               .query = {{"versionId", version}},
                                               .query_count = 1};
        const struct s3_call_request retention = {.doing = "ask for the lock of",
                                                  .method = "GET",
                                                  .key = "k",
                                                  .query = {{"retention", NULL}},
                                                  .query_count = 1};
        auto_free char *kept = ask(store, &retention, &err);
        ck_assert_msg(kept != NULL, "row %zu: %s", i, err.msg);
        ck_assert_ptr_nonnull(strstr(kept, rows[i].is_compliance ? "COMPLIANCE" : "GOVERNANCE"));
        ck_assert_ptr_null(ask(store, &remove, &err));
        ck_assert_msg(err.code == 403, "row %zu: %s", i, err.msg);
        ck_assert_int_eq(store_remove(store, "k", &err), 0); /* hidden, the version stays */
    }
}
END_TEST

START_TEST(a_bucket_without_object_lock_is_named_as_the_reason)
{
    static const size_t lengths[] = {1000, 11 * MIB};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        auto_store struct store *store =
            open_locking(&settings, "plain/x", ten_days, clock_system());
        struct err err = {0};

        ck_assert_int_eq(s3_case_put(store, "k", NULL, lengths[i], &err), -1);
        ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
        ck_assert_msg(strstr(err.msg, "HINT: s3-object-lock-days") != NULL, "%s", err.msg);
    }
}
END_TEST

static Suite *s3_lock_suite(void)
{
    Suite *suite = suite_create("s3_lock");
    TCase *asked = tcase_create("asked");
    TCase *kept = tcase_create("kept");

    tcase_add_checked_fixture(asked, s3_case_begin, s3_case_end);
    tcase_add_test(asked, data_and_manifest_ask_for_the_lock_and_nothing_else_does);
    tcase_add_test(asked, without_days_no_put_knows_of_locks);
    tcase_add_test(asked, a_directory_cannot_lock);
    suite_add_tcase(suite, asked);
    tcase_set_timeout(kept, 120);
    tcase_add_unchecked_fixture(kept, start_rgw, stop_rgw);
    tcase_add_test(kept, a_locked_object_cannot_be_removed_before_its_day);
    tcase_add_test(kept, a_bucket_without_object_lock_is_named_as_the_reason);
    suite_add_tcase(suite, kept);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_lock_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
