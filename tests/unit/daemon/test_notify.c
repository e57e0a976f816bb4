/*
 * What a hook is told.
 */
#include "daemon/notify.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

static char *print(const struct notify_message *message)
{
    auto_json struct json *json = notify_to_json(message);

    return json_print(json, false);
}

START_TEST(a_failure_says_what_why_and_what_to_do)
{
    const struct problem_row *row = problem_row(PROBLEM_STORE_DENIED);
    auto_free char *text = print(&(struct notify_message){
        .event = NOTIFY_FAILED,
        .instance = "cache-0",
        .problem = PROBLEM_STORE_DENIED,
        .what = "the backup failed, 3 times",
        .at_ms = 1795196100123,
    });
    auto_json struct json *json = NULL;
    const char *member = NULL;
    struct err err = {0};

    ck_assert_int_eq(json_parse(text, strlen(text), &json, &err), 0);
    ck_assert_int_eq(json_get_string(json, "text", &member, &err), 0);
    ck_assert_int_eq(
        strncmp(member, "redkeep cache-0: the backup failed, 3 times\nSTORE_DENIED: ", 58), 0);
    ck_assert_ptr_nonnull(strstr(member, "\nWhat to do: "));
    ck_assert_int_eq(json_get_string(json, "event", &member, &err), 0);
    ck_assert_str_eq(member, "failed");
    ck_assert_int_eq(json_get_string(json, "instance", &member, &err), 0);
    ck_assert_str_eq(member, "cache-0");
    ck_assert_int_eq(json_get_string(json, "time", &member, &err), 0);
    ck_assert_str_eq(member, "2026-11-20T17:35:00Z");
    ck_assert_int_eq(json_get_string(json, "what", &member, &err), 0);
    ck_assert_str_eq(member, "the backup failed, 3 times");
    ck_assert_int_eq(json_get_string(json, "code", &member, &err), 0);
    ck_assert_str_eq(member, "STORE_DENIED");
    ck_assert_int_eq(json_get_string(json, "cause", &member, &err), 0);
    ck_assert_str_eq(member, row->cause);
    ck_assert_int_eq(json_get_string(json, "remedy", &member, &err), 0);
    ck_assert_str_eq(member, row->remedy);
}
END_TEST

START_TEST(without_a_problem_there_is_none_to_tell)
{
    static const struct {
        enum notify_event event;
        const char *name;
    } rows[] = {
        {NOTIFY_FAILED, "failed"},     {NOTIFY_RECOVERED, "recovered"}, {NOTIFY_PROBLEM, "problem"},
        {NOTIFY_RESTORED, "restored"}, {NOTIFY_TEST, "test"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *text = print(&(struct notify_message){
            .event = rows[i].event, .instance = "a", .what = "b.", .at_ms = 0});
        auto_free char *wanted = NULL;

        wanted = xasprintf("{\"text\":\"redkeep a: b.\",\"event\":\"%s\",\"instance\":\"a\","
                           "\"time\":\"1970-01-01T00:00:00Z\",\"what\":\"b.\",\"code\":null,"
                           "\"cause\":null,\"remedy\":null}",
                           rows[i].name);
        ck_assert_str_eq(text, wanted);
    }
}
END_TEST

START_TEST(the_end_of_a_problem_has_its_code_and_nothing_to_do)
{
    auto_free char *text = print(&(struct notify_message){.event = NOTIFY_RECOVERED,
                                                          .instance = "a",
                                                          .problem = PROBLEM_WRITE_ERR,
                                                          .what = "WRITE_ERR is over",
                                                          .at_ms = 0});

    ck_assert_str_eq(text, "{\"text\":\"redkeep a: WRITE_ERR is over\",\"event\":\"recovered\","
                           "\"instance\":\"a\",\"time\":\"1970-01-01T00:00:00Z\","
                           "\"what\":\"WRITE_ERR is over\",\"code\":\"WRITE_ERR\","
                           "\"cause\":null,\"remedy\":null}");
}
END_TEST

START_TEST(foreign_text_is_no_markup)
{
    auto_free char *text = print(&(struct notify_message){
        .event = NOTIFY_PROBLEM,
        .instance = "<!channel>",
        .what = "a & b <https://evil.example|click> \"\xff\xe2\x82\xac\n",
        .at_ms = 0,
    });

    ck_assert_ptr_nonnull(
        strstr(text, "{\"text\":\"redkeep &lt;!channel&gt;: a &amp; b "
                     "&lt;https://evil.example|click&gt; \\\"\xef\xbf\xbd\xe2\x82\xac\\n\","));
    ck_assert_ptr_nonnull(strstr(text, "\"instance\":\"<!channel>\""));
}
END_TEST

static Suite *notify_suite(void)
{
    Suite *suite = suite_create("notify");
    TCase *tc = tcase_create("message");

    tcase_add_test(tc, a_failure_says_what_why_and_what_to_do);
    tcase_add_test(tc, without_a_problem_there_is_none_to_tell);
    tcase_add_test(tc, the_end_of_a_problem_has_its_code_and_nothing_to_do);
    tcase_add_test(tc, foreign_text_is_no_markup);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(notify_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
