/*
 * CONFIG GET and CONFIG SET against a scripted peer.
 */
#include "redis/redis_conn.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/redis_peer.h"

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

static void check_says(const struct err *err, const char *text)
{
    ck_assert_msg(strstr(err->msg, text) != NULL, "\"%s\" is not in: %s", text, err->msg);
}

START_TEST(config_get_tells_values_from_refusals)
{
    static const struct {
        const char *reply;
        enum redis_config_answer want;
        const char *value;
    } rows[] = {
        {"*2\r\n$3\r\ndir\r\n$5\r\n/data\r\n", REDIS_CONFIG_VALUE, "/data"},
        {"*2\r\n$3\r\nDIR\r\n$0\r\n\r\n", REDIS_CONFIG_VALUE, ""},
        {"*4\r\n$1\r\nx\r\n$1\r\ny\r\n$3\r\ndir\r\n$1\r\n/\r\n", REDIS_CONFIG_VALUE, "/"},
        {"*0\r\n", REDIS_CONFIG_UNKNOWN, NULL},
        {"*2\r\n$1\r\nx\r\n$5\r\n/data\r\n", REDIS_CONFIG_UNKNOWN, NULL},
        {"-NOPERM this user has no permissions to run the 'config|get' command\r\n",
         REDIS_CONFIG_FORBIDDEN, NULL},
        {"-ERR unknown command 'config', with args beginning with: 'get' 'dir' \r\n",
         REDIS_CONFIG_FORBIDDEN, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "CONFIG GET dir", .reply = rows[i].reply}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        enum redis_config_answer answer = REDIS_CONFIG_UNKNOWN;
        auto_free char *value = NULL;
        struct err err = {0};

        ck_assert_msg(redis_config_get(redis, "dir", &answer, &value, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(answer, rows[i].want);
        if (rows[i].value == NULL)
            ck_assert_ptr_null(value);
        else
            ck_assert_str_eq(value, rows[i].value);
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(config_get_fails_on_other_errors)
{
    static const char *const replies[] = {"-NOAUTH x\r\n", "-BUSY x\r\n", "+OK\r\n",
                                          "*1\r\n$3\r\ndir\r\n"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "CONFIG GET dir", .reply = replies[i]}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        enum redis_config_answer answer;
        char *value = NULL;
        struct err err = {0};

        ck_assert_int_eq(redis_config_get(redis, "dir", &answer, &value, &err), -1);
        ck_assert_int_eq(err.kind, ERR_SERVER);
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

static void note_setting(void *context, const char *name, const char *value)
{
    struct buf *seen = context;
    struct err err;

    ck_assert_int_eq(buf_printf(seen, &err, "%s=%s;", name, value), 0);
}

START_TEST(all_settings_come_without_their_passwords)
{
    static const struct {
        const char *reply;
        enum redis_config_answer answer;
        const char *seen;
    } rows[] = {
        {"*4\r\n$3\r\ndir\r\n$5\r\n/data\r\n$4\r\nsave\r\n$0\r\n\r\n", REDIS_CONFIG_VALUE,
         "dir=/data;save=;"},
        {"*4\r\n$11\r\nrequirepass\r\n$6\r\nsecret\r\n$10\r\nmasterauth\r\n$0\r\n\r\n",
         REDIS_CONFIG_VALUE, "requirepass=***;masterauth=;"},
        {"*2\r\n$17\r\ntls-key-file-pass\r\n$1\r\nx\r\n", REDIS_CONFIG_VALUE,
         "tls-key-file-pass=***;"},
        {"*4\r\n:1\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\nb\r\n", REDIS_CONFIG_VALUE, "a=b;"},
        {"*0\r\n", REDIS_CONFIG_VALUE, ""},
        {"-NOPERM User me has no permissions to run the 'config|get' command\r\n",
         REDIS_CONFIG_FORBIDDEN, ""},
        {"-ERR unknown command 'CONFIG'\r\n", REDIS_CONFIG_FORBIDDEN, ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "CONFIG GET *", .reply = rows[i].reply}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        enum redis_config_answer answer = REDIS_CONFIG_UNKNOWN;
        auto_buf struct buf seen;
        struct err err = {0};

        buf_init(&seen, 4096);
        ck_assert_msg(redis_config_all(redis, note_setting, &seen, &answer, &err) == 0, "%s",
                      err.msg);
        ck_assert_int_eq(answer, rows[i].answer);
        ck_assert_str_eq(buf_text(&seen), rows[i].seen);
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(all_settings_fail_on_other_errors)
{
    static const char *const replies[] = {"-LOADING x\r\n", "*1\r\n$1\r\na\r\n", ":1\r\n"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "CONFIG GET *", .reply = replies[i]}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        enum redis_config_answer answer = REDIS_CONFIG_UNKNOWN;
        struct err err = {0};

        ck_assert_int_eq(redis_config_all(redis, note_setting, NULL, &answer, &err), -1);
        ck_assert_int_eq(err.kind, ERR_SERVER);
        check_says(&err, "CONFIG GET");
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

START_TEST(a_setting_is_changed_or_the_refusal_is_explained)
{
    static const struct {
        const char *reply;
        const char *says; /* NULL: it worked */
    } rows[] = {
        {"+OK\r\n", NULL},
        {"-ERR Unknown option or number of arguments for CONFIG SET - 'x'\r\n", "Unknown option"},
        {"-NOPERM User me has no permissions to run the 'config|set' command\r\n", "+config|set"},
        {":1\r\n", "neither OK nor an error"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "CONFIG SET x a b", .reply = rows[i].reply}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        struct err err = {0};

        ck_assert_int_eq(redis_config_set(redis, "x", "a b", &err), rows[i].says == NULL ? 0 : -1);
        if (rows[i].says != NULL)
            check_says(&err, rows[i].says);
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

/* As Redis 6.2 and 7.0 word it. */
#define OLD(on, keys, commands)                                            \
    "*10\r\n$5\r\nflags\r\n*2\r\n+" on                                     \
    "\r\n+nopass\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n+" commands \
    "\r\n$4\r\nkeys\r\n*1\r\n+" keys "\r\n$8\r\nchannels\r\n*1\r\n+*\r\n"
#define NEW(on, keys, commands)                                            \
    "*12\r\n$5\r\nflags\r\n*2\r\n+" on                                     \
    "\r\n+nopass\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n+" commands \
    "\r\n$4\r\nkeys\r\n+" keys "\r\n$8\r\nchannels\r\n+&*\r\n$9\r\nselectors\r\n*0\r\n"

START_TEST(what_the_user_default_may_is_read_or_unknown)
{
    static const struct {
        const char *reply;
        enum redis_default_user want;
    } rows[] = {
        {OLD("on", "*", "+@all"), REDIS_DEFAULT_USER_WHOLE},
        {OLD("off", "*", "+@all"), REDIS_DEFAULT_USER_LIMITED},
        {OLD("on", "a*", "+@all"), REDIS_DEFAULT_USER_LIMITED},
        {NEW("on", "~*", "+@all"), REDIS_DEFAULT_USER_WHOLE},
        {NEW("off", "~*", "+@all"), REDIS_DEFAULT_USER_LIMITED},
        {NEW("on", "~a*", "+@all"), REDIS_DEFAULT_USER_LIMITED},
        {NEW("on", "", "+@all"), REDIS_DEFAULT_USER_LIMITED},
        {NEW("on", "~*", "-@all"), REDIS_DEFAULT_USER_LIMITED},
        {NEW("on", "~*", "+@all -@admin"), REDIS_DEFAULT_USER_LIMITED},
        {"-NOPERM this user has no permissions to run the 'acl|getuser' command\r\n",
         REDIS_DEFAULT_USER_UNKNOWN},
        {"-ERR unknown command `ACL`\r\n", REDIS_DEFAULT_USER_UNKNOWN},
        {"+OK\r\n", REDIS_DEFAULT_USER_UNKNOWN},
        {"*-1\r\n", REDIS_DEFAULT_USER_UNKNOWN},
        {"*0\r\n", REDIS_DEFAULT_USER_UNKNOWN},
        {"*1\r\n$5\r\nflags\r\n", REDIS_DEFAULT_USER_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, {.expect = "ACL GETUSER default", .reply = rows[i].reply}, END};
        struct redis_peer *peer = redis_peer_start(steps, NULL);
        struct redis *redis = connect_to(redis_peer_url(peer));
        enum redis_default_user user = REDIS_DEFAULT_USER_UNKNOWN;
        struct err err = {0};

        ck_assert_msg(redis_ask_default_user(redis, &user, &err) == 0, "%s", err.msg);
        ck_assert_msg(user == rows[i].want, "%zu: %s", i, rows[i].reply);
        redis_free(redis);
        redis_peer_stop(peer);
    }
}
END_TEST

static TCase *scripted_case(void)
{
    TCase *tcase = tcase_create("scripted");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, config_get_tells_values_from_refusals);
    tcase_add_test(tcase, config_get_fails_on_other_errors);
    tcase_add_test(tcase, all_settings_come_without_their_passwords);
    tcase_add_test(tcase, all_settings_fail_on_other_errors);
    tcase_add_test(tcase, what_the_user_default_may_is_read_or_unknown);
    tcase_add_test(tcase, a_setting_is_changed_or_the_refusal_is_explained);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("redis_conn_config");

    suite_add_tcase(suite, scripted_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
