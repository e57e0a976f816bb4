/* What piles up beside backups that stay: old notes of verifications, old records of restores. */
#include "backup/prune.h"

#include <check.h>
#include <string.h>

#include "backup/catalog_folders.h"
#include "backup/restore_record.h"
#include "base/mem.h"
#include "support/leaks.h"
#include "support/pruning.h"

#define A "20261101T120000Z-000000"
#define B "20261102T120000Z-000000"
#define C "20261103T120000Z-000000"
#define ORPHAN "20261120T113000Z-000000"
#define NOTE(time, verdict) "verified-202611" time "0000Z-" verdict ".json"

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

static const struct note_row {
    const char *names[6];
    const char *left[4];
} note_rows[] = {
    {{NOTE("04T12", "ok")}, {NOTE("04T12", "ok")}},
    {{NOTE("04T12", "bad")}, {NOTE("04T12", "bad")}},
    {{NOTE("04T12", "ok"), NOTE("05T12", "ok"), NOTE("06T12", "ok")}, {NOTE("06T12", "ok")}},
    {{NOTE("04T12", "bad"), NOTE("05T12", "bad")}, {NOTE("05T12", "bad")}},
    {{NOTE("04T12", "ok"), NOTE("05T12", "bad"), NOTE("06T12", "ok"), NOTE("03T12", "bad")},
     {NOTE("05T12", "bad"), NOTE("06T12", "ok")}},
    {{NOTE("04T12", "ok"), NOTE("04T12", "bad"), NOTE("03T12", "ok"), NOTE("03T12", "bad")},
     {NOTE("04T12", "ok"), NOTE("04T12", "bad")}},
    {{NOTE("04T12", "ok"), NOTE("05T12", "ok"), "verified-tomorrow-ok.json", "pinned.json"},
     {NOTE("05T12", "ok"), "verified-tomorrow-ok.json", "pinned.json"}},
};

static bool is_left(const struct note_row *row, const char *name)
{
    for (size_t i = 0; i < 4 && row->left[i] != NULL; i++)
        if (strcmp(row->left[i], name) == 0)
            return true;
    return false;
}

static struct catalog_folder look_at(const char *id, struct catalog_folders *folders)
{
    struct err err = {0};

    ck_assert_int_eq(catalog_folders_list(&run.fake.store, PRUNING_INSTANCE, folders, &err), 0);
    for (size_t i = 0; i < folders->count; i++)
        if (strcmp(folders->folders[i].id, id) == 0)
            return folders->folders[i];
    ck_abort_msg("%s is not listed", id);
}

START_TEST(of_a_backup_that_stays_the_last_good_and_the_last_bad_note_stay)
{
    const struct note_row *row = &note_rows[_i];
    size_t goes = 0;

    pruning_make(&run, B, NULL);
    pruning_make(&run, C, NULL);
    for (size_t i = 0; i < 6 && row->names[i] != NULL; i++) {
        pruning_put(&run, B, row->names[i], 100);
        goes += is_left(row, row->names[i]) ? 0 : 1;
    }
    auto_catalog_folders struct catalog_folders before = {0};
    auto_catalog_folders struct catalog_folders after = {0};
    struct catalog_folder was = look_at(B, &before);
    size_t count = run.fake.count;

    run.options.confirm = false;
    must_succeed();
    ck_assert_uint_eq(run.result.swept.notes, goes);
    ck_assert_uint_eq(run.fake.count, count);
    run.options.confirm = true;
    must_succeed();
    ck_assert_uint_eq(run.result.swept.notes, goes);
    ck_assert_uint_eq(run.fake.count, count - goes);
    for (size_t i = 0; i < 6 && row->names[i] != NULL; i++)
        ck_assert_int_eq(pruning_find(&run, B, row->names[i]) != NULL, is_left(row, row->names[i]));
    struct catalog_folder is = look_at(B, &after);
    ck_assert_int_eq(is.verified_ms, was.verified_ms); /* a listing says what it said */
    ck_assert_int_eq(is.verified_ok, was.verified_ok);
    must_succeed();
    ck_assert_uint_eq(run.result.swept.notes, 0);
}
END_TEST

START_TEST(what_goes_anyhow_and_what_may_become_a_backup_is_not_counted)
{
    static const char *const ids[] = {A, ORPHAN};

    pruning_make(&run, A, NULL);
    pruning_make(&run, B, NULL);
    pruning_make(&run, C, NULL);
    for (size_t i = 0; i < 2; i++) {
        pruning_put(&run, ids[i], NOTE("04T12", "ok"), 100);
        pruning_put(&run, ids[i], NOTE("05T12", "ok"), 100);
    }
    must_succeed();
    ck_assert_uint_eq(run.result.swept.notes, 0);
    ck_assert(!pruning_is_there(&run, A));
    ck_assert_ptr_nonnull(pruning_find(&run, ORPHAN, NOTE("04T12", "ok")));
}
END_TEST

