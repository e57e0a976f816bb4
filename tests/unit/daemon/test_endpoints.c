/*
 * What is answered to whom, how often it is made, and that nobody sees it half made.
 */
#include "daemon/endpoints.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/leaks.h"
#include "support/status_sample.h"

struct desk {
    struct status status;
    struct fake_clock now;
    struct endpoints *endpoints;
};

static void desk_init(struct desk *desk, const char *sample, bool has_token)
{
    *desk = (struct desk){0};
    ck_assert_int_eq(status_sample(sample, &desk->status), 0);
    fake_clock_init(&desk->now, STATUS_SAMPLE_NOW_MS);
    desk->endpoints = endpoints_new(&desk->status, &desk->now.clock);
    endpoints_allow(desk->endpoints, has_token);
}

static void desk_release(struct desk *desk)
{
    endpoints_free(desk->endpoints);
    status_release(&desk->status);
}
#define auto_desk auto_with(desk_release)

struct reply {
    unsigned status;
    const char *content_type;
    const char *allow;
    struct buf body;
};

static void reply_release(struct reply *reply)
{
    buf_release(&reply->body);
}
#define auto_reply auto_with(reply_release)

static struct reply visit(struct desk *desk, const char *method, const char *path, bool has_token)
{
    struct http_request request = {.method = method, .path = path, .is_authorized = has_token};
    struct http_response response = {.status = 0};

    buf_init(&response.body, HTTP_BODY_MAX);
    endpoints_handle(desk->endpoints, &request, &response);
    ck_assert_ptr_nonnull(response.content_type);
    ck_assert_uint_gt(response.body.len, 0);
    return (struct reply){
        .status = response.status,
        .content_type = response.content_type,
        .allow = response.allow,
        .body = response.body,
    };
}

static unsigned code_of(struct desk *desk, const char *method, const char *path, bool has_token)
{
    auto_reply struct reply reply = visit(desk, method, path, has_token);

    return reply.status;
}

static void next_turn(struct desk *desk)
{
    endpoints_lock(desk->endpoints);
    endpoints_unlock(desk->endpoints);
}

static bool is_awake(const struct desk *desk)
{
    struct pollfd fd = {.fd = endpoints_fd(desk->endpoints), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

static const struct {
    const char *path;
    const char *type;
    const char *part;
} texts[] = {
    {"/livez", "text/plain; charset=utf-8", "ok\n"},
    {"/readyz", "application/json", "\"ready\": true"},
    {"/backupz", "application/json", "\"backup"},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "# TYPE redkeep_"},
    {"/status", "application/json", "\"problems\": []"},
    {"/", "text/html; charset=utf-8", "</html>"},
};

START_TEST(each_path_has_its_text)
{
    auto_desk struct desk desk;
    static const char *const methods[] = {"GET", "HEAD"};

    desk_init(&desk, "well", false);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t j = 0; j < 2; j++) {
            auto_reply struct reply reply = visit(&desk, methods[j], texts[i].path, false);

            ck_assert_msg(reply.status == 200, "%s: %u", texts[i].path, reply.status);
            ck_assert_str_eq(reply.content_type, texts[i].type);
            ck_assert_msg(strstr(buf_text(&reply.body), texts[i].part) != NULL, "%s: %s",
                          texts[i].path, buf_text(&reply.body));
        }
    }
}
END_TEST

START_TEST(other_methods_are_told_what_is_allowed)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "get", "", "GETS"};
    auto_desk struct desk desk;

    desk_init(&desk, "well", true);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t j = 0; j < sizeof(methods) / sizeof(methods[0]); j++) {
            auto_reply struct reply reply = visit(&desk, methods[j], texts[i].path, true);

            ck_assert_uint_eq(reply.status, 405);
            ck_assert_str_eq(reply.allow, "GET, HEAD");
        }
    }
    for (int is_verify = 0; is_verify < 2; is_verify++) {
        auto_reply struct reply reply =
            visit(&desk, "GET", is_verify ? "/verify" : "/backup", true);

        ck_assert_uint_eq(reply.status, 405);
        ck_assert_str_eq(reply.allow, "POST");
        ck_assert_str_eq(buf_text(&reply.body), "use POST here\n");
    }
    ck_assert(!is_awake(&desk));
}
END_TEST

START_TEST(other_paths_are_not_found)
{
    static const char *const paths[] = {
        "",         "//",       "/readyz/", "/READYZ",      "/ready",    "readyz", "/livez ",
        "/status?", "/backup/", "/../",     "/favicon.ico", "/\xff\xfe", "*",      "/metrics\n"};
    auto_desk struct desk desk;

    desk_init(&desk, "well", true);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ck_assert_msg(code_of(&desk, "GET", paths[i], true) == 404, "%s", paths[i]);
        ck_assert_msg(code_of(&desk, "POST", paths[i], true) == 404, "%s", paths[i]);
    }
    ck_assert(!is_awake(&desk));
}
END_TEST

