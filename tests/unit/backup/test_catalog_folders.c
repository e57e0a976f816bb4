#include "backup/catalog_folders.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "support/fake_store.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOON INT64_C(1795176000000)
#define A "20261120T120000Z-000001"
#define B "20261120T120000Z-00000a"
#define C "20261120T130000Z-000000"

static struct fake_store fake;

static void begin(void)
{
    fake_store_init(&fake, 100);
}

static void end(void)
{
    fake_store_release(&fake);
}

static void put(const char *key, size_t len, int64_t modified_ms)
{
    static const char bytes[100] = {0};

    fake.now_ms = modified_ms;
    fake_store_set(&fake, key, bytes, len);
}

static void list(struct catalog_folders *out)
{
    struct err err = {0};

    fake_store_arm(&fake, 0, FAKE_FAILS);
    ck_assert_msg(catalog_folders_list(&fake.store, "me", out, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&fake.log), "list me/backups/\n");
}

START_TEST(names_and_sizes_tell_it_all)
{
    auto_catalog_folders struct catalog_folders folders = {0};
    const struct catalog_folder *folder;

    put("me/backups/" A "/backup.json", 10, 5);
    put("me/backups/" A "/data.tar.zst", 90, 3);
    put("me/backups/" A "/pinned.json", 1, 9);
    put("me/backups/" A "/verified-20261120T120000Z-ok.json", 2, 7);
    put("me/backups/" A "/x-ray/notes.txt", 50, 8); /* foreign, and not counted */
    put("me/backups/" B "/data.tar.zst", 20, 3);    /* an orphan */
    put("me/backups/" B "/data.tar.zst.part", 20, 4);
    put("me/backups/" C "/backup.json", 11, 3);
    put("me/backups/" C "/verified-20261120T120000Z-ok.json", 2, 7);
    put("me/backups/" C "/verified-20261121T120000Z-bad.json", 2, 7);
    list(&folders);

    ck_assert_uint_eq(folders.count, 3);
    folder = &folders.folders[0];
    ck_assert_str_eq(folder->id, A);
    ck_assert_int_eq(folder->time_ms, NOON);
    ck_assert(folder->has_manifest && folder->has_data && folder->is_pinned);
    ck_assert_uint_eq(folder->data_bytes, 90);
    ck_assert_uint_eq(folder->bytes, 103);
    ck_assert_int_eq(folder->modified_ms, 9);
    ck_assert_int_eq(folder->verified_ms, NOON);
    ck_assert(folder->verified_ok);

    folder = &folders.folders[1];
    ck_assert_str_eq(folder->id, B);
    ck_assert(!folder->has_manifest && folder->has_data && !folder->is_pinned);
    ck_assert_uint_eq(folder->bytes, 20);
    ck_assert_int_eq(folder->modified_ms, 4);
    ck_assert_int_eq(folder->verified_ms, -1);

    folder = &folders.folders[2];
    ck_assert_str_eq(folder->id, C);
    ck_assert(folder->has_manifest && !folder->has_data);
    ck_assert_int_eq(folder->verified_ms, NOON + 86400000);
    ck_assert(!folder->verified_ok);
}
END_TEST

START_TEST(the_names_in_a_folder_can_be_gone_through)
{
    static const char *const names[] = {"data.tar.zst", "pinned.json",
                                        "verified-20261120T120000Z-bad.json",
                                        "verified-20261120T120000Z-ok.json"};
    auto_catalog_folders struct catalog_folders folders = {0};
    const char *name = NULL;

    put("me/backups/" A "/backup.json", 10, 5);
    for (size_t i = 0; i < COUNT(names); i++) {
        auto_free char *key = xasprintf("me/backups/" B "/%s", names[i]);
        put(key, 1, 0);
    }
    put("me/backups/" B "/another", 1, 0);
    put("me/backups/" C "/data.tar.zst", 1, 0);
    list(&folders);
    ck_assert_uint_eq(folders.count, 3);
    ck_assert_ptr_null(catalog_folders_next_name(&folders, &folders.folders[0], NULL));
    for (size_t i = 0; i < COUNT(names); i++) {
        name = catalog_folders_next_name(&folders, &folders.folders[1], name);
        ck_assert_str_eq(name, names[i]);
    }
    ck_assert_ptr_null(catalog_folders_next_name(&folders, &folders.folders[1], name));
    name = catalog_folders_next_name(&folders, &folders.folders[2], NULL);
    ck_assert_str_eq(name, "data.tar.zst");
    ck_assert_ptr_null(catalog_folders_next_name(&folders, &folders.folders[2], name));
    /* two of one second: the worse one counts, whichever is first */
    ck_assert(!folders.folders[1].verified_ok);
}
END_TEST

