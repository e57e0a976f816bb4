#include "base/cancel.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each case runs in a process of its own, since a signal that is pending stays so. It returns 0
 * when all is as it should be. */
static int status_of(int (*in_child)(int signal_number), int signal_number)
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(in_child(signal_number));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static int nothing_arrives(int signal_number)
{
    struct err err = {.kind = ERR_BUSY};

    (void)signal_number;
    cancel_init();
    if (cancel_requested() || cancel_check(&err) != 0)
        return 1;
    return err.kind == ERR_BUSY ? 0 : 2; /* untouched */
}

static int it_arrives(int signal_number)
{
    struct err err = {0};

    cancel_init();
    if (kill(getpid(), signal_number) != 0)
        return 1;
    for (int i = 0; i < 3; i++) /* asking does not use it up */
        if (!cancel_requested() || cancel_check(&err) != -1)
            return 2;
    if (err_problem(&err) != PROBLEM_INTERRUPTED)
        return 4;
    return err.kind == ERR_FAILED && strstr(err.msg, "interrupted") != NULL ? 0 : 3;
}

static void *ask(void *context)
{
    struct err err = {0};

    return cancel_requested() && cancel_check(&err) == -1 ? context : NULL;
}

static int it_arrives_and_a_thread_asks(int signal_number)
{
    pthread_t thread;
    void *answer = NULL;
    int token = 0;

    cancel_init();
    if (kill(getpid(), signal_number) != 0)
        return 1;
    if (pthread_create(&thread, NULL, ask, &token) != 0 || pthread_join(thread, &answer) != 0)
        return 2;
    return answer == &token ? 0 : 3;
}

static int a_thread_of_ours_does_not_die_of_it(int signal_number)
{
    cancel_init();
    return raise(signal_number) == 0 && cancel_requested() ? 0 : 1;
}

START_TEST(without_a_signal_the_answer_is_no)
{
    ck_assert_int_eq(status_of(nothing_arrives, 0), 0);
}
END_TEST

START_TEST(both_signals_make_the_answer_yes_for_good)
{
    static const int signals[] = {SIGINT, SIGTERM};

    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(status_of(it_arrives, signals[i]), 0);
        ck_assert_int_eq(status_of(it_arrives_and_a_thread_asks, signals[i]), 0);
        ck_assert_int_eq(status_of(a_thread_of_ours_does_not_die_of_it, signals[i]), 0);
    }
}
END_TEST

START_TEST(another_signal_is_not_an_answer)
{
    int status = status_of(it_arrives, SIGUSR1);

    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cancel");
    TCase *tcase = tcase_create("cancel");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, without_a_signal_the_answer_is_no);
    tcase_add_test(tcase, both_signals_make_the_answer_yes_for_good);
    tcase_add_test(tcase, another_signal_is_not_an_answer);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
