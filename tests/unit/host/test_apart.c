// link: -Wl,--wrap=fork -Wl,--wrap=pipe2
/*
 * A child asks: what it answers comes whole or not at all, and who does not answer is ended.
 */
#include "host/apart.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS (600 * 1000) /* no test waits for it */

/* A clock that moves on by so much whenever it is read. */
struct ticking {
    struct clock clock;
    int64_t now_ms;
    int64_t step_ms;
};

static int64_t tick(void *context)
{
    struct ticking *ticking = context;

    return ticking->now_ms += ticking->step_ms;
}

static bool no_fork;
static bool no_pipe;

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    errno = EAGAIN;
    return no_fork ? -1 : __real_fork();
}

int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags)
{
    errno = EMFILE;
    return no_pipe ? -1 : __real_pipe2(ends, flags);
}

static void answer_text(void *context, struct buf *answer)
{
    struct err err;

    ck_assert_int_eq(buf_append(answer, context, strlen(context), &err), 0);
}

static void answer_much(void *context, struct buf *answer)
{
    const size_t *len = context;
    char block[1000];
    struct err err;

    memset(block, 'x', sizeof(block));
    for (size_t left = *len; left > 0; left -= sizeof(block))
        (void)buf_append(answer, block, sizeof(block), &err);
}

static void answer_never(void *context, struct buf *answer)
{
    (void)context;
    (void)answer;
    for (;;)
        pause();
}

static void die(void *context, struct buf *answer)
{
    char text[] = "half of an ans";

    (void)context;
    answer_text(text, answer);
    (void)raise(SIGKILL);
}

static void leave(void *context, struct buf *answer)
{
    char text[] = "nothing of it";

    (void)context;
    answer_text(text, answer);
    _exit(0);
}

static void no_child_is_left(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

START_TEST(what_the_child_says_is_appended)
{
    char question[] = " is the answer";
    struct buf answer;
    struct err err;

    buf_init(&answer, 100);
    ck_assert_int_eq(buf_append(&answer, "this", 4, &err), 0);
    ck_assert(apart_ask(answer_text, question, clock_system(), LONG_MS, &answer));
    ck_assert_str_eq(buf_text(&answer), "this is the answer");
    question[0] = '\0';
    ck_assert(apart_ask(answer_text, question, clock_system(), LONG_MS, &answer));
    ck_assert_str_eq(buf_text(&answer), "this is the answer");
    buf_release(&answer);
    no_child_is_left();
}
END_TEST

START_TEST(more_than_a_pipe_holds_comes_whole)
{
    size_t len = 300000;
    struct buf answer;

    buf_init(&answer, len);
    ck_assert(apart_ask(answer_much, &len, clock_system(), LONG_MS, &answer));
    ck_assert_uint_eq(answer.len, len);
    buf_release(&answer);
    no_child_is_left();
}
END_TEST

START_TEST(the_ceiling_is_the_callers)
{
    size_t len = 3000;
    struct buf answer;

    buf_init(&answer, 2000);
    ck_assert(apart_ask(answer_much, &len, clock_system(), LONG_MS, &answer));
    ck_assert_uint_eq(answer.len, 2000); /* what the question did not notice, it has lost */
    ck_assert(!apart_ask(answer_much, &len, clock_system(), LONG_MS, &answer));
    ck_assert_uint_eq(answer.len, 2000);
    buf_release(&answer);
}
END_TEST

START_TEST(without_a_child_it_is_asked_here)
{
    static const struct {
        bool no_fork;
        bool no_pipe;
    } cases[] = {{true, false}, {false, true}};
    size_t much = 3000;
    char text[] = "here";
    char nothing[] = "";
    struct buf answer;
    struct err err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        no_fork = cases[i].no_fork;
        no_pipe = cases[i].no_pipe;
        buf_init(&answer, 1000);
        ck_assert_int_eq(buf_append(&answer, "is: ", 4, &err), 0);
        ck_assert(apart_ask(answer_text, text, clock_system(), LONG_MS, &answer));
        ck_assert_str_eq(buf_text(&answer), "is: here");
        ck_assert(apart_ask(answer_text, nothing, clock_system(), LONG_MS, &answer));
        ck_assert(!apart_ask(answer_much, &much, clock_system(), LONG_MS, &answer));
        ck_assert_str_eq(buf_text(&answer), "is: here");
        buf_release(&answer);
        no_child_is_left();
    }
    no_fork = false;
    no_pipe = false;
}
END_TEST

START_TEST(who_does_not_answer_in_time_is_ended)
{
    struct ticking ticking = {.clock = {.mono_ms = tick}, .step_ms = 1000};
    struct buf answer;

    ticking.clock.context = &ticking;
    buf_init(&answer, 100);
    ck_assert(!apart_ask(answer_never, NULL, &ticking.clock, 5000, &answer));
    ck_assert_uint_eq(answer.len, 0);
    buf_release(&answer);
    no_child_is_left();
}
END_TEST

START_TEST(half_an_answer_is_none)
{
    apart_fn *const questions[] = {die, leave};
    struct buf answer;

    buf_init(&answer, 100);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        ck_assert(!apart_ask(questions[i], NULL, clock_system(), LONG_MS, &answer));
        ck_assert_uint_eq(answer.len, 0);
    }
    buf_release(&answer);
    no_child_is_left();
}
END_TEST

START_TEST(who_is_asked_to_stop_does_not_wait)
{
    sigset_t term;
    struct buf answer;

    ck_assert_int_eq(sigemptyset(&term), 0);
    ck_assert_int_eq(sigaddset(&term, SIGTERM), 0);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &term, NULL), 0);
    ck_assert_int_eq(raise(SIGTERM), 0);
    buf_init(&answer, 100);
    ck_assert(!apart_ask(answer_never, NULL, clock_system(), LONG_MS, &answer));
    buf_release(&answer);
    no_child_is_left();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apart");
    TCase *tcase = tcase_create("apart");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_the_child_says_is_appended);
    tcase_add_test(tcase, more_than_a_pipe_holds_comes_whole);
    tcase_add_test(tcase, the_ceiling_is_the_callers);
    tcase_add_test(tcase, without_a_child_it_is_asked_here);
    tcase_add_test(tcase, who_does_not_answer_in_time_is_ended);
    tcase_add_test(tcase, half_an_answer_is_none);
    tcase_add_test(tcase, who_is_asked_to_stop_does_not_wait);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
