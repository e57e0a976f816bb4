/*
 * The log: what a line looks like, what is left out, and that lines of many threads stay whole.
 */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "support/capture.h"

#define THREADS 8
#define LINES 100

static struct capture capture;

/* "2026-11-20T17:30:00.042Z " in front of text lines. */
#define TIME_LEN 25

/* The captured text line behind its time. */
static char *captured_text(void)
{
    char *all = capture_end(&capture);

    ck_assert_uint_gt(strlen(all), TIME_LEN);
    ck_assert_int_eq(all[4], '-');
    ck_assert_int_eq(all[19], '.');
    ck_assert_int_eq(all[23], 'Z');
    memmove(all, all + TIME_LEN, strlen(all + TIME_LEN) + 1);
    return all;
}

/* The captured line, which must be one JSON object and a newline. */
static struct json *captured_json(void)
{
    char *all = capture_end(&capture);
    size_t len = strlen(all);
    struct json *line = NULL;
    struct err err;

    ck_assert_uint_gt(len, 1);
    ck_assert_int_eq(all[len - 1], '\n');
    ck_assert_ptr_eq(strchr(all, '\n'), all + len - 1);
    ck_assert_msg(json_parse(all, len, &line, &err) == 0, "%s: %s", all, err.msg);
    free(all);
    return line;
}

