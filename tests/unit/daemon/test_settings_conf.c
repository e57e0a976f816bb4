/*
 * The syntax of redkeep.conf: what redis.conf accepts is accepted with the same meaning.
 */
#include "daemon/settings_conf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) .text = (literal), .len = sizeof(literal) - 1

/* What was parsed, as "number:name=value;" per line. */
struct seen {
    char text[512];
    unsigned stop_at; /* refuse the line of that number */
};

static int note_line(void *context, const struct settings_conf_line *line, struct err *err)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);

    if (line->number == seen->stop_at)
        return err_set(err, ERR_BUSY, "stopped");
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%u:%s=%s;", line->number,
                   line->name, line->value);
    return 0;
}

static const struct {
    const char *text;
    size_t len;
    const char *expected;
} good[] = {
    {TEXT(""), ""},
    {TEXT("\n\n"), ""},
    {TEXT("# a comment"), ""},
    {TEXT("  # a comment \"with an open quote\n"), ""},
    {TEXT("name value"), "1:name=value;"},
    {TEXT("name value\n"), "1:name=value;"},
    {TEXT("name value\r\n"), "1:name=value;"},
    {TEXT("  name \t value  \n"), "1:name=value;"},
    {TEXT("Data-DIR /Data"), "1:data-dir=/Data;"},
    {TEXT("\n#c\na 1\n\nb 2"), "3:a=1;5:b=2;"},
    {TEXT("a 1\na 2\n"), "1:a=1;2:a=2;"},
    {TEXT("a \"\""), "1:a=;"},
    {TEXT("a ''"), "1:a=;"},
    {TEXT("a \"b c\""), "1:a=b c;"},
    {TEXT("a 'b c'"), "1:a=b c;"},
    {TEXT("a \"b\\\"c\""), "1:a=b\"c;"},
    {TEXT("a 'b\\'c'"), "1:a=b'c;"},
    {TEXT("a 'b\\nc'"), "1:a=b\\nc;"},
    {TEXT("a \"\\x41\\x7a\\xzz\""), "1:a=Azxzz;"},
    {TEXT("a \"\\x4\""), "1:a=x4;"},
    {TEXT("a \"\\n\\r\\t\\b\\a\\q\\\\\""), "1:a=\n\r\t\b\aq\\;"},
    {TEXT("a b#c"), "1:a=b#c;"},
    {TEXT("a \"# no comment\""), "1:a=# no comment;"},
    {TEXT("\"na me\" v"), "1:na me=v;"},
    {TEXT("a \xc3\xa9\xff"), "1:a=\xc3\xa9\xff;"},
    {TEXT("a pre\"fix in\""), "1:a=prefix in;"},
};

START_TEST(good_text_gives_its_lines)
{
    struct seen seen = {{0}, 0};
    struct err err = {0};

    ck_assert_msg(settings_conf_parse(good[_i].text, good[_i].len, note_line, &seen, &err) == 0,
                  "%s", err.msg);
    ck_assert_str_eq(seen.text, good[_i].expected);
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    const char *expected;
} bad[] = {
    {TEXT("name"), "line 1: a name without a value"},
    {TEXT("\n\nname \n"), "line 3: a name without a value"},
    {TEXT("a b c"), "line 1: more than a name and a value"},
    {TEXT("a b # c"), "line 1: more than a name and a value"},
    {TEXT("a \"b"), "line 1: unbalanced quotes"},
    {TEXT("a 'b"), "line 1: unbalanced quotes"},
    {TEXT("a \"b\"c"), "line 1: unbalanced quotes"},
    {TEXT("a 'b'c"), "line 1: unbalanced quotes"},
    {TEXT("a \"b\\\""), "line 1: unbalanced quotes"},
    {TEXT("a \"b\\"), "line 1: unbalanced quotes"},
    {TEXT("a \"b\n\""), "line 1: unbalanced quotes"},
    {TEXT("a b\0c"), "line 1: a NUL byte"},
    {TEXT("a \"b\\x00c\""), "line 1: a NUL byte"},
    {TEXT("ok 1\n\"\\x00\" v"), "line 2: a NUL byte"},
};

START_TEST(bad_text_names_the_line_and_not_the_value)
{
    struct seen seen = {{0}, 0};
    struct err err = {0};

    ck_assert_int_eq(settings_conf_parse(bad[_i].text, bad[_i].len, note_line, &seen, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strncmp(err.msg, bad[_i].expected, strlen(bad[_i].expected)) == 0,
                  "%s\nis not: %s", err.msg, bad[_i].expected);
}
END_TEST

START_TEST(the_callback_can_stop_the_parsing)
{
    static const char text[] = "a 1\nb 2\nc 3\n";
    struct seen seen = {{0}, 2};
    struct err err = {0};

    ck_assert_int_eq(settings_conf_parse(text, sizeof text - 1, note_line, &seen, &err), -1);
    ck_assert_int_eq(err.kind, ERR_BUSY);
    ck_assert_str_eq(seen.text, "1:a=1;");
}
END_TEST

/* A copy that ends where the text does lets ASan see a read behind it. */
START_TEST(text_cut_anywhere_is_read_within_its_bounds)
{
    static const char text[] = "a \"b\\x41\\\"\" \n# c\nd 'e\\'' \nf \\x41";

    for (size_t len = 0; len < sizeof text; len++) {
        struct seen seen = {{0}, 0};
        struct err err = {0};
        char *cut = malloc(len + 1);

        memcpy(cut, text, len);
        cut = realloc(cut, len > 0 ? len : 1);
        (void)settings_conf_parse(cut, len, note_line, &seen, &err);
        free(cut);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_conf");
    TCase *tcase = tcase_create("syntax");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, good_text_gives_its_lines, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tcase, bad_text_names_the_line_and_not_the_value, 0,
                        sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, the_callback_can_stop_the_parsing);
    tcase_add_test(tcase, text_cut_anywhere_is_read_within_its_bounds);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
