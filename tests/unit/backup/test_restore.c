/*
 * What a restore does, and what it refuses, by its options. Moments are in
 * test_restore_moment.c, faults in test_restore_faults.c, kills in test_restore_kill.c, layouts in
 * test_restore_layout.c.
 */
// link: -Wl,--wrap=fstatvfs
#include "backup/restore.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/restoring.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OLD RESTORING_OLD
#define MID RESTORING_MID
#define NEW RESTORING_NEW
#define TEN INT64_C(1795168800000) /* OLD's time, 2026-11-20T10:00:00Z */
#define HOUR INT64_C(3600000)

extern __typeof__(fstatvfs) __real_fstatvfs;
extern __typeof__(fstatvfs) __wrap_fstatvfs;

static uint64_t free_bytes = UINT64_MAX;

int __wrap_fstatvfs(int fd, struct statvfs *out)
{
    int rc = __real_fstatvfs(fd, out);

    if (free_bytes != UINT64_MAX) {
        out->f_frsize = 1;
        out->f_bavail = free_bytes;
    }
    return rc;
}

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

START_TEST(the_newest_backup_is_restored)
{
    restoring_add_three(&run);
    restoring_must_restore(&run, NEW);
    ck_assert_int_eq(run.result.restored_to_ms, TEN + 2 * HOUR);
    ck_assert(run.result.has_keys);
    ck_assert_uint_eq(run.result.keys, 4);
    ck_assert_uint_eq(run.result.bytes, strlen(NEW " dump" NEW " acl"));
    ck_assert_uint_eq(run.result.skipped_count, 0);
    ck_assert_ptr_null(run.result.aside);
    ck_assert_uint_eq(run.result.file_count, 4);
    for (size_t i = 0; i < run.result.file_count; i++)
        ck_assert(tree_has(run.fd, run.result.files[i]));
}
END_TEST

START_TEST(a_second_restore_is_refused)
{
    restoring_add_three(&run);
    restoring_must_restore(&run, NEW);
    restoring_must_fail(&run, ERR_HOLDS_DATA);
    ck_assert_str_eq(run.result.reason, "volume-holds-data");
    ck_assert_uint_eq(run.opened, 0);
}
END_TEST

START_TEST(a_volume_that_holds_data_comes_up_without_the_store)
{
    run.unreachable = true;
    run.options.if_empty = true;
    tree_write(run.fd, "dump.rdb", "x", 1);
    tree_write(run.fd, ".redkeep-restore.partial/dump.rdb", "x", 1);
    auto_free char *before = tree_text_but_rubbish(run.fd);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert(!run.result.restored);
    ck_assert_str_eq(run.result.reason, "volume-holds-data");
    ck_assert_ptr_null(run.result.id);
    ck_assert_uint_eq(run.opened, 0);
    auto_free char *after = tree_text(run.fd);
    ck_assert_str_eq(before, after);
}
END_TEST

static void with_other_names(struct manifest *to)
{
    free(to->dbfilename);
    to->dbfilename = xstrdup("my.data");
}

START_TEST(data_under_the_names_that_the_backup_has_is_data)
{
    restoring_add(&run, OLD, with_other_names);
    tree_write(run.fd, "my.data", "x", 1);
    restoring_must_fail(&run, ERR_HOLDS_DATA);
    run.options.if_empty = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.reason, "volume-holds-data");
    ck_assert_ptr_null(run.result.id);
    ck_assert_uint_eq(run.result.file_count, 0);
}
END_TEST

START_TEST(an_empty_repository_is_a_failure_or_not_as_asked)
{
    restoring_must_fail(&run, ERR_NOT_FOUND);
    run.options.if_backup_exists = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert(!run.result.restored);
    ck_assert_str_eq(run.result.reason, "no-backup");

    /* nor is data without a manifest a backup */
    fake_store_set(&run.fake, RESTORING_INSTANCE "/backups/" OLD "/data.tar.zst", "x", 1);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.reason, "no-backup");
    run.options.if_backup_exists = false;
    restoring_must_fail(&run, ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_wrong_instance_is_told)
{
    restoring_add(&run, OLD, NULL);
    run.options.instance = "cache-1";
    restoring_must_fail(&run, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "HINT"));
    ck_assert_ptr_nonnull(strstr(run.err.msg, RESTORING_INSTANCE));
    run.options.instance = "a/b";
    restoring_must_fail(&run, ERR_CONFIG);
}
END_TEST

