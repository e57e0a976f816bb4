/*
 * Arguments behind a command: settings, the command's own options, words.
 */
#include "daemon/arguments.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec options[] = {
    {.name = "json", .help = "a switch"},
    {.name = "backup", .value = "ID", .help = "with a value"},
    {0},
};

enum { ARGC_MAX = 8 };

struct line {
    const char *argv[ARGC_MAX]; /* ended by NULL */
    const char *expected;
};

static int count(const char *const *argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    return argc;
}

static int parse(const struct line *line, struct arguments *out, struct err *err)
{
    char *argv[ARGC_MAX] = {NULL};
    int argc = count(line->argv);

    for (int i = 0; i < argc; i++) {
        const void *text = line->argv[i];

        memcpy(&argv[i], &text, sizeof argv[i]);
    }
    return arguments_parse(argc, argv, options, out, err);
}

static void print_argument(char *out, size_t size, char mark, const struct argument *argument)
{
    size_t used = strlen(out);

    (void)snprintf(out + used, size - used, "%c %s=%s;", mark, argument->name,
                   argument->value != NULL ? argument->value : "(none)");
}

static const struct line good[] = {
    {{NULL}, ""},
    {{"--data-dir", "/d"}, "S data-dir=/d;"},
    {{"--data-dir=/d"}, "S data-dir=/d;"},
    {{"--data-dir="}, "S data-dir=;"},
    {{"--data-dir", ""}, "S data-dir=;"},
    {{"--data-dir", "-x"}, "S data-dir=-x;"},
    {{"--data-dir=--x"}, "S data-dir=--x;"},
    {{"--data-dir", "a=b=c"}, "S data-dir=a=b=c;"},
    {{"--config", "/c"}, "S config=/c;"},
    {{"--json"}, "O json=(none);"},
    {{"--backup", "id"}, "O backup=id;"},
    {{"--backup=id", "--json", "--data-dir", "/d"}, "S data-dir=/d;O backup=id;O json=(none);"},
    {{"latest"}, "W latest;"},
    {{"a", "--json", "b", "-"}, "O json=(none);W a;W b;W -;"},
    {{"--", "--json", "-x"}, "W --json;W -x;"},
    {{"--", "--"}, "W --;"},
    {{"--help"}, "help"},
    {{"-h", "--nonsense"}, "help"},
    {{"--redis-url", "redis://h:1/2"}, "S redis-url=redis://h:1/2;"},
    {{"--redis-url", "redis://user@h"}, "S redis-url=redis://user@h;"},
};

START_TEST(good_arguments_are_told_apart)
{
    char seen[512] = "";
    auto_arguments struct arguments arguments = {0};
    struct err err = {0};

    ck_assert_msg(parse(&good[_i], &arguments, &err) == 0, "%s", err.msg);
    for (size_t i = 0; i < arguments.setting_count; i++)
        print_argument(seen, sizeof seen, 'S', &arguments.settings[i]);
    for (size_t i = 0; i < arguments.option_count; i++)
        print_argument(seen, sizeof seen, 'O', &arguments.options[i]);
    for (size_t i = 0; i < arguments.word_count; i++) {
        size_t used = strlen(seen);

        (void)snprintf(seen + used, sizeof seen - used, "W %s;", arguments.words[i]);
    }
    ck_assert_str_eq(arguments.help ? "help" : seen, good[_i].expected);
}
END_TEST

static const struct line bad[] = {
    {{"--data-dri", "/d"}, "unknown option --data-dri, the nearest is --data-dir"},
    {{"--jsn"}, "unknown option --jsn, the nearest is --json"},
    {{"--bakup=s3cret"}, "unknown option --bakup, the nearest is --backup"},
    {{"--redis-passwrod=s3cret"},
     "unknown option --redis-passwrod, the nearest is --redis-password"},
    {{"--data-dir"}, "--data-dir needs a value"},
    {{"--data-dir", "--json"}, "--data-dir needs a value"},
    {{"--backup"}, "--backup needs a value"},
    {{"--config"}, "--config needs a value"},
    {{"--json=yes"}, "--json takes no value"},
    {{"--redis-password", "s3cret"}, "--redis-password: a secret has no flag"},
    {{"--redis-password=s3cret"}, "--redis-password: a secret has no flag"},
    {{"--redis-url=redis://u:s3cret@h"}, "--redis-url holds a password"},
    {{"--redis-url=redis://:s3c/ret@h"}, "--redis-url holds a password"},
    {{"--repository", "s3://k:s3cret@bucket/p"}, "--repository holds a password"},
    {{"--notify-url=https://u:s3cret@h/p"}, "--notify-url holds a password"},
    {{"-j"}, "unknown option -j"},
    {{"--=x"}, "unknown option --"},
};

START_TEST(bad_arguments_say_why_and_tell_no_secret)
{
    struct arguments arguments = {.help = true};
    struct err err = {0};

    ck_assert_int_eq(parse(&bad[_i], &arguments, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strncmp(err.msg, bad[_i].expected, strlen(bad[_i].expected)) == 0,
                  "%s\nis not: %s", err.msg, bad[_i].expected);
    ck_assert_ptr_null(strstr(err.msg, "s3c"));
    ck_assert_msg(arguments.help && arguments.settings == NULL, "touched on failure");
}
END_TEST

START_TEST(a_refused_secret_says_how_to_give_it)
{
    const struct line line = {.argv = {"--redis-password", "s3cret"}};
    struct arguments arguments = {0};
    struct err err = {0};

    ck_assert_int_eq(parse(&line, &arguments, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "HINT: set REDKEEP_REDIS_PASSWORD_FILE"));
}
END_TEST

START_TEST(the_last_of_an_option_given_twice_wins)
{
    const struct line line = {.argv = {"--backup", "a", "--backup=b", "--json"}};
    auto_arguments struct arguments arguments = {0};
    struct err err = {0};

    ck_assert_int_eq(parse(&line, &arguments, &err), 0);
    ck_assert_str_eq(arguments_option(&arguments, "backup"), "b");
    ck_assert_str_eq(arguments_option(&arguments, "json"), "");
    ck_assert_ptr_null(arguments_option(&arguments, "at"));
}
END_TEST

START_TEST(a_command_without_options_has_none)
{
    char json[] = "--json";
    char *argv[] = {json, NULL};
    auto_arguments struct arguments arguments = {0};
    struct err err = {0};

    ck_assert_int_eq(arguments_parse(1, argv, NULL, &arguments, &err), -1);
    ck_assert_int_eq(arguments_parse(0, argv, NULL, &arguments, &err), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arguments");
    TCase *tcase = tcase_create("parse");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, good_arguments_are_told_apart, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tcase, bad_arguments_say_why_and_tell_no_secret, 0,
                        sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, a_refused_secret_says_how_to_give_it);
    tcase_add_test(tcase, the_last_of_an_option_given_twice_wins);
    tcase_add_test(tcase, a_command_without_options_has_none);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
