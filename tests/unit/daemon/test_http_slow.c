/*
 * Clients that are slow, on purpose or not, and more clients than there are connections: everybody
 * else is answered all the same. Time moves only where a test moves it, so what is dropped without
 * that was dropped to make room.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "support/http_host.h"
#include "support/http_visitor.h"

enum { CONNECTIONS = 8, CROWD = 60 };

#define WHOLE "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
#define BIG "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"

static struct http_host host;

static void set_up(void)
{
    http_host_start(&host, "127.0.0.1:0", CONNECTIONS);
}

static void tear_down(void)
{
    http_host_stop(&host);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(close(fds[i]), 0);
}

START_TEST(whoever_takes_too_long_is_dropped)
{
    static const char *const rows[] = {
        "",                                                         /* nothing at all */
        "\r\n\r\n",                                                 /* nothing yet */
        "GET /x HT",                                                /* half a line */
        "GET /x HTTP/1.1\r\nHost: x\r\nX:",                         /* half a head */
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", /* no body */
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody",
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_close int fd = http_host_dial(&host);
        uint64_t before = http_host_refused(&host);

        ck_assert(visitor_send(fd, rows[i]));
        http_host_check_alive(&host); /* so the listener has this client, too */
        http_reap(host.http);
        ck_assert_msg(!visitor_is_closed(fd, 0), "%s", rows[i]);
        fake_clock_advance(&host.now, HOST_REQUEST_MS - 1);
        http_reap(host.http);
        ck_assert_msg(!visitor_is_closed(fd, 0), "%s", rows[i]);
        fake_clock_advance(&host.now, 1);
        http_reap(host.http);
        ck_assert_msg(visitor_is_closed(fd, 10000), "%s", rows[i]);
        ck_assert_uint_eq(http_host_refused(&host), before + 1);
        http_host_check_alive(&host);
    }
}
END_TEST

START_TEST(a_byte_now_and_then_gains_no_time)
{
    static const char *const beginnings[] = {
        "GET /x HTTP/1.1\r\nX: ",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n",
    };

    for (size_t i = 0; i < 2; i++) {
        auto_close int fd = http_host_dial(&host);
        int sent = 0;

        ck_assert(visitor_send(fd, beginnings[i]));
        http_host_check_alive(&host);
        for (; sent < 10; sent++) {
            fake_clock_advance(&host.now, HOST_REQUEST_MS / 10);
            http_reap(host.http);
            if (sent < 9)
                ck_assert(visitor_send(fd, "x"));
        }
        ck_assert(visitor_is_closed(fd, 10000));
    }
    ck_assert_uint_eq(http_host_refused(&host), 2);
}
END_TEST

