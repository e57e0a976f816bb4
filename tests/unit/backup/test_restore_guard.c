/*
 * When a restore asks whether a server runs, and what it does when one starts meanwhile, or when
 * another restore takes its place.
 */
// link: -Wl,--wrap=flock -Wl,--wrap=linkat -Wl,--wrap=fstatvfs
#include "backup/restore.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

extern __typeof__(flock) __real_flock;
extern __typeof__(flock) __wrap_flock;

static bool has_locks;

int __wrap_flock(int fd, int operation)
{
    if (has_locks)
        return __real_flock(fd, operation);
    errno = ENOLCK;
    return -1;
}

extern __typeof__(linkat) __real_linkat;
extern __typeof__(linkat) __wrap_linkat;
extern __typeof__(fstatvfs) __real_fstatvfs;
extern __typeof__(fstatvfs) __wrap_fstatvfs;

static bool has_links;
static uint64_t free_bytes; /* 0: as it is */

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int at_flags)
{
    if (has_links)
        return __real_linkat(from_fd, from, to_fd, to, at_flags);
    errno = EPERM;
    return -1;
}

int __wrap_fstatvfs(int fd, struct statvfs *out)
{
    int rc = __real_fstatvfs(fd, out);

    if (free_bytes > 0) {
        out->f_frsize = 1;
        out->f_bavail = free_bytes;
    }
    return rc;
}

static struct restoring run;
static unsigned fds;

static void begin(void)
{
    has_locks = true;
    has_links = true;
    free_bytes = 0;
    fds = fd_count();
    restoring_begin(&run);
    restoring_add_three(&run);
}

static void end(void)
{
    restoring_end(&run);
    ck_assert_uint_eq(fd_count(), fds);
}

static void leave_committed(const char *name)
{
    static const char note[] = MID "\ndump.rdb\nappendonly.aof\nappendonlydir\nbefore-restore-1\n"
                                   "dump.rdb\n";
    auto_free char *note_path = xasprintf("%s/.backup", name);
    auto_free char *dump_path = xasprintf("%s/dump.rdb", name);

    tree_write(run.fd, dump_path, MID " dump", strlen(MID " dump"));
    tree_write(run.fd, note_path, note, strlen(note));
}

static const struct {
    bool if_empty;
    bool force;
    bool dry_run;
} flags[] = {{0}, {.if_empty = true}, {.force = true}, {.dry_run = true}};

static void set_flags(int i)
{
    run.options.if_empty = flags[i].if_empty;
    run.options.force = flags[i].force;
    run.options.dry_run = flags[i].dry_run;
}

START_TEST(under_a_server_nothing_begins)
{
    static const char *const left[] = {NULL, ".redkeep-restore.ready", ".redkeep-restore.replace",
                                       ".redkeep-restore.partial"};

    set_flags(_i);
    run.server_from = 1;
    for (size_t i = 0; i < COUNT(left); i++) {
        if (left[i] != NULL)
            leave_committed(left[i]);
        restoring_must_fail(&run, ERR_HOLDS_DATA);
        ck_assert_ptr_nonnull(strstr(run.err.msg, run.path));
        ck_assert_uint_eq(run.opened, 0);
        restoring_new_dir(&run);
    }
}
END_TEST

START_TEST(a_server_that_starts_at_any_time_ends_it)
{
    unsigned n = 0;

    set_flags(_i);
    for (bool seen = true; seen;) {
        run.server_from = ++n;
        int rc = restoring_run(&run);
        seen = run.checked >= n;
        ck_assert_int_eq(rc, seen ? -1 : 0);
        if (seen) {
            auto_free char *tree = tree_text(run.fd);
            ck_assert_str_eq(tree, "");
            ck_assert_int_eq(run.err.kind, ERR_HOLDS_DATA);
        }
    }
    /* before the store is opened, before staging, before the commit */
    ck_assert_uint_eq(n, flags[_i].dry_run ? 2 : 4);
}
END_TEST

