/*
 * What the process does to itself at its start, and the answers of commands.
 */
#include "commands/process.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands/command.h"

START_TEST(after_prepare_no_core_can_be_written)
{
    struct rlimit limit = {1, 1};

    process_prepare();
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 0);
    ck_assert_uint_eq(limit.rlim_max, 0);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST(after_prepare_a_write_to_nobody_fails_and_does_not_kill)
{
    int fds[2];

    process_prepare();
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(close(fds[0]), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), -1);
    ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

START_TEST(there_is_a_core_and_never_more_than_the_affinity_allows)
{
    cpu_set_t one;
    unsigned all = process_cpus();

    ck_assert_uint_ge(all, 1);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(process_cpus(), 1);
}
END_TEST

START_TEST(the_host_name_is_that_of_the_machine)
{
    char expected[256] = {0};
    auto_free char *name = process_host_name();

    ck_assert_int_eq(gethostname(expected, sizeof expected - 1), 0);
    ck_assert_str_eq(name, expected);
}
END_TEST

START_TEST(an_answer_is_one_json_object_and_a_newline)
{
    auto_free char *text = NULL;
    size_t size = 0;
    struct command_context context = {.out = open_memstream(&text, &size)};
    auto_json struct json *answer = json_object();
    auto_json struct json *read_back = NULL;
    struct err err = {0};

    json_set_u64(answer, "keys", 7);
    command_answer(&context, answer);
    ck_assert_int_eq(fclose(context.out), 0);
    ck_assert_int_eq(text[size - 1], '\n');
    ck_assert_int_eq(json_parse(text, size, &read_back, &err), 0);
}
END_TEST

START_TEST(options_and_words_are_found_in_the_context)
{
    struct argument options[] = {{"json", NULL}, {"backup", "id"}};
    const char *words[] = {"latest"};
    struct arguments arguments = {
        .options = options, .option_count = 2, .words = words, .word_count = 1};
    struct command_context context = {.arguments = &arguments};

    ck_assert(command_flag(&context, "json"));
    ck_assert(!command_flag(&context, "force"));
    ck_assert_str_eq(command_option(&context, "backup"), "id");
    ck_assert_ptr_null(command_option(&context, "at"));
    ck_assert_str_eq(command_word(&context, 0), "latest");
    ck_assert_ptr_null(command_word(&context, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *tcase = tcase_create("process");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, after_prepare_no_core_can_be_written);
    tcase_add_test(tcase, after_prepare_a_write_to_nobody_fails_and_does_not_kill);
    tcase_add_test(tcase, there_is_a_core_and_never_more_than_the_affinity_allows);
    tcase_add_test(tcase, the_host_name_is_that_of_the_machine);
    tcase_add_test(tcase, an_answer_is_one_json_object_and_a_newline);
    tcase_add_test(tcase, options_and_words_are_found_in_the_context);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
