/*
 * What people see of the settings: all of them, and no secret.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/settings.h"
#include "daemon/settings_table.h"

static int load(const char *const *environment, struct settings *out, struct err *err)
{
    const struct settings_input input = {
        .environment = (char *const *)(uintptr_t)environment, .host_name = "pod-0", .cpus = 4};

    return settings_load(&input, out, err);
}

START_TEST(what_is_printed_holds_no_secret)
{
    static const char *const given[] = {
        "REDKEEP_REDIS_PASSWORD=s3cret", "REDKEEP_REDIS_URL=redis://:s3cret@h",
        "REDKEEP_REPOSITORY=s3://key:s3cret@bucket/p?token=s3cret", NULL};
    auto_settings struct settings settings = {0};
    auto_json struct json *json = NULL;
    auto_free char *json_text = NULL;
    auto_free char *text = NULL;
    size_t size = 0;
    struct err err = {0};
    FILE *out = open_memstream(&text, &size);

    ck_assert_msg(load(given, &settings, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(settings.redis_password.text, "s3cret");
    settings_print_text(&settings, out);
    settings_print_help(out);
    ck_assert_int_eq(fclose(out), 0);
    json = settings_to_json(&settings);
    json_text = json_print(json, true);
    ck_assert_ptr_null(strstr(text, "s3cret"));
    ck_assert_ptr_null(strstr(json_text, "s3cret"));
    ck_assert_ptr_nonnull(strstr(text, "redis://:***@h"));
    ck_assert_ptr_nonnull(strstr(json_text, "s3://key:***@bucket/p?***"));
}
END_TEST

START_TEST(every_setting_is_in_the_help_and_both_answers)
{
    static const char *const nothing[] = {NULL};
    auto_settings struct settings settings = {0};
    auto_json struct json *json = NULL;
    auto_free char *text = NULL;
    auto_free char *help = NULL;
    size_t size = 0;
    struct err err = {0};
    FILE *out = open_memstream(&text, &size);
    FILE *help_out = open_memstream(&help, &size);

    ck_assert_int_eq(load(nothing, &settings, &err), 0);
    settings_print_text(&settings, out);
    settings_print_help(help_out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(fclose(help_out), 0);
    json = settings_to_json(&settings);
    for (size_t i = 0; i < setting_count; i++) {
        auto_free char *line = xasprintf("%s ", setting_table[i].name);

        ck_assert_ptr_nonnull(strstr(text, line));
        ck_assert_ptr_nonnull(strstr(help, line));
        ck_assert(json_has(json, setting_table[i].name));
    }
    ck_assert_uint_eq(json_size(json), setting_count);
    ck_assert_ptr_null(strstr(help, "--redis-password"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_show");
    TCase *tcase = tcase_create("settings_show");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, what_is_printed_holds_no_secret);
    tcase_add_test(tcase, every_setting_is_in_the_help_and_both_answers);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
