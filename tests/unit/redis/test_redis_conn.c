/*
 * The connection against a scripted peer: what servers say, and what they cannot mean.
 * (test_redis_conn_real.c has the real server.)
 */
#include "redis/redis_conn.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/redis_peer.h"
#include "support/tmpdir.h"

#define HELLO                                                  \
    {                                                          \
        .expect = "CLIENT SETNAME redkeep", .reply = "+OK\r\n" \
    }
#define END            \
    {                  \
        .expect = NULL \
    }

static struct redis *connect_to(const char *url)
{
    const struct redis_options options = {.url = url};
    struct redis *redis = NULL;
    struct err err = {0};

    ck_assert_msg(redis_connect(&options, &redis, &err) == 0, "%s", err.msg);
    return redis;
}

/* Fails to connect; *err says why. */
static void refuse(const char *url, const struct secret *password, struct err *err)
{
    const struct redis_options options = {.url = url, .password = password, .timeout_ms = 2000};
    struct redis *redis = NULL;

    *err = (struct err){0};
    ck_assert_int_eq(redis_connect(&options, &redis, err), -1);
    ck_assert_int_eq(err->kind, ERR_SERVER);
    ck_assert_ptr_null(redis);
}

static void check_says(const struct err *err, const char *text)
{
    ck_assert_msg(strstr(err->msg, text) != NULL, "\"%s\" is not in: %s", text, err->msg);
}