START_TEST(a_volume_that_holds_data_is_left_to_its_server)
{
    run.server_from = 1;
    run.options.if_empty = true;
    tree_write(run.fd, "dump.rdb", "x", 1);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.reason, "volume-holds-data");
}
END_TEST

static void put_theirs(struct restoring *at)
{
    if (at->checked == 3) /* right before the commit */
        tree_write(at->fd, "dump.rdb", "theirs", 6);
}

START_TEST(an_empty_volume_of_a_replica_is_left_to_its_primary)
{
    run.unreachable = true;
    run.options.if_empty = true;
    run.options.is_replica = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert(!run.result.restored);
    ck_assert_str_eq(run.result.reason, "replica");
    ck_assert_uint_eq(run.opened, 0);
    tree_write(run.fd, "dump.rdb", "x", 1);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.reason, "volume-holds-data");
}
END_TEST

START_TEST(data_that_came_meanwhile_stays)
{
    set_flags(_i);
    run.on_check = put_theirs;
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_HOLDS_DATA);
    ck_assert_str_eq(run.result.reason, "volume-holds-data");
    ck_assert_ptr_null(run.result.id);
    auto_free char *tree = tree_text(run.fd);
    ck_assert_ptr_eq(strstr(tree, "dump.rdb f 0644 6 "), tree);
    ck_assert_uint_eq((size_t)(strchr(tree, '\n') - tree) + 1, strlen(tree));
}
END_TEST

static void put_another_stage(struct restoring *at)
{
    if (at->checked != 3)
        return;
    ck_assert_int_eq(renameat(at->fd, ".redkeep-restore.partial", at->fd, "before-restore-gone"),
                     0);
    tree_write(at->fd, ".redkeep-restore.partial/dump.rdb", "half", 4);
}

START_TEST(without_locks_another_restore_is_not_committed)
{
    has_locks = false;
    run.on_check = put_another_stage;
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_BUSY);
    ck_assert(tree_has(run.fd, ".redkeep-restore.partial/dump.rdb")); /* it goes on */
    ck_assert(!tree_has(run.fd, "dump.rdb"));
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "warning: "));
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "no locks"));
}
END_TEST

START_TEST(a_directory_with_locks_is_no_warning)
{
    restoring_must_restore(&run, NEW);
    ck_assert_ptr_null(strstr(buf_text(&run.events), "warning: "));
}
END_TEST

START_TEST(what_was_interrupted_is_not_what_was_asked_for)
{
    static const struct {
        const char *id;
        int64_t at_ms;
        bool is_met;
    } rows[] = {
        {NULL, -1, true}, {MID, -1, true},  {NULL, INT64_C(1795172400000), true}, /* MID's second */
        {OLD, -1, false}, {NEW, -1, false}, {NULL, INT64_C(1795172399999), false},
    };

    run.unreachable = true; /* it is not asked */
    run.options.backup_id = rows[_i].id;
    run.options.at_ms = rows[_i].at_ms;
    leave_committed(".redkeep-restore.ready");
    auto_free char *before = tree_text(run.fd);
    run.options.dry_run = true;
    ck_assert_int_eq(restoring_run(&run), rows[_i].is_met ? 0 : -1);
    ck_assert(rows[_i].is_met || (run.err.kind == ERR_HOLDS_DATA && run.result.id == NULL &&
                                  strstr(run.err.msg, "it would finish") != NULL));
    auto_free char *after = tree_text(run.fd);
    ck_assert_str_eq(before, after);
    run.options.dry_run = false;
    if (rows[_i].is_met) {
        restoring_must_restore(&run, MID);
        return;
    }
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_HOLDS_DATA);
    ck_assert_ptr_nonnull(strstr(run.err.msg, MID));
    ck_assert_ptr_nonnull(strstr(run.err.msg, "HINT"));
    ck_assert(!run.result.restored);
    ck_assert_ptr_null(run.result.id);
    ck_assert(tree_has(run.fd, "dump.rdb"));
}
END_TEST

