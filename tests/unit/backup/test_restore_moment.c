/* Which backup a restore takes that is told a moment. */
#include "backup/restore.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/restoring.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OLD RESTORING_OLD
#define MID RESTORING_MID
#define NEW RESTORING_NEW
#define TEN INT64_C(1795168800000) /* OLD's time, 2026-11-20T10:00:00Z */
#define HOUR INT64_C(3600000)

static struct restoring run;
static unsigned fds;

static void begin(void)
{
    fds = fd_count();
    restoring_begin(&run);
}

static void end(void)
{
    restoring_end(&run);
    ck_assert_uint_eq(fd_count(), fds);
}

START_TEST(a_moment_gets_the_newest_backup_that_is_not_younger)
{
    static const struct {
        int64_t at_ms;
        const char *id; /* NULL: not covered */
    } rows[] = {
        {TEN - 1, NULL},
        {TEN, OLD},
        {TEN + HOUR - 1, OLD},
        {TEN + HOUR, MID},
        {TEN + HOUR + 1, MID},
        {TEN + 9 * HOUR, NEW},
        {0, NULL},
    };

    restoring_add_three(&run);
    for (size_t i = 0; i < COUNT(rows); i++) {
        run.options.at_ms = rows[i].at_ms;
        if (rows[i].id != NULL)
            restoring_must_restore(&run, rows[i].id);
        else
            restoring_must_fail(&run, ERR_NOT_FOUND);
        restoring_new_dir(&run);
    }
    ck_assert_ptr_nonnull(strstr(run.err.msg, OLD ", is of 2026-11-20T10:00:00Z. HINT: "));
}
END_TEST

static void forked_late(struct manifest *to)
{
    to->forked_ms += 5000;
}

START_TEST(what_counts_for_a_moment_is_when_the_server_forked)
{
    restoring_add(&run, OLD, NULL);
    restoring_add(&run, MID, forked_late);
    run.options.at_ms = TEN + HOUR + 4000;
    restoring_must_restore(&run, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 0);
    restoring_new_dir(&run);
    run.options.at_ms = TEN + HOUR + 5000;
    restoring_must_restore(&run, MID);
}
END_TEST

static void of_an_idle_server(struct manifest *to)
{
    to->forked_ms = TEN + 1000;
}

START_TEST(so_a_backup_taken_later_may_hold_the_data_of_the_moment)
{
    restoring_add(&run, OLD, NULL);
    restoring_add(&run, MID, of_an_idle_server);
    restoring_add(&run, NEW, NULL);
    run.options.at_ms = TEN;
    restoring_must_restore(&run, OLD);
    restoring_new_dir(&run);
    run.options.at_ms = TEN + 1000;
    restoring_must_restore(&run, MID);

    /* what cannot be read tells nothing, and is only passed over where it may be wanted */
    static const char *const damaged[] = {MID, NEW};
    static const char *const expected[] = {OLD, MID};
    for (size_t i = COUNT(damaged); i-- > 0;) {
        auto_free char *key = xasprintf(RESTORING_INSTANCE "/backups/%s/backup.json", damaged[i]);

        fake_store_find(&run.fake, key)->data[20] ^= 1;
        restoring_new_dir(&run);
        restoring_must_restore(&run, expected[i]);
        ck_assert_uint_eq(run.result.skipped_count, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_moment");
    TCase *tcase = tcase_create("moments");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, a_moment_gets_the_newest_backup_that_is_not_younger);
    tcase_add_test(tcase, what_counts_for_a_moment_is_when_the_server_forked);
    tcase_add_test(tcase, so_a_backup_taken_later_may_hold_the_data_of_the_moment);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
