/*
 * The answer of `redkeep check --json`, read into the record and shown again.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/status.h"

static int read_text(const char *text, struct status_checks *out, struct err *err)
{
    auto_json struct json *answer = NULL;

    ck_assert_msg(json_parse(text, strlen(text), &answer, err) == 0, "%s", err->msg);
    return status_read_checks(answer, out, err);
}

START_TEST(what_is_read_is_shown_as_it_came)
{
    static const char rows[] =
        "[{\"id\":\"a\",\"status\":\"fail\",\"value\":\"1\",\"wanted\":\"2\",\"scope\":\"pod\","
        "\"why\":\"w\",\"fix\":\"one\\ntwo\"},"
        "{\"id\":\"b\",\"status\":\"unknown\",\"value\":null,\"wanted\":null,\"scope\":\"backup\","
        "\"why\":null,\"fix\":null}]";
    auto_free char *text = xasprintf("{\"checks\":%s,\"worst\":\"fail\"}", rows);
    struct status_checks checks;
    struct err err = {0};

    ck_assert_msg(read_text(text, &checks, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(checks.count, 2);
    ck_assert_ptr_eq(status_checks_find(&checks, "b"), &checks.rows[1]);
    ck_assert_ptr_null(status_checks_find(&checks, "c"));
    ck_assert_int_eq(checks.rows[0].scope, CHECK_POD);
    auto_json struct json *shown = status_checks_json(&checks);
    auto_free char *again = json_print(shown, false);
    ck_assert_str_eq(again, rows);
    status_checks_release(&checks);
}
END_TEST

START_TEST(every_word_of_the_report_is_known)
{
    for (enum check_status status = 0; status < CHECK_STATUS_COUNT; status++) {
        for (enum check_scope scope = 0; scope <= CHECK_BACKUP; scope++) {
            auto_free char *text =
                xasprintf("{\"checks\":[{\"id\":\"x\",\"status\":\"%s\",\"scope\":\"%s\"}]}",
                          check_status_name(status), check_scope_name(scope));
            struct status_checks checks;
            struct err err = {0};

            ck_assert_msg(read_text(text, &checks, &err) == 0, "%s", err.msg);
            ck_assert_int_eq(checks.rows[0].status, status);
            ck_assert_int_eq(checks.rows[0].scope, scope);
            ck_assert_ptr_null(checks.rows[0].value);
            status_checks_release(&checks);
        }
    }
}
END_TEST

START_TEST(what_is_no_report_is_refused_whole)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"checks\":null}",
        "{\"checks\":7}",
        "{\"checks\":[7]}",
        "{\"checks\":[{\"id\":\"x\",\"status\":\"ok\"}]}",
        "{\"checks\":[{\"id\":\"x\",\"scope\":\"host\"}]}",
        "{\"checks\":[{\"status\":\"ok\",\"scope\":\"host\"}]}",
        "{\"checks\":[{\"id\":\"x\",\"status\":\"fine\",\"scope\":\"host\"}]}",
        "{\"checks\":[{\"id\":\"x\",\"status\":\"ok\",\"scope\":\"moon\"}]}",
        "{\"checks\":[{\"id\":\"x\",\"status\":\"ok\",\"scope\":\"host\"},{}]}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct status_checks checks = {.count = 77};
        struct err err = {0};

        ck_assert_msg(read_text(texts[i], &checks, &err) == -1, "%s", texts[i]);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        ck_assert_uint_eq(checks.count, 77);
    }
}
END_TEST

START_TEST(there_is_a_ceiling)
{
    for (size_t count = STATUS_CHECKS_MAX; count <= STATUS_CHECKS_MAX + 1; count++) {
        auto_json struct json *answer = json_object();
        struct json *rows = json_array();
        struct status_checks checks = {0};
        struct err err = {0};

        for (size_t i = 0; i < count; i++) {
            struct json *row = json_object();

            json_set_string(row, "id", "x");
            json_set_string(row, "status", "ok");
            json_set_string(row, "scope", "host");
            json_push(rows, row);
        }
        json_set(answer, "checks", rows);
        ck_assert_int_eq(status_read_checks(answer, &checks, &err),
                         count > STATUS_CHECKS_MAX ? -1 : 0);
        status_checks_release(&checks);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status_checks");
    TCase *tcase = tcase_create("read");

    tcase_add_test(tcase, what_is_read_is_shown_as_it_came);
    tcase_add_test(tcase, every_word_of_the_report_is_known);
    tcase_add_test(tcase, what_is_no_report_is_refused_whole);
    tcase_add_test(tcase, there_is_a_ceiling);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
