// link: -Wl,--wrap=write -Wl,--wrap=read -Wl,--wrap=pread -Wl,--wrap=fsync
// link: -Wl,--wrap=openat -Wl,--wrap=unlinkat
/*
 * Files and directories: on a real file system, and with each system call failing in turn.
 */
#include "base/fs.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/faults.h"
#include "support/tmpdir.h"
#include "support/tree.h"

static char *dir;
static int dir_fd;
static unsigned fds_before;

static void set_up(void)
{
    struct err err;

    dir = tmpdir_new();
    fds_before = fd_count();
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, dir, &dir_fd, &err), 0);
}

/* Whatever happened, no descriptor is left. */
static void tear_down(void)
{
    faults_disarm();
    ck_assert_int_eq(close(dir_fd), 0);
    ck_assert_uint_eq(fd_count(), fds_before);
    tmpdir_remove(dir);
}

static bool exists(const char *name)
{
    struct stat info;

    return fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(const char *name, const char *text)
{
    tree_write(dir_fd, name, text, strlen(text));
}

static void check_content(const char *name, const char *wanted)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 1 << 20);
    ck_assert_msg(fs_read_file(dir_fd, name, &buf, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&buf), wanted);
    buf_release(&buf);
}

START_TEST(what_was_written_is_read_back)
{
    put("a", "some text");
    put("empty", "");
    check_content("a", "some text");
    check_content("empty", "");
}
END_TEST