static void check_field(const struct json *line, const char *key, const char *wanted)
{
    const char *text = NULL;
    struct err err;

    ck_assert_msg(json_get_string(line, key, &text, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(text, wanted);
}

/* Puts more behind text, which has room for size bytes in all. */
static void append(char *text, size_t size, const char *more)
{
    ck_assert_uint_lt(strlen(text) + strlen(more), size);
    memcpy(text + strlen(text), more, strlen(more) + 1);
}

START_TEST(a_text_line_is_time_level_message)
{
    log_init(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    capture_begin(&capture);
    log_info("hello %s\x1b[31m\nnext", "w\xc3\xb6rld");

    char *line = captured_text();

    ck_assert_str_eq(line, "info  hello w\xc3\xb6rld\\x1b[31m\\nnext\n");
    free(line);
}
END_TEST

START_TEST(a_json_line_is_one_object)
{
    log_init(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    capture_begin(&capture);
    log_warn("quote \" backslash \\ line\n bad \xff end");

    auto_json struct json *line = captured_json();
    int64_t time_ms = 0;
    struct err err;

    ck_assert_int_eq(json_get_time(line, "time", &time_ms, &err), 0);
    check_field(line, "level", "warn");
    check_field(line, "msg", "quote \" backslash \\ line\n bad \xef\xbf\xbd end");
    ck_assert_uint_eq(json_size(line), 3);
    auto_free char *text = json_print(line, false);
    ck_assert_ptr_eq(strstr(text, "{\"time\":\""), text);
    ck_assert_ptr_nonnull(strstr(text, "\",\"level\":\"warn\",\"msg\":\""));
}
END_TEST

START_TEST(lines_below_the_level_are_not_written)
{
    static const char *const seen[] = {"debug info warn error ", "info warn error ", "warn error ",
                                       "error "};
    const struct err err = {.kind = ERR_FAILED, .msg = "x"};
    char levels[100] = "";

    log_init((enum log_level)_i, LOG_FORMAT_TEXT);
    capture_begin(&capture);
    log_debug("x");
    log_info("x");
    log_warn("x");
    log_err(&err);

    char *all = capture_end(&capture);

    for (char *line = all; *line; line = strchr(line, '\n') + 1) {
        char level[10];

        ck_assert_int_eq(sscanf(line + TIME_LEN, "%9s", level), 1);
        append(levels, sizeof(levels), level);
        append(levels, sizeof(levels), " ");
    }
    ck_assert_str_eq(levels, seen[_i]);
    free(all);
}
END_TEST

START_TEST(an_error_in_json_has_kind_and_hint_as_fields)
{
    struct err err;

    err_set(&err, ERR_STORE, "cannot list s3://b: access denied. HINT: check the key");
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    capture_begin(&capture);
    log_err(&err);

    auto_json struct json *line = captured_json();

    check_field(line, "level", "error");
    check_field(line, "msg", "cannot list s3://b: access denied");
    check_field(line, "kind", "store");
    check_field(line, "code", "STORE_UNREACHABLE");
    check_field(line, "hint", "check the key");
}
END_TEST

START_TEST(an_error_without_a_hint_has_no_such_field)
{
    struct err err;

    err_set(&err, ERR_CORRUPT, "bad bytes.");
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    capture_begin(&capture);
    log_err(&err);

    auto_json struct json *line = captured_json();

    check_field(line, "msg", "bad bytes.");
    ck_assert(!json_has(line, "hint"));
}
END_TEST

START_TEST(an_error_as_text_ends_in_the_hint)
{
    struct err err;

    err_set(&err, ERR_HOLDS_DATA, "refused\nHINT: use --force\x07");
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);
    log_err(&err);

    char *line = captured_text();

    ck_assert_str_eq(line,
                     "error refused kind=holds-data code=HOLDS_DATA HINT: use --force\\x07\n");
    free(line);
}
END_TEST

START_TEST(the_problem_that_was_said_is_the_code)
{
    struct err err;

    err_set(&err, ERR_SERVER, "cannot fork");
    err_as(&err, PROBLEM_FORK_FAILED);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);
    log_err(&err);

    auto_free char *line = captured_text();

    ck_assert_str_eq(line, "error cannot fork kind=server code=FORK_FAILED\n");
}
END_TEST

START_TEST(what_is_no_error_has_no_code)
{
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    capture_begin(&capture);
    log_text(LOG_LEVEL_WARN, PROBLEM_NONE, "x");

    auto_json struct json *line = captured_json();

    ck_assert(!json_has(line, "code"));
}
END_TEST

START_TEST(a_text_about_a_problem_has_its_code_and_hint)
{
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    capture_begin(&capture);
    log_text(LOG_LEVEL_WARN, PROBLEM_STORE_MISSING, "no /backups. HINT: create it");

    auto_json struct json *line = captured_json();

    check_field(line, "level", "warn");
    check_field(line, "msg", "no /backups");
    check_field(line, "code", "STORE_MISSING");
    check_field(line, "hint", "create it");
    ck_assert(!json_has(line, "kind"));
}
END_TEST

START_TEST(a_long_message_is_cut_but_still_a_whole_line)
{
    auto_free char *message = malloc(100001);

    ck_assert_ptr_nonnull(message);
    memset(message, '\x01', 100000); /* the longest escape */
    message[100000] = '\0';
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    capture_begin(&capture);
    log_info("%s", message);

    auto_json struct json *line = captured_json();
    const char *text = NULL;
    struct err err;

    ck_assert_int_eq(json_get_string(line, "msg", &text, &err), 0);
    ck_assert_uint_eq(strlen(text), 8191);
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
    struct err err = {.kind = ERR_FAILED, .msg = "x"};

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);
    (void)close(STDERR_FILENO); /* so that writing fails */
    errno = ENOTTY;
    log_info("x");
    ck_assert_int_eq(errno, ENOTTY);
    log_err(&err);
    ck_assert_int_eq(errno, ENOTTY);
    free(capture_end(&capture));
}
END_TEST

/* stderr is to, until the returned descriptor is given to stderr_back. */
static int stderr_to(int to)
{
    int saved_fd = dup(STDERR_FILENO);

    ck_assert_int_ge(saved_fd, 0);
    ck_assert_int_eq(dup2(to, STDERR_FILENO), STDERR_FILENO);
    return saved_fd;
}

static void stderr_back(int saved_fd)
{
    ck_assert_int_eq(dup2(saved_fd, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved_fd);
}

START_TEST(a_full_disk_costs_the_line_and_nothing_else)
{
    int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct err err = {.kind = ERR_FAILED, .msg = "x"};

    ck_assert_int_ge(full_fd, 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    ck_assert_uint_eq(log_lost(), 0);

    int saved_fd = stderr_to(full_fd);

    log_info("one");
    log_debug("not one");
    log_warn("two");
    log_err(&err);
    stderr_back(saved_fd);
    ck_assert_uint_eq(log_lost(), 3);
    (void)close(full_fd);
}
END_TEST

START_TEST(nobody_to_read_costs_the_line_and_nothing_else)
{
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    (void)close(fds[0]);
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);

    int saved_fd = stderr_to(fds[1]);

    log_info("one");
    log_info("two");
    stderr_back(saved_fd);
    ck_assert_uint_eq(log_lost(), 2);
    (void)close(fds[1]);
}
END_TEST

static void fill_pipe(int fd)
{
    static const char bytes[4096];
    int flags = fcntl(fd, F_GETFL);

    ck_assert_int_eq(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
}

/* Hangs for ever when it waits for the reader: the pipe is an ordinary, blocking one. */
START_TEST(a_reader_that_stands_still_costs_lines_until_it_goes_on)
{
    static char bytes[1 << 20];
    int flags = _i == 0 ? 0 : O_NONBLOCK;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | flags), 0);
    fill_pipe(fds[1]);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);

    int saved_fd = stderr_to(fds[1]);

    for (int i = 0; i < 1000; i++)
        log_info("lost");
    ck_assert_uint_eq(log_lost(), 1000);
    ck_assert_int_gt(read(fds[0], bytes, sizeof(bytes)), 0);
    log_info("seen");
    stderr_back(saved_fd);
    ck_assert_uint_eq(log_lost(), 1000);
    memset(bytes, 0, sizeof(bytes));
    ck_assert_int_gt(read(fds[0], bytes, sizeof(bytes) - 1), 0);
    ck_assert_str_eq(bytes + TIME_LEN, "info  seen\n");
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

START_TEST(auto_is_json_when_stderr_is_no_terminal)
{
    capture_begin(&capture);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    log_info("x");
    ck_assert(!log_shows_bar());

    auto_json struct json *line = captured_json();

    check_field(line, "msg", "x");
}
END_TEST

START_TEST(auto_is_text_on_a_terminal)
{
    int terminal_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char line[200] = "";

    ck_assert_int_ge(terminal_fd, 0);
    ck_assert_int_eq(grantpt(terminal_fd), 0);
    ck_assert_int_eq(unlockpt(terminal_fd), 0);

    int user_fd = open(ptsname(terminal_fd), O_RDWR | O_NOCTTY | O_CLOEXEC);

    ck_assert_int_ge(user_fd, 0);
    capture_begin(&capture);
    ck_assert_int_eq(dup2(user_fd, STDERR_FILENO), STDERR_FILENO);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    ck_assert(log_shows_bar());
    log_info("on a terminal");
    for (size_t len = 0; !strchr(line, '\n');) { /* it comes in pieces of any size */
        ssize_t n = read(terminal_fd, line + len, sizeof(line) - 1 - len);

        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_str_eq(line + TIME_LEN, "info  on a terminal\r\n");
    log_init(LOG_LEVEL_WARN, LOG_FORMAT_AUTO);
    ck_assert(!log_shows_bar()); /* who wants warnings only wants no bar */
    free(capture_end(&capture));
    (void)close(user_fd);
    (void)close(terminal_fd);
}
END_TEST

START_TEST(a_bar_is_wiped_once_before_the_next_line)
{
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);
    log_set_bar(true);
    log_debug("not shown");
    log_info("one");
    log_info("two");

    char *all = capture_end(&capture);

    ck_assert_int_eq(strncmp(all, "\r\x1b[K", 4), 0);
    ck_assert_ptr_null(strchr(all + 1, '\r'));
    free(all);
}
END_TEST

static void *write_lines(void *name)
{
    for (int i = 0; i < LINES; i++)
        log_info("%s %d %0*d", (const char *)name, i, i * 10, 0);
    return NULL;
}

START_TEST(lines_of_many_threads_stay_whole)
{
    static char names[THREADS][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    pthread_t threads[THREADS];
    int count = 0;

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    capture_begin(&capture);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);

    char *all = capture_end(&capture);

    for (char *line = all; *line; count++) {
        char *end = strchr(line, '\n');
        struct json *parsed = NULL;
        struct err err;

        ck_assert_ptr_nonnull(end);
        ck_assert_int_eq(json_parse(line, (size_t)(end - line), &parsed, &err), 0);
        json_free(parsed);
        line = end + 1;
    }
    ck_assert_int_eq(count, THREADS * LINES);
    free(all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("lines");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_text_line_is_time_level_message);
    tcase_add_test(tcase, a_json_line_is_one_object);
    tcase_add_loop_test(tcase, lines_below_the_level_are_not_written, 0, 4);
    tcase_add_test(tcase, an_error_in_json_has_kind_and_hint_as_fields);
    tcase_add_test(tcase, an_error_without_a_hint_has_no_such_field);
    tcase_add_test(tcase, an_error_as_text_ends_in_the_hint);
    tcase_add_test(tcase, the_problem_that_was_said_is_the_code);
    tcase_add_test(tcase, what_is_no_error_has_no_code);
    tcase_add_test(tcase, a_text_about_a_problem_has_its_code_and_hint);
    tcase_add_test(tcase, a_full_disk_costs_the_line_and_nothing_else);
    tcase_add_test(tcase, nobody_to_read_costs_the_line_and_nothing_else);
    tcase_add_loop_test(tcase, a_reader_that_stands_still_costs_lines_until_it_goes_on, 0, 2);
    tcase_add_test(tcase, a_long_message_is_cut_but_still_a_whole_line);
    tcase_add_test(tcase, logging_leaves_errno_alone);
    tcase_add_test(tcase, auto_is_json_when_stderr_is_no_terminal);
    tcase_add_test(tcase, auto_is_text_on_a_terminal);
    tcase_add_test(tcase, a_bar_is_wiped_once_before_the_next_line);
    tcase_add_test(tcase, lines_of_many_threads_stay_whole);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
