/* What killed runs have left: when it is swept, and when it may still become a backup. */
#include "backup/prune.h"

#include <check.h>

#include "base/mem.h"
#include "support/leaks.h"
#include "support/pruning.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define A "20261116T120000Z-000000"

static struct pruning run;
static struct leaks held;

static void begin(void)
{
    held = leaks_count();
    pruning_begin(&run);
}

static void end(void)
{
    pruning_end(&run);
    ck_assert(leaks_none(&held));
}

static void must_succeed(void)
{
    ck_assert_msg(pruning_run(&run) == 0, "%s", run.err.msg);
    ck_assert_uint_eq(run.result.refused, 0);
}

START_TEST(orphans_are_swept_when_they_are_old_by_every_clock)
{
    static const struct {
        const char *id;
        const char *names[3];
        int hours_old;
        bool goes;
    } rows[] = {
        {"20261119T115959Z-000000", {"data.tar.zst"}, 25, true},
        {"20261119T120000Z-000001", {"data.tar.zst"}, 24, true},
        {"20261119T120001Z-000000", {"data.tar.zst"}, 25, false}, /* asked for within a day */
        {"20261101T000000Z-000000", {"data.tar.zst"}, 23, false}, /* stored within a day */
        {"20261101T000001Z-000000", {"data.tar.zst", "pinned.json"}, 25, true},
        {"20261101T000002Z-000000", {"verified-20261119T000000Z-ok.json"}, 25, true},
        {"20261101T000003Z-000000", {"notes.txt", "data.tar.zst.gpg"}, 25, false}, /* not ours */
        {"20261101T000004Z-000000", {"backup.json/x"}, 25, false},
        {"20271101T000000Z-000000", {"data.tar.zst"}, 25, false}, /* from the future */
        {"20261131T000000Z-000000", {"data.tar.zst"}, 25, true},  /* no time at all */
    };
    size_t swept = 0;

    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < 3 && rows[i].names[k] != NULL; k++)
            pruning_put(&run, rows[i].id, rows[i].names[k], rows[i].hours_old);
    must_succeed();
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(pruning_is_there(&run, rows[i].id) != rows[i].goes, "%s", rows[i].id);
        swept += rows[i].goes;
    }
    ck_assert_uint_eq(run.result.count, swept);
    ck_assert_uint_eq(run.result.young, 3);
}
END_TEST

/* A host whose clock is two days ahead, beside another that is storing a backup. */
START_TEST(by_a_clock_that_runs_ahead_nothing_is_old)
{
    static const int64_t ahead_ms = INT64_C(48) * 60 * 60 * 1000;

    pruning_put(&run, "20261120T115900Z-000000", "data.tar.zst", 0);
    pruning_put(&run, "20261101T000000Z-000000", "data.tar.zst", 25);
    run.clock.wall_ms += ahead_ms;
    run.fake.store.clock_offset_ms = -ahead_ms;
    must_succeed();
    ck_assert(pruning_is_there(&run, "20261120T115900Z-000000"));
    ck_assert(!pruning_is_there(&run, "20261101T000000Z-000000"));
    ck_assert_uint_eq(run.result.young, 1);
}
END_TEST

START_TEST(one_young_object_keeps_the_folder)
{
    pruning_put(&run, A, "data.tar.zst", 100);
    pruning_put(&run, A, "notes.txt", 1);
    must_succeed();
    ck_assert_ptr_nonnull(pruning_find(&run, A, "data.tar.zst"));
    ck_assert_uint_eq(run.result.young, 1);
}
END_TEST

static void become_a_backup(struct fake_store *fake, const char *operation, const char *key)
{
    (void)key;
    if (strcmp(operation, "get_small") == 0)
        fake_store_set(fake, PRUNING_INSTANCE "/backups/" A "/backup.json", "{}", 2);
}

START_TEST(an_orphan_that_becomes_a_backup_stays)
{
    pruning_put(&run, A, "data.tar.zst", 100);
    run.fake.hook = become_a_backup;
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_GONE);
    ck_assert_uint_eq(run.fake.count, 2);
    ck_assert_uint_eq(run.result.freed_bytes, 0);
}
END_TEST

START_TEST(ten_thousand_orphans_are_swept)
{
    pruning_make(&run, A, NULL);
    for (unsigned i = 0; i < 10000; i++) {
        auto_free char *id = xasprintf("20261101T120000Z-%06x", i);
        pruning_put(&run, id, "data.tar.zst", 100);
    }
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    must_succeed();
    ck_assert_uint_eq(run.fake.count, 2);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "list"), 2); /* of backups, of restores */
    ck_assert_uint_eq(run.result.freed_bytes, 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prune_orphans");
    TCase *tcase = tcase_create("orphans");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, orphans_are_swept_when_they_are_old_by_every_clock);
    tcase_add_test(tcase, by_a_clock_that_runs_ahead_nothing_is_old);
    tcase_add_test(tcase, one_young_object_keeps_the_folder);
    tcase_add_test(tcase, an_orphan_that_becomes_a_backup_stays);
    tcase_add_test(tcase, ten_thousand_orphans_are_swept);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
