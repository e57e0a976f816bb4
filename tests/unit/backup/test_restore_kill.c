/*
 * A restore that is killed at every system call, and run again.
 */
// link: -Wl,--wrap=openat -Wl,--wrap=mkdirat -Wl,--wrap=fsync -Wl,--wrap=renameat
// link: -Wl,--wrap=renameat2 -Wl,--wrap=linkat -Wl,--wrap=fchown -Wl,--wrap=fchmod
// link: -Wl,--wrap=unlinkat -Wl,--wrap=write
#include "backup/restore.h"

#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc64.h"
#include "base/mem.h"
#include "support/restoring.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEW RESTORING_NEW
#define CALLS_MIN 40 /* of a restore: a sweep that ends earlier has not swept */

static _Atomic unsigned calls_left; /* until the process is killed; 0: not armed */

static struct buf *record; /* of what makes changes last, in order; NULL: none is kept */

static void say(const char *what, const char *path)
{
    struct err ignored;

    if (record != NULL)
        (void)buf_printf(record, &ignored, "%s %s\n", what, path);
}

static void say_fd(const char *what, int fd)
{
    auto_free char *link = xasprintf("/proc/self/fd/%d", fd);
    char path[512] = "";

    if (record == NULL)
        return;
    ck_assert_int_gt(readlink(link, path, sizeof(path) - 1), 0);
    say(what, strrchr(path, '/') + 1);
}

static void count(void)
{
    if (calls_left > 0 && atomic_fetch_sub(&calls_left, 1) == 1)
        (void)raise(SIGKILL);
}

#define WRAPPED(name)                      \
    extern __typeof__(name) __real_##name; \
    extern __typeof__(name) __wrap_##name

WRAPPED(write);
WRAPPED(fsync);
WRAPPED(renameat);
WRAPPED(renameat2);
WRAPPED(openat);
WRAPPED(mkdirat);
WRAPPED(unlinkat);
WRAPPED(linkat);
WRAPPED(fchmod);
WRAPPED(fchown);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    count();
    return __real_write(fd, data, len);
}

int __wrap_fsync(int fd)
{
    count();
    say_fd("fsync", fd);
    return __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    count();
    say("rename", from);
    return __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    count();
    int rc = __real_renameat2(from_fd, from, to_fd, to, flags);
    if (rc == 0) /* else something stands there */
        say("rename", from);
    return rc;
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    count();
    return __real_openat(dir_fd, path, flags, mode);
}

int __wrap_mkdirat(int dir_fd, const char *path, mode_t mode)
{
    count();
    return __real_mkdirat(dir_fd, path, mode);
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
    count();
    return __real_unlinkat(dir_fd, path, flags);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    count();
    return __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    count();
    return __real_fchmod(fd, mode);
}

int __wrap_fchown(int fd, uid_t owner, gid_t group)
{
    count();
    return __real_fchown(fd, owner, group);
}

static struct restoring run;

static void begin(void)
{
    restoring_begin(&run);
    restoring_add_three(&run);
}

static void end(void)
{
    restoring_end(&run);
}

/* Runs a restore in a child that dies at its n-th call. Was it killed? */
static bool run_and_die(unsigned n)
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct restore_result result;
        struct err err;

        calls_left = n;
        _exit(restore(&run.options, &result, &err) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        ck_assert_int_eq(WTERMSIG(status), SIGKILL);
        return true;
    }
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    return false;
}

static void put_nothing(void)
{
}

static void put_neighbours(void)
{
    tree_write(run.fd, "users.acl", "theirs", 6);
    tree_write(run.fd, ".backup", "theirs", 6);
}

static void put_empty_aof(void)
{
    ck_assert_int_eq(mkdirat(run.fd, "appendonlydir", 0755), 0);
}

static void (*const volumes[])(void) = {put_nothing, put_neighbours, put_empty_aof};

/* What a server could load must be all there or not at all, unless the next run knows better. */
static void check_state(void)
{
    bool has_dump = tree_has(run.fd, "dump.rdb");
    bool has_aof = tree_has(run.fd, "appendonlydir/appendonly.aof.manifest");
    bool is_committed =
        tree_has(run.fd, ".redkeep-restore.ready") || tree_has(run.fd, ".redkeep-restore.replace");

    ck_assert_msg(is_committed || has_dump == has_aof, "half a restore is visible");
    ck_assert_msg(!has_dump || has_aof, "a lone dump: a server with appendonly yes starts empty");
}

START_TEST(a_killed_restore_is_made_whole_by_the_next)
{
    bool killed = true;
    unsigned n = 0;

    volumes[_i]();
    restoring_must_restore(&run, NEW);
    auto_free char *after = tree_text(run.fd);
    run.options.if_empty = true;
    while (killed) {
        restoring_new_dir(&run);
        volumes[_i]();
        killed = run_and_die(++n);
        check_state();
        ck_assert_msg(restoring_run(&run) == 0, "killed at %u: %s", n, run.err.msg);
        ck_assert(run.result.restored || strcmp(run.result.reason, "volume-holds-data") == 0);
        auto_free char *now = tree_text(run.fd);
        ck_assert_msg(strcmp(now, after) == 0, "killed at %u:\n%s", n, now);
    }
    ck_assert_uint_gt(n, CALLS_MIN);
}
END_TEST

