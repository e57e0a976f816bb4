#include "backup/verify.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/leaks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "20261120T120000Z-000001"
#define DATA "me/backups/" ID "/data.tar.zst"
#define MANIFEST "me/backups/" ID "/backup.json"
#define BYTES(text) text, sizeof(text) - 1
/* as many keys as the maker of backups says: 4 in database 0 */
#define DUMP                                             \
    "REDIS0010\xfe\x00\x00\x01"                          \
    "a\x01v\x00\x01"                                     \
    "b\x01v\xfc\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01" \
    "c\x01v\x01\x01"                                     \
    "d\x01\x01v" END
#define END "\xff\x01\x02\x03\x04\x05\x06\x07\x08"

static struct fake_store fake;
static struct fake_clock fake_time;
static struct leaks held;
static const struct verify_options options = {
    .instance = "me", .workers = 2, .clock = &fake_time.clock};

static void make(void (*edit)(struct manifest *to))
{
    const struct made_file files[] = {
        {"dump.rdb", MANIFEST_RDB, BYTES(DUMP), 0},
        {"users.acl", MANIFEST_ACL, "user default on", 15, 0},
    };
    const struct made_backup made = {
        .id = ID, .instance = "me", .files = files, .count = 2, .edit = edit};

    backup_make(&fake, &made);
}

static void begin(void)
{
    held = leaks_count();
    fake_store_init(&fake, 50);
    fake_clock_init(&fake_time, 0);
    make(NULL);
}

static void end(void)
{
    ck_assert_uint_eq(fake.open_sources, 0);
    fake_store_release(&fake);
    ck_assert(leaks_none(&held));
}

static void must_be_bad(size_t at, bool has_keys)
{
    struct verify_result result = {0};
    struct err err = {0};

    ck_assert_msg(verify(&fake.store, ID, &options, &result, &err) == 0, "%s", err.msg);
    ck_assert_msg(!result.ok, "byte %zu", at);
    ck_assert(!result.walked);
    ck_assert_str_eq(result.id, ID);
    ck_assert_ptr_nonnull(result.why);
    ck_assert_ptr_null(strstr(result.why, "unproven"));
    ck_assert(!result.too_new);
    ck_assert_int_eq(result.has_keys, has_keys);
    verify_result_release(&result);
}

START_TEST(a_whole_backup_is_ok)
{
    struct verify_result result = {0};
    struct err err = {0};

    ck_assert_msg(verify(&fake.store, ID, &options, &result, &err) == 0, "%s", err.msg);
    ck_assert(result.ok);
    ck_assert(result.walked);
    ck_assert_str_eq(result.id, ID);
    ck_assert_ptr_null(result.why);
    ck_assert(result.has_keys);
    ck_assert_uint_eq(result.keys, 4);
    ck_assert_int_eq(result.took_ms, 0);
    verify_result_release(&result);
}
END_TEST

START_TEST(every_flipped_byte_is_seen)
{
    static const char *const keys[] = {DATA, MANIFEST};
    struct buf *object = fake_store_find(&fake, keys[_i]);

    for (size_t at = 0; at < object->len; at++) {
        object->data[at] ^= (uint8_t)(1U << at % 8);
        must_be_bad(at, _i == 0);
        object->data[at] ^= (uint8_t)(1U << at % 8);
    }
}
END_TEST

START_TEST(every_cut_is_seen)
{
    struct buf *object = fake_store_find(&fake, DATA);

    while (object->len > 0) {
        object->len--;
        must_be_bad(object->len, true);
    }
    fake_store_drop(&fake, DATA);
    must_be_bad(0, true);
}
END_TEST

START_TEST(a_backup_from_the_future_is_told_apart)
{
    struct buf *manifest = fake_store_find(&fake, MANIFEST);
    auto_free char *newer = made_edit(buf_text(manifest), "\"format\": 1", "\"format\": 2");
    struct verify_result result = {0};
    struct err err = {0};

    fake_store_set(&fake, MANIFEST, newer, strlen(newer));
    ck_assert_int_eq(verify(&fake.store, ID, &options, &result, &err), 0);
    ck_assert(!result.ok);
    ck_assert(result.too_new);
    verify_result_release(&result);
}
END_TEST

START_TEST(no_backup_of_that_id_is_a_failure)
{
    struct verify_result result = {0};
    struct err err = {0};

    ck_assert_int_eq(verify(&fake.store, "20261120T120000Z-000002", &options, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    fake_store_drop(&fake, MANIFEST); /* with its data there, it is still none */
    ck_assert_int_eq(verify(&fake.store, ID, &options, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_ptr_null(result.id);
}
END_TEST

static const char *drop_at; /* the operation before which retention comes by */

static void drop_all(struct fake_store *store, const char *operation, const char *key)
{
    (void)key;
    if (strcmp(operation, drop_at) != 0)
        return;
    store->hook = NULL;
    fake_store_drop(store, MANIFEST);
    fake_store_drop(store, DATA);
}

START_TEST(a_backup_that_is_removed_while_it_is_read_is_not_damaged)
{
    static const char *const operations[] = {"get_small", "get", "next"};
    struct verify_result result = {0};
    struct err err = {0};

    drop_at = operations[_i];
    fake.hook = drop_all;
    ck_assert_int_eq(verify(&fake.store, ID, &options, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, ID));
    ck_assert_ptr_null(result.id);
}
END_TEST

static void never_proven(struct manifest *manifest)
{
    manifest->proven = false;
    manifest->unproven_why = xstrdup("dump.rdb: rdbchecksum no");
}

START_TEST(a_whole_backup_that_was_never_proven_is_ok_and_says_so)
{
    struct verify_result result = {0};
    struct err err = {0};

    make(never_proven);
    ck_assert_msg(verify(&fake.store, ID, &options, &result, &err) == 0, "%s", err.msg);
    ck_assert(result.ok);
    ck_assert_str_eq(result.why, "unproven: dump.rdb: rdbchecksum no");
    verify_result_release(&result);
    fake_store_find(&fake, DATA)->data[0] ^= 1; /* what is damaged says that alone */
    must_be_bad(0, true);
}
END_TEST

START_TEST(a_store_that_fails_says_nothing_of_the_backup)
{
    bool fired = true;
    unsigned n = 0;

    while (fired) {
        struct verify_result result = {0};
        struct err err = {0};

        fake_store_arm(&fake, ++n, FAKE_FAILS);
        int rc = verify(&fake.store, ID, &options, &result, &err);
        fired = fake.fired > 0;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(!fired || err.kind == ERR_STORE);
        ck_assert(fired || result.ok);
        verify_result_release(&result);
    }
    ck_assert_uint_gt(n, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify");
    TCase *tcase = tcase_create("verify");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, a_whole_backup_is_ok);
    tcase_add_loop_test(tcase, every_flipped_byte_is_seen, 0, 2);
    tcase_add_test(tcase, every_cut_is_seen);
    tcase_add_test(tcase, a_backup_from_the_future_is_told_apart);
    tcase_add_test(tcase, no_backup_of_that_id_is_a_failure);
    tcase_add_loop_test(tcase, a_backup_that_is_removed_while_it_is_read_is_not_damaged, 0, 3);
    tcase_add_test(tcase, a_whole_backup_that_was_never_proven_is_ok_and_says_so);
    tcase_add_test(tcase, a_store_that_fails_says_nothing_of_the_backup);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
