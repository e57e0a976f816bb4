/*
 * The listener: what it answers, whom it believes, what it reads. (test_http_slow.c has the clients
 * that take their time.)
 */
#include "daemon/http.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/capture.h"
#include "support/http_host.h"
#include "support/http_visitor.h"
#include "support/leaks.h"

static struct http_host host;

static void set_up(void)
{
    http_host_start(&host, "127.0.0.1:0", 8);
}

static void tear_down(void)
{
    http_host_stop(&host);
}

static bool has(const char *answer, const char *line)
{
    return strstr(answer, line) != NULL;
}

START_TEST(an_answer_has_the_headers_that_keep_it_harmless)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *header; /* a line that is there, all but the common ones */
    } rows[] = {
        {"/x", 200, "Content-Type: text/plain\r\n"},
        {"/html", 200, "Content-Security-Policy: default-src 'none';"},
        {"/none", 404, "Content-Length: 0\r\n"},
        {"/method", 405, "Allow: GET, HEAD\r\n"},
        {"/busy", 503, "Retry-After: 7\r\n"},
        {"/private", 401, "WWW-Authenticate: Bearer\r\n"},
    };
    auto_close int fd = http_host_dial(&host);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *answer = visitor_get(fd, rows[i].path);

        ck_assert_uint_eq(visitor_status(answer), rows[i].status);
        ck_assert_msg(has(answer, rows[i].header), "%s", answer);
        ck_assert(has(answer, "Cache-Control: no-store\r\n"));
        ck_assert(has(answer, "X-Content-Type-Options: nosniff\r\n"));
        ck_assert_int_eq(has(answer, "Content-Security-Policy"), i == 1);
        ck_assert_int_eq(has(answer, "Retry-After"), i == 4);
        ck_assert_int_eq(has(answer, "WWW-Authenticate"), i == 5);
    }
    http_host_await_requests(&host, sizeof(rows) / sizeof(rows[0]));
    ck_assert_uint_eq(http_host_refused(&host), 0);
}
END_TEST

