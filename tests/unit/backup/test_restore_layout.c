/*
 * What a restore lays out, for which server, and for whom; and archives that no redkeep wrote.
 */
// link: -Wl,--wrap=geteuid -Wl,--wrap=fchown
#include "backup/restore.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/restoring.h"
#include "support/tar_maker.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OLD RESTORING_OLD
#define NEW RESTORING_NEW
#define MIRROR "# redkeep: the base is the dump\n"
#define ADIR "appendonlydir/"

extern __typeof__(geteuid) __real_geteuid;
extern __typeof__(geteuid) __wrap_geteuid;
extern __typeof__(fchown) __wrap_fchown;

static uid_t effective_uid;
static uid_t given_uid;
static gid_t given_gid;
static unsigned given;

uid_t __wrap_geteuid(void)
{
    return effective_uid;
}

/* As the kernel does it, whoever runs the test. */
int __wrap_fchown(int fd, uid_t uid, gid_t gid)
{
    (void)fd;
    given++;
    given_uid = uid;
    given_gid = gid;
    if (effective_uid == 0 || (uid == (uid_t)-1 && gid == (gid_t)-1))
        return 0;
    errno = EPERM;
    return -1;
}

static struct restoring run;
static unsigned fds;

static void begin(void)
{
    effective_uid = 0;
    given = 0;
    fds = fd_count();
    restoring_begin(&run);
}

static void end(void)
{
    restoring_end(&run);
    ck_assert_uint_eq(fd_count(), fds);
}

static void check_content(const char *path, const char *wanted)
{
    auto_buf struct buf content = {0};
    struct err err = {0};

    buf_init(&content, 4096);
    ck_assert_msg(fs_read_file(run.fd, path, &content, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&content), wanted);
}

static void check_files(const char *const *wanted, size_t count)
{
    ck_assert_uint_eq(run.result.file_count, count);
    for (size_t i = 0; i < count; i++) {
        bool listed = false;

        ck_assert_msg(tree_has(run.fd, wanted[i]), "%s", wanted[i]);
        for (size_t k = 0; k < count; k++)
            listed = listed || strcmp(run.result.files[k], wanted[i]) == 0;
        ck_assert_msg(listed, "%s", wanted[i]);
    }
}

static mode_t mode_of(const char *path)
{
    struct stat st = {0};

    ck_assert_int_eq(fstatat(run.fd, path, &st, 0), 0);
    return st.st_mode & 07777;
}

START_TEST(a_dump_is_laid_out_for_both_kinds_of_server)
{
    static const char *const files[] = {"dump.rdb", "users.acl", ADIR "appendonly.aof.1.base.rdb",
                                        ADIR "appendonly.aof.manifest"};

    run.options.appendonly = _i == 0 ? RESTORE_APPENDONLY_AUTO : RESTORE_APPENDONLY_YES;
    restoring_add(&run, NEW, NULL);
    restoring_must_restore(&run, NEW);
    check_files(files, COUNT(files));
    check_content(ADIR "appendonly.aof.1.base.rdb", NEW " dump");
    check_content(ADIR "appendonly.aof.manifest",
                  MIRROR "file appendonly.aof.1.base.rdb seq 1 type b\n");
    ck_assert_uint_eq(mode_of("dump.rdb"), 0640);
    ck_assert_uint_eq(mode_of("users.acl"), 0600);
    ck_assert_uint_eq(mode_of(ADIR "appendonly.aof.1.base.rdb"), 0640);
    ck_assert_uint_eq(mode_of(ADIR "appendonly.aof.manifest"), 0640);
    ck_assert_uint_eq(mode_of("appendonlydir"), 0750);
}
END_TEST

START_TEST(a_server_with_appendonly_no_gets_the_dump_alone)
{
    static const char *const files[] = {"dump.rdb", "users.acl"};

    run.options.appendonly = RESTORE_APPENDONLY_NO;
    restoring_add(&run, NEW, NULL);
    restoring_must_restore(&run, NEW);
    check_files(files, COUNT(files));
    ck_assert(!tree_has(run.fd, "appendonlydir"));
}
END_TEST

