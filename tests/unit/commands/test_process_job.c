/*
 * A process that is a job of a supervisor: what it takes from its environment, and that it ends
 * when the supervisor does. Each case runs in processes of its own, which say what is wrong by
 * their exit code.
 */
#include "commands/process.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/report.h"

static int run_in_child(int (*in_child)(void))
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(in_child());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void set_number(const char *name, long value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld", value);
    ck_assert_int_eq(setenv(name, text, 1), 0);
}

static int oom_score(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "re");
    char text[16] = "";

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    (void)fclose(file);
    return (int)strtol(text, NULL, 10);
}

/* As main does, with a pipe for reports, whose other end is *out. */
static void become_job(int *out, long parent)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    *out = fds[0];
    set_number("REDKEEP_JOB_FD", fds[1]);
    set_number("REDKEEP_JOB_PARENT", parent);
    process_become_job();
    process_prepare();
    cancel_init();
}

static int it_takes_its_orders(void)
{
    char text[4096] = "";
    sigset_t set;
    int orders = 0;
    int before = oom_score();
    int expected = before + 500 < 1000 ? before + 500 : 1000;
    int report_fd;

    (void)sigfillset(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL); /* as a careless supervisor leaves it */
    become_job(&report_fd, getppid());
    if (!report_is_on() || getenv("REDKEEP_JOB_FD") != NULL || getenv("REDKEEP_JOB_PARENT") != NULL)
        return 1;
    if (prctl(PR_GET_PDEATHSIG, &orders, 0, 0, 0) != 0 || orders != SIGHUP)
        return 2;
    if (oom_score() != expected)
        return 3;
    (void)sigprocmask(SIG_BLOCK, NULL, &set);
    if (sigismember(&set, SIGTERM) != 1 || sigismember(&set, SIGINT) != 1 ||
        sigismember(&set, SIGHUP) != 0 || sigismember(&set, SIGALRM) != 0 ||
        sigismember(&set, SIGCHLD) != 0)
        return 4;
    if (cancel_requested())
        return 5;
    report_event("here");
    return read(report_fd, text, sizeof(text) - 1) > 0 && strstr(text, "here") != NULL ? 0 : 6;
}

static int a_hangup_asks_it_to_stop(void)
{
    int report_fd;

    (void)sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    become_job(&report_fd, getppid());
    if (raise(SIGHUP) != 0 || !cancel_requested())
        return 1;

    struct sigaction at_the_end;
    unsigned left_s = alarm(0);

    if (left_s < 1 || left_s > 20)
        return 2;
    if (sigaction(SIGALRM, NULL, &at_the_end) != 0 || at_the_end.sa_handler != SIG_DFL)
        return 3;
    return 0;
}

static int another_parent_than_it_was_told(void)
{
    int report_fd;

    become_job(&report_fd, (long)getppid() + 1);
    return cancel_requested() ? 0 : 1;
}

static int it_is_none(void)
{
    static const char *const texts[] = {"", "-1", "3x", "1", "2", "999999", "4294967299"};

    process_become_job();
    if (report_is_on())
        return 1;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        (void)setenv("REDKEEP_JOB_FD", texts[i], 1);
        (void)setenv("REDKEEP_JOB_PARENT", "1", 1);
        process_become_job();
        if (report_is_on() || getenv("REDKEEP_JOB_FD") != NULL ||
            getenv("REDKEEP_JOB_PARENT") != NULL)
            return 2 + (int)i;
    }

    struct sigaction hangup;

    if (sigaction(SIGHUP, NULL, &hangup) != 0 || hangup.sa_handler != SIG_DFL)
        return 20;
    return 0;
}

START_TEST(a_job_takes_its_orders)
{
    ck_assert_int_eq(run_in_child(it_takes_its_orders), 0);
}
END_TEST

START_TEST(a_hangup_is_the_order_to_stop_and_a_deadline)
{
    ck_assert_int_eq(run_in_child(a_hangup_asks_it_to_stop), 0);
}
END_TEST

START_TEST(a_supervisor_that_died_before_the_job_began_is_noticed)
{
    ck_assert_int_eq(run_in_child(another_parent_than_it_was_told), 0);
}
END_TEST

START_TEST(without_a_descriptor_it_is_no_job)
{
    ck_assert_int_eq(run_in_child(it_is_none), 0);
}
END_TEST

/* The supervisor dies at once; its job says so on the pipe, whose end is that of the job. */
START_TEST(a_job_whose_supervisor_dies_is_asked_to_stop)
{
    char byte = 0;
    int ready[2];
    int said[2];

    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(said), 0);

    pid_t supervisor = fork();

    ck_assert_int_ge(supervisor, 0);
    if (supervisor == 0) {
        pid_t parent = getpid();

        if (fork() == 0) {
            int report_fd;

            become_job(&report_fd, parent);
            (void)!write(ready[1], "r", 1);
            while (!cancel_requested())
                (void)poll(NULL, 0, 1);
            (void)!write(said[1], "s", 1);
            _exit(0);
        }
        (void)!read(ready[0], &byte, 1);
        _exit(0);
    }
    (void)close(said[1]);
    ck_assert_int_eq(waitpid(supervisor, NULL, 0), supervisor);
    ck_assert_int_eq(read(said[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 's');
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process_job");
    TCase *tcase = tcase_create("job");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, a_job_takes_its_orders);
    tcase_add_test(tcase, a_hangup_is_the_order_to_stop_and_a_deadline);
    tcase_add_test(tcase, a_supervisor_that_died_before_the_job_began_is_noticed);
    tcase_add_test(tcase, without_a_descriptor_it_is_no_job);
    tcase_add_test(tcase, a_job_whose_supervisor_dies_is_asked_to_stop);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
