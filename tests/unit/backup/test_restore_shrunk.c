/*
 * A restore of what a collapse has left says so, and names the backup from before.
 */
#include <check.h>
#include <string.h>

#include "backup/catalog.h"
#include "backup/restore.h"
#include "base/mem.h"
#include "support/restoring.h"

#define OLD RESTORING_OLD
#define MID RESTORING_MID
#define NEW RESTORING_NEW

static struct restoring run;

static void begin(void)
{
    restoring_begin(&run);
    run.options.shrink_percent = 50;
}

static void end(void)
{
    restoring_end(&run);
}

static void has_many(struct manifest *to)
{
    to->dbs[0].keys = 1000;
}

static void has_few(struct manifest *to)
{
    to->dbs[0].keys = 3;
}

static void pin(const char *id)
{
    struct err err;

    ck_assert_int_eq(catalog_pin(&run.fake.store, RESTORING_INSTANCE, id, "{}", &err), 0);
}

static bool warned_of(const char *id)
{
    auto_free char *hint = xasprintf("--backup %s [SHRUNK]", id);

    return strstr(buf_text(&run.events), hint) != NULL;
}

START_TEST(the_backup_from_before_a_collapse_is_named)
{
    restoring_add(&run, OLD, has_many);
    restoring_add(&run, MID, has_few);
    restoring_add(&run, NEW, has_few);
    pin(OLD);
    run.options.dry_run = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert(warned_of(OLD));
    run.options.dry_run = false;
    restoring_must_restore(&run, NEW); /* the choice stays */
    ck_assert(warned_of(OLD));
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), NEW " holds 3 keys instead of 1000 in "));
}
END_TEST

START_TEST(the_newest_that_is_pinned_is_named)
{
    restoring_add(&run, OLD, has_many);
    restoring_add(&run, MID, has_many);
    restoring_add(&run, NEW, has_few);
    pin(MID);
    pin(OLD);
    restoring_must_restore(&run, NEW);
    ck_assert(warned_of(MID));
    ck_assert(!warned_of(OLD));
}
END_TEST

/* By its id; of before; as large as before; accepted; without an alarm; pinned, and gone. */
START_TEST(nothing_is_said_of)
{
    restoring_add(&run, OLD, has_many);
    restoring_add(&run, MID, _i == 2 ? has_many : has_few);
    if (_i != 3)
        pin(OLD);
    if (_i == 0)
        run.options.backup_id = MID;
    if (_i == 1)
        run.options.at_ms = catalog_id_time(OLD);
    if (_i == 4)
        run.options.shrink_percent = 0;
    if (_i == 5)
        fake_store_drop(&run.fake, RESTORING_INSTANCE "/backups/" OLD "/backup.json");
    restoring_must_restore(&run, _i == 1 ? OLD : MID);
    ck_assert_ptr_null(strstr(buf_text(&run.events), "SHRUNK"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_shrunk");
    TCase *tcase = tcase_create("restore_shrunk");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, the_backup_from_before_a_collapse_is_named);
    tcase_add_test(tcase, the_newest_that_is_pinned_is_named);
    tcase_add_loop_test(tcase, nothing_is_said_of, 0, 6);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
