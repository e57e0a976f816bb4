/*
 * Jobs, with small shell scripts in place of redkeep: what they read, say, answer, and how they
 * end.
 */
#include "daemon/job.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/report.h"
#include "support/leaks.h"

#define TURNS_MAX 3000 /* of 20 ms: then the test has failed */
#define PATIENCE_MS 60000

struct seen { /* the reports */
    unsigned count;
    char last[REPORT_LINE_MAX + 1];
};

static void see(void *context, const struct json *line)
{
    struct seen *seen = context;
    auto_free char *text = json_print(line, false);

    seen->count++;
    (void)snprintf(seen->last, sizeof(seen->last), "%s", text);
}

static struct job *start_with(const char *script, const char *input)
{
    const char *words[] = {"-c", script, NULL};
    struct job_options options = {.program = "/bin/sh", .words = words, .input = input};
    struct job *job = NULL;
    struct err err = {0};

    ck_assert_msg(job_start(&options, &job, &err) == 0, "%s", err.msg);
    return job;
}

static struct job *start(const char *script)
{
    return start_with(script, NULL);
}

static void wait_a_moment(const struct job *job)
{
    struct pollfd fds[] = {
        {.fd = job_report_fd(job), .events = POLLIN},
        {.fd = job_answer_fd(job), .events = POLLIN},
    };

    (void)poll(fds, 2, 20);
}

/* Reads until it has ended; its wait status. */
static int finish(struct job *job, struct seen *seen)
{
    const struct clock *clock = clock_system();
    int64_t end_ms = clock_mono_ms(clock) + PATIENCE_MS;
    int status = 0;

    while (clock_mono_ms(clock) < end_ms) { /* a turn may bring a page, or nothing */
        pid_t pid = waitpid(job_pid(job), &status, WNOHANG);

        job_read(job, see, seen);
        if (pid == job_pid(job))
            return status;
        wait_a_moment(job);
    }
    job_signal(job, SIGKILL);
    ck_abort_msg("it does not end");
}

/* Reads until so many reports have come. */
static void await_reports(struct job *job, struct seen *seen, unsigned count)
{
    for (int i = 0; i < TURNS_MAX && seen->count < count; i++) {
        job_read(job, see, seen);
        wait_a_moment(job);
    }
    ck_assert_uint_eq(seen->count, count);
}

/* What a script answers, as compact JSON; NULL: nothing that is JSON. The caller frees. */
static char *answer_of(const char *script, const char *input)
{
    auto_job struct job *job = start_with(script, input);
    struct seen seen = {0};

    ck_assert_int_eq(finish(job, &seen), 0);
    auto_json struct json *answer = job_answer(job);
    return answer != NULL ? json_print(answer, false) : NULL;
}

