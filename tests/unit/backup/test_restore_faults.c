/*
 * A restore from a store whose bytes are wrong, or that fails at its n-th operation, and on a disk
 * that fails at its n-th call.
 */
// link: -Wl,--wrap=openat -Wl,--wrap=mkdirat -Wl,--wrap=fsync -Wl,--wrap=renameat
// link: -Wl,--wrap=renameat2 -Wl,--wrap=linkat -Wl,--wrap=fchown -Wl,--wrap=fchmod
// link: -Wl,--wrap=unlinkat -Wl,--wrap=write
#include "backup/restore.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/faults.h"
#include "support/leaks.h"
#include "support/restoring.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OLD RESTORING_OLD
#define MID RESTORING_MID
#define NEW RESTORING_NEW
#define KEY(id, name) RESTORING_INSTANCE "/backups/" id "/" name

static struct restoring run;
static struct leaks held;

static void begin(void)
{
    held = leaks_count();
    restoring_begin(&run);
}

static void end(void)
{
    restoring_end(&run);
    ck_assert(leaks_none(&held));
}

static const char *const objects[] = {KEY(NEW, "data.tar.zst"), KEY(NEW, "backup.json")};

/* The volume is as empty as before. */
static void check_untouched(void)
{
    auto_free char *tree = tree_text(run.fd);

    ck_assert_str_eq(tree, "");
}

static void must_step_back(size_t at)
{
    ck_assert_msg(restoring_run(&run) == 0, "byte %zu: %s", at, run.err.msg);
    ck_assert_str_eq(run.result.id, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 1);
    ck_assert_str_eq(run.result.skipped[0].id, NEW);
    ck_assert_uint_gt(strlen(run.result.skipped[0].why), 10);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), NEW));
    restoring_new_dir(&run);
}

static void must_be_corrupt(size_t at)
{
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_msg(run.err.kind == ERR_CORRUPT, "byte %zu: %s", at, run.err.msg);
    ck_assert_uint_eq(run.result.skipped_count, 1);
    ck_assert_ptr_null(run.result.id);
    check_untouched();
}

START_TEST(a_flipped_byte_costs_one_step_back)
{
    restoring_add(&run, OLD, NULL);
    restoring_add(&run, NEW, NULL);
    struct buf *object = fake_store_find(&run.fake, objects[_i]);
    for (size_t at = 0; at < object->len; at++) {
        object->data[at] ^= (uint8_t)(1U << at % 8);
        must_step_back(at);
        object->data[at] ^= (uint8_t)(1U << at % 8);
    }
    restoring_must_restore(&run, NEW);
}
END_TEST

START_TEST(a_flipped_byte_is_corrupt_when_nothing_older_is_there)
{
    restoring_add(&run, NEW, NULL);
    struct buf *object = fake_store_find(&run.fake, objects[_i]);
    run.options.if_backup_exists = true;
    for (size_t at = 0; at < object->len; at++) {
        object->data[at] ^= (uint8_t)(0x80U >> at % 8);
        must_be_corrupt(at);
        object->data[at] ^= (uint8_t)(0x80U >> at % 8);
    }
}
END_TEST

START_TEST(every_cut_costs_one_step_back)
{
    restoring_add(&run, OLD, NULL);
    restoring_add(&run, NEW, NULL);
    struct buf *object = fake_store_find(&run.fake, objects[_i]);
    while (object->len > 0) {
        object->len--;
        must_step_back(object->len);
    }
    fake_store_drop(&run.fake, KEY(OLD, "backup.json"));
    must_be_corrupt(0);
}
END_TEST

START_TEST(data_that_is_gone_costs_one_step_back)
{
    restoring_add(&run, OLD, NULL);
    restoring_add(&run, NEW, NULL);
    fake_store_drop(&run.fake, objects[0]);
    must_step_back(0);
    fake_store_drop(&run.fake, KEY(OLD, "data.tar.zst"));
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_CORRUPT);
    ck_assert_uint_eq(run.result.skipped_count, 2);
    check_untouched();
}
END_TEST

START_TEST(every_backup_that_is_passed_over_is_told)
{
    restoring_add_three(&run);
    fake_store_find(&run.fake, objects[1])->len = 0;
    fake_store_drop(&run.fake, KEY(MID, "data.tar.zst"));
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.id, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 2);
    ck_assert_str_eq(run.result.skipped[0].id, NEW);
    ck_assert_str_eq(run.result.skipped[1].id, MID);
}
END_TEST

static void prune(struct fake_store *fake, const char *operation, const char *key)
{
    if (strcmp(operation, "get_small") == 0 && strcmp(key, objects[1]) == 0)
        fake_store_drop(fake, key);
}

