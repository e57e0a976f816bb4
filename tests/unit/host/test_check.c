/*
 * The report: its order, its words, its JSON, and what holds for every row of every table.
 */
#include "host/check.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static struct check_result result_of(const char *id, enum check_status status, size_t place)
{
    return (struct check_result){.id = id,
                                 .scope = CHECK_POD,
                                 .status = status,
                                 .why = "It matters.",
                                 .value = xstrdup("1"),
                                 .place = place};
}

static struct check_report some_report(void)
{
    struct check_report report = {.count = 6};

    report.results = xcalloc(report.count, sizeof(*report.results));
    report.results[0] = result_of("a", CHECK_OK, 0);
    report.results[1] = result_of("b", CHECK_WARN, 1);
    report.results[2] = result_of("c", CHECK_UNKNOWN, 2);
    report.results[3] = result_of("d", CHECK_FAIL, 3);
    report.results[4] = result_of("e", CHECK_WARN, 4);
    report.results[5] = result_of("f", CHECK_FIXED, 5);
    return report;
}

static void check_order(const struct check_report *report, const char *ids)
{
    for (size_t i = 0; i < report->count; i++)
        ck_assert_int_eq(report->results[i].id[0], ids[i]);
}

START_TEST(the_worst_comes_first_then_the_order_of_the_tables)
{
    struct check_report report = some_report();

    check_sort(&report);
    check_order(&report, "dbecfa");
    ck_assert_int_eq(check_worst(&report), CHECK_FAIL);
    report.results[0].status = CHECK_FIXED; /* d */
    report.results[2].status = CHECK_FIXED; /* e */
    check_sort(&report);
    check_order(&report, "bcdefa");
    ck_assert_int_eq(check_worst(&report), CHECK_WARN);
    check_report_release(&report);
}
END_TEST

START_TEST(an_empty_report_is_ok)
{
    struct check_report report = {0};

    check_sort(&report);
    ck_assert_int_eq(check_worst(&report), CHECK_OK);
    ck_assert_ptr_null(check_find(&report, "a"));
    check_report_release(&report);
}
END_TEST

START_TEST(of_a_report_those_that_are_asked_for_are_kept)
{
    static const struct {
        const char *ids;
        const char *kept; /* NULL: refused */
        enum check_status worst;
    } cases[] = {
        {"d", "d", CHECK_FAIL},       {"a,f", "af", CHECK_FIXED},
        {"f,a,a", "af", CHECK_FIXED}, {"a,b,c,d,e,f", "abcdef", CHECK_FAIL},
        {"", NULL, CHECK_OK},         {"g", NULL, CHECK_OK},
        {"a,", NULL, CHECK_OK},       {",a", NULL, CHECK_OK},
        {"aa", NULL, CHECK_OK},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct check_report report = some_report();
        struct err err;
        int rc = check_keep(&report, cases[i].ids, &err);

        ck_assert_int_eq(rc, cases[i].kept == NULL ? -1 : 0);
        if (rc != 0)
            ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_uint_eq(report.count, rc != 0 ? 6 : strlen(cases[i].kept));
        check_order(&report, rc != 0 ? "abcdef" : cases[i].kept);
        if (rc == 0)
            ck_assert_int_eq(check_worst(&report), cases[i].worst);
        check_report_release(&report);
    }
}
END_TEST

START_TEST(a_result_is_found_by_its_id)
{
    struct check_report report = some_report();

    ck_assert_ptr_eq(check_find(&report, "c"), &report.results[2]);
    ck_assert_ptr_null(check_find(&report, "g"));
    check_report_release(&report);
}
END_TEST

START_TEST(the_json_holds_every_result_and_the_worst_status)
{
    struct check_report report = {.count = 2};

    report.results = xcalloc(report.count, sizeof(*report.results));
    report.results[0] = result_of("a", CHECK_WARN, 0);
    check_wants(&report.results[0], "%d", 2);
    check_fix_by(&report.results[0], "do %s", "it");
    report.results[1] = result_of("b", CHECK_FIXED, 1);
    report.results[1].before = xstrdup("0");

    auto_json struct json *json = check_to_json(&report);
    auto_free char *text = json_print(json, false);

    ck_assert_str_eq(
        text, "{\"checks\":[{\"id\":\"a\",\"status\":\"warn\",\"value\":\"1\",\"wanted\":\"2\","
              "\"scope\":\"pod\",\"why\":\"It matters.\",\"fix\":\"do it\"},"
              "{\"id\":\"b\",\"status\":\"fixed\",\"value\":\"1\",\"wanted\":null,"
              "\"scope\":\"pod\",\"why\":\"It matters.\",\"fix\":null,\"before\":\"0\"}],"
              "\"worst\":\"warn\"}");
    check_report_release(&report);
}
END_TEST

