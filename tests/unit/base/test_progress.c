/*
 * Progress: the bar and the line as text, and when they are shown, by a clock that the test sets.
 */
#include "base/progress.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "support/capture.h"
#include "support/fake_clock.h"

#define MB UINT64_C(1000000)
#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    struct progress_view view;
    size_t width;
    const char *bar;
    const char *line;
} views[] = {
    {{"up", 612 * MB, 1340 * MB, 512 * MB},
     79,
     "up: [=============>                ]  45%  612 MB / 1.3 GB  512 MB/s  0:02 left",
     "up: 45%, 612 MB of 1.3 GB, 512 MB/s, 0:02 left"},
    {{"up", 0, 100, 0},
     59,
     "up: [>                ]   0%  0 B / 100 B  0 B/s  -:-- left",
     "up: 0%, 0 B of 100 B, 0 B/s, -:-- left"},
    {{"up", 100, 100, 7},
     54,
     "up: [==========] 100%  100 B / 100 B  7 B/s  0:00 left",
     "up: 100%, 100 B of 100 B, 7 B/s, 0:00 left"},
    {{"up", 999999, 1000000, 1}, /* nearly is not done */
     300,
     "up: [=======================================>]  99%  1.0 MB / 1.0 MB  1 B/s  0:01 left",
     "up: 99%, 1.0 MB of 1.0 MB, 1 B/s, 0:01 left"},
    {{"up", 500, 100, 7}, /* more than was promised */
     40,
     "up: 100%  500 B / 100 B  7 B/s  0:00 lef",
     "up: 100%, 500 B of 100 B, 7 B/s, 0:00 left"},
    {{"up", 1, 3601, 1}, 20, "up:   0%  1 B / 3.6 ", "up: 0%, 1 B of 3.6 kB, 1 B/s, 1:00:00 left"},
    {{"up", 0, UINT64_MAX, 1}, 7, "up:   0", "up: 0%, 0 B of 18 EB, 1 B/s, -:-- left"},
    {{"up", 5 * MB, 0, MB}, 79, "up: 5.0 MB  1.0 MB/s", "up: 5.0 MB, 1.0 MB/s"},
    {{"up", 5 * MB, 0, MB}, 5, "up: 5", "up: 5.0 MB, 1.0 MB/s"},
    {{"\xc3\xbc\xc3\xb6", 5, 0, 1}, 1, "\xc3\xbc", "\xc3\xbc\xc3\xb6: 5 B, 1 B/s"},
    {{"up", 5, 10, 1}, 0, "", "up: 50%, 5 B of 10 B, 1 B/s, 0:05 left"},
};

START_TEST(the_bar_fits_the_width)
{
    char *bar = progress_bar(&views[_i].view, views[_i].width);
    char *line = progress_line(&views[_i].view);

    ck_assert_str_eq(bar, views[_i].bar);
    ck_assert_str_eq(line, views[_i].line);
    free(bar);
    free(line);
}
END_TEST

START_TEST(no_width_is_ever_passed)
{
    struct progress_view view = {"backup 20261120T173000Z-4f3a9c", 612 * MB, 1340 * MB, 512 * MB};

    for (size_t width = 0; width < 200; width++) {
        for (view.done_bytes = 0; view.done_bytes < 1500 * MB; view.done_bytes += 97 * MB) {
            char *bar = progress_bar(&view, width);

            ck_assert_uint_le(strlen(bar), width);
            free(bar);
        }
    }
}
END_TEST

/* What is behind the time of the last captured line. */
static void check_last_line(const char *all, const char *wanted)
{
    const char *last = strstr(all, "info  ");

    for (const char *next = last; next; next = strstr(next + 1, "info  "))
        last = next;
    ck_assert_ptr_nonnull(last);
    ck_assert_str_eq(last + 6, wanted);
}

static int count_lines(const char *all)
{
    int count = 0;

    for (; *all; all++)
        count += *all == '\n';
    return count;
}

START_TEST(without_a_terminal_there_is_a_line_every_five_seconds)
{
    struct fake_clock fake;
    struct capture capture;

    fake_clock_init(&fake, 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);

    struct progress *progress = progress_new("job\n1", 100 * MB, &fake.clock);

    for (int second = 0; second < 21; second++) {
        for (int tick = 0; tick < 10; tick++) {
            progress_add(progress, MB / 5);
            fake_clock_advance(&fake, 100);
            progress_tick(progress);
        }
    }
    progress_free(progress);

    char *all = capture_end(&capture);

    ck_assert_int_eq(count_lines(all), 4);
    check_last_line(all, "job\\n1: 40%, 40 MB of 100 MB, 2.0 MB/s, 0:30 left\n");
    free(all);
}
END_TEST

