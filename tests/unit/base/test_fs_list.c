/*
 * Listings: whole or a failure, and no descriptor left behind.
 */
// link: -Wl,--wrap=readdir -Wl,--wrap=fdopendir
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/tmpdir.h"
#include "support/tree.h"

extern __typeof__(readdir) __real_readdir;
extern __typeof__(readdir) __wrap_readdir;
extern __typeof__(fdopendir) __real_fdopendir;
extern __typeof__(fdopendir) __wrap_fdopendir;

static unsigned reads_left; /* until one fails; 0: none does */
static bool is_out_of_memory;

struct dirent *__wrap_readdir(DIR *dir)
{
    if (reads_left > 0 && --reads_left == 0) {
        errno = EIO;
        return NULL;
    }
    return __real_readdir(dir);
}

DIR *__wrap_fdopendir(int fd)
{
    if (!is_out_of_memory)
        return __real_fdopendir(fd);
    errno = ENOMEM;
    return NULL;
}

static char *dir;
static int dir_fd;
static unsigned fds;
static struct err err;

static void begin(void)
{
    reads_left = 0;
    is_out_of_memory = false;
    fds = fd_count();
    dir = tmpdir_new();
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, dir, &dir_fd, &err), 0);
}

static void end(void)
{
    (void)close(dir_fd);
    tmpdir_remove(dir);
    ck_assert_uint_eq(fd_count(), fds);
}

START_TEST(every_name_is_listed_but_the_dots)
{
    bool seen[100] = {false};
    struct fs_list list = {0};

    for (int i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "sub/%d", i);
        tree_write(dir_fd, name, "", 0);
    }
    for (int times = 0; times < 2; times++) { /* no offset is left from the first */
        ck_assert_int_eq(fs_list_dir(dir_fd, "sub", &list, &err), 0);
        ck_assert_uint_eq(list.count, 100);
        for (size_t i = 0; i < list.count; i++) {
            int number = -1;
            ck_assert_int_eq(sscanf(list.names[i], "%d", &number), 1);
            ck_assert(seen[number] == (times == 1));
            seen[number] = times == 0;
        }
        fs_list_release(&list);
    }
    ck_assert_int_eq(fs_list_dir(dir_fd, ".", &list, &err), 0);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_str_eq(list.names[0], "sub");
    fs_list_release(&list);
    ck_assert_int_eq(unlinkat(dir_fd, "sub", 0), -1);
    ck_assert_int_eq(fs_remove_tree(dir_fd, "sub", &err), 0);
    ck_assert_int_eq(fs_list_dir(dir_fd, ".", &list, &err), 0);
    ck_assert_uint_eq(list.count, 0);
    fs_list_release(&list);
}
END_TEST

START_TEST(a_listing_that_is_cut_short_is_a_failure)
{
    struct fs_list list = {0};

    tree_write(dir_fd, "a", "", 0);
    tree_write(dir_fd, "b", "", 0);
    for (unsigned n = 1; n <= 5; n++) { /* two names, two dots, the end */
        reads_left = n;
        ck_assert_int_eq(fs_list_dir(dir_fd, ".", &list, &err), -1);
        ck_assert_int_eq(err.kind, ERR_FAILED);
        ck_assert_int_eq(err.code, EIO);
        ck_assert_uint_eq(list.count, 0);
    }
}
END_TEST

START_TEST(what_is_no_directory_cannot_be_listed)
{
    struct fs_list list = {0};

    tree_write(dir_fd, "file", "", 0);
    ck_assert_int_eq(fs_list_dir(dir_fd, "file", &list, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_int_eq(fs_list_dir(dir_fd, "nowhere", &list, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(no_descriptor_is_left_behind)
{
    struct fs_list list = {0};

    tree_write(dir_fd, "sub/file", "", 0);
    is_out_of_memory = true;
    ck_assert_int_eq(fs_list_dir(dir_fd, "sub", &list, &err), -1);
    ck_assert_int_eq(err.code, ENOMEM);
    ck_assert_int_eq(fs_remove_tree(dir_fd, "sub", &err), -1);
    is_out_of_memory = false; /* end() counts */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs_list");
    TCase *tcase = tcase_create("fs_list");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, every_name_is_listed_but_the_dots);
    tcase_add_test(tcase, a_listing_that_is_cut_short_is_a_failure);
    tcase_add_test(tcase, what_is_no_directory_cannot_be_listed);
    tcase_add_test(tcase, no_descriptor_is_left_behind);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
