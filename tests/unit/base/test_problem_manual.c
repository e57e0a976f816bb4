/* docs/problems.md tells of every code what the program itself says of it. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/problem.h"

START_TEST(the_manual_has_every_row_of_the_table)
{
    auto_buf struct buf manual = {0};
    struct err err;

    buf_init(&manual, (size_t)1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "docs/problems.md", &manual, &err), 0);
    for (enum problem problem = PROBLEM_NONE + 1; problem < PROBLEM_COUNT; problem++) {
        const struct problem_row *row = problem_row(problem);
        auto_free char *section =
            xasprintf("\n## %s\n\n%s\n\n**What to do.** %s\n", row->code, row->cause, row->remedy);

        ck_assert_msg(strstr(buf_text(&manual), section) != NULL, "docs/problems.md: %s", section);
    }
}
END_TEST

START_TEST(the_manual_has_no_other_code)
{
    auto_buf struct buf manual = {0};
    struct err err;
    size_t sections = 0;

    buf_init(&manual, (size_t)1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "docs/problems.md", &manual, &err), 0);
    for (const char *at = buf_text(&manual); (at = strstr(at, "\n## ")) != NULL; at++)
        sections++;
    ck_assert_uint_eq(sections, PROBLEM_COUNT - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("problem_manual");
    TCase *tests = tcase_create("manual");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, the_manual_has_every_row_of_the_table);
    tcase_add_test(tests, the_manual_has_no_other_code);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