START_TEST(a_killed_restore_of_a_killed_restore_is_made_whole)
{
    bool killed = true;
    unsigned n = 0;

    restoring_must_restore(&run, NEW);
    auto_free char *after = tree_text(run.fd);
    run.options.if_empty = true;
    while (killed) {
        restoring_new_dir(&run);
        killed = run_and_die(++n);
        for (unsigned k = n % 5; k < 40 && run_and_die(k + 1); k += 5)
            check_state();
        ck_assert_msg(restoring_run(&run) == 0, "killed at %u: %s", n, run.err.msg);
        auto_free char *now = tree_text(run.fd);
        ck_assert_msg(strcmp(now, after) == 0, "killed at %u:\n%s", n, now);
    }
}
END_TEST

/* A power loss cannot be had in a test; that each step is on the disk before the next can. */
START_TEST(every_step_is_on_the_disk_before_the_next)
{
    auto_buf struct buf steps = {0};
    char *dir_name = strrchr(run.path, '/') + 1;

    put_neighbours(); /* an ACL file that stays: one entry less, whose order nobody knows */
    buf_init(&steps, 65536);
    record = &steps;
    restoring_must_restore(&run, NEW);
    record = NULL;
    auto_free char *wanted = xasprintf("fsync dump.rdb\n"
                                       "fsync users.acl\n"
                                       "fsync appendonly.aof.manifest\n"
                                       "fsync .backup\n"
                                       "fsync appendonlydir\n"
                                       "fsync .redkeep-restore.partial\n"
                                       "rename .redkeep-restore.partial\n"
                                       "fsync %s\n"
                                       "rename appendonlydir\n"
                                       "rename dump.rdb\n"
                                       "fsync %s\n"
                                       "rename .redkeep-restore.ready\n"
                                       "fsync %s\n",
                                       dir_name, dir_name, dir_name);
    ck_assert_str_eq(buf_text(&steps), wanted);
}
END_TEST

static const struct {
    const char *path;
    const char *content;
} precious[] = {
    {"dump.rdb", "precious dump"},
    {"monday.rdb", "precious too"},
    {"users.acl", "old acl"},
    {"appendonlydir/appendonly.aof.9.base.rdb", "precious base"},
};

/* All that was there is still there, in place or aside. */
static void check_precious(unsigned n)
{
    auto_free char *tree = tree_text(run.fd);

    for (size_t i = 0; i < COUNT(precious); i++) {
        size_t len = strlen(precious[i].content);
        auto_free char *line = xasprintf("%s f 0644 %zu %016" PRIx64 "\n", precious[i].path, len,
                                         crc64(0, precious[i].content, len));
        const char *at = strstr(tree, line);

        ck_assert_msg(at != NULL, "killed at %u, lost %s:\n%s", n, precious[i].path, tree);
        auto_free char *above = xstrndup(tree, (size_t)(at - tree));
        const char *row = strrchr(above, '\n');
        row = row != NULL ? row + 1 : above;
        ck_assert_msg(*row == '\0' || strcmp(row, "before-restore-*/") == 0, "%s is in %s",
                      precious[i].path, row);
    }
}

START_TEST(a_killed_replacement_never_loses_what_was_there)
{
    bool killed = true;
    unsigned n = 0;

    run.options.force = true;
    while (killed) {
        restoring_new_dir(&run);
        for (size_t i = 0; i < COUNT(precious); i++)
            tree_write(run.fd, precious[i].path, precious[i].content, strlen(precious[i].content));
        killed = run_and_die(++n);
        check_precious(n);
        restoring_must_restore(&run, NEW);
        check_precious(n);
        ck_assert(tree_has(run.fd, "appendonlydir/appendonly.aof.1.base.rdb"));
        ck_assert(!tree_has(run.fd, "appendonlydir/appendonly.aof.9.base.rdb"));
        ck_assert(!tree_has(run.fd, "monday.rdb"));
        auto_free char *tree = tree_text(run.fd);
        ck_assert_msg(strstr(tree, ".redkeep") == NULL, "killed at %u:\n%s", n, tree);
    }
    ck_assert_uint_gt(n, CALLS_MIN);
}
END_TEST

START_TEST(a_committed_replacement_is_finished_by_a_run_without_force)
{
    bool killed = true;
    unsigned finished = 0;

    for (unsigned n = 1; killed; n++) {
        restoring_new_dir(&run);
        for (size_t i = 0; i < COUNT(precious); i++)
            tree_write(run.fd, precious[i].path, precious[i].content, strlen(precious[i].content));
        run.options.force = true;
        killed = run_and_die(n);
        run.options.force = false;
        bool is_committed = tree_has(run.fd, ".redkeep-restore.replace") ||
                            tree_has(run.fd, ".redkeep-restore.ready");
        if (is_committed) {
            run.options.if_empty = false;
            restoring_must_restore(&run, NEW);
            ck_assert_ptr_nonnull(run.result.aside);
            finished++;
        } else {
            run.options.if_empty = true;
            ck_assert_int_eq(restoring_run(&run), 0);
            ck_assert_str_eq(run.result.reason, "volume-holds-data");
        }
        check_precious(n);
    }
    ck_assert_uint_gt(finished, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_kill");
    TCase *tcase = tcase_create("restore_kill");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, a_killed_restore_is_made_whole_by_the_next, 0, COUNT(volumes));
    tcase_add_test(tcase, every_step_is_on_the_disk_before_the_next);
    tcase_add_test(tcase, a_killed_restore_of_a_killed_restore_is_made_whole);
    tcase_add_test(tcase, a_killed_replacement_never_loses_what_was_there);
    tcase_add_test(tcase, a_committed_replacement_is_finished_by_a_run_without_force);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