START_TEST(a_failed_read_says_why_and_adds_nothing)
{
    struct buf buf;
    struct err err;

    put("long", "more than ten bytes");
    buf_init(&buf, 10);
    ck_assert_int_eq(buf_append(&buf, "old", 3, &err), 0);

    ck_assert_int_eq(fs_read_file(dir_fd, "missing", &buf, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_int_eq(err.code, ENOENT);
    ck_assert_int_eq(fs_read_file(dir_fd, "long", &buf, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_ptr_nonnull(strstr(err.msg, "long"));
    ck_assert_int_eq(fs_read_file(dir_fd, ".", &buf, &err), -1);
    ck_assert_int_eq(err.code, EISDIR);
    faults_arm(2, EIO);
    ck_assert_int_eq(fs_read_file(dir_fd, "long", &buf, &err), -1);
    ck_assert_int_eq(err.code, EIO);
    ck_assert_str_eq(buf_text(&buf), "old");
    buf_release(&buf);
}
END_TEST

START_TEST(an_interrupted_or_short_call_goes_on)
{
    struct err err;
    char out[8] = "";

    for (unsigned n = 1; n < 40; n++) {
        int fd = openat(dir_fd, "f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        faults_short_writes(true);
        faults_short_reads(true);
        faults_arm(n, EINTR);
        ck_assert_int_eq(fs_write_all(fd, "0123456789", 10, "f", &err), 0);
        ck_assert_int_eq(fs_fsync(fd, "f", &err), 0);
        ck_assert_int_eq(fs_pread_all(fd, out, 7, 2, "f", &err), 0);
        faults_disarm();
        ck_assert_str_eq(out, "2345678");
        ck_assert_int_eq(close(fd), 0);
        check_content("f", "0123456789");
    }
}
END_TEST

START_TEST(reading_behind_the_end_is_corrupt)
{
    struct err err;
    char out[8];

    put("f", "0123456789");

    int fd = openat(dir_fd, "f", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(fs_pread_all(fd, out, 0, 99, "f", &err), 0);
    ck_assert_int_eq(fs_pread_all(fd, out, 2, 8, "f", &err), 0);
    ck_assert_int_eq(fs_pread_all(fd, out, 3, 8, "f", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.msg, "ends at byte 10, wanted up to 11"));
    ck_assert_int_eq(fs_pread_all(fd, out, 1, 1000, "f", &err), -1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_write_that_fails_anywhere_says_so)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EROFS};
    struct err err;
    int fd = openat(dir_fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    faults_short_writes(true);
    for (unsigned n = 1; n <= 3; n++) { /* 5 of 10 bytes, 2 of 5, 1 of 3 */
        faults_arm(n, errors[_i]);
        ck_assert_int_eq(fs_write_all(fd, "0123456789", 10, "the label", &err), -1);
        ck_assert_int_eq(err.kind, ERR_FAILED);
        ck_assert_int_eq(err.code, errors[_i]);
        ck_assert_ptr_eq(strstr(err.msg, "cannot write the label: "), err.msg);
        ck_assert_int_eq(err_hint(err.msg) != NULL, errors[_i] != EIO);
    }
    faults_disarm();
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_synced_is_no_failure_a_file_is)
{
    struct err err;
    int fd = openat(dir_fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    faults_arm(1, EINVAL);
    ck_assert_int_eq(fs_fsync(dir_fd, "d", &err), 0);
    faults_arm(1, EINVAL);
    ck_assert_int_eq(fs_fsync(fd, "f", &err), -1);
    ck_assert_int_eq(err.code, EINVAL);
    faults_arm(1, EIO);
    ck_assert_int_eq(fs_fsync(dir_fd, "d", &err), -1);
    ck_assert_int_eq(err.code, EIO);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* A tree with a bit of everything; "outside" is linked to from it. */
static void make_tree(void)
{
    static const char *const dirs[] = {"tree",       "tree/a",     "tree/a/b",
                                       "tree/a/b/c", "tree/empty", "outside"};

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        ck_assert_int_eq(mkdirat(dir_fd, dirs[i], 0700), 0);
    put("precious", "kept");
    ck_assert_int_eq(linkat(dir_fd, "precious", dir_fd, "outside/file", 0), 0);
    ck_assert_int_eq(linkat(dir_fd, "precious", dir_fd, "tree/a/b/hard", 0), 0);
    ck_assert_int_eq(symlinkat("../outside", dir_fd, "tree/to-dir"), 0);
    ck_assert_int_eq(symlinkat("../../precious", dir_fd, "tree/a/to-file"), 0);
    ck_assert_int_eq(symlinkat("nowhere", dir_fd, "tree/dangling"), 0);
    ck_assert_int_eq(mkfifoat(dir_fd, "tree/fifo", 0600), 0);
    for (int i = 0; i < 300; i++) {
        char name[40];

        (void)snprintf(name, sizeof(name), "tree/a/file-%d", i);
        ck_assert_int_eq(linkat(dir_fd, "precious", dir_fd, name, 0), 0);
    }
}

START_TEST(remove_tree_removes_all_and_follows_no_link)
{
    struct err err;

    make_tree();
    ck_assert_int_eq(fs_remove_tree(dir_fd, "tree", &err), 0);
    ck_assert(!exists("tree"));
    ck_assert(exists("outside/file"));
    check_content("precious", "kept");
    ck_assert_int_eq(fs_remove_tree(dir_fd, "tree", &err), 0); /* not there is success */

    ck_assert_int_eq(symlinkat("outside", dir_fd, "link"), 0);
    ck_assert_int_eq(fs_remove_tree(dir_fd, "link", &err), 0);
    ck_assert(!exists("link"));
    ck_assert(exists("outside/file"));
    ck_assert_int_eq(fs_remove_tree(dir_fd, "precious", &err), 0); /* a plain file */
    ck_assert(!exists("precious"));
}
END_TEST

START_TEST(remove_tree_that_fails_anywhere_says_so_and_can_go_on)
{
    struct err err;

    for (unsigned n = 1;; n += 7) {
        faults_disarm();
        ck_assert_int_eq(fs_remove_tree(dir_fd, "outside", &err), 0);
        ck_assert_int_eq(fs_remove_tree(dir_fd, "tree", &err), 0);
        make_tree();
        faults_arm(n, EACCES);

        int result = fs_remove_tree(dir_fd, "tree", &err);
        unsigned fired = faults_fired();

        faults_disarm();
        ck_assert_int_eq(result, fired ? -1 : 0);
        ck_assert_int_eq(exists("tree"), fired ? 1 : 0);
        if (!fired)
            break;
        ck_assert_int_eq(err.code, EACCES);
    }
}
END_TEST

static void make_deep(int levels)
{
    int fd = dup(dir_fd);

    for (int i = 0; i < levels; i++) {
        ck_assert_int_eq(mkdirat(fd, "d", 0700), 0);

        int next_fd = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(next_fd, 0);
        ck_assert_int_eq(close(fd), 0);
        fd = next_fd;
    }
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(remove_tree_is_bounded_in_depth)
{
    struct err err;

    make_deep(64);
    ck_assert_int_eq(fs_remove_tree(dir_fd, "d", &err), 0);
    make_deep(65);
    ck_assert_int_eq(fs_remove_tree(dir_fd, "d", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "64 directories deep"));
}
END_TEST

START_TEST(free_bytes_are_those_of_the_file_system)
{
    uint64_t bytes = 0;
    struct err err;

    ck_assert_int_eq(fs_free_bytes(dir_fd, &bytes, &err), 0);
    ck_assert_uint_gt(bytes, 0);
    ck_assert_int_eq(fs_free_bytes(-1, &bytes, &err), -1);
    ck_assert_int_eq(err.code, EBADF);
}
END_TEST

START_TEST(open_dir_tells_missing_from_wrong)
{
    struct err err;
    int fd = -1;

    put("file", "");
    ck_assert_int_eq(fs_open_dir(dir_fd, "missing", &fd, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_int_eq(fs_open_dir(dir_fd, "file", &fd, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_int_eq(err.code, ENOTDIR);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(fs_open_dir(dir_fd, ".", &fd, &err), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_second_process_finds_the_lock_taken)
{
    struct err err;
    int status = 0;

    ck_assert_int_eq(fs_lock(dir_fd, dir, &err), 0);
    ck_assert_int_eq(fs_lock(dir_fd, dir, &err), 0); /* ours already */

    pid_t child = fork();

    if (child == 0) {
        int fd = -1;
        if (fs_open_dir(AT_FDCWD, dir, &fd, &err) || fs_lock(fd, dir, &err) != -1)
            _exit(99);
        _exit(strstr(err.msg, dir) ? (int)err.kind : 98);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), ERR_BUSY);
    ck_assert_int_eq(fs_lock(-1, "nothing", &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

START_TEST(random_bytes_differ_each_time)
{
    uint8_t a[300] = {0};
    uint8_t b[300] = {0};

    fs_random(a, sizeof(a));
    fs_random(b, sizeof(b));
    ck_assert_mem_ne(a, b, sizeof(a));
    fs_random(a, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs");
    TCase *tcase = tcase_create("files");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_was_written_is_read_back);
    tcase_add_test(tcase, a_failed_read_says_why_and_adds_nothing);
    tcase_add_test(tcase, an_interrupted_or_short_call_goes_on);
    tcase_add_test(tcase, reading_behind_the_end_is_corrupt);
    tcase_add_loop_test(tcase, a_write_that_fails_anywhere_says_so, 0, 4);
    tcase_add_test(tcase, a_directory_that_cannot_be_synced_is_no_failure_a_file_is);
    tcase_add_test(tcase, remove_tree_removes_all_and_follows_no_link);
    tcase_add_test(tcase, remove_tree_that_fails_anywhere_says_so_and_can_go_on);
    tcase_add_test(tcase, remove_tree_is_bounded_in_depth);
    tcase_add_test(tcase, free_bytes_are_those_of_the_file_system);
    tcase_add_test(tcase, open_dir_tells_missing_from_wrong);
    tcase_add_test(tcase, a_second_process_finds_the_lock_taken);
    tcase_add_test(tcase, random_bytes_differ_each_time);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
