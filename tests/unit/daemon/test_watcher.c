/*
 * The watcher beside a real server that loads, hangs, dies, comes back, or refuses, and beside a
 * scripted one.
 */
#include "daemon/watcher.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/leaks.h"
#include "support/redis_peer.h"
#include "support/redis_server.h"

enum {
    LONG_MS = 3600000, /* never, as far as a test goes */
    WAIT_MS = 120000,  /* for what must come, on a slow machine */
};

static struct watcher *watch(const char *url, int64_t interval_ms, int64_t timeout_ms)
{
    const struct watcher_options options = {
        .redis = {.url = url},
        .interval_ms = interval_ms,
        .timeout_ms = timeout_ms,
        .clock = clock_system(),
    };
    struct watcher *watcher = NULL;
    struct err err = {0};

    ck_assert_msg(watcher_new(&options, &watcher, &err) == 0, "%s", err.msg);
    return watcher;
}

/* The next look, which must come. */
static struct watcher_look next_look(struct watcher *watcher)
{
    struct pollfd rung = {.fd = watcher_fd(watcher), .events = POLLIN};
    struct watcher_look look;

    ck_assert_int_eq(poll(&rung, 1, WAIT_MS), 1);
    ck_assert(watcher_take(watcher, &look));
    return look;
}

/* Looks until one has that state. */
static struct watcher_look await(struct watcher *watcher, enum readiness_state state)
{
    int64_t end_ms = clock_mono_ms(clock_system()) + WAIT_MS;

    for (;;) {
        struct watcher_look look = next_look(watcher);

        if (look.readiness.state == state)
            return look;
        ck_assert_msg(clock_mono_ms(clock_system()) < end_ms, "it stays %s: %s",
                      readiness_name(look.readiness.state), look.why.msg);
        watcher_look_release(&look);
    }
}

static void check_comes(struct watcher *watcher, enum readiness_state state)
{
    struct watcher_look look = await(watcher, state);

    watcher_look_release(&look);
}

/* A command that the server answers only when it is done with something. */
struct asking {
    pthread_t thread;
    const struct redis_server *server;
    const char *command;
    char *answer;
};

static void *ask_and_wait(void *context)
{
    struct asking *asking = context;

    asking->answer = redis_server_ask(asking->server, asking->command);
    return NULL;
}

static void ask_meanwhile(struct asking *asking, const struct redis_server *server,
                          const char *command)
{
    *asking = (struct asking){.server = server, .command = command};
    ck_assert_int_eq(pthread_create(&asking->thread, NULL, ask_and_wait, asking), 0);
}

static void end_asking(struct asking *asking, const char *want)
{
    ck_assert_int_eq(pthread_join(asking->thread, NULL), 0);
    ck_assert_msg(strncmp(asking->answer, want, strlen(want)) == 0, "%s", asking->answer);
    free(asking->answer);
}