START_TEST(errors_of_the_server_come_with_a_hint)
{
    static const struct {
        const char *reply;
        const char *hint;
    } rows[] = {
        {"-NOAUTH Authentication required.\r\n", "HINT: the server wants a password"},
        {"-NOPERM this user has no permissions to run the 'info' command\r\n", "+bgrewriteaof"},
        {"-NOPERM User sidecar has no permissions to run the 'info' command\r\n", "+config|get"},
        {"-LOADING Valkey is loading the dataset in memory\r\n", "HINT: the server is still"},
        {"-MISCONF Errors writing to the AOF file: No space left on device\r\n", "free space"},
        {"-BUSY Redis is busy running a script.\r\n", "SCRIPT KILL"},
        {"-MASTERDOWN Link with MASTER is down\r\n", "replica"},
        {"-ERR unknown command 'info'\r\n", "renamed"},
        {"-ERR something new\r\n", "something new"},
        {"-BUSYX y\r\n", "the server said \"BUSYX y\""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "INFO", .reply = rows[i].reply}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        auto_buf struct buf text;
        struct err err = {0};

        buf_init(&text, REDIS_INFO_MAX);
        ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
        ck_assert_int_eq(err.kind, ERR_SERVER);
        check_says(&err, rows[i].hint);
        check_says(&err, redis_peer_url(peer));
        check_says(&err, "INFO");
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(a_refused_name_does_not_matter)
{
    static const char *const replies[] = {"-NOPERM no\r\n", "-ERR unknown command\r\n",
                                          "-LOADING x\r\n", ":1\r\n"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct redis_peer_step steps[] = {{.expect = "CLIENT SETNAME", .reply = replies[i]},
                                                END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);

        redis_free(connect_to(redis_peer_url(peer)));
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(a_server_that_will_not_talk_is_known_at_once)
{
    static const struct {
        const char *reply;
        const char *hint;
    } rows[] = {
        {"-NOAUTH Authentication required.\r\n", "redis-password"},
        {"-DENIED Redis is running in protected mode because ...\r\n", "protected mode"},
        {"-ERR max number of clients reached\r\n", "maxclients"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            {.expect = "CLIENT SETNAME", .reply = rows[i].reply}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct err err;

        refuse(redis_peer_url(peer), NULL, &err);
        check_says(&err, rows[i].hint);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(user_and_password_come_from_the_url_or_the_settings)
{
    auto_secret struct secret other = {0};
    static const struct {
        const char *userinfo;
        bool override;
        const char *want;
    } rows[] = {
        {":pw@", false, "AUTH pw"},   {"me:pw@", false, "AUTH me pw"},   {"me@", false, "AUTH me "},
        {":pw@", true, "AUTH other"}, {"me:pw@", true, "AUTH me other"}, {"", true, "AUTH other"},
    };

    secret_set(&other, "other", 5);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            {.expect = rows[i].want, .reply = "+OK\r\n"}, HELLO, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        auto_free char *url =
            xasprintf("unix://%s%s", rows[i].userinfo, redis_peer_url(peer) + strlen("unix://"));
        const struct redis_options options = {.url = url,
                                              .password = rows[i].override ? &other : NULL};
        struct redis *redis = NULL;
        struct err err = {0};

        ck_assert_msg(redis_connect(&options, &redis, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(redis_label(redis), redis_peer_url(peer));
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(the_password_never_comes_back_in_an_error)
{
    static const char *const replies[] = {
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        "-ERR unknown command 'AUTH', with args beginning with: 'hunter2' \r\n",
        "-ERR unknown command `AUTH`, with args beginning with: `hunter2`, \r\n",
        "-ERR AUTH <password> called without any password configured for the default user.\r\n",
    };
    auto_secret struct secret password = {0};

    secret_set(&password, "hunter2", 7);
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct redis_peer_step steps[] = {{.expect = "AUTH hunter2", .reply = replies[i]},
                                                END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct err err;

        refuse(redis_peer_url(peer), &password, &err);
        check_says(&err, "AUTH");
        check_says(&err, "HINT");
        ck_assert_msg(strstr(err.msg, "hunter2") == NULL, "%s", err.msg);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(answers_that_are_no_answers_are_errors)
{
    static const char *const replies[] = {
        ":1\r\n", "*0\r\n", "$-1\r\n", "hello\r\n", "$5\r\nab", "$999999999999\r\n", "",
    };

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO,
            {.expect = "INFO", .reply = replies[i]},
            END,
        };
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        const struct redis_options options = {.url = redis_peer_url(peer), .timeout_ms = 100};
        struct redis *redis = NULL;
        auto_buf struct buf text;
        struct err err = {0};

        buf_init(&text, REDIS_INFO_MAX);
        ck_assert_int_eq(redis_connect(&options, &redis, &err), 0);
        ck_assert_msg(redis_info(redis, NULL, &text, &err) == -1, "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_SERVER);
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(an_answer_without_end_is_cut_off)
{
    auto_free char *endless = xmalloc(REDIS_INFO_MAX + 100000);
    static const char head[] = "$99999999\r\n";

    memset(endless, 'x', REDIS_INFO_MAX + 100000);
    memcpy(endless, head, sizeof(head) - 1);
    endless[REDIS_INFO_MAX + 100000 - 1] = '\0';
    const struct redis_peer_step steps[] = {HELLO, {.expect = "INFO", .reply = endless}, END};
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    struct redis *redis = connect_to(redis_peer_url(peer));
    auto_buf struct buf text;
    struct err err = {0};

    buf_init(&text, REDIS_INFO_MAX);
    ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
    check_says(&err, "longer than");
    redis_free(redis);
    redis_peer_stop(peer);
}
END_TEST

/* Each is taken out of the buffer as it comes. */
START_TEST(so_is_one_of_elements_without_end)
{
    static const char one[] = "$200\r\n%0200d\r\n";
    const size_t count = REDIS_INFO_MAX / 200 + 1000;
    struct buf endless;
    struct err err = {0};

    buf_init(&endless, SIZE_MAX / 2);
    ck_assert_int_eq(buf_printf(&endless, &err, "*60000\r\n"), 0);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(buf_printf(&endless, &err, one, 1), 0);
    const struct redis_peer_step steps[] = {
        HELLO, {.expect = "INFO", .reply = buf_text(&endless)}, END};
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    struct redis *redis = connect_to(redis_peer_url(peer));
    auto_buf struct buf text;

    buf_init(&text, SIZE_MAX / 2);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
        check_says(&err, again == 0 ? "longer than" : "too long");
    }
    redis_free(redis);
    redis_peer_stop(peer);
    buf_release(&endless);
}
END_TEST

/* Else there would be gigabytes of room for what never comes, and all of that looked at again. */
START_TEST(elements_without_end_are_not_waited_for)
{
    static const char *const replies[] = {"*65537\r\n", "*2147483647\r\n",
                                          "*1\r\n*2\r\n*2147483647\r\n"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "INFO", .reply = replies[i]}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        auto_buf struct buf text;
        struct err err = {0};

        buf_init(&text, REDIS_INFO_MAX);
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
            check_says(&err, "more elements than there is room for");
            ck_assert_int_eq(err.code, EIO);
        }
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(a_connection_that_broke_stays_broken)
{
    const struct redis_peer_step steps[] = {HELLO, {.expect = "INFO", .hang_up = 1}, END};
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    struct redis *redis = connect_to(redis_peer_url(peer));
    auto_buf struct buf text;
    struct err err = {0};

    buf_init(&text, REDIS_INFO_MAX);
    for (int i = 0; i < 3; i++) { /* without a SIGPIPE */
        err.kind = ERR_NONE;
        ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
        ck_assert_int_eq(err.kind, ERR_SERVER);
    }
    redis_free(redis);
    redis_peer_stop(peer);
}
END_TEST

START_TEST(replies_to_bgsave_are_sorted_by_their_first_word)
{
    static const struct {
        const char *reply;
        int result;
        enum redis_bgsave_answer want;
    } rows[] = {
        {"+Background saving started\r\n", 0, REDIS_BGSAVE_ACCEPTED},
        {"+Background saving scheduled\r\n", 0, REDIS_BGSAVE_ACCEPTED},
        {"-ERR Background save already in progress\r\n", 0, REDIS_BGSAVE_BUSY},
        {"-ERR Another child process is active (AOF?): can't BGSAVE right now.\r\n", 0,
         REDIS_BGSAVE_BUSY},
        {"-ERR\r\n", 0, REDIS_BGSAVE_FORK_FAILED},
        {"-ERR \r\n", 0, REDIS_BGSAVE_FORK_FAILED},
        {"-ERR unknown command 'BGSAVE', with args beginning with: \r\n", -1, 0},
        {"-NOPERM User x has no permissions to run the 'bgsave' command\r\n", -1, 0},
        {"-NOAUTH Authentication required.\r\n", -1, 0},
        {"-LOADING Redis is loading the dataset in memory\r\n", -1, 0},
        {"-MISCONF x\r\n", -1, 0},
        {"-MASTERDOWN x\r\n", -1, 0},
        {"-BUSY x\r\n", -1, 0},
        {":1\r\n", -1, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO,
            {.expect = "BGSAVE", .reply = rows[i].reply},
            {.expect = "INFO", .bulk = "run_id:x\r\n"},
            {.expect = "INFO", .bulk = "next"},
            END,
        };
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        enum redis_bgsave_answer answer = REDIS_BGSAVE_BUSY;
        auto_buf struct buf reply;
        auto_buf struct buf info;
        struct err err = {0};

        buf_init(&reply, REDIS_INFO_MAX);
        buf_init(&info, REDIS_INFO_MAX);
        ck_assert_msg(redis_bgsave(redis, &answer, &reply, &info, &err) == rows[i].result, "%s",
                      rows[i].reply);
        if (rows[i].result == 0) {
            ck_assert_msg(answer == rows[i].want, "%s", rows[i].reply);
            ck_assert_str_eq(buf_text(&info), "run_id:x\r\n");
            ck_assert_msg(strncmp(rows[i].reply + 1, buf_text(&reply), reply.len) == 0, "%s",
                          buf_text(&reply));
        } else {
            ck_assert_int_eq(err.kind, ERR_SERVER);
            check_says(&err, "BGSAVE");
        }
        /* both answers were taken: the next one is not mistaken for them */
        buf_clear(&info);
        ck_assert_int_eq(redis_info(redis, NULL, &info, &err), 0);
        ck_assert_str_eq(buf_text(&info), "next");
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(an_unreachable_server_is_explained)
{
    char *dir = tmpdir_new();
    auto_free char *url = xasprintf("unix://%s/none", dir);
    struct err err;

    refuse(url, NULL, &err);
    check_says(&err, "HINT: there is no such socket");
    refuse("redis://127.0.0.1:1", NULL, &err);
    check_says(&err, "redis://127.0.0.1:1");
    check_says(&err, "HINT: nothing listens there");
    refuse("redis://no.such.host.invalid", NULL, &err);
    tmpdir_remove(dir);
}
END_TEST

START_TEST(a_bad_url_is_a_configuration_error)
{
    const struct redis_options options = {.url = "http://x"};
    struct redis *redis = NULL;
    struct err err = {0};

    ck_assert_int_eq(redis_connect(&options, &redis, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

/* Each byte comes in time, and all of them never would. */
START_TEST(a_reply_that_drips_times_out_and_breaks_the_connection)
{
    static char drops[10000];
    const struct redis_peer_step steps[] = {
        HELLO, {.expect = "INFO", .bulk = drops, .drip_ms = 20}, END};
    struct redis_peer *peer = NULL;
    struct redis *redis = NULL;
    auto_buf struct buf text;
    struct err err = {0};

    memset(drops, 'x', sizeof(drops) - 1);
    peer = redis_peer_start(steps, NULL);
    const struct redis_options options = {.url = redis_peer_url(peer), .timeout_ms = 200};

    buf_init(&text, REDIS_INFO_MAX);
    ck_assert_msg(redis_connect(&options, &redis, &err) == 0, "%s", err.msg);
    for (int i = 0; i < 2; i++) { /* the second never takes the rest of the first for its own */
        ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
        ck_assert_int_eq(err.code, EIO);
        check_says(&err, "no answer within 1 s");
        ck_assert_uint_eq(text.len, 0);
    }
    redis_free(redis);
    redis_peer_stop(peer);
}
END_TEST

START_TEST(a_silent_server_times_out)
{
    const struct redis_peer_step steps[] = {{.expect = "CLIENT", .reply = ""}, END};
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    const struct redis_options options = {.url = redis_peer_url(peer), .timeout_ms = 50};
    struct redis *redis = NULL;
    struct err err = {0};

    ck_assert_int_eq(redis_connect(&options, &redis, &err), -1);
    check_says(&err, "no answer within 1 s");
    redis_peer_stop(peer);
}
END_TEST

static TCase *scripted_case(void)
{
    TCase *tcase = tcase_create("scripted");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, errors_of_the_server_come_with_a_hint);
    tcase_add_test(tcase, a_refused_name_does_not_matter);
    tcase_add_test(tcase, a_server_that_will_not_talk_is_known_at_once);
    tcase_add_test(tcase, user_and_password_come_from_the_url_or_the_settings);
    tcase_add_test(tcase, the_password_never_comes_back_in_an_error);
    tcase_add_test(tcase, answers_that_are_no_answers_are_errors);
    tcase_add_test(tcase, an_answer_without_end_is_cut_off);
    tcase_add_test(tcase, so_is_one_of_elements_without_end);
    tcase_add_test(tcase, elements_without_end_are_not_waited_for);
    tcase_add_test(tcase, a_connection_that_broke_stays_broken);
    tcase_add_test(tcase, replies_to_bgsave_are_sorted_by_their_first_word);
    tcase_add_test(tcase, an_unreachable_server_is_explained);
    tcase_add_test(tcase, a_bad_url_is_a_configuration_error);
    tcase_add_test(tcase, a_reply_that_drips_times_out_and_breaks_the_connection);
    tcase_add_test(tcase, a_silent_server_times_out);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("redis_conn");

    suite_add_tcase(suite, scripted_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