START_TEST(a_dry_run_says_what_would_be_finished)
{
    leave_committed(".redkeep-restore.ready");
    run.options.dry_run = true;
    auto_free char *before = tree_text(run.fd);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.id, MID);
    ck_assert_str_eq(run.result.reason, "dry-run");
    run.options.force = true; /* which goes on behind it */
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.id, NEW);
    auto_free char *after = tree_text(run.fd);
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(a_dry_run_foresees_what_would_be_dropped)
{
    static const char *const theirs[] = {"appendonlydir/appendonly.aof.1.incr.aof", "dump.rdb",
                                         "other.rdb"};

    leave_committed(".redkeep-restore.ready");
    tree_write(run.fd, theirs[_i], "theirs", 6);
    auto_free char *before = tree_text(run.fd);
    for (int dry = 1; dry >= 0; dry--) { /* it says what the other then does */
        run.options.dry_run = dry == 1;
        ck_assert_int_eq(restoring_run(&run), -1);
        ck_assert_int_eq(run.err.kind, ERR_HOLDS_DATA);
        ck_assert_str_eq(run.result.reason, "volume-holds-data");
        ck_assert_ptr_null(run.result.id);
        ck_assert_ptr_nonnull(
            strstr(buf_text(&run.events), dry ? "is to be dropped" : "warning: dropped"));
        auto_free char *after = tree_text(run.fd);
        ck_assert_int_eq(strcmp(before, after) == 0, dry);
    }
}
END_TEST

START_TEST(a_dry_run_foresees_the_end_of_one_that_replaces)
{
    leave_committed(".redkeep-restore.replace");
    tree_write(run.fd, "dump.rdb", "what it is to move aside", 24);
    run.options.dry_run = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.id, MID);
    run.options.dry_run = false;
    restoring_must_restore(&run, MID);
}
END_TEST

/* Below the data directory: a directory is missing; the last one alone is made. */
static const struct {
    const char *target;
    const char *missing; /* NULL: it is made */
    const char *parent;
} places[] = {{"new", NULL, NULL},       {"new/", NULL, NULL},
              {"a/b", "a", "a"},         {"a/b/", "a", "a"},
              {"a/b/c/d", "a", "a/b/c"}, {"there/a/b/c", "there/a", "there/a/b"}};

START_TEST(a_target_whose_parent_is_not_there_says_which)
{
    auto_free char *target = xasprintf("%s/%s", run.path, places[_i].target);

    ck_assert_int_eq(mkdirat(run.fd, "there", 0700), 0);
    run.options.dir = target;
    run.options.create = true;
    for (int dry = 1; dry >= 0; dry--) {
        run.options.dry_run = dry == 1;
        ck_assert_int_eq(restoring_run(&run), places[_i].missing == NULL ? 0 : -1);
        if (places[_i].missing == NULL)
            continue;
        auto_free char *missing = xasprintf(": %s/%s is not there", run.path, places[_i].missing);
        auto_free char *remedy = xasprintf("mkdir -p %s/%s", run.path, places[_i].parent);
        const char *hint = err_hint(run.err.msg);
        ck_assert_int_eq(run.err.kind, ERR_FAILED);
        ck_assert_msg(strstr(run.err.msg, missing) != NULL, "%s", run.err.msg);
        ck_assert_ptr_nonnull(hint);
        ck_assert_ptr_nonnull(strstr(hint, remedy));
        ck_assert_str_eq(strstr(hint, remedy) + strlen(remedy), "");
        ck_assert(!tree_has(run.fd, "a"));
    }
}
END_TEST