START_TEST(who_finishes_in_time_is_answered)
{
    auto_close int fd = http_host_dial(&host);
    auto_free char *answer = NULL;

    ck_assert(visitor_send(fd, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx"));
    http_host_check_alive(&host);
    fake_clock_advance(&host.now, HOST_REQUEST_MS - 1);
    http_reap(host.http);
    ck_assert(visitor_send(fd, "x"));
    answer = visitor_read_answer(fd, false);
    ck_assert_uint_eq(visitor_status(answer), 200);
}
END_TEST

START_TEST(an_answer_begins_the_time_anew)
{
    auto_close int fd = http_host_dial(&host);

    for (uint64_t i = 1; i <= 5; i++) {
        auto_free char *answer = visitor_get(fd, "/x");

        ck_assert_uint_eq(visitor_status(answer), 200);
        http_host_await_requests(&host, i);
        fake_clock_advance(&host.now, HOST_REQUEST_MS - 1);
        http_reap(host.http);
    }
    fake_clock_advance(&host.now, 1);
    http_reap(host.http);
    ck_assert(visitor_is_closed(fd, 10000));
    ck_assert_uint_eq(http_host_refused(&host), 0); /* it had all that it asked for */
}
END_TEST

START_TEST(who_does_not_read_the_answer_is_dropped)
{
    auto_close int fd = visitor_dial_narrow(http_address(host.http));

    ck_assert(visitor_send(fd, BIG));
    http_host_check_alive(&host);
    fake_clock_advance(&host.now, HOST_REQUEST_MS);
    http_reap(host.http);
    ck_assert_uint_eq(http_host_refused(&host), 1);
    ck_assert_ptr_null(visitor_read_answer(fd, false)); /* it is cut off */
    http_host_check_alive(&host);
}
END_TEST

START_TEST(answers_that_nobody_reads_do_not_pile_up)
{
    int fds[6]; /* of 2 MiB each, 8 MiB are kept */
    auto_free char *last = NULL;

    for (size_t i = 0; i < 6; i++) {
        fds[i] = visitor_dial_narrow(http_address(host.http));
        ck_assert(visitor_send(fds[i], BIG));
        http_host_check_alive(&host); /* its answer is one more, for which a fourth has to go */
    }
    ck_assert_uint_eq(http_host_refused(&host), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_null(visitor_read_answer(fds[i], false));
    last = visitor_read_answer(fds[5], false);
    ck_assert_uint_eq(visitor_status(last), 200);
    close_all(fds, 6);
}
END_TEST

START_TEST(idle_clients_make_room_for_new_ones)
{
    int fds[CROWD];

    for (uint64_t i = 0; i < CROWD; i++) {
        auto_free char *answer = NULL;

        fds[i] = http_host_dial(&host);
        answer = visitor_get(fds[i], "/x");
        ck_assert_uint_eq(visitor_status(answer), 200);
        http_host_await_requests(&host, i + 1);
    }
    ck_assert_uint_eq(http_host_refused(&host), 0);
    close_all(fds, CROWD);
}
END_TEST

START_TEST(the_longest_idle_goes_first)
{
    int idle[CONNECTIONS / 2];
    int half[CONNECTIONS];

    for (uint64_t i = 0; i < CONNECTIONS / 2; i++) {
        auto_free char *answer = NULL;

        idle[i] = http_host_dial(&host);
        answer = visitor_get(idle[i], "/x");
        ck_assert_ptr_null(strstr(answer, "Connection: close"));
        http_host_await_requests(&host, i + 1);
    }
    for (size_t i = 0; i < CONNECTIONS / 2 + 1; i++) {
        half[i] = http_host_dial(&host);
        ck_assert(visitor_send(half[i], "GET /x HT"));
    }
    ck_assert(visitor_is_closed(idle[0], 10000));
    for (size_t i = 1; i < CONNECTIONS / 2; i++)
        ck_assert(!visitor_is_closed(idle[i], 0));
    for (size_t i = 0; i < CONNECTIONS / 2 + 1; i++)
        ck_assert(!visitor_is_closed(half[i], 0));
    ck_assert_uint_eq(http_host_refused(&host), 0);
    close_all(idle, CONNECTIONS / 2);
    close_all(half, CONNECTIONS / 2 + 1);
}
END_TEST

START_TEST(a_crowd_of_slow_clients_keeps_nobody_out)
{
    static const char *const rows[] = {"", "GET /x HT", BIG,
                                       "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"};
    int fds[CROWD];

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        for (size_t i = 0; i < CROWD; i++) {
            fds[i] = visitor_dial_narrow(http_address(host.http));
            (void)visitor_send(fds[i], rows[row]); /* it may be dropped already */
        }
        http_host_check_alive(&host); /* no time has passed, nothing was reaped */
        ck_assert(visitor_is_closed(fds[0], 10000));
        close_all(fds, CROWD);
    }
    ck_assert_uint_gt(http_host_refused(&host), CROWD);
}
END_TEST

START_TEST(one_connection_is_enough)
{
    int fds[3];

    http_host_stop(&host);
    http_host_start(&host, "127.0.0.1:0", 1);
    for (int i = 0; i < 3; i++)
        fds[i] = http_host_dial(&host);
    http_host_check_alive(&host);
    http_host_check_alive(&host);
    close_all(fds, 3);
}
END_TEST

static Suite *http_slow_suite(void)
{
    Suite *suite = suite_create("http_slow");
    TCase *tc = tcase_create("slow");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, whoever_takes_too_long_is_dropped);
    tcase_add_test(tc, a_byte_now_and_then_gains_no_time);
    tcase_add_test(tc, who_finishes_in_time_is_answered);
    tcase_add_test(tc, an_answer_begins_the_time_anew);
    tcase_add_test(tc, who_does_not_read_the_answer_is_dropped);
    tcase_add_test(tc, answers_that_nobody_reads_do_not_pile_up);
    tcase_add_test(tc, idle_clients_make_room_for_new_ones);
    tcase_add_test(tc, the_longest_idle_goes_first);
    tcase_add_test(tc, a_crowd_of_slow_clients_keeps_nobody_out);
    tcase_add_test(tc, one_connection_is_enough);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(http_slow_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