START_TEST(a_backup_that_went_since_the_listing_is_no_corrupt_one)
{
    restoring_add(&run, NEW, NULL);
    run.fake.hook = prune;
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_NOT_FOUND);
    restoring_add(&run, NEW, NULL);
    restoring_add(&run, OLD, NULL);
    restoring_must_restore(&run, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 0);
}
END_TEST

static const enum fake_fault kinds[] = {FAKE_FAILS, FAKE_GONE};

START_TEST(a_store_that_fails_is_an_error_at_every_operation)
{
    bool fired = true;
    unsigned n = 0;

    restoring_add_three(&run);
    fake_store_find(&run.fake, objects[0])->data[99] ^= 1; /* so that a step back is swept too */
    run.options.if_backup_exists = true;
    run.options.if_empty = true;
    while (fired) {
        restoring_new_dir(&run);
        fake_store_arm(&run.fake, ++n, kinds[_i]);
        int rc = restoring_run(&run);
        fired = run.fake.fired > 0;
        if (!fired) {
            ck_assert_int_eq(rc, 0);
            ck_assert_str_eq(run.result.id, MID);
            break;
        }
        ck_assert_msg(rc == -1, "operation %u failed:\n%s", n, buf_text(&run.fake.log));
        ck_assert_msg(run.err.kind == ERR_STORE, "operation %u failed: %s", n, run.err.msg);
        ck_assert(!run.result.restored);
        ck_assert_ptr_null(run.result.id);
        check_untouched();
    }
    ck_assert_uint_gt(n, 8);
}
END_TEST

static const int codes[] = {EIO, ENOSPC, ENOENT};

/* A disk that fails is no corrupt backup, no missing one, and no volume that holds data. */
static void check_failure(int rc, unsigned n)
{
    if (rc == 0) {
        ck_assert_msg(run.result.restored, "call %u failed: %s", n, run.result.reason);
        ck_assert_str_eq(run.result.id, NEW);
        return;
    }
    ck_assert_msg(run.err.kind == ERR_FAILED, "call %u failed: %s", n, run.err.msg);
    ck_assert_uint_eq(run.result.skipped_count, 0);
    ck_assert(!run.result.restored);
    ck_assert_ptr_null(run.result.id);
}

START_TEST(a_disk_that_fails_is_an_error_at_every_call)
{
    bool fired = true;
    unsigned n = 0;

    restoring_add(&run, OLD, NULL);
    restoring_add(&run, NEW, NULL);
    restoring_must_restore(&run, NEW);
    auto_free char *after = tree_text(run.fd);
    run.options.if_empty = true;
    while (fired) {
        restoring_new_dir(&run);
        faults_arm(++n, codes[_i]);
        int rc = restoring_run(&run);
        fired = faults_fired() > 0;
        faults_disarm();
        check_failure(rc, n);
        ck_assert_msg(restoring_run(&run) == 0, "after call %u: %s", n, run.err.msg);
        auto_free char *now = tree_text(run.fd);
        ck_assert_msg(strcmp(now, after) == 0, "after call %u:\n%s", n, now);
    }
    ck_assert_uint_gt(n, 30);
}
END_TEST

START_TEST(a_disk_that_stays_full_leaves_nothing_behind)
{
    unsigned n = 0;

    restoring_add(&run, NEW, NULL);
    for (bool fired = true; fired;) {
        restoring_new_dir(&run);
        faults_arm_sticky(++n, EROFS);
        int rc = restoring_run(&run);
        fired = faults_fired() > 0;
        faults_disarm();
        ck_assert_msg((rc == 0) == run.result.restored, "%s", run.err.msg);
        ck_assert_msg(rc == 0 || run.err.kind == ERR_FAILED, "%s", run.err.msg);
        run.options.if_empty = true;
        ck_assert_int_eq(restoring_run(&run), 0);
        ck_assert(tree_has(run.fd, "dump.rdb"));
        ck_assert(!tree_has(run.fd, ".redkeep-restore.partial"));
        run.options.if_empty = false;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_faults");
    TCase *tcase = tcase_create("restore_faults");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, a_flipped_byte_costs_one_step_back, 0, COUNT(objects));
    tcase_add_loop_test(tcase, a_flipped_byte_is_corrupt_when_nothing_older_is_there, 0,
                        COUNT(objects));
    tcase_add_loop_test(tcase, every_cut_costs_one_step_back, 0, COUNT(objects));
    tcase_add_test(tcase, data_that_is_gone_costs_one_step_back);
    tcase_add_test(tcase, every_backup_that_is_passed_over_is_told);
    tcase_add_test(tcase, a_backup_that_went_since_the_listing_is_no_corrupt_one);
    tcase_add_loop_test(tcase, a_store_that_fails_is_an_error_at_every_operation, 0, COUNT(kinds));
    tcase_add_loop_test(tcase, a_disk_that_fails_is_an_error_at_every_call, 0, COUNT(codes));
    tcase_add_test(tcase, a_disk_that_stays_full_leaves_nothing_behind);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
