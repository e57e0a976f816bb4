/*
 * What came with the program is found beside it, by what the program is and not by what it is
 * called; and only where the system has nothing of the kind.
 */
#include "base/installed.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "support/tmpdir.h"

static char *root;
static char *program; /* a link, as /proc/self/exe is one */

static char *in(const char *name)
{
    return xasprintf("%s/%s", root, name);
}

static void folder(const char *name)
{
    auto_free char *path = in(name);

    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void file(const char *name)
{
    auto_free char *path = in(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void setup(void)
{
    auto_free char *binary = NULL;

    root = tmpdir_new();
    program = in("exe");
    folder("bin");
    file("bin/redkeep");
    binary = in("bin/redkeep");
    ck_assert_int_eq(symlink(binary, program), 0);
}

static void teardown(void)
{
    free(program);
    tmpdir_remove(root);
}

START_TEST(it_is_beside_the_program)
{
    auto_free char *found = NULL;
    auto_free char *expected = in("bin/../share/bundle");

    folder("share");
    file("share/bundle");
    found = installed_beside(program, "bundle");
    ck_assert_pstr_eq(found, expected);
}
END_TEST

START_TEST(a_folder_is_found_like_a_file)
{
    auto_free char *found = NULL;

    folder("share");
    folder("share/zones");
    found = installed_beside(program, "zones");
    ck_assert_ptr_nonnull(found);
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
    ck_assert_ptr_null(installed_beside(program, "bundle"));
    folder("share");
    ck_assert_ptr_null(installed_beside(program, "bundle"));
}
END_TEST

START_TEST(a_program_that_cannot_be_asked_for_has_nothing)
{
    static const char *const links[] = {"nothing", "bin/redkeep", "here"};
    auto_free char *here = in("here");

    folder("share");
    file("share/bundle");
    ck_assert_int_eq(symlink("without-a-folder", here), 0);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        auto_free char *link = in(links[i]);

        ck_assert_ptr_null(installed_beside(link, "bundle"));
    }
}
END_TEST

START_TEST(the_system_comes_first)
{
    ck_assert_ptr_null(installed_unless(root, "bundle"));
}
END_TEST

START_TEST(a_program_without_such_files_has_none)
{
    auto_free char *missing = in("no-such-bundle");

    ck_assert_ptr_null(installed_unless(missing, "no-such-bundle"));
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("installed");
    TCase *tcase = tcase_create("installed");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, it_is_beside_the_program);
    tcase_add_test(tcase, a_folder_is_found_like_a_file);
    tcase_add_test(tcase, what_is_not_there_is_not_found);
    tcase_add_test(tcase, a_program_that_cannot_be_asked_for_has_nothing);
    tcase_add_test(tcase, the_system_comes_first);
    tcase_add_test(tcase, a_program_without_such_files_has_none);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