START_TEST(a_bad_url_is_refused)
{
    const struct watcher_options options = {
        .redis = {.url = "http://x"}, .timeout_ms = 1, .clock = clock_system()};
    struct leaks before = leaks_count();
    struct watcher *watcher = NULL;
    struct err err = {0};

    ck_assert_int_eq(watcher_new(&options, &watcher, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_null(watcher);
    watcher_free(watcher);
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(it_looks_at_once_and_when_it_is_poked)
{
    struct leaks before = leaks_count();
    struct redis_server server;
    struct watcher_look look;

    redis_server_start(&server, NULL);
    redis_server_fill(&server, 3);
    struct watcher *watcher = watch(server.url, LONG_MS, WAIT_MS);
    look = next_look(watcher);
    ck_assert_int_eq(look.readiness.state, READINESS_READY);
    ck_assert(look.has_info);
    ck_assert_int_eq(look.info.process_id, server.pid);
    ck_assert_uint_eq(redis_info_keys(&look.info), 3);
    ck_assert_int_eq(look.why.kind, ERR_NONE);
    ck_assert(!look.nobody_listens);
    ck_assert_int_ge(look.since_answer_ms, 0);
    ck_assert_int_gt(look.at_ms, 1500000000000);
    watcher_look_release(&look);

    struct pollfd rung = {.fd = watcher_fd(watcher), .events = POLLIN};
    ck_assert_int_eq(poll(&rung, 1, 0), 0);
    ck_assert(!watcher_take(watcher, &look));

    redis_server_fill(&server, 5);
    watcher_poke(watcher);
    look = next_look(watcher);
    ck_assert_uint_eq(redis_info_keys(&look.info), 5);
    watcher_look_release(&look);
    watcher_free(watcher); /* in its long pause */
    redis_server_stop(&server);
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(it_looks_again_after_the_interval)
{
    struct redis_server server;

    redis_server_start(&server, NULL);
    struct watcher *watcher = watch(server.url, 1, WAIT_MS);
    for (int i = 0; i < 20; i++)
        check_comes(watcher, READINESS_READY);
    auto_free char *list = redis_server_ask(&server, "CLIENT LIST TYPE normal");
    const char *first = strstr(list, "name=redkeep"); /* one connection for all looks */
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "name=redkeep"));
    watcher_free(watcher); /* a look that nobody took goes with it */
    redis_server_stop(&server);
}
END_TEST

START_TEST(a_load_is_followed_to_its_end)
{
    static const char *const args[] = {"--enable-debug-command", "yes",
                                       "--loading-process-events-interval-bytes", "1024", NULL};
    const struct redis_server_options options = {.args = args};
    struct redis_server server;
    struct asking reload;
    int64_t loaded_bytes = -1;

    redis_server_start(&server, &options);
    redis_server_fill(&server, 20000);
    redis_server_do(&server, "CONFIG SET key-load-delay 5000"); /* µs: far longer than a test */
    struct watcher *watcher = watch(server.url, 20, WAIT_MS);
    check_comes(watcher, READINESS_READY);
    ask_meanwhile(&reload, &server, "DEBUG RELOAD");
    for (bool is_seen = false; !is_seen;) {
        struct watcher_look look = await(watcher, READINESS_LOADING);

        ck_assert(look.has_info);
        ck_assert_double_le(look.readiness.loading_percent, 99);
        ck_assert_int_ge(look.readiness.loaded_bytes, loaded_bytes);
        is_seen = loaded_bytes > 0 && look.readiness.loaded_bytes > loaded_bytes;
        loaded_bytes = look.readiness.loaded_bytes;
        if (is_seen) {
            ck_assert_int_gt(look.readiness.bytes_per_s, 0);
            ck_assert_int_gt(look.readiness.eta_s, 0);
        }
        watcher_look_release(&look);
    }
    redis_server_do(&server, "CONFIG SET key-load-delay 0");
    end_asking(&reload, "OK");
    check_comes(watcher, READINESS_READY);
    watcher_free(watcher);
    redis_server_stop(&server);
}
END_TEST

START_TEST(a_server_that_hangs_is_unreachable_until_it_goes_on)
{
    struct redis_server server;

    redis_server_start(&server, NULL);
    struct watcher *watcher = watch(server.url, 10, 200);
    check_comes(watcher, READINESS_READY);
    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0);
    for (int i = 0; i < 3; i++) {
        struct watcher_look look = await(watcher, READINESS_UNREACHABLE);

        ck_assert(!look.has_info);
        ck_assert(!look.nobody_listens);
        ck_assert_int_ge(look.since_answer_ms, 200);
        ck_assert_int_eq(look.why.kind, ERR_SERVER);
        ck_assert_ptr_nonnull(strstr(look.readiness.why, "no answer within"));
        watcher_look_release(&look);
    }
    ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
    check_comes(watcher, READINESS_READY);
    watcher_free(watcher);
    redis_server_stop(&server);
}
END_TEST

START_TEST(to_free_it_does_not_wait_for_a_server_that_hangs)
{
    struct leaks before = leaks_count();
    struct redis_server server;

    redis_server_start(&server, NULL);
    struct watcher *watcher = watch(server.url, LONG_MS, LONG_MS);
    check_comes(watcher, READINESS_READY);
    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0);
    watcher_poke(watcher);
    watcher_free(watcher); /* its thread sleeps, wakes up, or waits: all the same */

    watcher = watch(server.url, LONG_MS, LONG_MS);
    struct pollfd rung = {.fd = watcher_fd(watcher), .events = POLLIN};
    ck_assert_int_eq(poll(&rung, 1, 100), 0); /* most likely it waits for the answer by now */
    watcher_free(watcher);
    redis_server_stop(&server); /* what waited gets its end, and ends */
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(a_server_that_died_is_gone_until_it_is_back)
{
    struct redis_server server;
    struct watcher_look look;
    char run_id[48];

    redis_server_start(&server, NULL);
    struct watcher *watcher = watch(server.url, 10, WAIT_MS);
    look = await(watcher, READINESS_READY);
    memcpy(run_id, look.info.run_id, sizeof(run_id));
    watcher_look_release(&look);

    const struct redis_server_options again = {.dir = server.dir};
    struct redis_server second;
    server.owns_dir = 0;
    redis_server_stop(&server);
    do { /* the first may only tell that the connection broke */
        look = await(watcher, READINESS_UNREACHABLE);
        watcher_look_release(&look);
    } while (!look.nobody_listens);
    ck_assert(!look.has_info);
    ck_assert_int_eq(look.why.code, EIO);

    redis_server_start(&second, &again);
    second.owns_dir = 1;
    look = await(watcher, READINESS_READY);
    ck_assert_str_ne(look.info.run_id, run_id);
    ck_assert(!look.nobody_listens);
    watcher_look_release(&look);
    watcher_free(watcher);
    redis_server_stop(&second);
}
END_TEST

START_TEST(where_nobody_ever_was_nobody_listens)
{
    struct leaks before = leaks_count();
    struct watcher *watcher = watch("unix:///nonexistent/redis.sock", 1, WAIT_MS);

    for (int i = 0; i < 5; i++) {
        struct watcher_look look = next_look(watcher);

        ck_assert_int_eq(look.readiness.state, READINESS_UNREACHABLE);
        ck_assert(look.nobody_listens);
        ck_assert(!look.has_info);
        ck_assert_int_eq(look.info.uptime_s, -1);
        ck_assert_int_eq(look.since_answer_ms, -1);
        watcher_look_release(&look);
    }
    watcher_free(watcher);
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(a_password_that_appears_is_told_and_one_that_is_right_is_used)
{
    struct redis_server server;
    auto_secret struct secret password = {0};
    struct watcher *with = NULL;
    struct err err = {0};

    redis_server_start(&server, NULL);
    struct watcher *without = watch(server.url, 10, WAIT_MS);
    check_comes(without, READINESS_READY);
    redis_server_do(&server, "CONFIG SET requirepass right");
    (void)snprintf(server.password, sizeof(server.password), "right");
    redis_server_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    struct watcher_look look = await(without, READINESS_AUTH);
    ck_assert(!look.has_info);
    ck_assert(!look.nobody_listens);
    ck_assert_ptr_nonnull(strstr(look.readiness.why, "NOAUTH"));
    watcher_look_release(&look);

    secret_set(&password, "right", 5);
    const struct watcher_options options = {
        .redis = {.url = server.url, .password = &password},
        .interval_ms = 10,
        .timeout_ms = WAIT_MS,
        .clock = clock_system(),
    };
    ck_assert_int_eq(watcher_new(&options, &with, &err), 0);
    secret_release(&password); /* it has a copy */
    check_comes(with, READINESS_READY);
    watcher_free(with);

    redis_server_do(&server, "CONFIG SET requirepass %s", "");
    check_comes(without, READINESS_READY);
    redis_server_do(&server, "ACL SETUSER default -info");
    check_comes(without, READINESS_AUTH);
    watcher_free(without);
    redis_server_stop(&server);
}
END_TEST

START_TEST(a_script_that_blocks_the_server_changes_nothing)
{
    struct redis_server server;
    struct asking script;
    struct watcher_look look;

    redis_server_start(&server, NULL);
    redis_server_do(&server, "CONFIG SET busy-reply-threshold 1");
    struct watcher *watcher = watch(server.url, 10, WAIT_MS);
    check_comes(watcher, READINESS_READY);
    ask_meanwhile(&script, &server, "EVAL while(true)do(redis.sha1hex)('')end 0");
    do {
        look = next_look(watcher);
        ck_assert_int_eq(look.readiness.state, READINESS_READY);
        watcher_look_release(&look);
    } while (look.has_info);
    ck_assert_int_eq(look.why.code, EBUSY);
    ck_assert(!look.nobody_listens);

    struct watcher *late = watch(server.url, 10, WAIT_MS); /* it has never seen the server else */
    look = next_look(late);
    ck_assert_int_eq(look.readiness.state, READINESS_READY);
    ck_assert_int_eq(look.why.code, EBUSY);
    watcher_look_release(&look);
    watcher_free(late);

    redis_server_do(&server, "SCRIPT KILL");
    end_asking(&script, "-");
    do {
        look = await(watcher, READINESS_READY);
        watcher_look_release(&look);
    } while (!look.has_info);
    watcher_free(watcher);
    redis_server_stop(&server);
}
END_TEST

START_TEST(a_thousand_broken_connections_leave_nothing)
{
    struct redis_server server;
    struct leaks before;

    redis_server_start(&server, NULL);
    struct watcher *watcher = watch(server.url, 1, WAIT_MS);
    check_comes(watcher, READINESS_READY);
    before = leaks_count();
    for (int killed = 0; killed < 1000;) {
        auto_free char *answer = redis_server_ask(&server, "CLIENT KILL TYPE normal SKIPME yes");

        ck_assert_msg(answer[0] != '-', "%s", answer);
        killed += answer[0] != '0'; /* it had connected again */
        struct watcher_look look = next_look(watcher);
        watcher_look_release(&look);
    }
    check_comes(watcher, READINESS_READY);
    ck_assert(leaks_none(&before));
    watcher_free(watcher);
    redis_server_stop(&server);
}
END_TEST

#define HELLO                                                  \
    {                                                          \
        .expect = "CLIENT SETNAME redkeep", .reply = "+OK\r\n" \
    }

START_TEST(what_a_server_says_is_followed_from_look_to_look)
{
    static const struct redis_peer_step steps[] = {
        HELLO,
        {.expect = "INFO",
         .bulk = "loading:1\r\nloading_total_bytes:1000\r\n"
                 "loading_loaded_bytes:250\r\n"},
        {.expect = "INFO", .bulk = "loading:0\r\nrole:slave\r\nmaster_link_status:down\r\n"},
        {.expect = "INFO", .reply = "-BUSY a script\r\n"}, /* the connection stays */
        {.expect = "INFO", .bulk = "loading:0\r\nrole:slave\r\nmaster_link_status:up\r\n"},
        {.expect = "INFO", .reply = "-NOPERM no\r\n"}, /* a new one may be let in */
        {.expect = "CLIENT SETNAME redkeep", .reply = "-ERR max number of clients reached\r\n"},
        HELLO,
        {.expect = "INFO", .reply = "-LOADING odd\r\n"},
        HELLO,
        {.expect = "INFO", .bulk = "redis_mode:sentinel\r\n"},
        {.expect = "INFO", .hang_up = 1},
        HELLO,
        {.expect = "INFO", .bulk = "role:master\r\n"},
        {.expect = NULL},
    };
    static const struct {
        enum readiness_state state;
        bool has_info;
        bool may_be_missed; /* the next look comes at once, without a word of ours */
    } wanted[] = {
        {READINESS_LOADING, true, false},     {READINESS_SYNCING, true, false},
        {READINESS_SYNCING, false, false},    {READINESS_READY, true, false},
        {READINESS_AUTH, false, true},        {READINESS_UNREACHABLE, false, false},
        {READINESS_LOADING, false, false},    {READINESS_UNREACHABLE, true, false},
        {READINESS_UNREACHABLE, false, true}, {READINESS_READY, true, false},
    };
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    struct watcher *watcher = watch(redis_peer_url(peer), LONG_MS, WAIT_MS);

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct watcher_look look = next_look(watcher);
        bool is_missed = wanted[i].may_be_missed && look.readiness.state != wanted[i].state;

        i += is_missed;
        ck_assert_msg(look.readiness.state == wanted[i].state, "look %zu: %s, %s", i,
                      readiness_name(look.readiness.state), look.why.msg);
        ck_assert_int_eq(look.has_info, wanted[i].has_info);
        if (i == 0)
            ck_assert_double_eq_tol(look.readiness.loading_percent, 25, 1e-9);
        watcher_look_release(&look);
        if (!wanted[i].may_be_missed && i + 1 < sizeof(wanted) / sizeof(wanted[0]))
            watcher_poke(watcher);
    }
    watcher_free(watcher);
    redis_peer_stop(peer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watcher");
    TCase *tcase = tcase_create("watcher");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_bad_url_is_refused);
    tcase_add_test(tcase, it_looks_at_once_and_when_it_is_poked);
    tcase_add_test(tcase, it_looks_again_after_the_interval);
    tcase_add_test(tcase, a_load_is_followed_to_its_end);
    tcase_add_test(tcase, a_server_that_hangs_is_unreachable_until_it_goes_on);
    tcase_add_test(tcase, to_free_it_does_not_wait_for_a_server_that_hangs);
    tcase_add_test(tcase, a_server_that_died_is_gone_until_it_is_back);
    tcase_add_test(tcase, where_nobody_ever_was_nobody_listens);
    tcase_add_test(tcase, a_password_that_appears_is_told_and_one_that_is_right_is_used);
    tcase_add_test(tcase, a_script_that_blocks_the_server_changes_nothing);
    tcase_add_test(tcase, a_thousand_broken_connections_leave_nothing);
    tcase_add_test(tcase, what_a_server_says_is_followed_from_look_to_look);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
