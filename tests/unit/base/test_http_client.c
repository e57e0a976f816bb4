/*
 * One exchange with peers that answer, and with peers that do worse.
 */
#include "base/http_client.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "support/s3_peer.h"
#include "support/tmpdir.h"

#define LABEL "the hook"
#define SECRET "T0pS3cret"

static struct s3_peer *peer;

static void set_up(void)
{
    peer = s3_peer_new();
}

static void tear_down(void)
{
    s3_peer_free(peer);
}

/* Asks the peer for /SECRET; *out_body may be NULL. */
static int ask(const char *body, int64_t timeout_ms, unsigned *out_status, struct buf *out_body,
               struct err *err)
{
    auto_free char *url = xasprintf("%s/" SECRET, s3_peer_get_url(peer));
    const struct http_client_request request = {
        .url = url,
        .label = LABEL,
        .content_type = body != NULL ? "application/json" : NULL,
        .body = body,
        .timeout_ms = timeout_ms,
    };

    *err = (struct err){0};
    return http_client_do(&request, out_status, out_body, err);
}

static void check_discreet(const struct err *err)
{
    ck_assert_msg(strstr(err->msg, LABEL) != NULL, "%s", err->msg);
    ck_assert_msg(strstr(err->msg, SECRET) == NULL, "%s", err->msg);
}