START_TEST(names_come_from_the_settings)
{
    static const char *const files[] = {"my.rdb", "conf/d/my.acl", "mydir/my.aof.1.base.rdb",
                                        "mydir/my.aof.manifest"};

    run.options.names = (struct server_names){"my.rdb", "my.aof", "mydir", "conf/d/my.acl"};
    restoring_add(&run, NEW, NULL);
    ck_assert_msg(restoring_run(&run) == 0, "%s", run.err.msg);
    check_files(files, COUNT(files));
    check_content("mydir/my.aof.manifest", MIRROR "file my.aof.1.base.rdb seq 1 type b\n");
    ck_assert_uint_eq(mode_of("conf/d/my.acl"), 0600);
}
END_TEST

static void with_names(struct manifest *to)
{
    free(to->dbfilename);
    free(to->appendfilename);
    free(to->appenddirname);
    to->dbfilename = xstrdup("my data.rdb");
    to->appendfilename = xstrdup("my aof");
    to->appenddirname = xstrdup("mydir");
}

START_TEST(names_come_from_the_backup_when_nobody_sets_them)
{
    static const char *const files[] = {"my data.rdb", "users.acl", "mydir/my aof.1.base.rdb",
                                        "mydir/my aof.manifest"};

    restoring_add(&run, NEW, with_names);
    ck_assert_msg(restoring_run(&run) == 0, "%s", run.err.msg);
    check_files(files, COUNT(files));
    check_content("mydir/my aof.manifest", MIRROR "file \"my aof.1.base.rdb\" seq 1 type b\n");
}
END_TEST

START_TEST(an_acl_file_that_is_there_stays)
{
    restoring_add(&run, NEW, NULL);
    tree_write(run.fd, "users.acl", "theirs", 6);
    tree_write(run.fd, "nodes.conf", "theirs", 6);
    restoring_must_restore(&run, NEW);
    check_content("users.acl", "theirs");
    check_content("nodes.conf", "theirs");
}
END_TEST

START_TEST(the_empty_append_only_set_of_a_server_is_exchanged)
{
    restoring_add(&run, NEW, NULL);
    ck_assert_int_eq(mkdirat(run.fd, "appendonlydir", 0700), 0);
    restoring_must_restore(&run, NEW);
    check_content(ADIR "appendonly.aof.1.base.rdb", NEW " dump");
}
END_TEST

static const struct made_file aof_files[] = {
    {"adir/a.aof.3.base.rdb", MANIFEST_AOF_BASE, "base", 4, 0600},
    {"adir/a.aof.7.incr.aof", MANIFEST_AOF_INCR, "incr", 4, 0600},
    {"adir/a.aof.manifest", MANIFEST_AOF_MANIFEST, "list", 4, 0604},
    {"cluster/nodes.conf", MANIFEST_CLUSTER, "nodes", 5, 0},
    {"dump.rdb", MANIFEST_RDB, NEW " dump", sizeof(NEW " dump") - 1, 0},
};

START_TEST(append_only_files_are_laid_out_as_they_were)
{
    static const char *const files[] = {ADIR "a.aof.3.base.rdb", ADIR "a.aof.7.incr.aof",
                                        ADIR "appendonly.aof.manifest", "nodes.conf"};

    restoring_add_files(&run, NEW, aof_files, 4);
    ck_assert_msg(restoring_run(&run) == 0, "%s", run.err.msg);
    check_files(files, COUNT(files));
    check_content(ADIR "appendonly.aof.manifest", "list");
    check_content(ADIR "a.aof.7.incr.aof", "incr");
    ck_assert(!tree_has(run.fd, "dump.rdb"));
}
END_TEST

START_TEST(append_only_files_alone_are_nothing_for_a_server_without)
{
    run.options.appendonly = RESTORE_APPENDONLY_NO;
    restoring_add_files(&run, NEW, aof_files, 4);
    restoring_must_fail(&run, ERR_CONFIG);
    restoring_add_files(&run, NEW, aof_files, 5);
    restoring_must_restore(&run, NEW);
}
END_TEST