START_TEST(the_last_verification_counts)
{
    static const struct {
        const char *names[2];
        bool ok;
    } rows[] = {
        {{"verified-20261120T120000Z-ok.json", "verified-20261120T120001Z-bad.json"}, false},
        {{"verified-20261120T120000Z-bad.json", "verified-20261120T120001Z-ok.json"}, true},
        {{"verified-20261120T120000Z-bad.json", "verified-20261120T120000Z-ok.json"}, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_catalog_folders struct catalog_folders folders = {0};

        for (size_t k = 0; k < 2; k++) {
            auto_free char *key = xasprintf("me/backups/" A "/%s", rows[i].names[k]);
            put(key, 1, 0);
        }
        list(&folders);
        ck_assert_uint_eq(folders.count, 1);
        ck_assert_int_eq(folders.folders[0].verified_ok, rows[i].ok);
        for (size_t k = 0; k < 2; k++) {
            auto_free char *key = xasprintf("me/backups/" A "/%s", rows[i].names[k]);
            fake_store_drop(&fake, key);
        }
    }
}
END_TEST

START_TEST(what_is_not_ours_is_no_folder)
{
    static const char *const others[] = {
        "me/backups/" A "/notes.txt",
        "me/backups/" A "/x/backup.json",
        "me/backups/" A,
        "me/backups/latest/backup.json",
        "me/backups/20261120T120000Z-00000G/data.tar.zst",
        "me/restores/" A "/backup.json",
        "me2/backups/" A "/backup.json",
        "m/backups/" A "/backup.json",
        "leases/x.json",
    };
    auto_catalog_folders struct catalog_folders folders = {0};

    for (size_t i = 0; i < COUNT(others); i++)
        put(others[i], 1, 1);
    list(&folders);
    ck_assert_uint_eq(folders.count, 0);
}
END_TEST

START_TEST(an_age_that_the_store_does_not_tell_is_none)
{
    auto_catalog_folders struct catalog_folders folders = {0};

    put("me/backups/" A "/data.tar.zst", 1, 5);
    put("me/backups/" A "/pinned.json", 1, -1);
    list(&folders);
    ck_assert_int_eq(folders.folders[0].modified_ms, INT64_MAX);
}
END_TEST

START_TEST(a_listing_that_fails_leaves_nothing)
{
    struct catalog_folders folders = {0};
    struct err err = {0};

    put("me/backups/" A "/data.tar.zst", 1, 5);
    fake_store_arm(&fake, 1, FAKE_FAILS);
    ck_assert_int_eq(catalog_folders_list(&fake.store, "me", &folders, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_null(folders.folders);
}
END_TEST

/* Lists A, B, and A once more. */
static int list_in_no_order(struct store *store, const char *prefix, char delimiter,
                            store_list_fn *each, void *context, struct err *err)
{
    static const char *const keys[] = {"me/backups/" A "/data.tar.zst",
                                       "me/backups/" B "/backup.json",
                                       "me/backups/" A "/backup.json"};

    (void)store;
    (void)prefix;
    (void)delimiter;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (each(context, &(struct store_entry){.key = keys[i], .size = 1}, err) != 0)
            return -1;
    return 0;
}

START_TEST(a_listing_in_no_order_is_refused)
{
    const struct store_ops ops = {.list = list_in_no_order};
    struct store store = {.ops = &ops};
    struct catalog_folders folders = {0};
    struct err err = {0};

    ck_assert_int_eq(catalog_folders_list(&store, "me", &folders, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_nonnull(strstr(err.msg, "in no order"));
    ck_assert_ptr_null(folders.folders);
}
END_TEST

START_TEST(many_are_listed_by_one_request)
{
    auto_catalog_folders struct catalog_folders folders = {0};

    for (int i = 0; i < 5000; i++) {
        auto_free char *key = xasprintf("me/backups/20261120T120000Z-%06x/data.tar.zst", i);
        put(key, 1, 5);
    }
    list(&folders);
    ck_assert_uint_eq(folders.count, 5000);
    ck_assert_str_eq(folders.folders[4999].id, "20261120T120000Z-001387");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog_folders");
    TCase *tcase = tcase_create("folders");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, names_and_sizes_tell_it_all);
    tcase_add_test(tcase, the_names_in_a_folder_can_be_gone_through);
    tcase_add_test(tcase, the_last_verification_counts);
    tcase_add_test(tcase, what_is_not_ours_is_no_folder);
    tcase_add_test(tcase, an_age_that_the_store_does_not_tell_is_none);
    tcase_add_test(tcase, a_listing_that_fails_leaves_nothing);
    tcase_add_test(tcase, a_listing_in_no_order_is_refused);
    tcase_add_test(tcase, many_are_listed_by_one_request);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
