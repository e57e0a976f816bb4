/* Which files of a volume a server has left, by their names. */
#include "redis/temp_file.h"

#include <check.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(only_what_servers_call_so_is_theirs)
{
    static const char *const of_servers[] = {
        "temp-1.rdb",
        "temp-4194304.rdb",
        "temp-1763700000.77.rdb",
        "temp-rewriteaof-7.aof",
        "temp-rewriteaof-bg-7.aof",
    };
    static const char *const of_others[] = {
        "temp-import.rdb",
        "temp-.rdb",
        "temp-.1.rdb",
        "temp-1.rdb.gz",
        "temp-1.aof",
        "temp-2026-1.rdb",
        "temp-rewriteaof-x.aof",
        "temp-rewriteaof-.aof",
        "dump.rdb",
        "my-temp-1.rdb",
        "temp-1rdb",
        "temp-rewriteaof-1.rdb",
        "temp-rewriteaof-bg.aof",
        "temp-rewriteaof-bg-.aof",
    };

    for (size_t i = 0; i < COUNT(of_servers); i++)
        ck_assert_msg(temp_file_is_name(of_servers[i]), "%s", of_servers[i]);
    for (size_t i = 0; i < COUNT(of_others); i++)
        ck_assert_msg(!temp_file_is_name(of_others[i]), "%s", of_others[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("temp_file");
    TCase *tcase = tcase_create("temp_file");

    tcase_add_test(tcase, only_what_servers_call_so_is_theirs);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