START_TEST(a_store_that_cannot_be_asked_is_never_an_empty_one)
{
    restoring_add_three(&run);
    run.unreachable = true;
    restoring_must_fail(&run, ERR_STORE);
    run.options.if_backup_exists = true;
    restoring_must_fail(&run, ERR_STORE);
    run.options.if_empty = true;
    restoring_must_fail(&run, ERR_STORE);
}
END_TEST

START_TEST(a_backup_can_be_named)
{
    restoring_add_three(&run);
    run.options.backup_id = "20261120T110000Z-00000f";
    run.options.if_backup_exists = true;
    restoring_must_fail(&run, ERR_NOT_FOUND);
    run.options.backup_id = MID;
    restoring_must_restore(&run, MID);
}
END_TEST

START_TEST(a_named_backup_that_is_corrupt_is_not_exchanged_for_another)
{
    restoring_add_three(&run);
    fake_store_find(&run.fake, RESTORING_INSTANCE "/backups/" MID "/data.tar.zst")->data[99] ^= 1;
    run.options.backup_id = MID;
    restoring_must_fail(&run, ERR_CORRUPT);
    ck_assert_uint_eq(run.result.skipped_count, 1);
}
END_TEST

START_TEST(force_moves_what_is_there_aside)
{
    restoring_add_three(&run);
    tree_write(run.fd, "dump.rdb", "precious", 8);
    tree_write(run.fd, "users.acl", "theirs", 6);
    run.options.force = true;
    restoring_must_restore(&run, NEW);
    ck_assert_ptr_nonnull(run.result.aside);
    auto_free char *old_dump = xasprintf("%s/dump.rdb", run.result.aside);
    auto_free char *old_acl = xasprintf("%s/users.acl", run.result.aside);
    ck_assert(tree_has(run.fd, old_dump));
    ck_assert(tree_has(run.fd, old_acl));
}
END_TEST

START_TEST(a_dry_run_does_nothing)
{
    restoring_add_three(&run);
    tree_write(run.fd, ".redkeep-restore.partial/dump.rdb", "x", 1);
    run.options.dry_run = true;
    auto_free char *before = tree_text(run.fd);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert(!run.result.restored);
    ck_assert_str_eq(run.result.reason, "dry-run");
    ck_assert_str_eq(run.result.id, NEW);
    ck_assert_uint_eq(run.result.file_count, 4);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get"), 0);
    auto_free char *after = tree_text(run.fd);
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(a_dry_run_passes_over_data_that_is_gone_or_cut)
{
    restoring_add_three(&run);
    fake_store_drop(&run.fake, RESTORING_INSTANCE "/backups/" NEW "/data.tar.zst");
    fake_store_find(&run.fake, RESTORING_INSTANCE "/backups/" MID "/data.tar.zst")->len--;
    run.options.dry_run = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.id, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 2);
    ck_assert_str_eq(run.result.skipped[0].id, NEW);
    ck_assert_str_eq(run.result.skipped[1].id, MID);
}
END_TEST

START_TEST(a_server_that_cannot_load_it_gets_nothing)
{
    const struct server_version old_server = {REDIS_FLAVOUR_REDIS, 6, 2, 14};

    restoring_add_three(&run);
    run.options.target = &old_server;
    run.options.target_from = "the setting server-version";
    restoring_must_fail(&run, ERR_TOO_NEW);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get"), 0);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "HINT: start Redis 7.0.15 or newer"));
    ck_assert_uint_eq(run.result.skipped_count, 0); /* an older backup would lose data silently */

    const struct server_version same_server = {REDIS_FLAVOUR_REDIS, 7, 0, 0};
    run.options.target = &same_server;
    restoring_must_restore(&run, NEW);
}
END_TEST

