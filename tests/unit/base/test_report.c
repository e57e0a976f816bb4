/*
 * Reports: what a line looks like, that it is whole and fits whatever it is made of, and that a
 * supervisor who does not read, or is gone, costs lines and nothing else.
 */
#include "base/report.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/mem.h"
#include "support/capture.h"
#include "support/fake_clock.h"

#define THREADS 4
#define LINES 12 /* of all threads: what the smallest pipe holds */
#define PIPE_BYTES (1 << 20)

static int read_fd = -1;
static int write_fd = -1;

static void begin(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    read_fd = fds[0];
    write_fd = fds[1];
    report_to(write_fd);
}

static void end(void)
{
    (void)close(read_fd);
    (void)close(write_fd);
}

/* All that is in the pipe; heap. */
static char *received(void)
{
    char *text = xcalloc(PIPE_BYTES + 1, 1);
    size_t len = 0;
    ssize_t n;

    while ((n = read(read_fd, text + len, PIPE_BYTES - len)) > 0)
        len += (size_t)n;
    return text;
}

static struct json *parse_line(const char *line, size_t len)
{
    struct json *parsed = NULL;
    struct err err;

    ck_assert_msg(json_parse(line, len, &parsed, &err) == 0, "%.*s: %s", (int)len, line, err.msg);
    return parsed;
}

/* The one line that was reported. */
static struct json *received_line(void)
{
    auto_free char *all = received();
    size_t len = strlen(all);

    ck_assert_uint_gt(len, 1);
    ck_assert_uint_le(len, REPORT_LINE_MAX);
    ck_assert_ptr_eq(strchr(all, '\n'), all + len - 1);
    return parse_line(all, len - 1);
}

static const struct json *part(const struct json *line, const char *key)
{
    const struct json *found = NULL;
    struct err err;

    ck_assert_msg(json_get(line, key, &found, &err) == 0, "%s", err.msg);
    return found;
}

static const char *text_of(const struct json *object, const char *key)
{
    const char *text = NULL;
    struct err err;

    ck_assert_msg(json_get_string(object, key, &text, &err) == 0, "%s", err.msg);
    return text;
}

static uint64_t number_of(const struct json *object, const char *key)
{
    uint64_t value = 0;
    struct err err;

    ck_assert_msg(json_get_u64(object, key, &value, &err) == 0, "%s", err.msg);
    return value;
}

/* len bytes of text, over and over again; heap. */
static char *fill(const char *text, size_t len)
{
    char *out = xcalloc(len + 1, 1);

    for (size_t i = 0; i < len; i++)
        out[i] = text[i % strlen(text)];
    return out;
}

START_TEST(without_a_supervisor_nothing_is_written)
{
    const struct err err = {.kind = ERR_FAILED, .msg = "x"};
    const struct progress_view view = {.what = "x"};

    ck_assert(!report_is_on());
    report_error(&err);
    report_warning(PROBLEM_LOCKED, "x");
    report_progress(&view);
    report_event("x");
    report_counts(json_object());
    report_alive();
    ck_assert(!cancel_requested());
}
END_TEST