START_TEST(names_of_statuses_and_scopes)
{
    static const char *const statuses[] = {"ok", "fixed", "unknown", "warn", "fail"};
    static const char *const scopes[] = {"host", "pod", "server", "volume", "backup"};

    for (int i = 0; i < CHECK_STATUS_COUNT; i++)
        ck_assert_str_eq(check_status_name((enum check_status)i), statuses[i]);
    for (int i = CHECK_HOST; i <= CHECK_BACKUP; i++)
        ck_assert_str_eq(check_scope_name((enum check_scope)i), scopes[i]);
}
END_TEST

START_TEST(texts_are_copied_replaced_and_made_harmless)
{
    struct check_report report = {.count = 1};

    report.results = xcalloc(1, sizeof(*report.results));
    struct check_result *result = &report.results[0];

    check_ok(result, "fine %d", 1);
    ck_assert_int_eq(result->status, CHECK_OK);
    ck_assert_str_eq(result->value, "fine 1");
    check_bad(result, CHECK_FAIL, "%s", "\x1b[31mred\n\xff");
    ck_assert_int_eq(result->status, CHECK_FAIL);
    ck_assert_str_eq(result->value, "\\x1b[31mred\\n\xef\xbf\xbd");
    check_fix_by(result, "one\ntwo\t%s", "\x01");
    ck_assert_str_eq(result->fix, "one\ntwo\\t\\x01");
    check_unknown(result, "this needs %s", "rights");
    ck_assert_int_eq(result->status, CHECK_UNKNOWN);
    ck_assert_str_eq(result->value, "unknown: this needs rights");
    check_act_by(result, CHECK_ACT_FILE, "proc/x", "1");
    check_act_by(result, CHECK_ACT_FILE, "proc/y", "2");
    ck_assert_str_eq(result->act_name, "proc/y");
    ck_assert_str_eq(result->act_value, "2");
    check_ok(result, "%s", "");
    ck_assert_str_eq(result->value, "");
    check_report_release(&report);
}
END_TEST

/* Facts of which nothing is known, over an empty root. */
static struct check_facts nothing_known(int root_fd)
{
    return (struct check_facts){
        .root_fd = root_fd,
        .now_ms = 1790000000000,
        .server_why = "connection refused",
        .server_pid = -1,
        .volume = {.total_bytes = -1,
                   .free_bytes = -1,
                   .total_inodes = -1,
                   .free_inodes = -1,
                   .is_read_only = -1,
                   .owner_uid = -1,
                   .owner_gid = -1,
                   .mode = -1,
                   .fsync_us = -1,
                   .repository_is_inside = -1},
        .backup = {.newest_ms = -1,
                   .max_age_ms = -1,
                   .lag_ms = -1,
                   .drilled_ms = -1,
                   .drill_ok = -1,
                   .has_drill_server = -1,
                   .is_encrypted = -1,
                   .may_delete = -1,
                   .is_versioned = -1,
                   .prunes = -1},
    };
}

START_TEST(every_row_has_an_id_of_its_own_and_says_why_in_one_sentence)
{
    char root[] = "/tmp/redkeep-check-XXXXXX";
    struct check_report report;

    ck_assert_ptr_nonnull(mkdtemp(root));
    auto_close int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct check_facts facts = nothing_known(root_fd);
    check_run(&facts, &report);
    for (size_t i = 0; i < report.count; i++) {
        const struct check_result *result = &report.results[i];
        size_t len = strlen(result->why);

        ck_assert_msg(strspn(result->id, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
                          strlen(result->id),
                      "%s", result->id);
        ck_assert_ptr_eq(check_find(&report, result->id), result);
        ck_assert_msg(len > 20 && result->why[len - 1] != '\n', "%s", result->id);
    }
    check_report_release(&report);
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

START_TEST(what_cannot_be_seen_is_never_ok)
{
    char root[] = "/tmp/redkeep-check-XXXXXX";
    struct check_report report;

    ck_assert_ptr_nonnull(mkdtemp(root));
    auto_close int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct check_facts facts = nothing_known(root_fd);
    check_run(&facts, &report);
    for (size_t i = 0; i < report.count; i++) {
        ck_assert_msg(report.results[i].status != CHECK_OK, "%s: %s", report.results[i].id,
                      report.results[i].value);
        if (report.results[i].status == CHECK_UNKNOWN)
            ck_assert_msg(strncmp(report.results[i].value, "unknown: ", 9) == 0, "%s",
                          report.results[i].id);
    }
    check_report_release(&report);
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *tcase = tcase_create("report");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, the_worst_comes_first_then_the_order_of_the_tables);
    tcase_add_test(tcase, an_empty_report_is_ok);
    tcase_add_test(tcase, of_a_report_those_that_are_asked_for_are_kept);
    tcase_add_test(tcase, a_result_is_found_by_its_id);
    tcase_add_test(tcase, the_json_holds_every_result_and_the_worst_status);
    tcase_add_test(tcase, names_of_statuses_and_scopes);
    tcase_add_test(tcase, texts_are_copied_replaced_and_made_harmless);
    tcase_add_test(tcase, every_row_has_an_id_of_its_own_and_says_why_in_one_sentence);
    tcase_add_test(tcase, what_cannot_be_seen_is_never_ok);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
