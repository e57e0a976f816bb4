/*
 * Allocation that dies: what cannot be had ends the process with a message and SIGABRT.
 */
#include "base/mem.h"

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/capture.h"

/* AddressSanitizer's own allocator would end the process in its own way. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void ask_malloc(size_t huge)
{
    free(xmalloc(huge));
}

static void ask_calloc(size_t huge)
{
    free(xcalloc(huge, 2));
}

static void ask_realloc(size_t huge)
{
    free(xrealloc(NULL, huge));
}

static void ask_reallocarray(size_t huge)
{
    free(xreallocarray(NULL, huge, 16));
}

static void ask_check(size_t huge)
{
    (void)huge;
    (void)xcheck(NULL);
}

static void (*const impossible[])(size_t huge) = {
    ask_malloc, ask_calloc, ask_realloc, ask_reallocarray, ask_check,
};

START_TEST(what_cannot_be_had_aborts_with_a_message)
{
    struct capture capture;
    volatile size_t huge = SIZE_MAX / 2;

    capture_begin(&capture);

    pid_t child = fork();

    if (child == 0) {
        struct rlimit none = {0};

        (void)setrlimit(RLIMIT_CORE, &none); /* else a core file may be left behind */
        impossible[_i](huge);
        _exit(0);
    }

    int status = 0;
    pid_t reaped = waitpid(child, &status, 0);
    char *text = capture_end(&capture);

    ck_assert_int_eq(reaped, child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "out of memory"));
    free(text);
}
END_TEST

START_TEST(nothing_is_a_pointer_too)
{
    void *pieces[] = {xmalloc(0), xcalloc(0, 8), xcalloc(8, 0), xrealloc(NULL, 0),
                      xreallocarray(NULL, 0, 8)};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        ck_assert_ptr_nonnull(pieces[i]);
        free(pieces[i]);
    }
}
END_TEST

START_TEST(calloc_zeroes_and_realloc_keeps)
{
    char *bytes = xcalloc(100, 3);

    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(bytes[i], 0);
    bytes[299] = 'x';
    bytes = xreallocarray(bytes, 1000, 3);
    ck_assert_int_eq(bytes[299], 'x');
    free(bytes);
}
END_TEST

START_TEST(copies_of_text_are_whole_and_terminated)
{
    char *all = xstrdup("abc");
    char *some = xstrndup("abc", 2);
    char *more = xstrndup("abc", 9);
    char *made = xasprintf("%d-%s", 7, "x");

    ck_assert_str_eq(all, "abc");
    ck_assert_str_eq(some, "ab");
    ck_assert_str_eq(more, "abc");
    ck_assert_str_eq(made, "7-x");
    free(all);
    free(some);
    free(more);
    free(made);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mem");
    TCase *tcase = tcase_create("allocation");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, what_cannot_be_had_aborts_with_a_message, 0,
                        sizeof(impossible) / sizeof(impossible[0]));
    tcase_add_test(tcase, nothing_is_a_pointer_too);
    tcase_add_test(tcase, calloc_zeroes_and_realloc_keeps);
    tcase_add_test(tcase, copies_of_text_are_whole_and_terminated);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