START_TEST(a_target_in_a_directory_that_is_no_more_is_a_failure)
{
    ck_assert_int_eq(mkdirat(run.fd, "gone", 0700), 0);
    ck_assert_int_eq(fchdir(run.fd), 0);
    ck_assert_int_eq(chdir("gone"), 0);
    ck_assert_int_eq(unlinkat(run.fd, "gone", AT_REMOVEDIR), 0);
    run.options.dir = "new";
    run.options.create = true;
    ck_assert_int_eq(restoring_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_FAILED);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "create the target directory new"));
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(other_instances_are_named)
{
    run.options.instance = "cache-1";
    run.options.if_backup_exists = true;
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.reason, "no-backup");
    ck_assert_str_eq(run.result.other_instances, RESTORING_INSTANCE);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "warning: "));

    fake_store_set(&run.fake, "cache-1/backups/" OLD "/data.tar.zst", "x", 1);
    fake_store_set(&run.fake, "zebra/backups/" OLD "/backup.json", "x", 1);
    ck_assert_int_eq(restoring_run(&run), 0);
    ck_assert_str_eq(run.result.other_instances, RESTORING_INSTANCE ", zebra");
}
END_TEST

START_TEST(a_step_back_is_a_warning)
{
    fake_store_drop(&run.fake, RESTORING_INSTANCE "/backups/" NEW "/data.tar.zst");
    restoring_must_restore(&run, MID);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "warning: backup " NEW));
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "older"));
    restoring_new_dir(&run);
    run.options.backup_id = NEW;
    restoring_must_fail(&run, ERR_CORRUPT);
    ck_assert_ptr_null(strstr(buf_text(&run.events), "older"));
    ck_assert_ptr_null(strstr(run.err.msg, "older"));
}
END_TEST

START_TEST(without_links_there_must_be_room_for_a_copy)
{
    struct stat st = {0};

    /* enough for the files, and for the dump once more but for a byte */
    free_bytes = ((uint64_t)1 << 20) + 2 * strlen(NEW " dump") + strlen(NEW " acl") - 1;
    has_links = false;
    restoring_must_fail(&run, ERR_FAILED);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "are free"));
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get"), 0);
    free_bytes++;
    restoring_must_restore(&run, NEW);
    ck_assert_int_eq(fstatat(run.fd, "dump.rdb", &st, 0), 0);
    ck_assert_uint_eq(st.st_nlink, 1);

    restoring_new_dir(&run);
    free_bytes--;
    run.options.appendonly = RESTORE_APPENDONLY_NO; /* which has one name only */
    restoring_must_restore(&run, NEW);
    restoring_new_dir(&run);
    run.options.appendonly = RESTORE_APPENDONLY_AUTO;
    has_links = true;
    restoring_must_restore(&run, NEW);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_guard");
    TCase *tcase = tcase_create("restore_guard");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, under_a_server_nothing_begins, 0, COUNT(flags));
    tcase_add_loop_test(tcase, a_server_that_starts_at_any_time_ends_it, 0, COUNT(flags));
    tcase_add_test(tcase, a_volume_that_holds_data_is_left_to_its_server);
    tcase_add_test(tcase, an_empty_volume_of_a_replica_is_left_to_its_primary);
    tcase_add_loop_test(tcase, data_that_came_meanwhile_stays, 0, 2);
    tcase_add_test(tcase, without_locks_another_restore_is_not_committed);
    tcase_add_test(tcase, a_directory_with_locks_is_no_warning);
    tcase_add_loop_test(tcase, what_was_interrupted_is_not_what_was_asked_for, 0, 6);
    tcase_add_test(tcase, a_dry_run_says_what_would_be_finished);
    tcase_add_loop_test(tcase, a_dry_run_foresees_what_would_be_dropped, 0, 3);
    tcase_add_test(tcase, a_dry_run_foresees_the_end_of_one_that_replaces);
    tcase_add_loop_test(tcase, a_target_whose_parent_is_not_there_says_which, 0, COUNT(places));
    tcase_add_test(tcase, a_target_in_a_directory_that_is_no_more_is_a_failure);
    tcase_add_test(tcase, other_instances_are_named);
    tcase_add_test(tcase, a_step_back_is_a_warning);
    tcase_add_test(tcase, without_links_there_must_be_room_for_a_copy);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
