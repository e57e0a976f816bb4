/*
 * Staging and the switch, with every system call failing in turn. Kills are in test_restore_kill.c.
 */
// link: -Wl,--wrap=openat -Wl,--wrap=mkdirat -Wl,--wrap=fsync -Wl,--wrap=renameat
// link: -Wl,--wrap=renameat2 -Wl,--wrap=linkat -Wl,--wrap=fchown -Wl,--wrap=fchmod
// link: -Wl,--wrap=unlinkat -Wl,--wrap=write -Wl,--wrap=read -Wl,--wrap=fstatat
#include "backup/stage.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/faults.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "20261120T120000Z-000001"

extern __typeof__(fstatat) __real_fstatat;
extern __typeof__(fstatat) __wrap_fstatat;

static unsigned stats_left; /* until one fails; 0: none does */

int __wrap_fstatat(int fd, const char *path, struct stat *out, int flags)
{
    if (stats_left > 0 && --stats_left == 0) {
        errno = EIO;
        return -1;
    }
    return __real_fstatat(fd, path, out, flags);
}

static const struct volume_names names = {"dump.rdb", "appendonly.aof", "appendonlydir"};

struct run {
    char *path;
    int fd;
    struct err err;
    char *aside;
};

static void begin(struct run *run)
{
    *run = (struct run){.path = tmpdir_new(), .fd = -1};
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, run->path, &run->fd, &run->err), 0);
}

static void end(struct run *run)
{
    (void)close(run->fd);
    tmpdir_remove(run->path);
    free(run->aside);
}

static int build(struct stage *stage, struct err *err)
{
    auto_sink struct sink *out = NULL;

    if (stage_add_file(stage, "dump.rdb", 0640, &out, err) != 0 ||
        sink_write(out, "REDIS", 5, err) != 0 || sink_write(out, "0010", 4, err) != 0 ||
        sink_finish(out, err) != 0 || stage_add_dir(stage, "appendonlydir", 0750, err) != 0 ||
        stage_add_dir(stage, "appendonlydir", 0750, err) != 0 ||
        stage_add_link(stage, "dump.rdb", "appendonlydir/base", err) != 0 ||
        stage_add_bytes(stage, "appendonlydir/appendonly.aof.manifest", 0640, "list\n", err) != 0 ||
        stage_add_bytes(stage, "users.acl", 0600, "ours\n", err) != 0 ||
        stage_add_dir(stage, "conf", 0755, err) != 0 ||
        stage_add_dir(stage, "conf/d", 0755, err) != 0 ||
        stage_add_bytes(stage, "conf/d/x", 0644, "ours\n", err) != 0 ||
        stage_add_bytes(stage, "conf/y", 0644, "ours\n", err) != 0)
        return -1;
    return stage_note(stage, ID, &names, err);
}

static int stage_all(struct run *run, bool replace)
{
    struct stage_owner owner = {geteuid(), getegid()};
    auto_stage struct stage *stage = NULL;

    if (stage_new(run->fd, &owner, &stage, &run->err) != 0 || build(stage, &run->err) != 0)
        return -1;
    free(TAKE_PTR(run->aside));
    return stage_commit(stage, &names, replace, &run->aside, &run->err);
}

/* What the next start does. */
static void go_on(struct run *run, bool replace, bool is_done)
{
    enum stage_found found = STAGE_NONE;
    auto_free char *id = NULL;
    auto_free char *aside = NULL;

    ck_assert_int_eq(stage_find(run->fd, &found, &run->err), 0);
    if (found == STAGE_COMMITTED) {
        ck_assert_msg(stage_resume(run->fd, &id, &aside, &run->err) == 0, "%s", run->err.msg);
        ck_assert_str_eq(id, ID);
        ck_assert_int_eq(stage_find(run->fd, &found, &run->err), 0);
        ck_assert_int_eq(found, STAGE_NONE);
        return;
    }
    ck_assert_int_eq(stage_discard(run->fd, &run->err), 0);
    if (!is_done)
        ck_assert_msg(stage_all(run, replace) == 0, "%s", run->err.msg);
}

static void put_nothing(int fd)
{
    (void)fd;
}