START_TEST(a_dump_beside_append_only_files_becomes_no_second_base)
{
    restoring_add_files(&run, NEW, aof_files, 5);
    restoring_must_restore(&run, NEW);
    ck_assert_uint_eq(run.result.file_count, 5);
    ck_assert(!tree_has(run.fd, ADIR "appendonly.aof.1.base.rdb"));
}
END_TEST

START_TEST(files_belong_to_the_owner_of_the_directory)
{
    struct stat st;

    ck_assert_int_eq(fstat(run.fd, &st), 0);
    restoring_add(&run, NEW, NULL);
    restoring_must_restore(&run, NEW);
    /* the staging directory, the one for the AOF, two files, the list, the note */
    ck_assert_uint_eq(given, 6);
    ck_assert_uint_eq(given_uid, st.st_uid);
    ck_assert_uint_eq(given_gid, st.st_gid);
}
END_TEST

START_TEST(files_belong_to_whom_it_was_said)
{
    run.options.has_owner = true;
    run.options.uid = 999;
    run.options.gid = 998;
    restoring_add(&run, NEW, NULL);
    restoring_must_restore(&run, NEW);
    ck_assert_uint_eq(given_uid, 999);
    ck_assert_uint_eq(given_gid, 998);

    effective_uid = 1000; /* who cannot do it says so */
    restoring_new_dir(&run);
    restoring_must_fail(&run, ERR_FAILED);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "999"));
}
END_TEST

START_TEST(who_is_not_root_keeps_what_it_writes)
{
    effective_uid = 1000; /* in a directory of root's that a group may write to */
    restoring_add(&run, NEW, NULL);
    restoring_must_restore(&run, NEW);
}
END_TEST

static const struct made_file colliding[][2] = {
    {{"a/dump.rdb", MANIFEST_RDB, "1", 1, 0}, {"b/dump.rdb", MANIFEST_RDB, "2", 1, 0}},
    {{"dump.rdb", MANIFEST_RDB, "1", 1, 0}, {"x/dump.rdb", MANIFEST_ACL, "2", 1, 0}},
    {{"a/x", MANIFEST_AOF_BASE, "1", 1, 0}, {"b/x", MANIFEST_AOF_INCR, "2", 1, 0}},
    {{"dump.rdb", MANIFEST_RDB, "1", 1, 0}, {"appendonlydir", MANIFEST_ACL, "2", 1, 0}},
    {{"dump.rdb", MANIFEST_RDB, "1", 1, 0}, {".backup", MANIFEST_ACL, "2", 1, 0}},
    {{"dump.rdb", MANIFEST_RDB, "1", 1, 0}, {".redkeep-restore.ready", MANIFEST_ACL, "2", 1, 0}},
};

START_TEST(files_that_would_be_one_are_corrupt)
{
    restoring_add(&run, OLD, NULL);
    restoring_add_files(&run, NEW, colliding[_i], 2);
    restoring_must_restore(&run, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 1);
    ck_assert_str_eq(run.result.skipped[0].id, NEW);
}
END_TEST

static const struct {
    const char *what;
    struct tar_member members[3];
} archives[] = {
    {"dots",
     {{.name = "dump.rdb", .data = "1", .len = 1}, {.name = "../x", .data = "2", .len = 1}}},
    {"absolute",
     {{.name = "dump.rdb", .data = "1", .len = 1}, {.name = "/x", .data = "2", .len = 1}}},
    {"a link", {{.name = "dump.rdb", .type = '2', .target = "../x", .data = "", .len = 0}}},
    {"a hard link", {{.name = "dump.rdb", .type = '1', .target = "../x", .data = "", .len = 0}}},
    {"a link first",
     {{.name = "d", .type = '2', .target = "..", .data = "", .len = 0},
      {.name = "dump.rdb", .data = "1", .len = 1}}},
    {"a device", {{.name = "dump.rdb", .type = '3', .data = "", .len = 0}}},
    {"unknown",
     {{.name = "dump.rdb", .data = "1", .len = 1}, {.name = "x", .data = "2", .len = 1}}},
    {"twice",
     {{.name = "dump.rdb", .data = "1", .len = 1}, {.name = "dump.rdb", .data = "1", .len = 1}}},
    {"longer", {{.name = "dump.rdb", .data = "12", .len = 2}}},
    {"shorter", {{.name = "dump.rdb", .data = "", .len = 0}}},
    {"other bytes", {{.name = "dump.rdb", .data = "2", .len = 1}}},
    {"a directory", {{.name = "dump.rdb/", .type = '5', .data = "", .len = 0}}},
    {"nothing", {{.name = NULL}}},
};