START_TEST(a_manifest_of_the_future_is_no_corrupt_one)
{
    restoring_add_three(&run);
    struct buf *manifest =
        fake_store_find(&run.fake, RESTORING_INSTANCE "/backups/" NEW "/backup.json");
    auto_free char *newer = made_edit(buf_text(manifest), "\"format\": 1", "\"format\": 2");
    fake_store_set(&run.fake, RESTORING_INSTANCE "/backups/" NEW "/backup.json", newer,
                   strlen(newer));
    restoring_must_fail(&run, ERR_TOO_NEW);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get"), 0);
}
END_TEST

START_TEST(a_full_volume_is_seen_before_anything_is_fetched)
{
    restoring_add_three(&run);
    free_bytes = 1024;
    restoring_must_fail(&run, ERR_FAILED);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get"), 0);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "are free"));
    ck_assert_uint_eq(run.result.skipped_count, 0);
    free_bytes = (uint64_t)4 << 20;
    restoring_must_restore(&run, NEW);
}
END_TEST

START_TEST(a_locked_directory_is_busy)
{
    auto_close int other = open(run.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    restoring_add_three(&run);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    restoring_must_fail(&run, ERR_BUSY);
    ck_assert_uint_eq(run.opened, 0);
    ck_assert_int_eq(flock(other, LOCK_UN), 0);
    restoring_must_restore(&run, NEW);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_made_when_asked_for)
{
    auto_free char *path = xasprintf("%s/new", run.path);
    auto_free char *deep = xasprintf("%s/a/b", run.path);
    auto_free char *file = xasprintf("%s/file", run.path);

    restoring_add_three(&run);
    tree_write(run.fd, "file", "x", 1);
    run.options.dir = path;
    restoring_must_fail(&run, ERR_FAILED);
    run.options.create = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert(tree_has(run.fd, "new/dump.rdb"));
    restoring_must_fail(&run, ERR_HOLDS_DATA);
    run.options.dir = deep;
    restoring_must_fail(&run, ERR_FAILED);
    run.options.dir = file;
    restoring_must_fail(&run, ERR_FAILED);
    run.options.create = false;
    restoring_must_fail(&run, ERR_FAILED);
    ck_assert_uint_eq(run.opened, 0);
}
END_TEST

START_TEST(what_an_earlier_run_left_unfinished_takes_no_room)
{
    restoring_add_three(&run);
    tree_write(run.fd, ".redkeep-restore.partial/dump.rdb", "half", 4);
    tree_write(run.fd, ".redkeep-restore.partial/appendonlydir/x", "half", 4);
    run.unreachable = true; /* it goes first, whatever comes then */
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert(!tree_has(run.fd, ".redkeep-restore.partial"));
    run.unreachable = false;
    restoring_must_restore(&run, NEW);
}
END_TEST

static void leave_committed(const char *name)
{
    static const char note[] = MID "\ndump.rdb\nappendonly.aof\nappendonlydir\nbefore-restore-1\n"
                                   "users.acl\ndump.rdb\n";
    auto_free char *note_path = xasprintf("%s/.backup", name);
    auto_free char *dump_path = xasprintf("%s/dump.rdb", name);

    tree_write(run.fd, dump_path, MID " dump", strlen(MID " dump"));
    tree_write(run.fd, note_path, note, strlen(note));
}

START_TEST(a_committed_restore_is_finished_without_the_store)
{
    run.unreachable = true;
    leave_committed(".redkeep-restore.ready");
    restoring_must_restore(&run, MID);
    ck_assert_uint_eq(run.opened, 0);
    auto_free char *tree = tree_text(run.fd);
    ck_assert_ptr_null(strstr(tree, ".redkeep"));
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "interrupted"));
}
END_TEST

