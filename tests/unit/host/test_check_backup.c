/*
 * Each finding about the backups and its absence.
 */
#include "host/check.h"

#include <check.h>
#include <stdlib.h>

#include "support/check_case.h"

#define DAY_MS INT64_C(86400000)

START_TEST(healthy_backups_are_ok)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    for (const struct check_row *row = check_backup_rows; row->id != NULL; row++)
        check_case_expect(&c, row->id, CHECK_OK, "", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(what_is_not_known_is_unknown)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_forget(&c);
    for (const struct check_row *row = check_backup_rows; row->id != NULL; row++)
        check_case_expect(&c, row->id, CHECK_UNKNOWN, "the setting repository", NULL);
    c.facts.backup.has_repository = true; /* which could not be asked */
    for (const struct check_row *row = check_backup_rows; row->id != NULL; row++)
        check_case_expect(&c, row->id, CHECK_UNKNOWN, "", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(backups_grow_old)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "backup-age", CHECK_OK, "1m 00s", NULL);
    c.facts.backup.newest_ms = c.facts.now_ms - 7200000;
    check_case_expect(&c, "backup-age", CHECK_OK, "2h 00m", NULL);
    c.facts.backup.newest_ms--;
    check_case_expect(&c, "backup-age", CHECK_FAIL, "2h 00m", "redkeep backup");
    ck_assert_str_eq(c.result.wanted, "at most 2h 00m");
    c.facts.backup.max_age_ms = 0;
    check_case_expect(&c, "backup-age", CHECK_OK, "2h 00m", NULL);
    c.facts.backup.newest_ms = 0;
    check_case_expect(&c, "backup-age", CHECK_FAIL, "no backup", "redkeep backup");
    c.facts.backup.newest_ms = INT64_MAX; /* another clock */
    check_case_expect(&c, "backup-age", CHECK_OK, "0 ms", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(the_log_lags)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "backup-lag", CHECK_OK, "800 ms", NULL);
    c.facts.backup.lag_ms = 60001;
    check_case_expect(&c, "backup-lag", CHECK_WARN, "1m 00s", "redkeep status");
    c.facts.backup.lag_ms = INT64_MAX;
    check_case_expect(&c, "backup-lag", CHECK_WARN, "d", NULL);
    c.facts.backup.lag_ms = -1;
    check_case_expect(&c, "backup-lag", CHECK_UNKNOWN, "ships the log", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(drills_fail_and_grow_old)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "last-drill", CHECK_OK, "ok, 1d 00h ago", NULL);
    c.facts.backup.drilled_ms = c.facts.now_ms - 35 * DAY_MS;
    check_case_expect(&c, "last-drill", CHECK_OK, "35d", NULL);
    c.facts.backup.drilled_ms--;
    check_case_expect(&c, "last-drill", CHECK_WARN, "35d", "verify-schedule @weekly");
    c.facts.backup.drill_ok = 0;
    check_case_expect(&c, "last-drill", CHECK_FAIL, "failed 35d", "redkeep verify --all --drill");
    c.facts.backup.drill_ok = -1;
    check_case_expect(&c, "last-drill", CHECK_UNKNOWN, "a drill that the sidecar", NULL);
    c.facts.backup.drilled_ms = 0;
    check_case_expect(&c, "last-drill", CHECK_WARN, "never", "verify-schedule @weekly");
    c.facts.backup.has_drill_server = 0;
    check_case_expect(&c, "last-drill", CHECK_WARN, "never",
                      "drill-server /usr/bin/redis-server\nverify-schedule @weekly");
    check_case_release(&c);
}
END_TEST

START_TEST(what_redkeep_does_not_encrypt_is_not_known_to_be)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "encryption", CHECK_OK, "encrypted", NULL);
    c.facts.backup.is_encrypted = 0;
    check_case_expect(&c, "encryption", CHECK_UNKNOWN, "whether the bucket is", NULL);
    c.facts.backup.is_directory = true;
    check_case_expect(&c, "encryption", CHECK_UNKNOWN, "whether the file system is", NULL);
    c.facts.backup.is_encrypted = -1;
    check_case_expect(&c, "encryption", CHECK_UNKNOWN, "a backup", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(who_can_delete_needs_a_bucket_that_remembers)
{
    static const struct {
        int may_delete;
        int is_versioned;
        int prunes;
        enum check_status status;
        const char *says;
    } cases[] = {
        {1, 1, 1, CHECK_OK, "the bucket keeps the versions"},
        {1, 0, 1, CHECK_WARN, "keeps nothing"},
        {1, 0, 0, CHECK_WARN, "keeps nothing"},
        {1, 0, -1, CHECK_WARN, "keeps nothing"},
        {1, -1, 1, CHECK_UNKNOWN, "s3:GetBucketVersioning"},
        {0, 0, 0, CHECK_OK, "may not delete"},
        {0, 0, 1, CHECK_OK, "can remove nothing"},
        {-1, 1, 1, CHECK_OK, "the bucket keeps the versions"},
        {0, -1, 0, CHECK_OK, "may not delete"},
        {-1, 0, 0, CHECK_UNKNOWN, "not tried"},
    };
    struct check_case c;

    check_case_init(&c, "rdb");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c.facts.backup.may_delete = cases[i].may_delete;
        c.facts.backup.is_versioned = cases[i].is_versioned;
        c.facts.backup.prunes = cases[i].prunes;
        check_case_expect(&c, "deletable", cases[i].status, cases[i].says, NULL);
    }
    c.facts.backup.why = "ask for the versioning of s3://b: refused";
    c.facts.backup.is_versioned = -1;
    check_case_expect(&c, "deletable", CHECK_UNKNOWN, "unknown: ask for the versioning", NULL);
    c.facts.backup.lock_days = 30;
    check_case_expect(&c, "deletable", CHECK_OK, "for 30 days (s3-object-lock-days)", NULL);
    c.facts.backup.lock_days = 0;
    c.facts.backup.is_directory = true;
    c.facts.backup.may_delete = 1;
    c.facts.backup.is_versioned = 0;
    check_case_expect(&c, "deletable", CHECK_WARN, "a directory keeps nothing",
                      "# of a bucket with versions; or snapshots of the file system\n"
                      "repository s3://<bucket>/<prefix>");
    check_case_release(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_backup");
    TCase *tcase = tcase_create("backup");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, healthy_backups_are_ok);
    tcase_add_test(tcase, what_is_not_known_is_unknown);
    tcase_add_test(tcase, backups_grow_old);
    tcase_add_test(tcase, the_log_lags);
    tcase_add_test(tcase, drills_fail_and_grow_old);
    tcase_add_test(tcase, what_redkeep_does_not_encrypt_is_not_known_to_be);
    tcase_add_test(tcase, who_can_delete_needs_a_bucket_that_remembers);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