START_TEST(a_head_is_a_get_without_the_body)
{
    auto_close int fd = http_host_dial(&host);
    auto_free char *answer = NULL;
    auto_free char *next = NULL;

    ck_assert(visitor_send(fd, "HEAD /abc?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
    answer = visitor_read_answer(fd, true);
    ck_assert_uint_eq(visitor_status(answer), 200);
    ck_assert_msg(has(answer, "Content-Length: 12\r\n"), "%s", answer); /* "HEAD /abc no" */
    next = visitor_get(fd, "/next");
    ck_assert_uint_eq(visitor_status(next), 200);
}
END_TEST

START_TEST(only_the_token_authorizes)
{
    static const struct {
        const char *line;
        bool is_authorized;
    } rows[] = {
        {"", false},
        {"Authorization: Bearer s3cret\r\n", true},
        {"authorization: bearer s3cret\r\n", true},
        {"Authorization: Bearer s3cre\r\n", false},
        {"Authorization: Bearer s3cretx\r\n", false},
        {"Authorization: Bearer s3crets3cret\r\n", false},
        {"Authorization: Bearer S3CRET\r\n", false},
        {"Authorization: Bearer \r\n", false},
        {"Authorization: Bearer\r\n", false},
        {"Authorization: s3cret\r\n", false},
        {"Authorization: Basic s3cret\r\n", false},
        {"X-Authorization: Bearer s3cret\r\n", false},
    };
    auto_close int fd = http_host_dial(&host);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *request = xasprintf(
            "POST /private HTTP/1.1\r\nHost: x\r\n%sContent-Length: 0\r\n\r\n", rows[i].line);
        auto_free char *answer = NULL;

        ck_assert(visitor_send(fd, request));
        answer = visitor_read_answer(fd, false);
        ck_assert_msg(visitor_status(answer) == (rows[i].is_authorized ? 200 : 401), "%s: %s",
                      rows[i].line, answer);
    }
}
END_TEST

START_TEST(without_a_token_nobody_is_authorized)
{
    static const char *const lines[] = {"Authorization: Bearer \r\n",
                                        "Authorization: Bearer x\r\n"};
    struct http_options options = {.listen = "127.0.0.1:0", .handle = http_host_handle};
    const struct secret unset = {0};

    for (size_t i = 0; i < 4; i++) {
        auto_http struct http *other = NULL;
        auto_free char *request =
            xasprintf("GET /private HTTP/1.1\r\nHost: x\r\n%s\r\n", lines[i % 2]);
        auto_free char *answer = NULL;
        struct err err = {0};

        options.token = i < 2 ? NULL : &unset;
        ck_assert_int_eq(http_new(&options, &other, &err), 0);
        auto_close int fd = visitor_dial(http_address(other));

        ck_assert(visitor_send(fd, request));
        answer = visitor_read_answer(fd, false);
        ck_assert_uint_eq(visitor_status(answer), 401);
    }
}
END_TEST

/* The answer to a POST with len bytes behind head; NULL when there is none. */
static char *post(const char *head, size_t len)
{
    auto_close int fd = http_host_dial(&host);
    auto_free char *body = xcalloc(len + 1, 1);

    memset(body, 'b', len);
    if (!visitor_send(fd, head) || !visitor_send(fd, body))
        return NULL;
    return visitor_read_answer(fd, false);
}

START_TEST(the_body_of_a_request_is_read_up_to_a_limit)
{
    static const struct {
        const char *headers;
        size_t len; /* of what is sent */
        unsigned status;
    } rows[] = {
        {"Content-Length: 0\r\n\r\n", 0, 200},
        {"Content-Length: 1\r\n\r\n", 1, 200},
        {"Content-Length: 4096\r\n\r\n", 4096, 200},
        {"Content-Length: 4096\r\nExpect: 100-nothing\r\n\r\n", 4096, 200},
        {"Content-Length: 4097\r\n\r\n", 0, 413},
        {"Content-Length: 1000000000000\r\n\r\n", 0, 413},
        {"Content-Length: 99999999999999999999999999\r\n\r\n", 0, 413},
        {"Content-Length: -1\r\n\r\n", 0, 400},
        {"Content-Length: x\r\n\r\n", 0, 400},
        {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0, 200},
        {"Transfer-Encoding: chunked\r\n\r\n100000\r\n", 100000, 0},
        {"Transfer-Encoding: chunked\r\n\r\nzzz\r\n", 0, 400},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *head = xasprintf("POST /x HTTP/1.1\r\nHost: x\r\n%s", rows[i].headers);
        auto_free char *answer = post(head, rows[i].len);

        ck_assert_msg(visitor_status(answer) == rows[i].status, "%s: %s", rows[i].headers,
                      answer != NULL ? answer : "no answer");
        http_host_check_alive(&host);
    }
}
END_TEST

START_TEST(nonsense_is_refused_and_nobody_else_hears_of_it)
{
    static const char *const rows[] = {
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /x\r\n\r\n",
        "GET /x HTTP/9.9\r\n\r\n",
        "GET /%00%zz%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /x HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /x HTTP/1.1\r\n: \r\n\r\n",
        "GET /x HTTP/1.1\nHost: x\n\n",
        "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03 a TLS client",
        "*1\r\n$4\r\nPING\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\xff\xfe\xfd\xfc\r\n\r\n",
    };
    struct capture capture;
    auto_free char *logged = NULL;

    capture_begin(&capture);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_close int fd = http_host_dial(&host);

        (void)visitor_send(fd, rows[i]); /* it may be refused in the middle */
        (void)shutdown(fd, SHUT_WR);
        http_host_outwait(&host, fd);
        http_host_check_alive(&host);
    }
    logged = capture_end(&capture);
    ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(a_head_of_any_length_is_answered_or_refused)
{
    for (size_t len = 1024; len <= (size_t)256 * 1024; len *= 2) {
        auto_free char *filler = xcalloc(len + 1, 1);
        auto_free char *in_line = NULL;
        auto_free char *in_path = NULL;

        memset(filler, 'h', len);
        in_line = xasprintf("GET /x HTTP/1.1\r\nX: %s\r\n\r\n", filler);
        in_path = xasprintf("GET /%s HTTP/1.1\r\n\r\n", filler);
        for (int i = 0; i < 2; i++) {
            auto_close int fd = http_host_dial(&host);

            (void)visitor_send(fd, i == 0 ? in_line : in_path);
            (void)shutdown(fd, SHUT_WR);
            http_host_outwait(&host, fd);
        }
        http_host_check_alive(&host);
    }
}
END_TEST

START_TEST(ipv6_and_all_addresses_work)
{
    static const struct {
        const char *listen;
        const char *visit; /* the host */
    } rows[] = {
        {"[::1]:0", "[::1]"},       {":0", "[::1]"}, {":0", "127.0.0.1"}, {"[::]:0", "127.0.0.1"},
        {"0.0.0.0:0", "127.0.0.1"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_host other;
        auto_free char *address = NULL;
        auto_free char *answer = NULL;

        http_host_start(&other, rows[i].listen, 2);
        address = xasprintf("%s%s", rows[i].visit, strrchr(http_address(other.http), ':'));
        answer = visitor_get_once(address, "/x");
        ck_assert_uint_eq(visitor_status(answer), 200);
        http_host_stop(&other);
    }
}
END_TEST

START_TEST(a_port_that_is_taken_is_a_matter_of_configuration)
{
    const struct leaks before = leaks_count();
    const struct http_options options = {.listen = http_address(host.http),
                                         .handle = http_host_handle};
    struct http *other = NULL;
    struct err err = {0};

    ck_assert_int_eq(http_new(&options, &other, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_null(other);
    ck_assert(leaks_none(&before));
}
END_TEST

enum { VISITORS = 8, VISITS = 100 };

static void *visit(void *context)
{
    int fd = http_host_dial(&host);

    (void)context;
    for (int i = 0; i < VISITS; i++) {
        auto_free char *answer = visitor_get(fd, "/x");

        ck_assert_uint_eq(visitor_status(answer), 200);
        if (strstr(answer, "Connection: close") != NULL) {
            ck_assert_int_eq(close(fd), 0);
            fd = http_host_dial(&host);
        }
    }
    ck_assert_int_eq(close(fd), 0);
    return NULL;
}

START_TEST(many_at_once_are_all_answered)
{
    pthread_t threads[VISITORS];
    uint64_t refused;

    for (size_t i = 0; i < VISITORS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, visit, NULL), 0);
    for (int i = 0; i < 100; i++) {
        uint64_t requests;

        http_reap(host.http);
        http_counts(host.http, &requests, &refused);
    }
    for (size_t i = 0; i < VISITORS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    http_host_await_requests(&host, VISITORS * VISITS);
    ck_assert_uint_eq(http_host_refused(&host), 0);
}
END_TEST

START_TEST(a_thousand_connections_leave_no_descriptor)
{
    static const char *const endings[] = {
        "",
        "GET /x HTT",
        "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
        "nonsense\r\n\r\n",
    };
    const struct leaks before = leaks_count();
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    for (size_t i = 0; i < 1000; i++) {
        auto_close int fd = http_host_dial(&host);

        (void)visitor_send(fd, endings[i % 6]);
        if (i % 4 == 0)
            ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    }
    http_host_check_alive(&host);
    for (int i = 0; i < 1000 && leaks_count().fds > before.fds; i++) {
        fake_clock_advance(&host.now, HOST_REQUEST_MS);
        http_reap(host.http);
        (void)poll(NULL, 0, 10);
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(it_ends_whatever_its_clients_do)
{
    static const char *const texts[] = {"", "GET /x", "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"};
    const struct leaks before = leaks_count();
    int fds[40];
    struct http_host other;

    http_host_start(&other, "127.0.0.1:0", 4);
    for (size_t i = 0; i < 40; i++) {
        fds[i] = visitor_dial_narrow(http_address(other.http));
        (void)visitor_send(fds[i], texts[i % 4]);
    }
    http_host_stop(&other);
    for (size_t i = 0; i < 40; i++) {
        ck_assert(visitor_is_closed(fds[i], 10000));
        ck_assert_int_eq(close(fds[i]), 0);
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(its_thread_takes_no_signals)
{
    auto_fs_list struct fs_list tasks = {0};
    struct err err = {0};

    ck_assert_int_eq(fs_list_dir(AT_FDCWD, "/proc/self/task", &tasks, &err), 0);
    ck_assert_uint_ge(tasks.count, 2);
    for (size_t i = 0; i < tasks.count; i++) {
        auto_free char *path = xasprintf("/proc/self/task/%s/status", tasks.names[i]);
        auto_buf struct buf status = {0};
        bool is_main = strtol(tasks.names[i], NULL, 10) == getpid();
        const char *blocked;

        buf_init(&status, 16384);
        ck_assert_int_eq(fs_read_file(AT_FDCWD, path, &status, &err), 0);
        blocked = strstr(buf_text(&status), "SigBlk:\t");
        ck_assert_ptr_nonnull(blocked);
        ck_assert_int_eq((strtoul(blocked + 8, NULL, 16) & 1UL << (SIGTERM - 1)) != 0, !is_main);
    }
}
END_TEST

static Suite *http_suite(void)
{
    Suite *suite = suite_create("http");
    TCase *tc = tcase_create("listener");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_answer_has_the_headers_that_keep_it_harmless);
    tcase_add_test(tc, a_head_is_a_get_without_the_body);
    tcase_add_test(tc, only_the_token_authorizes);
    tcase_add_test(tc, without_a_token_nobody_is_authorized);
    tcase_add_test(tc, the_body_of_a_request_is_read_up_to_a_limit);
    tcase_add_test(tc, nonsense_is_refused_and_nobody_else_hears_of_it);
    tcase_add_test(tc, a_head_of_any_length_is_answered_or_refused);
    tcase_add_test(tc, ipv6_and_all_addresses_work);
    tcase_add_test(tc, a_port_that_is_taken_is_a_matter_of_configuration);
    tcase_add_test(tc, many_at_once_are_all_answered);
    tcase_add_test(tc, a_thousand_connections_leave_no_descriptor);
    tcase_add_test(tc, it_ends_whatever_its_clients_do);
    tcase_add_test(tc, its_thread_takes_no_signals);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(http_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