START_TEST(the_code_says_what_is_wrong)
{
    static const struct {
        const char *sample;
        unsigned ready;
        unsigned backup;
    } rows[] = {
        {"unknown", 503, 503},
        {"well", 200, 200},
        {"working", 200, 200},
        {"loading", 503, 200},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_desk struct desk desk;

        desk_init(&desk, rows[i].sample, false);
        ck_assert_msg(code_of(&desk, "GET", "/readyz", false) == rows[i].ready, "%s",
                      rows[i].sample);
        ck_assert_msg(code_of(&desk, "GET", "/backupz", false) == rows[i].backup, "%s",
                      rows[i].sample);
        ck_assert_uint_eq(code_of(&desk, "GET", "/livez", false), 200);
    }
}
END_TEST

/* Also a status with as much in it as can be, or with hostile words. */
START_TEST(every_state_can_be_shown)
{
    for (size_t i = 0; status_sample_name(i) != NULL; i++) {
        auto_desk struct desk desk;

        desk_init(&desk, status_sample_name(i), false);
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            auto_reply struct reply reply = visit(&desk, "GET", texts[j].path, false);
            auto_json struct json *json = NULL;
            struct err err = {0};

            if (strcmp(texts[j].type, "application/json") == 0)
                ck_assert_msg(json_parse(buf_text(&reply.body), reply.body.len, &json, &err) == 0,
                              "%s", err.msg);
            if (strcmp(texts[j].path, "/") == 0) /* not cut */
                ck_assert_ptr_nonnull(strstr(buf_text(&reply.body), "</html>"));
        }
    }
}
END_TEST

START_TEST(only_the_token_lets_anybody_ask)
{
    static const char *const paths[] = {"/backup", "/verify"};

    for (size_t i = 0; i < 2; i++) {
        auto_desk struct desk desk;
        bool backup;
        bool verify;

        desk_init(&desk, "well", false);
        ck_assert_uint_eq(code_of(&desk, "POST", paths[i], false), 403);
        ck_assert_uint_eq(code_of(&desk, "POST", paths[i], true), 403); /* there is none */
        endpoints_allow(desk.endpoints, true);
        ck_assert_uint_eq(code_of(&desk, "POST", paths[i], false), 401);
        ck_assert(!is_awake(&desk));
        endpoints_take(desk.endpoints, &backup, &verify);
        ck_assert(!backup && !verify);
        ck_assert_uint_eq(code_of(&desk, "POST", paths[i], true), 202);
        ck_assert(is_awake(&desk));
        endpoints_allow(desk.endpoints, false);
        ck_assert_uint_eq(code_of(&desk, "POST", paths[i], true), 403);
    }
}
END_TEST

START_TEST(what_was_asked_for_is_given_out_once)
{
    auto_desk struct desk desk;
    bool backup;
    bool verify;

    desk_init(&desk, "well", true);
    ck_assert_uint_eq(code_of(&desk, "POST", "/backup", true), 202);
    ck_assert_uint_eq(code_of(&desk, "POST", "/backup", true), 409);
    ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 202);
    ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 409);
    ck_assert(is_awake(&desk));
    endpoints_take(desk.endpoints, &backup, &verify);
    ck_assert(backup && verify);
    ck_assert(!is_awake(&desk));
    endpoints_take(desk.endpoints, &backup, &verify);
    ck_assert(!backup && !verify);
    ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 202);
    endpoints_take(desk.endpoints, &backup, &verify);
    ck_assert(!backup && verify);
}
END_TEST

START_TEST(what_runs_is_not_asked_for_again)
{
    auto_desk struct desk desk;

    desk_init(&desk, "well", true);
    desk.status.jobs[JOB_BACKUP].is_running = true;
    ck_assert_uint_eq(code_of(&desk, "POST", "/backup", true), 409);
    ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 202);
    desk.status.jobs[JOB_BACKUP].is_running = false;
    ck_assert_uint_eq(code_of(&desk, "POST", "/backup", true), 202);
}
END_TEST

START_TEST(a_drill_that_runs_is_a_verification)
{
    static const enum job_kind kinds[] = {JOB_VERIFY, JOB_DRILL};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        auto_desk struct desk desk;

        desk_init(&desk, "well", true);
        desk.status.jobs[kinds[i]].is_running = true;
        ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 409);
        desk.status.jobs[kinds[i]].is_running = false;
        ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 202);
    }
}
END_TEST

START_TEST(who_is_about_to_stop_takes_no_orders)
{
    auto_desk struct desk desk;

    desk_init(&desk, "well", true);
    desk.status.is_stopping = true;
    ck_assert_uint_eq(code_of(&desk, "POST", "/backup", true), 503);
    ck_assert_uint_eq(code_of(&desk, "POST", "/verify", true), 503);
    ck_assert(!is_awake(&desk));
    ck_assert_uint_eq(code_of(&desk, "GET", "/livez", false), 200);
}
END_TEST