START_TEST(the_descriptor_blocks_nobody_and_is_not_inherited)
{
    ck_assert(report_is_on());
    ck_assert_int_ne(fcntl(write_fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fcntl(write_fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(an_error_has_kind_code_message_and_hint)
{
    struct err err;

    err_set(&err, ERR_SERVER, "cannot \"fork\". HINT: give it memory");
    err_as(&err, PROBLEM_FORK_FAILED);
    report_error(&err);

    auto_json struct json *line = received_line();
    const struct json *error = part(line, "error");

    ck_assert_uint_eq(json_size(line), 1);
    ck_assert_str_eq(text_of(error, "kind"), "server");
    ck_assert_str_eq(text_of(error, "code"), "FORK_FAILED");
    ck_assert_str_eq(text_of(error, "message"), "cannot \"fork\"");
    ck_assert_str_eq(text_of(error, "hint"), "give it memory");
}
END_TEST

START_TEST(an_error_without_a_hint_has_null)
{
    struct err err;

    err_set(&err, ERR_CORRUPT, "bad bytes.");
    report_error(&err);

    auto_json struct json *line = received_line();
    const struct json *error = part(line, "error");

    ck_assert_str_eq(text_of(error, "message"), "bad bytes.");
    ck_assert_uint_eq(json_size(error), 4);
    ck_assert(!json_has(error, "hint"));
}
END_TEST

START_TEST(an_error_that_is_logged_is_reported)
{
    struct err err;
    struct capture capture;

    err_set(&err, ERR_BUSY, "it is locked");
    capture_begin(&capture);
    errno = ENOTTY;
    log_err(&err);
    ck_assert_int_eq(errno, ENOTTY);

    auto_free char *log = capture_end(&capture);
    auto_json struct json *line = received_line();

    ck_assert_ptr_nonnull(strstr(log, "it is locked"));
    ck_assert_str_eq(text_of(part(line, "error"), "code"), "LOCKED");
}
END_TEST

START_TEST(warnings_events_and_progress_have_their_fields)
{
    const struct progress_view view = {"store \"1\"", 5, 10, 3};

    report_warning(PROBLEM_BACKUP_UNPROVEN, "no checksum\n");
    auto_json struct json *warning = received_line();
    ck_assert_str_eq(text_of(part(warning, "warning"), "code"), "BACKUP_UNPROVEN");
    ck_assert_str_eq(text_of(part(warning, "warning"), "message"), "no checksum\n");

    report_event("the server saves: 42 %");
    auto_json struct json *event = received_line();
    ck_assert_str_eq(text_of(event, "event"), "the server saves: 42 %");

    report_progress(&view);
    auto_json struct json *progress = received_line();
    ck_assert_str_eq(text_of(part(progress, "progress"), "what"), "store \"1\"");
    ck_assert_uint_eq(number_of(part(progress, "progress"), "done"), 5);
    ck_assert_uint_eq(number_of(part(progress, "progress"), "total"), 10);
    ck_assert_uint_eq(number_of(part(progress, "progress"), "rate"), 3);
}
END_TEST

START_TEST(counts_are_passed_on)
{
    struct json *counts = json_object();

    json_set_u64(counts, "retries", 7);
    report_counts(counts);
    auto_json struct json *line = received_line();
    ck_assert_uint_eq(number_of(part(line, "counts"), "retries"), 7);
}
END_TEST

START_TEST(counts_that_do_not_fit_are_left_out)
{
    struct json *counts = json_object();
    auto_free char *text = fill("x", 2 * REPORT_LINE_MAX);

    json_set_string(counts, "text", text);
    report_counts(counts);
    auto_free char *all = received();
    ck_assert_str_eq(all, "");
}
END_TEST

static const char *const hostile[] = {
    "x",
    "\x01",              /* the longest escape */
    "\"\\\n\t",          /* short escapes */
    "\xe2\x82\xac",      /* the euro sign */
    "a\xf0\x9f\x92\xbe", /* four bytes, out of step */
    "\xff\xc3",          /* no UTF-8 */
    "x. HINT: \x02\xe2\x82\xac",
};

enum { HOSTILE_COUNT = sizeof(hostile) / sizeof(hostile[0]) };

START_TEST(any_text_of_any_length_is_a_whole_line)
{
    struct progress_view view = {NULL, UINT64_MAX, UINT64_MAX, UINT64_MAX};

    for (size_t len = 1; len < 20000; len += len < 1100 ? 1 : 997) {
        auto_free char *text = fill(hostile[_i], len);
        struct err err;

        err_set(&err, ERR_STORE, "%s", text);
        report_error(&err);
        json_free(received_line());
        report_warning(PROBLEM_BACKUP_UNPROVEN, text);
        json_free(received_line());
        report_event(text);
        json_free(received_line());
        view.what = text;
        report_progress(&view);
        json_free(received_line());
    }
}
END_TEST

START_TEST(a_long_error_keeps_its_hint)
{
    auto_free char *text = fill("\x01", ERR_MSG_MAX);
    struct err err;

    err_set(&err, ERR_STORE, "%s. HINT: check the key", text);
    report_error(&err);

    auto_json struct json *line = received_line();
    const struct json *error = part(line, "error");

    ck_assert_str_eq(text_of(error, "hint"), "check the key");
    ck_assert_uint_gt(strlen(text_of(error, "message")), 300);
}
END_TEST

/* Hangs for ever when it waits for the reader. */
START_TEST(a_full_pipe_costs_lines_and_leaves_no_half_one)
{
    struct err err = {.kind = ERR_FAILED, .msg = "the last"};
    auto_free char *text = fill("x", 1000);
    size_t count = 0;

    for (int i = 0; i < 3 * PIPE_BYTES / 1000; i++)
        report_event(text);
    report_error(&err);

    auto_free char *all = received();

    for (char *line = all; *line != '\0'; count++) {
        char *line_end = strchr(line, '\n');

        ck_assert_ptr_nonnull(line_end);
        json_free(parse_line(line, (size_t)(line_end - line)));
        line = line_end + 1;
    }
    ck_assert_uint_gt(count, 10);
    ck_assert_ptr_null(strstr(all, "the last"));
    report_error(&err);
    json_free(received_line());
}
END_TEST

START_TEST(a_supervisor_that_is_gone_costs_nothing)
{
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    (void)close(read_fd);
    report_event("x");
    report_to(1000000); /* no descriptor at all */
    report_event("x");
    ck_assert(report_is_on());
}
END_TEST

static void *report_lines(void *text)
{
    for (int i = 0; i < LINES; i++)
        report_event(text);
    return NULL;
}

START_TEST(lines_of_many_threads_stay_whole)
{
    auto_free char *text = fill("abc", 900);
    pthread_t threads[THREADS];
    int count = 0;

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, report_lines, text), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);

    auto_free char *all = received();

    for (char *line = all; *line != '\0'; count++) {
        char *line_end = strchr(line, '\n');

        ck_assert_ptr_nonnull(line_end);
        json_free(parse_line(line, (size_t)(line_end - line)));
        line = line_end + 1;
    }
    ck_assert_int_eq(count, THREADS * LINES);
}
END_TEST

START_TEST(who_asks_whether_to_stop_lives_and_says_so_now_and_then)
{
    size_t count = 0;

    for (int i = 0; i < 1000; i++)
        ck_assert(!cancel_requested());

    auto_free char *all = received();

    for (const char *at = all; (at = strstr(at, "{\"alive\":true}\n")) != NULL; at++)
        count++;
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_lt(count, 1000);
}
END_TEST

START_TEST(a_job_reports_its_progress_every_second_and_logs_none)
{
    struct fake_clock fake;
    struct capture capture;
    size_t count = 0;

    fake_clock_init(&fake, 0);
    log_init(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    capture_begin(&capture);

    struct progress *progress = progress_new("job 1", 100, &fake.clock);

    for (int tick = 0; tick < 100; tick++) { /* nothing moves */
        fake_clock_advance(&fake, 100);
        progress_tick(progress);
    }
    progress_add(progress, 40);
    fake_clock_advance(&fake, 1000);
    progress_tick(progress);
    progress_free(progress);

    auto_free char *log = capture_end(&capture);
    auto_free char *all = received();

    ck_assert_str_eq(log, "");
    for (const char *at = all; (at = strstr(at, "{\"progress\":{\"what\":\"job 1\"")) != NULL; at++)
        count++;
    ck_assert_uint_eq(count, 11);
    ck_assert_ptr_nonnull(strstr(all, "\"done\":40,\"total\":100,\"rate\":"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *off = tcase_create("off");
    TCase *on = tcase_create("on");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(off, without_a_supervisor_nothing_is_written);
    tcase_add_checked_fixture(on, begin, end);
    tcase_add_test(on, the_descriptor_blocks_nobody_and_is_not_inherited);
    tcase_add_test(on, an_error_has_kind_code_message_and_hint);
    tcase_add_test(on, an_error_without_a_hint_has_null);
    tcase_add_test(on, an_error_that_is_logged_is_reported);
    tcase_add_test(on, warnings_events_and_progress_have_their_fields);
    tcase_add_test(on, counts_are_passed_on);
    tcase_add_test(on, counts_that_do_not_fit_are_left_out);
    tcase_add_loop_test(on, any_text_of_any_length_is_a_whole_line, 0, HOSTILE_COUNT);
    tcase_add_test(on, a_long_error_keeps_its_hint);
    tcase_add_test(on, a_full_pipe_costs_lines_and_leaves_no_half_one);
    tcase_add_test(on, a_supervisor_that_is_gone_costs_nothing);
    tcase_add_test(on, lines_of_many_threads_stay_whole);
    tcase_add_test(on, who_asks_whether_to_stop_lives_and_says_so_now_and_then);
    tcase_add_test(on, a_job_reports_its_progress_every_second_and_logs_none);
    suite_add_tcase(suite, off);
    suite_add_tcase(suite, on);
    tcase_set_timeout(on, 120); /* a ceiling for slow machines, not an expectation */
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
