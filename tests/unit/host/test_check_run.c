/*
 * How the tables are run, with tables of the test's own in place of the real ones.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host/check.h"

static void say_nothing(const struct check_facts *facts, struct check_result *result)
{
    (void)facts;
    (void)result;
}

static void say_ok(const struct check_facts *facts, struct check_result *result)
{
    check_ok(result, "%d", (int)facts->now_ms);
}

static void say_warn(const struct check_facts *facts, struct check_result *result)
{
    (void)facts;
    check_bad(result, CHECK_WARN, "bad");
    check_fix_by(result, "mend it");
}

/* The linker takes these, and so leaves those of the library where they are. */
const struct check_row check_host_rows[] = {
    {.id = "a", .scope = CHECK_HOST, .why = "A matters.", .look = say_ok},
    {.id = "b", .scope = CHECK_POD, .why = "B matters.", .look = say_nothing},
    {.id = NULL},
};
const struct check_row check_limit_rows[] = {{.id = NULL}};
const struct check_row check_volume_rows[] = {
    {.id = "c", .scope = CHECK_VOLUME, .why = "C matters.", .look = say_warn},
    {.id = NULL},
};
const struct check_row check_server_rows[] = {{.id = NULL}};
const struct check_row check_backup_rows[] = {
    {.id = "d", .scope = CHECK_BACKUP, .why = "D matters.", .look = say_warn},
    {.id = "e", .scope = CHECK_BACKUP, .why = "E matters.", .look = say_ok},
    {.id = NULL},
};

START_TEST(every_row_of_every_table_is_run_and_sorted)
{
    static const char order[] = "cdbae";
    const struct check_facts facts = {.now_ms = 42};
    struct check_report report;

    check_run(&facts, &report);
    ck_assert_uint_eq(report.count, strlen(order));
    for (size_t i = 0; i < report.count; i++)
        ck_assert_int_eq(report.results[i].id[0], order[i]);
    const struct check_result *c = check_find(&report, "c");
    ck_assert_int_eq(c->scope, CHECK_VOLUME);
    ck_assert_str_eq(c->why, "C matters.");
    ck_assert_str_eq(c->fix, "mend it");
    ck_assert_str_eq(check_find(&report, "e")->value, "42");
    ck_assert_int_eq(check_worst(&report), CHECK_WARN);
    check_report_release(&report);
}
END_TEST

START_TEST(a_row_that_says_nothing_is_unknown)
{
    const struct check_facts facts = {.now_ms = 42};
    struct check_report report;

    check_run(&facts, &report);
    ck_assert_int_eq(check_find(&report, "b")->status, CHECK_UNKNOWN);
    ck_assert_str_eq(check_find(&report, "b")->value, "unknown: it could not be looked at");
    check_report_release(&report);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_run");
    TCase *tcase = tcase_create("tables");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, every_row_of_every_table_is_run_and_sorted);
    tcase_add_test(tcase, a_row_that_says_nothing_is_unknown);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