START_TEST(a_get_and_a_post_arrive_and_are_answered)
{
    static const char *const bodies[] = {NULL, "{\"text\":\"hello\"}", ""};
    auto_free char *text = s3_peer_format_answer(200, "", "fine");

    s3_peer_add_rule(peer, &(struct s3_peer_rule){.fault = PEER_ANSWER, .text = text});
    for (size_t i = 0; i < 3; i++) {
        auto_free char *head = NULL;
        auto_free char *sent = NULL;
        auto_buf struct buf body;
        unsigned status = 0;
        struct err err;

        buf_init(&body, 100);
        ck_assert_msg(ask(bodies[i], 10000, &status, &body, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(status, 200);
        ck_assert_str_eq(buf_text(&body), "fine");
        head = s3_peer_copy_head(peer, bodies[i] != NULL ? "POST /" SECRET : "GET /" SECRET);
        ck_assert_ptr_nonnull(strstr(head, "User-Agent: redkeep/"));
        ck_assert_int_eq(strstr(head, "Content-Type: application/json\r\n") != NULL,
                         bodies[i] != NULL);
        ck_assert_ptr_null(strstr(head, "Expect"));
        if (bodies[i] == NULL)
            continue;
        sent = s3_peer_copy_body(peer, "POST /" SECRET);
        ck_assert_str_eq(sent, bodies[i]);
    }
}
END_TEST

START_TEST(any_answer_is_an_answer)
{
    static const struct {
        int status;
        const char *header;
    } rows[] = {
        {200, ""}, {204, ""}, {302, "Location: /elsewhere\r\n"}, {404, ""}, {429, ""}, {500, ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *text = s3_peer_format_answer(rows[i].status, rows[i].header, "");
        unsigned status = 0;
        struct err err;

        s3_peer_clear_rules(peer);
        s3_peer_add_rule(peer, &(struct s3_peer_rule){.fault = PEER_ANSWER, .text = text});
        ck_assert_msg(ask("x", 10000, &status, NULL, &err) == 0, "%s", err.msg);
        ck_assert_int_eq((int)status, rows[i].status);
    }
    ck_assert_uint_eq(s3_peer_count(peer, "elsewhere"), 0);
}
END_TEST

START_TEST(no_more_is_read_than_there_is_room_for)
{
    auto_free char *text = s3_peer_format_answer(200, "", "0123456789");

    s3_peer_add_rule(peer, &(struct s3_peer_rule){.fault = PEER_ANSWER, .text = text});
    for (size_t max = 0; max <= 11; max++) {
        auto_buf struct buf body;
        unsigned status = 0;
        struct err err;

        buf_init(&body, max);
        ck_assert_msg(ask(NULL, 10000, &status, &body, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(status, 200);
        ck_assert_uint_eq(body.len, max < 10 ? max : 10);
        ck_assert_int_eq(strncmp(buf_text(&body), "0123456789", body.len), 0);
    }
}
END_TEST

START_TEST(a_body_that_nobody_wants_is_not_waited_for)
{
    unsigned status = 0;
    struct err err;

    s3_peer_add_rule(peer, &(struct s3_peer_rule){
                               .fault = PEER_ANSWER,
                               .text = "HTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\nx"});
    ck_assert_msg(ask("x", 600000, &status, NULL, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(status, 201);
}
END_TEST

START_TEST(no_answer_is_a_failure_that_tells_no_secret)
{
    static const struct s3_peer_rule rules[] = {
        {.fault = PEER_RESET_BODY},
        {.fault = PEER_LOSE},
        {.fault = PEER_STALL},
        {.fault = PEER_DRIP},
        {.fault = PEER_ANSWER, .text = "what?\r\n\r\n"},
        {.fault = PEER_ANSWER, .text = "HTTP/1.1 abc\r\n\r\n"},
        {.fault = PEER_ANSWER, .text = ""},
        {.fault = PEER_ANSWER, .text = "HTTP/1.1 100 Continue\r\n\r\n"},
        {.fault = PEER_ANSWER, .text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        auto_buf struct buf body;
        unsigned status = 7;
        struct err err;

        buf_init(&body, 100);
        s3_peer_clear_rules(peer);
        s3_peer_add_rule(peer, &rules[i]);
        ck_assert_msg(ask("x", 300, &status, &body, &err) == -1, "row %zu: %u", i, status);
        ck_assert_int_eq(err.kind, ERR_FAILED);
        ck_assert_uint_eq(status, 7);
        check_discreet(&err);
    }
}
END_TEST

START_TEST(a_head_without_an_end_is_not_read)
{
    size_t len = (size_t)256 * 1024;
    auto_free char *filler = xcalloc(len + 1, 1);
    auto_free char *text = NULL;
    auto_buf struct buf body;
    unsigned status = 7;
    struct err err;

    for (size_t i = 0; i < len; i += 16)
        memcpy(filler + i, "X-Header: value\n", 16);
    text = xasprintf("HTTP/1.1 200 OK\r\n%s\r\n", filler);
    s3_peer_add_rule(peer, &(struct s3_peer_rule){.fault = PEER_ANSWER, .text = text});
    buf_init(&body, 100);
    ck_assert_int_eq(ask(NULL, 60000, &status, &body, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

START_TEST(nobody_there_is_a_failure)
{
    const struct http_client_request request = {
        .url = "http://127.0.0.1:1/" SECRET, .label = LABEL, .timeout_ms = 10000};
    unsigned status = 7;
    struct err err = {0};

    ck_assert_int_eq(http_client_do(&request, &status, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    check_discreet(&err);
}
END_TEST

START_TEST(what_is_no_url_is_a_matter_of_configuration)
{
    static const char *const urls[] = {"",
                                       SECRET,
                                       "example.org/" SECRET,
                                       "ftp://example.org/" SECRET,
                                       "file:///etc/" SECRET,
                                       "http://",
                                       "https://:80/" SECRET,
                                       "http://exa mple.org/" SECRET,
                                       "http://x:99999/" SECRET,
                                       "http://[::1/" SECRET,
                                       "HTTPX://" SECRET};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const struct http_client_request request = {
            .url = urls[i], .label = LABEL, .timeout_ms = 1000};
        unsigned status = 7;
        struct err err = {0};

        ck_assert_int_eq(http_client_do(&request, &status, NULL, &err), -1);
        ck_assert_msg(err.kind == ERR_CONFIG, "%s: %s", urls[i], err.msg);
        check_discreet(&err);
    }
}
END_TEST

START_TEST(the_proxy_of_the_environment_is_used_but_for_this_machine)
{
    auto_free char *text = s3_peer_format_answer(200, "", "");
    auto_free char *url = xasprintf("%s/direct", s3_peer_get_url(peer));
    struct http_client_request request = {
        .url = "http://hook.invalid/" SECRET, .label = LABEL, .timeout_ms = 10000};
    unsigned status = 0;
    struct err err = {0};

    s3_peer_add_rule(peer, &(struct s3_peer_rule){.fault = PEER_ANSWER, .text = text});
    ck_assert_int_eq(setenv("http_proxy", s3_peer_get_url(peer), 1), 0);
    ck_assert_msg(http_client_do(&request, &status, NULL, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "http://hook.invalid/"), 1);

    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    request.url = url;
    ck_assert_int_eq(http_client_do(&request, &status, NULL, &err), -1);
    request.no_proxy = true;
    ck_assert_msg(http_client_do(&request, &status, NULL, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "GET /direct"), 1);
}
END_TEST

START_TEST(being_asked_to_stop_ends_the_wait)
{
    unsigned status = 7;
    struct err err;

    s3_peer_add_rule(peer, &(struct s3_peer_rule){.fault = PEER_STALL});
    cancel_init();
    ck_assert_int_eq(raise(SIGTERM), 0); /* to this thread: those of the peer are open to it */
    ck_assert_int_eq(ask("x", 600000, &status, NULL, &err), -1);
    ck_assert_msg(strstr(err.msg, "interrupted") != NULL, "%s", err.msg);
}
END_TEST

/* A server with a certificate of its own; *out_url is heap. */
static FILE *serve_tls(const char *dir, char **out_url)
{
    auto_free char *command = xasprintf(
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=t -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null "
        "&& exec openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -www -naccept 2 "
        "2>/dev/null",
        dir);
    FILE *server = popen(command, "re");
    char line[256];

    ck_assert_ptr_nonnull(server);
    do
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), server));
    while (strncmp(line, "ACCEPT 127.0.0.1:", 17) != 0);
    line[strcspn(line, "\r\n")] = '\0';
    *out_url = xasprintf("https://%s/" SECRET, line + 7);
    return server;
}

START_TEST(https_needs_a_certificate_that_is_trusted)
{
    char *dir = tmpdir_new();
    auto_free char *cert = xasprintf("%s/cert.pem", dir);
    auto_free char *url = NULL;
    FILE *server = serve_tls(dir, &url);
    struct http_client_request request = {.url = url, .label = LABEL, .timeout_ms = 20000};
    unsigned status = 7;
    struct err err = {0};

    ck_assert_int_eq(http_client_do(&request, &status, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_msg(strstr(err.msg, "certificate") != NULL, "%s", err.msg);
    check_discreet(&err);
    request.ca_file = cert;
    ck_assert_msg(http_client_do(&request, &status, NULL, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(status, 200);
    (void)pclose(server);
    tmpdir_remove(dir);
}
END_TEST

static Suite *http_client_suite(void)
{
    Suite *suite = suite_create("http_client");
    TCase *tc = tcase_create("exchange");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_get_and_a_post_arrive_and_are_answered);
    tcase_add_test(tc, any_answer_is_an_answer);
    tcase_add_test(tc, no_more_is_read_than_there_is_room_for);
    tcase_add_test(tc, a_body_that_nobody_wants_is_not_waited_for);
    tcase_add_test(tc, no_answer_is_a_failure_that_tells_no_secret);
    tcase_add_test(tc, a_head_without_an_end_is_not_read);
    tcase_add_test(tc, nobody_there_is_a_failure);
    tcase_add_test(tc, what_is_no_url_is_a_matter_of_configuration);
    tcase_add_test(tc, the_proxy_of_the_environment_is_used_but_for_this_machine);
    tcase_add_test(tc, being_asked_to_stop_ends_the_wait);
    tcase_add_test(tc, https_needs_a_certificate_that_is_trusted);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(http_client_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