/* Entries that stand and stay. */
static void put_neighbours(int fd)
{
    tree_write(fd, "users.acl", "theirs", 6);
    tree_write(fd, "conf/y", "theirs", 6);
    tree_write(fd, "conf/z", "theirs", 6);
    tree_write(fd, "conf/d/z", "theirs", 6);
    tree_write(fd, ".backup", "theirs", 6);
    tree_write(fd, "other/file", "theirs", 6);
}

static void put_empty_aof(int fd)
{
    ck_assert_int_eq(mkdirat(fd, "appendonlydir", 0755), 0);
}

static void put_data(int fd)
{
    put_neighbours(fd);
    tree_write(fd, "dump.rdb", "old dump", 8);
    tree_write(fd, "monday.rdb", "older dump", 10);
    tree_write(fd, "appendonly.aof", "old aof", 7);
    tree_write(fd, "appendonlydir/appendonly.aof.7.base.rdb", "old base", 8);
}

static const struct {
    const char *what;
    void (*put)(int fd);
    bool replace;
} volumes[] = {
    {"empty", put_nothing, false},
    {"neighbours", put_neighbours, false},
    {"empty append-only directory", put_empty_aof, false},
    {"empty, replaced", put_nothing, true},
    {"data, replaced", put_data, true},
};

static const int codes[] = {EIO, ENOSPC, EPERM, EINVAL};

static char *tree_after(size_t volume)
{
    struct run run;

    begin(&run);
    volumes[volume].put(run.fd);
    ck_assert_msg(stage_all(&run, volumes[volume].replace) == 0, "%s", run.err.msg);
    char *text = tree_text(run.fd);
    end(&run);
    return text;
}

/* After a run in which one call failed: all, nothing, or a committed staging directory. */
static void check_state(const struct run *run, int rc, const char *before, const char *after)
{
    auto_free char *now = tree_text_but_rubbish(run->fd);
    enum stage_found found = STAGE_NONE;
    struct err err;

    ck_assert_int_eq(stage_find(run->fd, &found, &err), 0);
    if (rc == 0) {
        ck_assert_str_eq(now, after);
        ck_assert_int_ne(found, STAGE_COMMITTED);
    } else if (found != STAGE_COMMITTED) {
        /* done, but for a last fsync, or nothing at all */
        ck_assert_msg(strcmp(now, after) == 0 || strcmp(now, before) == 0, "%s:\n%s", run->err.msg,
                      now);
        ck_assert_msg(found == STAGE_NONE || strcmp(now, after) == 0, "%s: .partial is left",
                      run->err.msg);
    }
}

START_TEST(every_failed_call_is_made_up_for_by_the_next_run)
{
    size_t volume = (size_t)_i / COUNT(codes);
    bool replace = volumes[volume].replace;
    int code = codes[(size_t)_i % COUNT(codes)]; /* with EPERM, what holds no data may stay */
    auto_free char *after = tree_after(volume);
    unsigned fds = fd_count();
    bool fired = true;

    for (unsigned n = 1; fired; n++) {
        struct run run;

        begin(&run);
        volumes[volume].put(run.fd);
        auto_free char *before = tree_text(run.fd);
        faults_arm(n, replace && code == EPERM ? EROFS : code);
        int rc = stage_all(&run, replace);
        fired = faults_fired() > 0;
        faults_disarm();
        ck_assert_int_eq(fired || rc == 0, 1);
        check_state(&run, rc, before, after);

        auto_free char *between = tree_text_but_rubbish(run.fd);
        go_on(&run, replace, strcmp(between, after) == 0);
        auto_free char *now = tree_text(run.fd);
        ck_assert_str_eq(now, after);
        end(&run);
        ck_assert_uint_eq(fd_count(), fds);
    }
}
END_TEST

START_TEST(every_failed_look_is_made_up_for_by_the_next_run)
{
    bool replace = volumes[_i].replace;
    auto_free char *after = tree_after((size_t)_i);
    bool fired = true;
    unsigned n = 0;

    while (fired) {
        struct run run;

        begin(&run);
        volumes[_i].put(run.fd);
        auto_free char *before = tree_text(run.fd);
        stats_left = ++n;
        int rc = stage_all(&run, replace);
        fired = stats_left == 0;
        stats_left = 0;
        check_state(&run, rc, before, after);
        auto_free char *between = tree_text_but_rubbish(run.fd);
        go_on(&run, replace, strcmp(between, after) == 0);
        auto_free char *now = tree_text(run.fd);
        ck_assert_str_eq(now, after);
        end(&run);
    }
    ck_assert_uint_gt(n, 8);
}
END_TEST