/* Each text is made once for each turn of the supervisor, however many ask. */
START_TEST(a_text_is_made_once_for_each_state)
{
    auto_desk struct desk desk;

    desk_init(&desk, "well", false);
    for (size_t i = 1; i < sizeof(texts) / sizeof(texts[0]); i++) { /* but for /livez */
        auto_reply struct reply before = visit(&desk, "GET", texts[i].path, false);

        desk.status.now_ms += 3600000; /* without a turn: nobody may see it */
        desk.status.readiness.state = READINESS_LOADING;
        auto_reply struct reply same = visit(&desk, "GET", texts[i].path, false);
        ck_assert_str_eq(buf_text(&same.body), buf_text(&before.body));
        ck_assert_uint_eq(same.status, before.status);
        next_turn(&desk);
        auto_reply struct reply after = visit(&desk, "GET", texts[i].path, false);
        ck_assert_msg(strcmp(buf_text(&after.body), buf_text(&before.body)) != 0, "%s",
                      texts[i].path);
        desk.status.readiness.state = READINESS_READY;
        next_turn(&desk);
    }
}
END_TEST

START_TEST(a_supervisor_that_is_stuck_is_not_alive)
{
    auto_desk struct desk desk;

    desk_init(&desk, "well", false);
    fake_clock_advance(&desk.now, ENDPOINTS_STUCK_MS);
    ck_assert_uint_eq(code_of(&desk, "GET", "/livez", false), 200);
    fake_clock_advance(&desk.now, 1);
    ck_assert_uint_eq(code_of(&desk, "GET", "/livez", false), 503);
    ck_assert_uint_eq(code_of(&desk, "GET", "/readyz", false), 200); /* what was known last */
    next_turn(&desk);
    ck_assert_uint_eq(code_of(&desk, "GET", "/livez", false), 200);
}
END_TEST

struct crowd {
    struct desk *desk;
    atomic_bool is_over;
    atomic_uint torn;
    atomic_uint seen;
};

/* The words of an answer and its code are of one state. */
static void *ask_on_and_on(void *context)
{
    struct crowd *crowd = context;

    do {
        auto_reply struct reply reply = visit(crowd->desk, "GET", "/readyz", false);
        bool says_loading = strstr(buf_text(&reply.body), "\"state\": \"loading\"") != NULL;

        if (says_loading == (reply.status == 200))
            (void)atomic_fetch_add(&crowd->torn, 1);
        (void)code_of(crowd->desk, "POST", "/backup", true);
        (void)atomic_fetch_add(&crowd->seen, 1);
    } while (!atomic_load(&crowd->is_over));
    return NULL;
}

START_TEST(nobody_sees_a_state_half_made)
{
    auto_desk struct desk desk;
    struct crowd crowd = {.desk = &desk};
    pthread_t threads[3];
    bool backup;
    bool verify;

    desk_init(&desk, "well", true);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_on_and_on, &crowd), 0);
    for (int i = 0; i < 5000 || atomic_load(&crowd.seen) < 100; i++) {
        endpoints_lock(desk.endpoints);
        desk.status.readiness.state = i % 2 == 0 ? READINESS_LOADING : READINESS_READY;
        endpoints_take(desk.endpoints, &backup, &verify);
        ck_assert(!verify);
        endpoints_unlock(desk.endpoints);
    }
    atomic_store(&crowd.is_over, true);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(atomic_load(&crowd.torn), 0);
}
END_TEST

START_TEST(nothing_is_left_open)
{
    struct leaks before = leaks_count();

    for (int i = 0; i < 100; i++) {
        auto_desk struct desk desk;

        desk_init(&desk, "well", true);
        (void)code_of(&desk, "POST", "/backup", true);
    }
    endpoints_free(NULL);
    ck_assert(leaks_none(&before));
}
END_TEST

static Suite *endpoints_suite(void)
{
    Suite *suite = suite_create("endpoints");
    TCase *show = tcase_create("show");
    TCase *ask = tcase_create("ask");
    TCase *turns = tcase_create("turns");

    tcase_add_test(show, each_path_has_its_text);
    tcase_add_test(show, other_methods_are_told_what_is_allowed);
    tcase_add_test(show, other_paths_are_not_found);
    tcase_add_test(show, the_code_says_what_is_wrong);
    tcase_add_test(show, every_state_can_be_shown);
    suite_add_tcase(suite, show);
    tcase_add_test(ask, only_the_token_lets_anybody_ask);
    tcase_add_test(ask, what_was_asked_for_is_given_out_once);
    tcase_add_test(ask, what_runs_is_not_asked_for_again);
    tcase_add_test(ask, a_drill_that_runs_is_a_verification);
    tcase_add_test(ask, who_is_about_to_stop_takes_no_orders);
    suite_add_tcase(suite, ask);
    tcase_set_timeout(turns, 120); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(turns, a_text_is_made_once_for_each_state);
    tcase_add_test(turns, a_supervisor_that_is_stuck_is_not_alive);
    tcase_add_test(turns, nobody_sees_a_state_half_made);
    tcase_add_test(turns, nothing_is_left_open);
    suite_add_tcase(suite, turns);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(endpoints_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