START_TEST(a_committed_restore_that_a_server_has_overtaken_is_dropped)
{
    static const char *const theirs[] = {"appendonlydir/appendonly.aof.1.incr.aof", "dump.rdb",
                                         "other.rdb"};

    run.unreachable = true;
    run.options.if_empty = true;
    for (size_t i = 0; i < COUNT(theirs); i++) {
        tree_write(run.fd, theirs[i], "theirs", 6);
        auto_free char *before = tree_text(run.fd);
        leave_committed(".redkeep-restore.ready");
        ck_assert_int_eq(restoring_run(&run), 0);
        ck_assert(!run.result.restored);
        ck_assert_str_eq(run.result.reason, "volume-holds-data");
        ck_assert_ptr_null(run.result.id);
        auto_free char *after = tree_text(run.fd);
        ck_assert_str_eq(before, after);
        restoring_new_dir(&run);
    }
}
END_TEST

START_TEST(a_dry_run_does_not_finish_a_committed_restore)
{
    restoring_add_three(&run);
    leave_committed(".redkeep-restore.ready");
    run.options.dry_run = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.reason, "dry-run");
    ck_assert(tree_has(run.fd, ".redkeep-restore.ready/dump.rdb"));
}
END_TEST

START_TEST(force_goes_on_behind_a_committed_restore)
{
    restoring_add_three(&run);
    leave_committed(".redkeep-restore.replace");
    tree_write(run.fd, "dump.rdb", "precious", 8);
    run.options.force = true;
    restoring_must_restore(&run, NEW);
    ck_assert(tree_has(run.fd, "before-restore-1/dump.rdb"));
    auto_free char *moved = xasprintf("%s/dump.rdb", run.result.aside);
    ck_assert(tree_has(run.fd, moved)); /* MID's */

    leave_committed(".redkeep-restore.ready");
    run.unreachable = true; /* what was finished is not what was asked for now */
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_STORE);
    ck_assert(!run.result.restored);
    ck_assert_ptr_null(run.result.id);
}
END_TEST

static TCase *options_case(void)
{
    TCase *tcase = tcase_create("options");

    tcase_add_test(tcase, the_newest_backup_is_restored);
    tcase_add_test(tcase, a_second_restore_is_refused);
    tcase_add_test(tcase, a_volume_that_holds_data_comes_up_without_the_store);
    tcase_add_test(tcase, data_under_the_names_that_the_backup_has_is_data);
    tcase_add_test(tcase, an_empty_repository_is_a_failure_or_not_as_asked);
    tcase_add_test(tcase, a_wrong_instance_is_told);
    tcase_add_test(tcase, a_store_that_cannot_be_asked_is_never_an_empty_one);
    tcase_add_test(tcase, a_backup_can_be_named);
    tcase_add_test(tcase, a_named_backup_that_is_corrupt_is_not_exchanged_for_another);
    tcase_add_test(tcase, force_moves_what_is_there_aside);
    tcase_add_test(tcase, a_dry_run_does_nothing);
    tcase_add_test(tcase, a_dry_run_passes_over_data_that_is_gone_or_cut);
    return tcase;
}

static TCase *refusals_case(void)
{
    TCase *tcase = tcase_create("refusals");

    tcase_add_test(tcase, a_server_that_cannot_load_it_gets_nothing);
    tcase_add_test(tcase, a_manifest_of_the_future_is_no_corrupt_one);
    tcase_add_test(tcase, a_full_volume_is_seen_before_anything_is_fetched);
    tcase_add_test(tcase, a_locked_directory_is_busy);
    tcase_add_test(tcase, a_directory_that_is_not_there_is_made_when_asked_for);
    tcase_add_test(tcase, what_an_earlier_run_left_unfinished_takes_no_room);
    tcase_add_test(tcase, a_committed_restore_is_finished_without_the_store);
    tcase_add_test(tcase, a_committed_restore_that_a_server_has_overtaken_is_dropped);
    tcase_add_test(tcase, a_dry_run_does_not_finish_a_committed_restore);
    tcase_add_test(tcase, force_goes_on_behind_a_committed_restore);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("restore");
    TCase *tcases[] = {options_case(), refusals_case()};
    SRunner *runner = srunner_create(suite);

    for (size_t i = 0; i < COUNT(tcases); i++) {
        tcase_add_checked_fixture(tcases[i], begin, end);
        tcase_set_timeout(tcases[i], 300); /* a ceiling for slow machines, not an expectation */
        suite_add_tcase(suite, tcases[i]);
    }
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