START_TEST(every_failed_call_of_a_resumed_switch_is_made_up_for)
{
    bool replace = volumes[_i].replace;
    auto_free char *after = tree_after((size_t)_i);
    bool fired = true;
    unsigned switch_call = 0;
    struct run run;

    /* the call behind the commit, counted from the end of a clean run */
    for (unsigned n = 1; switch_call == 0; n++) {
        enum stage_found found = STAGE_NONE;

        begin(&run);
        volumes[_i].put(run.fd);
        faults_arm(n, EIO);
        (void)stage_all(&run, replace);
        faults_disarm();
        ck_assert_int_eq(stage_find(run.fd, &found, &run.err), 0);
        if (found == STAGE_COMMITTED)
            switch_call = n;
        end(&run);
    }
    for (unsigned n = 1; fired; n++) {
        auto_free char *id = NULL;

        begin(&run);
        volumes[_i].put(run.fd);
        faults_arm(switch_call, EIO);
        (void)stage_all(&run, replace);
        faults_arm(n, EIO);
        int rc = stage_resume(run.fd, &id, &run.aside, &run.err);
        fired = faults_fired() > 0;
        faults_disarm();
        ck_assert(fired || rc == 0);
        ck_assert_msg(rc == 0 || run.err.kind == ERR_FAILED, "%s", run.err.msg);
        auto_free char *between = tree_text_but_rubbish(run.fd);
        go_on(&run, replace, strcmp(between, after) == 0); /* else it was undone */
        auto_free char *now = tree_text(run.fd);
        ck_assert_str_eq(now, after);
        end(&run);
    }
}
END_TEST

START_TEST(what_is_staged_has_its_modes_and_one_inode_for_both_layouts)
{
    struct stat dump;
    struct stat base;
    struct stat aof;
    struct run run;

    begin(&run);
    (void)umask(0077);
    ck_assert_int_eq(stage_all(&run, false), 0);
    ck_assert_ptr_null(run.aside);
    ck_assert_int_eq(fstatat(run.fd, "dump.rdb", &dump, 0), 0);
    ck_assert_int_eq(fstatat(run.fd, "appendonlydir/base", &base, 0), 0);
    ck_assert_int_eq(fstatat(run.fd, "appendonlydir", &aof, 0), 0);
    ck_assert_uint_eq(dump.st_ino, base.st_ino);
    ck_assert_uint_eq(dump.st_mode & 07777, 0640);
    ck_assert_uint_eq(aof.st_mode & 07777, 0750);
    ck_assert(!tree_has(run.fd, ".backup"));
    end(&run);
}
END_TEST

START_TEST(what_is_replaced_is_moved_aside_and_nothing_else)
{
    static const char *const moved[] = {
        "dump.rdb",  "monday.rdb", "appendonly.aof", "appendonlydir/appendonly.aof.7.base.rdb",
        "users.acl",
    };
    static const char *const stays[] = {".backup", "other/file"};
    struct run run;

    begin(&run);
    put_data(run.fd);
    ck_assert_int_eq(stage_all(&run, true), 0);
    ck_assert_ptr_nonnull(run.aside);
    for (size_t i = 0; i < COUNT(moved); i++) {
        auto_free char *path = xasprintf("%s/%s", run.aside, moved[i]);
        ck_assert_msg(tree_has(run.fd, path), "%s", path);
    }
    for (size_t i = 0; i < COUNT(stays); i++) {
        auto_free char *path = xasprintf("%s/%s", run.aside, stays[i]);
        ck_assert_msg(tree_has(run.fd, stays[i]) && !tree_has(run.fd, path), "%s", stays[i]);
    }
    end(&run);
}
END_TEST

START_TEST(nothing_is_moved_over_what_was_moved_aside_before)
{
    static const char note[] = ID "\ndump.rdb\nappendonly.aof\nappendonlydir\nbefore-restore-1\n"
                                  "dump.rdb\n";
    auto_free char *id = NULL;
    struct run run;

    begin(&run);
    tree_write(run.fd, ".redkeep-restore.replace/dump.rdb", "new", 3);
    tree_write(run.fd, ".redkeep-restore.replace/.backup", note, strlen(note));
    tree_write(run.fd, "before-restore-1/dump.rdb", "old", 3);
    tree_write(run.fd, "dump.rdb", "newer", 5); /* of a server that started in between */
    ck_assert_int_eq(stage_resume(run.fd, &id, &run.aside, &run.err), 0);
    ck_assert_str_ne(run.aside, "before-restore-1");
    auto_free char *moved = xasprintf("%s/dump.rdb", run.aside);
    ck_assert(tree_has(run.fd, moved));
    ck_assert(tree_has(run.fd, "before-restore-1/dump.rdb"));
    ck_assert(tree_has(run.fd, "dump.rdb"));
    end(&run);
}
END_TEST