START_TEST(the_rate_is_that_of_the_last_seconds)
{
    struct fake_clock fake;
    struct capture capture;

    fake_clock_init(&fake, 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);

    struct progress *progress = progress_new("job", 0, &fake.clock);

    for (int second = 0; second < 100; second++) { /* fast, then a crawl */
        progress_add(progress, second < 30 ? 100 * MB : 1000);
        fake_clock_advance(&fake, 1000);
        progress_tick(progress);
    }
    for (int second = 0; second < 100; second++) { /* a stall */
        fake_clock_advance(&fake, 1000);
        progress_tick(progress);
    }
    progress_free(progress);

    char *all = capture_end(&capture);

    ck_assert_ptr_nonnull(strstr(all, "job: 3.0 GB, 100 MB/s\n"));
    ck_assert_ptr_nonnull(strstr(all, "job: 3.0 GB, 1.0 kB/s\n"));
    check_last_line(all, "job: 3.0 GB, 0 B/s\n");
    free(all);
}
END_TEST

START_TEST(nothing_at_all_is_shown_of_a_short_job)
{
    struct fake_clock fake;
    struct capture capture;

    fake_clock_init(&fake, 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);

    struct progress *progress = progress_new("job", 10, &fake.clock);

    progress_add(progress, 10);
    fake_clock_advance(&fake, 4999);
    progress_tick(progress);
    progress_free(progress);

    char *all = capture_end(&capture);

    ck_assert_str_eq(all, "");
    free(all);
}
END_TEST

/* A terminal of so many columns as stderr. */
static int open_terminal(unsigned short columns)
{
    struct winsize size = {.ws_col = columns, .ws_row = 24};
    int terminal_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    ck_assert_int_ge(terminal_fd, 0);
    ck_assert_int_eq(grantpt(terminal_fd), 0);
    ck_assert_int_eq(unlockpt(terminal_fd), 0);

    int user_fd = open(ptsname(terminal_fd), O_RDWR | O_NOCTTY | O_CLOEXEC);

    ck_assert_int_ge(user_fd, 0);
    ck_assert_int_eq(ioctl(user_fd, TIOCSWINSZ, &size), 0);
    ck_assert_int_eq(dup2(user_fd, STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(close(user_fd), 0);
    return terminal_fd;
}

/* Reads what was shown up to the end of so many lines; it comes in pieces of any size. */
static void read_lines(int terminal_fd, int count, char *out, size_t out_size)
{
    size_t len = 0;

    out[0] = '\0';
    while (count_lines(out) < count) {
        ssize_t n = read(terminal_fd, out + len, out_size - 1 - len);

        ck_assert_int_gt(n, 0);
        len += (size_t)n;
        out[len] = '\0';
    }
}

START_TEST(on_a_terminal_a_bar_is_drawn_over_itself)
{
    struct fake_clock fake;
    struct capture capture;
    char shown[4096] = "";

    fake_clock_init(&fake, 0);
    capture_begin(&capture);

    int terminal_fd = open_terminal(64);

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);

    struct progress *progress = progress_new("job", 4000, &fake.clock);

    progress_tick(progress); /* too early */
    progress_add(progress, 1000);
    fake_clock_advance(&fake, 500);
    progress_tick(progress);
    progress_tick(progress); /* too early again */
    log_info("a line between");
    progress_add(progress, 3000);
    fake_clock_advance(&fake, 500);
    progress_free(progress);

    read_lines(terminal_fd, 2, shown, sizeof(shown));
    free(capture_end(&capture));
    (void)close(terminal_fd);
    static const char first[] =
        "\rjob: [===>         ]  25%  1.0 kB / 4.0 kB  2.0 kB/s  0:02 left\x1b[K\r\x1b[K";
    static const char last[] =
        "info  a line between\r\n"
        "\rjob: [=============] 100%  4.0 kB / 4.0 kB  4.0 kB/s  0:00 left\x1b[K\r\n";

    ck_assert_int_eq(strncmp(shown, first, strlen(first)), 0);
    ck_assert_ptr_nonnull(strstr(shown, last));
    ck_assert_str_eq(strstr(shown, last), last);
}
END_TEST

static void *add_many(void *progress)
{
    for (int i = 0; i < 10000; i++)
        progress_add(progress, 1);
    return NULL;
}

START_TEST(bytes_of_many_threads_add_up)
{
    struct fake_clock fake;
    struct capture capture;
    pthread_t threads[4];

    fake_clock_init(&fake, 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    capture_begin(&capture);

    struct progress *progress = progress_new("job", 80000, &fake.clock);

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, progress), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    fake_clock_advance(&fake, 5000);
    progress_tick(progress);
    progress_free(progress);

    char *all = capture_end(&capture);

    check_last_line(all, "job: 50%, 40 kB of 80 kB, 8.0 kB/s, 0:05 left\n");
    free(all);
}
END_TEST

START_TEST(no_progress_object_is_no_work)
{
    progress_add(NULL, 5);
    progress_tick(NULL);
    progress_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tcase = tcase_create("shown");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_bar_fits_the_width, 0, COUNT(views));
    tcase_add_test(tcase, no_width_is_ever_passed);
    tcase_add_test(tcase, without_a_terminal_there_is_a_line_every_five_seconds);
    tcase_add_test(tcase, the_rate_is_that_of_the_last_seconds);
    tcase_add_test(tcase, nothing_at_all_is_shown_of_a_short_job);
    tcase_add_test(tcase, on_a_terminal_a_bar_is_drawn_over_itself);
    tcase_add_test(tcase, bytes_of_many_threads_add_up);
    tcase_add_test(tcase, no_progress_object_is_no_work);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