START_TEST(an_answer_is_what_it_wrote_to_stdout)
{
    static const struct {
        const char *script;
        const char *answer;
    } rows[] = {
        {"echo '{\"a\": 1}'", "{\"a\":1}"},
        {"printf '{\"a\":'; echo '[1, 2]}'", "{\"a\":[1,2]}"},
        {"true", NULL},
        {"echo '{\"a\":'", NULL},
        {"echo no JSON", NULL},
        {"echo '{}{}'", NULL},
        {"printf '{}\\000'", NULL},
        {"printf '\\377\\376'", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *answer = answer_of(rows[i].script, NULL);

        ck_assert_pstr_eq(answer, rows[i].answer);
    }
}
END_TEST

START_TEST(a_long_answer_does_not_block_it)
{
    auto_free char *answer =
        answer_of("printf '\"'; head -c 1000000 /dev/zero | tr '\\000' x; printf '\"'", NULL);

    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(strlen(answer), 1000002);
}
END_TEST

START_TEST(an_answer_without_end_is_none)
{
    /* JSON all the way, and one byte more than there is room for */
    auto_free char *script = xasprintf(
        "printf '\"'; head -c %zu /dev/zero | tr '\\000' x; printf '\"'", JOB_ANSWER_MAX - 1);
    auto_free char *answer = answer_of(script, NULL);

    ck_assert_ptr_null(answer);
}
END_TEST

START_TEST(reports_come_line_by_line)
{
    struct seen seen = {0};
    auto_job struct job *job =
        start("echo '{\"event\":\"one\"}' >&3; echo '{\"event\":\"two\"}' >&3;"
              "echo '{\"alive\":true}' >&3");

    ck_assert_int_eq(finish(job, &seen), 0);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_str_eq(seen.last, "{\"alive\":true}");
}
END_TEST

START_TEST(what_is_no_report_is_passed_over)
{
    struct seen seen = {0};
    auto_job struct job *job = start("printf 'oops\\n\\n{\\n{}}\\n\\001\\000\\377\\n' >&3;"
                                     "echo '{\"event\":\"here\"}' >&3; printf '{\"cut\":1}' >&3");

    ck_assert_int_eq(finish(job, &seen), 0);
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_str_eq(seen.last, "{\"event\":\"here\"}");
}
END_TEST

START_TEST(a_report_in_two_pieces_is_one)
{
    struct seen seen = {0};
    auto_job struct job *job =
        start("trap 'echo \"whole\\\"}\" >&3; exit 0' TERM; echo '{\"alive\":true}' >&3;"
              "printf '{\"event\":\"' >&3; echo '\"ready\"'; while :; do sleep 0.02; done");

    for (int i = 0; i < TURNS_MAX; i++) { /* it answers behind the first piece */
        auto_json struct json *answer = NULL;

        job_read(job, see, &seen);
        answer = job_answer(job);
        if (answer != NULL)
            break;
        wait_a_moment(job);
    }
    job_read(job, see, &seen);
    ck_assert_uint_eq(seen.count, 1);
    job_signal(job, SIGTERM);
    ck_assert_int_eq(finish(job, &seen), 0);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_str_eq(seen.last, "{\"event\":\"whole\"}");
}
END_TEST

START_TEST(a_report_that_is_too_long_is_passed_over)
{
    /* {"event":"..."} of so many bytes */
    static const struct {
        unsigned bytes;
        unsigned count;
    } rows[] = {{REPORT_LINE_MAX - 1, 2},
                {REPORT_LINE_MAX, 2},
                {REPORT_LINE_MAX + 1, 1},
                {3 * REPORT_LINE_MAX, 1},
                {60000, 1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seen seen = {0};
        auto_free char *script =
            xasprintf("printf '{\"event\":\"%%0%ud\"}\\n' 0 >&3; echo '{\"alive\":true}' >&3",
                      rows[i].bytes - 12);
        auto_job struct job *job = start(script);

        ck_assert_int_eq(finish(job, &seen), 0);
        ck_assert_msg(seen.count == rows[i].count, "%u bytes: %u", rows[i].bytes, seen.count);
        ck_assert_str_eq(seen.last, "{\"alive\":true}");
    }
}
END_TEST

/* All that fits into a pipe, read in one go behind the end. */
START_TEST(nothing_is_lost_behind_the_end)
{
    struct seen seen = {0};
    auto_job struct job *job = start("i=0; while [ $i -lt 3000 ]; do echo '{\"alive\":true}';"
                                     "i=$((i + 1)); done >&3; printf '\"';"
                                     "head -c 60000 /dev/zero | tr '\\000' x; printf '\"'");
    int status;

    ck_assert_int_eq(waitpid(job_pid(job), &status, 0), job_pid(job));
    job_read(job, see, &seen);
    auto_json struct json *answer = job_answer(job);
    ck_assert_uint_eq(seen.count, 3000);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(strlen(json_text(answer)), 60000);
}
END_TEST

/* A pipe that holds as much as comes while others would wait: it is taken in turns. */
START_TEST(a_job_that_writes_without_end_holds_up_nobody)
{
    auto_job struct job *job = start("yes '{\"alive\":true}' | head -c 900000 >&3");
    unsigned lines = 0;
    int turns = 0;
    int status;

    ck_assert_int_ge(fcntl(job_report_fd(job), F_SETPIPE_SZ, 1 << 20), 900000);
    ck_assert_int_eq(waitpid(job_pid(job), &status, 0), job_pid(job));
    while (job_report_fd(job) >= 0) {
        struct seen seen = {0};

        job_read(job, see, &seen);
        ck_assert_uint_lt(seen.count, 20000);
        lines += seen.count;
        turns++;
    }
    ck_assert_int_ge(turns, 4);
    ck_assert_uint_eq(lines, 900000 / 15);
}
END_TEST

START_TEST(it_reads_what_it_is_given)
{
    auto_free char *nothing = answer_of("printf '\"%s\"' \"$(cat)\"", NULL);
    auto_free char *given = answer_of("cat", "{\"text\":\"\xc3\xa4\"}");
    auto_free char *much = xcalloc(JOB_INPUT_MAX + 2, 1);

    ck_assert_pstr_eq(nothing, "\"\"");
    ck_assert_pstr_eq(given, "{\"text\":\"\xc3\xa4\"}");
    memset(much, '7', 100);
    memset(much + 100, ' ', JOB_INPUT_MAX - 100);
    auto_free char *counted = answer_of("wc -c", much);
    ck_assert_pstr_eq(counted, "4096");
}
END_TEST

START_TEST(input_that_is_not_read_is_no_trouble)
{
    auto_free char *much = xcalloc(JOB_INPUT_MAX + 1, 1);
    struct seen seen = {0};

    memset(much, 'x', JOB_INPUT_MAX);
    auto_job struct job *job = start_with("exec <&-; exit 0", much);
    ck_assert_int_eq(finish(job, &seen), 0);
}
END_TEST

START_TEST(more_input_than_fits_is_refused)
{
    const char *words[] = {"-c", "true", NULL};
    auto_free char *much = xcalloc(JOB_INPUT_MAX + 2, 1);
    struct job *job = NULL;
    struct err err = {0};

    memset(much, 'x', JOB_INPUT_MAX + 1);
    ck_assert_int_eq(
        job_start(&(struct job_options){.program = "/bin/sh", .words = words, .input = much}, &job,
                  &err),
        -1);
    ck_assert_ptr_null(job);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

START_TEST(it_ends_as_it_likes)
{
    struct seen seen = {0};
    auto_job struct job *failed = start("exit 7");
    auto_job struct job *killed = start("kill -9 $$");
    int status = finish(failed, &seen);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = finish(killed, &seen);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == 9);
}
END_TEST

/* The supervisor has its signals blocked; a job begins with none. */
START_TEST(signals_reach_it)
{
    struct seen seen = {0};
    sigset_t all;
    int status;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    auto_job struct job *job = start("echo '{\"alive\":true}' >&3; while :; do sleep 0.02; done");
    await_reports(job, &seen, 1);
    job_signal(job, SIGTERM);
    status = finish(job, &seen);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
END_TEST

START_TEST(its_environment_is_ours_and_two_words_more)
{
    auto_free char *expected = xasprintf("\"3 %ld here\"", (long)getpid());

    ck_assert_int_eq(setenv("REDKEEP_TEST", "here", 1), 0);
    auto_free char *answer =
        answer_of("echo \"\\\"$REDKEEP_JOB_FD $REDKEEP_JOB_PARENT $REDKEEP_TEST\\\"\"", NULL);
    ck_assert_pstr_eq(answer, expected);
}
END_TEST

START_TEST(it_inherits_four_descriptors)
{
    int fds[2];

    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    /* the fifth is the directory that is being read */
    auto_free char *answer = answer_of("set -- /proc/$$/fd/*; echo $#", NULL);
    ck_assert(strcmp(answer, "4") == 0 || strcmp(answer, "5") == 0);
}
END_TEST

/* A supervisor whose own three are closed: its pipes take their numbers. */
START_TEST(low_descriptors_are_no_trouble)
{
    for (int closed = 1; closed < 16; closed++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            for (int fd = 0; fd < 4; fd++) {
                if ((closed >> fd & 1) != 0)
                    (void)close(fd);
            }
            char *answer = answer_of("echo '{\"event\":1}' >&3; cat", "17");

            _exit(answer != NULL && strcmp(answer, "17") == 0 ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "%x", (unsigned)closed);
    }
}
END_TEST

START_TEST(a_program_that_is_not_there_is_an_error)
{
    struct leaks before = leaks_count();
    const char *words[] = {"backup", NULL};

    for (int i = 0; i < 100; i++) {
        struct job *job = NULL;
        struct err err = {0};

        ck_assert_int_eq(
            job_start(&(struct job_options){.program = "/nonexistent", .words = words}, &job, &err),
            -1);
        ck_assert_ptr_null(job);
        ck_assert_ptr_nonnull(strstr(err.msg, "redkeep backup"));
        ck_assert_ptr_nonnull(strstr(err.msg, "No such file"));
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(no_job_leaves_a_descriptor)
{
    struct leaks before = leaks_count();
    const char *words[] = {"x", NULL};

    for (int i = 0; i < 1000; i++) {
        struct job *job = NULL;
        struct seen seen = {0};
        struct err err = {0};
        int status;

        ck_assert_int_eq(
            job_start(&(struct job_options){.program = "/bin/true", .words = words}, &job, &err),
            0);
        if (i % 3 != 0)
            job_read(job, see, &seen);
        ck_assert_int_eq(waitpid(job_pid(job), &status, 0), job_pid(job));
        if (i % 2 != 0)
            job_read(job, see, &seen);
        job_free(job);
    }
    job_free(NULL);
    ck_assert(leaks_none(&before));
}
END_TEST

/* A child of the job's that goes on holds the pipes open: the job has ended all the same. */
START_TEST(a_grandchild_holds_up_nothing)
{
    struct seen seen = {0};
    auto_job struct job *job = start("sleep 60 & echo $!");

    ck_assert_int_eq(finish(job, &seen), 0);
    auto_json struct json *answer = job_answer(job);
    ck_assert_ptr_nonnull(answer);
    ck_assert_int_ge(job_report_fd(job), 0);
    ck_assert_int_eq(kill(-job_pid(job), SIGKILL), 0); /* the job is a group of its own */
}
END_TEST

START_TEST(pipes_that_are_closed_are_not_waited_for)
{
    struct seen seen = {0};
    auto_job struct job *job = start("exit 0");

    (void)finish(job, &seen);
    job_read(job, see, &seen);
    ck_assert_int_eq(job_report_fd(job), -1);
    ck_assert_int_eq(job_answer_fd(job), -1);
    job_read(job, see, &seen);
}
END_TEST

static Suite *job_suite(void)
{
    Suite *suite = suite_create("job");
    TCase *words = tcase_create("words");
    TCase *process = tcase_create("process");

    tcase_set_timeout(words, 120); /* a ceiling for slow machines, not an expectation */
    tcase_set_timeout(process, 120);
    tcase_add_test(words, an_answer_is_what_it_wrote_to_stdout);
    tcase_add_test(words, a_long_answer_does_not_block_it);
    tcase_add_test(words, an_answer_without_end_is_none);
    tcase_add_test(words, reports_come_line_by_line);
    tcase_add_test(words, what_is_no_report_is_passed_over);
    tcase_add_test(words, a_report_in_two_pieces_is_one);
    tcase_add_test(words, a_report_that_is_too_long_is_passed_over);
    tcase_add_test(words, nothing_is_lost_behind_the_end);
    tcase_add_test(words, a_job_that_writes_without_end_holds_up_nobody);
    tcase_add_test(words, it_reads_what_it_is_given);
    tcase_add_test(words, input_that_is_not_read_is_no_trouble);
    tcase_add_test(words, more_input_than_fits_is_refused);
    suite_add_tcase(suite, words);
    tcase_add_test(process, it_ends_as_it_likes);
    tcase_add_test(process, signals_reach_it);
    tcase_add_test(process, its_environment_is_ours_and_two_words_more);
    tcase_add_test(process, it_inherits_four_descriptors);
    tcase_add_test(process, low_descriptors_are_no_trouble);
    tcase_add_test(process, a_program_that_is_not_there_is_an_error);
    tcase_add_test(process, no_job_leaves_a_descriptor);
    tcase_add_test(process, a_grandchild_holds_up_nothing);
    tcase_add_test(process, pipes_that_are_closed_are_not_waited_for);
    suite_add_tcase(suite, process);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(job_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