START_TEST(an_unfinished_stage_is_found_and_thrown_away)
{
    struct stage_owner owner = {geteuid(), getegid()};
    struct stage *stage = NULL;
    enum stage_found found = STAGE_NONE;
    struct run run;

    begin(&run);
    ck_assert_int_eq(stage_find(run.fd, &found, &run.err), 0);
    ck_assert_int_eq(found, STAGE_NONE);
    ck_assert_int_eq(stage_discard(run.fd, &run.err), 0);
    tree_write(run.fd, ".redkeep-restore.partial/dump.rdb", "half", 4);
    ck_assert_int_eq(stage_find(run.fd, &found, &run.err), 0);
    ck_assert_int_eq(found, STAGE_PARTIAL);
    ck_assert_int_eq(stage_new(run.fd, &owner, &stage, &run.err), 0);
    ck_assert(!tree_has(run.fd, ".redkeep-restore.partial/dump.rdb"));
    stage_free(stage);
    ck_assert_int_eq(stage_find(run.fd, &found, &run.err), 0);
    ck_assert_int_eq(found, STAGE_NONE);
    stage_free(NULL);
    end(&run);
}
END_TEST

static const char *const notes[] = {NULL, "", ID, ID "\ndump.rdb\nappendonly.aof\nappendonlydir\n",
                                    ID "\ndump.rdb\nappendonly.aof\nappendonlydir\nbefore-1\n"};

START_TEST(a_committed_restore_without_its_note_is_no_missing_backup)
{
    char *id = NULL;
    struct run run;

    begin(&run);
    tree_write(run.fd, ".redkeep-restore.ready/dump.rdb", "x", 1);
    if (notes[_i] != NULL)
        tree_write(run.fd, ".redkeep-restore.ready/.backup", notes[_i], strlen(notes[_i]));
    ck_assert_int_eq(stage_resume(run.fd, &id, &run.aside, &run.err), -1);
    ck_assert_int_eq(run.err.kind, ERR_FAILED);
    ck_assert(tree_has(run.fd, ".redkeep-restore.ready/dump.rdb"));
    ck_assert_ptr_null(id);
    end(&run);
}
END_TEST

START_TEST(names_of_its_own_are_known)
{
    ck_assert(stage_is_own_name(".backup"));
    ck_assert(stage_is_own_name(".redkeep-restore.ready"));
    ck_assert(stage_is_own_name(".redkeep-restore.partial/x"));
    ck_assert(!stage_is_own_name(".backup2"));
    ck_assert(!stage_is_own_name("x/.backup"));
    ck_assert(!stage_is_own_name("dump.rdb"));
}
END_TEST

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) /* a sweep makes thousands of fsyncs */
        (void)setenv("TMPDIR", "/dev/shm", 0);
    Suite *suite = suite_create("stage");
    TCase *tcase = tcase_create("stage");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, every_failed_call_is_made_up_for_by_the_next_run, 0,
                        COUNT(volumes) * COUNT(codes));
    tcase_add_loop_test(tcase, every_failed_look_is_made_up_for_by_the_next_run, 0, COUNT(volumes));
    tcase_add_loop_test(tcase, every_failed_call_of_a_resumed_switch_is_made_up_for, 0,
                        COUNT(volumes));
    tcase_add_test(tcase, what_is_staged_has_its_modes_and_one_inode_for_both_layouts);
    tcase_add_test(tcase, what_is_replaced_is_moved_aside_and_nothing_else);
    tcase_add_test(tcase, nothing_is_moved_over_what_was_moved_aside_before);
    tcase_add_test(tcase, an_unfinished_stage_is_found_and_thrown_away);
    tcase_add_loop_test(tcase, a_committed_restore_without_its_note_is_no_missing_backup, 0,
                        COUNT(notes));
    tcase_add_test(tcase, names_of_its_own_are_known);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
