/*
 * The switch where something cannot be moved, or stands where it did not a moment ago.
 */
// link: -Wl,--wrap=renameat -Wl,--wrap=renameat2
#include "backup/stage.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "20261120T120000Z-000001"

#define WRAPPED(name)                      \
    extern __typeof__(name) __real_##name; \
    extern __typeof__(name) __wrap_##name

WRAPPED(renameat);
WRAPPED(renameat2);

static const char *stuck; /* the entry that cannot be moved aside, for this reason */
static int stuck_code;
static bool cannot_go_back;   /* nor can anything be put back */
static const char *meanwhile; /* is written right after the commit */
static bool has_flags;        /* of renameat2; NFS has none */
static const struct volume_names names = {"dump.rdb", "appendonly.aof", "appendonlydir"};

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (stuck != NULL && strcmp(from, stuck) == 0) {
        errno = stuck_code;
        return -1;
    }
    int rc = __real_renameat(from_fd, from, to_fd, to);
    if (meanwhile != NULL && strcmp(from, ".redkeep-restore.partial") == 0)
        tree_write(to_fd, meanwhile, "theirs", 6);
    return rc;
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (cannot_go_back || !has_flags) {
        errno = cannot_go_back ? EIO : EINVAL;
        return -1;
    }
    return __real_renameat2(from_fd, from, to_fd, to, flags);
}

static char *path;
static int fd;
static struct err err;
static char *aside;

static void begin(void)
{
    stuck = NULL;
    cannot_go_back = false;
    meanwhile = NULL;
    has_flags = true;
    err = (struct err){0};
    aside = NULL;
    path = tmpdir_new();
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, path, &fd, &err), 0);
}

static void end(void)
{
    (void)close(fd);
    tmpdir_remove(path);
    free(aside);
}

static int run_stage(bool replace)
{
    struct stage_owner owner = {geteuid(), getegid()};
    auto_stage struct stage *stage = NULL;

    if (stage_new(fd, &owner, &stage, &err) != 0 ||
        stage_add_bytes(stage, "dump.rdb", 0640, "ours", &err) != 0 ||
        stage_add_dir(stage, "appendonlydir", 0750, &err) != 0 ||
        stage_add_bytes(stage, "appendonlydir/appendonly.aof.manifest", 0640, "ours", &err) != 0 ||
        stage_add_bytes(stage, "users.acl", 0600, "ours", &err) != 0 ||
        stage_note(stage, ID, &names, &err) != 0)
        return -1;
    return stage_commit(stage, &names, replace, &aside, &err);
}

static void put_old(void)
{
    tree_write(fd, "dump.rdb", "old", 3);
    tree_write(fd, "appendonlydir/appendonly.aof.7.base.rdb", "old", 3);
    tree_write(fd, "users.acl", "old", 3);
    tree_write(fd, "monday.rdb", "old", 3);
}

static const int codes[] = {EBUSY, EACCES, EPERM};

START_TEST(what_holds_no_data_and_cannot_be_moved_stays)
{
    put_old();
    stuck = "users.acl";
    stuck_code = codes[_i];
    ck_assert_msg(run_stage(true) == 0, "%s", err.msg);
    auto_free char *tree = tree_text(fd);
    ck_assert_ptr_nonnull(strstr(tree, "\nusers.acl f 0644 3 "));
    ck_assert_ptr_nonnull(strstr(tree, "\ndump.rdb f 0640 4 "));
    ck_assert_ptr_nonnull(strstr(tree, "before-restore-*/dump.rdb f 0644 3 "));
    ck_assert_ptr_null(strstr(tree, ".redkeep"));
}
END_TEST

static const char *const data[] = {"dump.rdb", "appendonlydir", "monday.rdb"};

START_TEST(when_data_cannot_be_moved_all_is_put_back)
{
    put_old();
    has_flags = (size_t)_i < COUNT(data);
    stuck = data[(size_t)_i % COUNT(data)];
    stuck_code = EBUSY;
    auto_free char *before = tree_text(fd);
    ck_assert_int_eq(run_stage(true), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "as it was"));
    ck_assert_ptr_nonnull(strstr(err.msg, stuck));
    auto_free char *after = tree_text(fd);
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(when_it_cannot_be_put_back_either_the_next_run_finishes)
{
    enum stage_found found = STAGE_NONE;
    auto_free char *id = NULL;

    put_old();
    stuck = "dump.rdb";
    stuck_code = EACCES;
    cannot_go_back = true;
    tree_write(fd, "a.rdb", "old", 3); /* one at least is moved before or after it */
    tree_write(fd, "z.rdb", "old", 3);
    ck_assert_int_eq(run_stage(true), -1);
    ck_assert_int_eq(stage_find(fd, &found, &err), 0);
    if (found == STAGE_COMMITTED) { /* else the stuck one was the first */
        stuck = NULL;
        cannot_go_back = false;
        ck_assert_msg(stage_resume(fd, &id, &aside, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(id, ID);
        auto_free char *tree = tree_text(fd);
        ck_assert_ptr_nonnull(strstr(tree, "before-restore-*/dump.rdb f 0644 3 "));
        ck_assert_ptr_nonnull(strstr(tree, "before-restore-*/a.rdb f 0644 3 "));
    }
}
END_TEST

static const char *const theirs[] = {"dump.rdb", "appendonlydir/appendonly.aof.1.incr.aof"};

START_TEST(data_that_came_after_the_commit_stays_and_is_said)
{
    bool replace = _i >= 4;

    has_flags = _i % 4 < 2;
    meanwhile = theirs[_i % 2];
    ck_assert_int_eq(run_stage(replace), replace ? 0 : -1);
    auto_free char *tree = tree_text(fd);
    auto_free char *wanted =
        xasprintf("%s%s f 0644 6 ", replace ? "before-restore-*/" : "", meanwhile);
    ck_assert_msg(strstr(tree, wanted) != NULL, "%s", tree);
    ck_assert_ptr_null(strstr(tree, ".redkeep"));
    if (!replace)
        ck_assert_int_eq(err.kind, ERR_HOLDS_DATA);
}
END_TEST

START_TEST(a_read_only_user_is_told_before_the_commit)
{
    bool is_root = geteuid() == 0;

    put_old();
    ck_assert_int_eq(fchmodat(fd, "appendonlydir", 0555, 0), 0);
    ck_assert_int_eq(fchmod(fd, 0777), 0);
    if (is_root)
        ck_assert_int_eq(seteuid(65534), 0);
    auto_free char *before = tree_text(fd);
    int rc = run_stage(true);
    auto_free char *after = tree_text(fd);
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(rc, -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "appendonlydir"));
    ck_assert_str_eq(before, after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stage_switch");
    TCase *tcase = tcase_create("stage_switch");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, what_holds_no_data_and_cannot_be_moved_stays, 0, COUNT(codes));
    tcase_add_loop_test(tcase, when_data_cannot_be_moved_all_is_put_back, 0, 2 * COUNT(data));
    tcase_add_test(tcase, when_it_cannot_be_put_back_either_the_next_run_finishes);
    tcase_add_loop_test(tcase, data_that_came_after_the_commit_stays_and_is_said, 0, 8);
    tcase_add_test(tcase, a_read_only_user_is_told_before_the_commit);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
