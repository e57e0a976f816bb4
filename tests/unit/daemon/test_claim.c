/*
 * One supervisor for each volume: claims of one process, of several, and of those that died.
 */
#include "daemon/claim.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "support/tmpdir.h"

#define PROCESSES 12

static int open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* 0: claimed; else the kind of the error. */
static int claim(int fd)
{
    bool is_claimed = false;
    struct err err = {0};

    if (claim_directory(fd, "/data", &is_claimed, &err) != 0) {
        ck_assert_ptr_nonnull(strstr(err.msg, "/data"));
        return (int)err.kind;
    }
    ck_assert(is_claimed);
    return 0;
}

START_TEST(a_directory_is_claimed_once)
{
    char *path = tmpdir_new();
    int first = open_dir(path);
    int second = open_dir(path);

    ck_assert_int_eq(claim(first), 0);
    ck_assert_int_eq(claim(second), ERR_BUSY);
    ck_assert_int_eq(claim(second), ERR_BUSY); /* and asking leaves nothing behind: */
    ck_assert_int_eq(claim(first), 0);
    (void)close(first);
    ck_assert_int_eq(claim(second), 0);
    (void)close(second);
    tmpdir_remove(path);
}
END_TEST

START_TEST(another_directory_is_another_matter)
{
    char *paths[] = {tmpdir_new(), tmpdir_new()};
    auto_close int first = open_dir(paths[0]);
    auto_close int second = open_dir(paths[1]);

    ck_assert_int_eq(claim(first), 0);
    ck_assert_int_eq(claim(second), 0);
    tmpdir_remove(paths[0]);
    tmpdir_remove(paths[1]);
}
END_TEST

/* A child that claims it, says how that went, and waits to be killed. */
static pid_t claim_elsewhere(const char *path, int *out_kind)
{
    int fds[2];
    char kind = 0;

    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();

    if (pid == 0) {
        bool is_claimed;
        struct err err = {0};
        int fd = open(path, O_RDONLY | O_DIRECTORY);

        (void)claim_directory(fd, path, &is_claimed, &err);
        kind = (char)err.kind;
        (void)!write(fds[1], &kind, 1);
        (void)pause();
        _exit(0);
    }
    ck_assert_int_eq(read(fds[0], &kind, 1), 1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    *out_kind = kind;
    return pid;
}

static void end_process(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_claim_of_another_process_holds_until_it_dies)
{
    char *path = tmpdir_new();
    auto_close int mine = open_dir(path);
    int kind;
    pid_t pid = claim_elsewhere(path, &kind);

    ck_assert_int_eq(kind, ERR_NONE);
    ck_assert_int_eq(claim(mine), ERR_BUSY);
    end_process(pid);
    ck_assert_int_eq(claim(mine), 0);
    pid = claim_elsewhere(path, &kind);
    ck_assert_int_eq(kind, ERR_BUSY);
    end_process(pid);
    ck_assert_int_eq(claim(mine), 0);
    tmpdir_remove(path);
}
END_TEST

/* All at the same instant: never two; afterwards it can be had. */
START_TEST(of_many_at_once_one_has_it_at_most)
{
    char *path = tmpdir_new();

    for (int round = 0; round < 30; round++) {
        int gate[2];
        int done[2];
        pid_t pids[PROCESSES];
        int claimed = 0;
        char answer;

        ck_assert_int_eq(pipe(gate), 0);
        ck_assert_int_eq(pipe(done), 0);
        for (int i = 0; i < PROCESSES; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                bool is_claimed = false;
                struct err err = {0};
                int fd = open(path, O_RDONLY | O_DIRECTORY);

                (void)close(gate[1]);
                (void)!read(gate[0], &answer, 1); /* its end is the sign to begin */
                answer = claim_directory(fd, path, &is_claimed, &err) == 0 && is_claimed;
                (void)!write(done[1], &answer, 1);
                (void)pause();
            }
        }
        (void)close(gate[0]);
        (void)close(gate[1]);
        for (int i = 0; i < PROCESSES; i++) {
            ck_assert_int_eq(read(done[0], &answer, 1), 1);
            claimed += answer;
        }
        ck_assert_int_le(claimed, 1);
        for (int i = 0; i < PROCESSES; i++)
            end_process(pids[i]);
        (void)close(done[0]);
        (void)close(done[1]);

        auto_close int mine = open_dir(path);
        ck_assert_int_eq(claim(mine), 0);
    }
    tmpdir_remove(path);
}
END_TEST

/* The lock of jobs is another one, on the same directory. */
START_TEST(jobs_are_not_in_its_way)
{
    char *path = tmpdir_new();
    auto_close int supervisor = open_dir(path);
    auto_close int job = open_dir(path);

    ck_assert_int_eq(claim(supervisor), 0);
    ck_assert_int_eq(flock(job, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(claim(supervisor), 0);
    tmpdir_remove(path);
}
END_TEST

START_TEST(nothing_is_written)
{
    char *path = tmpdir_new();
    auto_close int fd = open_dir(path);

    ck_assert_int_eq(claim(fd), 0);
    ck_assert_int_eq(rmdir(path), 0); /* it is empty */
    ck_assert_int_eq(mkdirat(AT_FDCWD, path, 0700), 0);
    tmpdir_remove(path);
}
END_TEST

START_TEST(a_file_system_without_such_locks_is_no_error)
{
    char *path = tmpdir_new();
    auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC); /* takes no locks either */
    bool is_claimed = true;
    struct err err = {0};

    ck_assert_int_eq(claim_directory(fd, path, &is_claimed, &err), 0);
    ck_assert(!is_claimed);
    tmpdir_remove(path);
}
END_TEST

static Suite *claim_suite(void)
{
    Suite *suite = suite_create("claim");
    TCase *tc = tcase_create("directory");

    tcase_add_test(tc, a_directory_is_claimed_once);
    tcase_add_test(tc, another_directory_is_another_matter);
    tcase_add_test(tc, a_claim_of_another_process_holds_until_it_dies);
    tcase_add_test(tc, of_many_at_once_one_has_it_at_most);
    tcase_add_test(tc, jobs_are_not_in_its_way);
    tcase_add_test(tc, nothing_is_written);
    tcase_add_test(tc, a_file_system_without_such_locks_is_no_error);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(claim_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