static void make_records(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        auto_free char *key = xasprintf(
            PRUNING_INSTANCE "/restores/20261101T12%02zu%02zuZ-000000.json", i / 60, i % 60);
        fake_store_set(&run.fake, key, "{}", 2);
    }
}

START_TEST(the_newest_records_of_restores_stay)
{
    static const struct {
        size_t count;
        size_t goes;
    } rows[] = {{1, 0}, {100, 0}, {101, 1}, {1234, 1134}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_records(rows[i].count);
        fake_store_set(&run.fake, PRUNING_INSTANCE "/restores/notes.txt", "mine", 4);
        fake_store_set(&run.fake, "other/restores/20261101T120000Z-000000.json", "{}", 2);
        run.options.confirm = false;
        must_succeed();
        ck_assert_uint_eq(run.result.swept.records, rows[i].goes);
        ck_assert_uint_eq(run.fake.count, rows[i].count + 2);
        run.options.confirm = true;
        must_succeed();
        ck_assert_uint_eq(run.result.swept.records, rows[i].goes);
        ck_assert_uint_eq(run.fake.count, rows[i].count + 2 - rows[i].goes);
        auto_free char *newest =
            xasprintf(PRUNING_INSTANCE "/restores/20261101T12%02zu%02zuZ-000000.json",
                      (rows[i].count - 1) / 60, (rows[i].count - 1) % 60);
        ck_assert_ptr_nonnull(fake_store_find(&run.fake, newest));
    }
}
END_TEST

START_TEST(what_was_never_finished_is_removed)
{
    run.fake.unfinished = 7;
    run.options.confirm = false;
    must_succeed();
    ck_assert_uint_eq(run.result.swept.unfinished.count, 7);
    ck_assert_uint_eq(run.fake.unfinished, 7);
    run.options.confirm = true;
    must_succeed();
    ck_assert_uint_eq(run.result.swept.unfinished.count, 7);
    ck_assert(!run.result.swept.unfinished.is_unknown);
    ck_assert_uint_eq(run.fake.unfinished, 0);
    run.fake.knows_no_uploads = true;
    must_succeed();
    ck_assert(run.result.swept.unfinished.is_unknown);
}
END_TEST

START_TEST(what_others_upload_beside_us_stays)
{
    static const struct {
        const char *key;
        size_t count;
    } rows[] = {
        {PRUNING_INSTANCE "/backups/" A "/data.tar.zst", 1},
        {PRUNING_INSTANCE "/backups/" A "/data.tar.zst.bak", 0},
        {PRUNING_INSTANCE "/backups/" A "/photo.raw", 0},
        {PRUNING_INSTANCE "/backups/photos/data.tar.zst", 0},
        {PRUNING_INSTANCE "/backups/data.tar.zst", 0},
        {PRUNING_INSTANCE "/data.tar.zst", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        run.fake.unfinished = 1;
        run.fake.unfinished_key = rows[i].key;
        must_succeed();
        ck_assert_msg(run.result.swept.unfinished.count == rows[i].count, "%s", rows[i].key);
    }
}
END_TEST

START_TEST(a_failure_leaves_what_the_next_run_sweeps)
{
    bool fired = true;
    unsigned n = 0;

    while (fired) {
        pruning_make(&run, B, NULL);
        pruning_put(&run, B, NOTE("04T12", "ok"), 100);
        pruning_put(&run, B, NOTE("05T12", "ok"), 100);
        make_records(103);
        run.fake.unfinished = 1;
        fake_store_arm(&run.fake, ++n, FAKE_FAILS);
        int rc = pruning_run(&run);
        fired = run.fake.fired > 0;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        fake_store_arm(&run.fake, 0, FAKE_FAILS);
        must_succeed();
        ck_assert_uint_eq(run.fake.count, 2 + 1 + 100);
        ck_assert_uint_eq(run.fake.unfinished, 0);
    }
    ck_assert_uint_ge(n, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prune_sweep");
    TCase *tcase = tcase_create("sweep");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, of_a_backup_that_stays_the_last_good_and_the_last_bad_note_stay, 0,
                        (int)(sizeof(note_rows) / sizeof(note_rows[0])));
    tcase_add_test(tcase, what_goes_anyhow_and_what_may_become_a_backup_is_not_counted);
    tcase_add_test(tcase, the_newest_records_of_restores_stay);
    tcase_add_test(tcase, what_was_never_finished_is_removed);
    tcase_add_test(tcase, what_others_upload_beside_us_stays);
    tcase_add_test(tcase, a_failure_leaves_what_the_next_run_sweeps);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
