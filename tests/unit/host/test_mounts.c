/*
 * Lines of mountinfo: whole, escaped, cut and hostile.
 */
#include "host/mounts.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const char saved[] = "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
                            "nonsense\n"
                            "36 35 98:0 /my\\040root /mnt\\011a\\134b rw,noatime master:1 "
                            "propagate_from:2 - ext3 /dev/root "
                            "rw,errors=continue\n"
                            "1 2 3:4 / /x rw shared:1\n"
                            "\n"
                            "9 8 0:32 /docker/a /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";

START_TEST(lines_are_read_and_what_is_none_is_passed_over)
{
    char *text = strdup(saved);
    char *rest = text;
    struct mount_line line;

    ck_assert(mounts_next(&rest, &line));
    ck_assert_str_eq(line.point, "/proc");
    ck_assert_str_eq(line.kind, "proc");
    ck_assert(mounts_next(&rest, &line));
    ck_assert_str_eq(line.root, "/my root");
    ck_assert_str_eq(line.point, "/mnt\ta\\b");
    ck_assert_str_eq(line.kind, "ext3");
    ck_assert_str_eq(line.super, "rw,errors=continue");
    ck_assert(mounts_next(&rest, &line));
    ck_assert_str_eq(line.root, "/docker/a");
    ck_assert_str_eq(line.super, "rw,memory");
    ck_assert(!mounts_next(&rest, &line));
    ck_assert(!mounts_next(&rest, &line));
    free(text);
}
END_TEST

START_TEST(a_text_may_be_cut_anywhere)
{
    for (size_t len = 0; len < sizeof(saved); len++) {
        char *text = strndup(saved, len);
        char *rest = text;
        struct mount_line line;
        int lines = 0;

        while (mounts_next(&rest, &line))
            lines++;
        ck_assert_int_le(lines, 3);
        free(text);
    }
}
END_TEST

START_TEST(any_byte_may_be_another)
{
    for (size_t i = 0; i < sizeof(saved) - 1; i++) {
        static const char bytes[] = {'\0', ' ', '\n', '\\', '-', '\x7f', '\xff'};

        for (int b = 0; b < COUNT(bytes); b++) {
            char *text = strdup(saved);
            char *rest = text;
            struct mount_line line;
            int lines = 0;

            text[i] = bytes[b];
            while (mounts_next(&rest, &line))
                lines++;
            ck_assert_int_le(lines, 4);
            free(text);
        }
    }
}
END_TEST

START_TEST(a_path_is_below_another_at_whole_names)
{
    static const struct {
        const char *path;
        const char *prefix;
        bool is_below;
    } cases[] = {
        {"/a/b", "/a", true}, {"/a", "/a", true},    {"/ab", "/a", false}, {"/a", "/", true},
        {"/", "/", true},     {"/a/b", "/a/", true}, {"/b", "/a", false},  {"/a", "/a/b", false},
    };

    for (int i = 0; i < COUNT(cases); i++)
        ck_assert_msg(mounts_is_below(cases[i].path, cases[i].prefix) == cases[i].is_below, "%s",
                      cases[i].path);
}
END_TEST

START_TEST(a_word_of_a_list_is_a_whole_one)
{
    ck_assert(mounts_has_word("rw,cpu,cpuacct", "cpu"));
    ck_assert(mounts_has_word("memory", "memory"));
    ck_assert(!mounts_has_word("rw,cpuacct", "cpu"));
    ck_assert(!mounts_has_word("", "cpu"));
    ck_assert(mounts_has_word(",,cpu,", "cpu"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mounts");
    TCase *tcase = tcase_create("mounts");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, lines_are_read_and_what_is_none_is_passed_over);
    tcase_add_test(tcase, a_text_may_be_cut_anywhere);
    tcase_add_test(tcase, any_byte_may_be_another);
    tcase_add_test(tcase, a_path_is_below_another_at_whole_names);
    tcase_add_test(tcase, a_word_of_a_list_is_a_whole_one);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