START_TEST(an_archive_that_is_not_ours_costs_one_step_back)
{
    static const struct made_file listed = {"dump.rdb", MANIFEST_RDB, "1", 1, 0};
    struct made_backup made = {
        .id = NEW, .instance = RESTORING_INSTANCE, .files = &listed, .count = 1};
    auto_buf struct buf tar = {0};

    buf_init(&tar, (size_t)1 << 20);
    for (size_t i = 0; i < 3 && archives[_i].members[i].name != NULL; i++)
        tar_add(&tar, &archives[_i].members[i]);
    tar_end(&tar);
    made.tar = &tar;
    backup_make(&run.fake, &made);
    run.options.appendonly = RESTORE_APPENDONLY_NO;
    restoring_must_fail(&run, ERR_CORRUPT);
    restoring_add(&run, OLD, NULL);
    restoring_must_restore(&run, OLD);
    ck_assert_uint_eq(run.result.skipped_count, 1);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), NEW));
    auto_free char *outside = xasprintf("%s/../x", run.path);
    ck_assert_int_ne(access(outside, F_OK), 0);
}
END_TEST

START_TEST(an_archive_made_by_hand_is_restored)
{
    static const struct made_file listed = {"dump.rdb", MANIFEST_RDB, OLD " dump",
                                            sizeof(OLD " dump") - 1, 0};
    struct made_backup made = {
        .id = OLD, .instance = RESTORING_INSTANCE, .files = &listed, .count = 1};
    auto_buf struct buf tar = {0};

    buf_init(&tar, (size_t)1 << 20);
    tar_add(&tar, &(struct tar_member){.name = "dir/", .type = '5', .data = "", .len = 0});
    tar_add(&tar, &(struct tar_member){.name = "dump.rdb", .data = listed.data, .len = listed.len});
    tar_end(&tar);
    made.tar = &tar;
    backup_make(&run.fake, &made);
    restoring_must_restore(&run, OLD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_layout");
    TCase *tcase = tcase_create("restore_layout");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, a_dump_is_laid_out_for_both_kinds_of_server, 0, 2);
    tcase_add_test(tcase, a_server_with_appendonly_no_gets_the_dump_alone);
    tcase_add_test(tcase, names_come_from_the_settings);
    tcase_add_test(tcase, names_come_from_the_backup_when_nobody_sets_them);
    tcase_add_test(tcase, an_acl_file_that_is_there_stays);
    tcase_add_test(tcase, the_empty_append_only_set_of_a_server_is_exchanged);
    tcase_add_test(tcase, append_only_files_are_laid_out_as_they_were);
    tcase_add_test(tcase, append_only_files_alone_are_nothing_for_a_server_without);
    tcase_add_test(tcase, a_dump_beside_append_only_files_becomes_no_second_base);
    tcase_add_test(tcase, files_belong_to_the_owner_of_the_directory);
    tcase_add_test(tcase, files_belong_to_whom_it_was_said);
    tcase_add_test(tcase, who_is_not_root_keeps_what_it_writes);
    tcase_add_loop_test(tcase, files_that_would_be_one_are_corrupt, 0, COUNT(colliding));
    tcase_add_loop_test(tcase, an_archive_that_is_not_ours_costs_one_step_back, 0, COUNT(archives));
    tcase_add_test(tcase, an_archive_made_by_hand_is_restored);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
