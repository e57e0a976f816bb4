/*
 * The connection to the machine's own redis-server: what servers do.
 */
#include "redis/redis_conn.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "redis/redis_info.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"

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

static void check_works(const struct redis_options *options)
{
    auto_redis struct redis *redis = NULL;
    auto_buf struct buf text;
    auto_redis_info struct redis_server_info info = {0};
    struct err err = {0};

    buf_init(&text, REDIS_INFO_MAX);
    ck_assert_msg(redis_connect(options, &redis, &err) == 0, "%s", err.msg);
    ck_assert_msg(redis_info(redis, "server", &text, &err) == 0, "%s", err.msg);
    redis_info_parse(buf_text(&text), text.len, &info);
    ck_assert_uint_eq(strlen(info.run_id), 40);
}

START_TEST(a_real_server_answers_on_socket_and_port)
{
    const struct redis_server_options with_tcp = {.with_tcp = 1};
    struct redis_server server;
    enum redis_config_answer answer;
    char *value = NULL;
    struct err err = {0};

    redis_server_start(&server, &with_tcp);
    check_works(&(struct redis_options){.url = server.url});
    check_works(&(struct redis_options){.url = server.tcp_url});

    struct redis *redis = connect_to(server.tcp_url);
    auto_free char *clients = redis_server_ask(&server, "CLIENT LIST");
    ck_assert_ptr_nonnull(strstr(clients, "name=redkeep"));
    ck_assert_int_eq(redis_config_get(redis, "dir", &answer, &value, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_VALUE);
    ck_assert_str_eq(value, server.dir);
    free(value);
    ck_assert_int_eq(redis_config_get(redis, "no-such", &answer, &value, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_UNKNOWN);
    redis_free(redis);
    redis_server_stop(&server);
}
END_TEST

START_TEST(a_wrong_password_is_explained)
{
    static const char *const args[] = {"--requirepass", "right", NULL};
    const struct redis_server_options options = {.password = "right", .args = args};
    auto_secret struct secret wrong = {0};
    auto_secret struct secret right = {0};
    struct redis_server server;
    struct err err;

    secret_set(&wrong, "wrong", 5);
    secret_set(&right, "right", 5);
    redis_server_start(&server, &options);
    refuse(server.url, NULL, &err);
    check_says(&err, "NOAUTH");
    check_says(&err, "redis-password");
    refuse(server.url, &wrong, &err);
    check_says(&err, "WRONGPASS");
    ck_assert_ptr_null(strstr(err.msg, "\"wrong"));
    check_works(&(struct redis_options){.url = server.url, .password = &right});
    redis_server_stop(&server);
}
END_TEST

START_TEST(the_minimal_acl_user_is_enough)
{
    struct redis_server server;
    auto_secret struct secret user = {0};
    auto_secret struct secret password = {0};
    enum redis_config_answer answer;
    enum redis_bgsave_answer saving;
    char *value = NULL;
    auto_buf struct buf reply;
    auto_buf struct buf info;
    struct err err = {0};

    secret_set(&user, "sidecar", 7);
    secret_set(&password, "SECRET", 6);
    redis_server_start(&server, NULL);
    redis_server_do(&server, "ACL SETUSER sidecar reset on >SECRET resetkeys resetchannels -@all "
                             "+ping +info +bgsave +lastsave +config|get +time +role "
                             "+client|setname +bgrewriteaof");
    const struct redis_options options = {
        .url = server.url, .username = &user, .password = &password};
    check_works(&options);

    struct redis *redis = NULL;
    ck_assert_int_eq(redis_connect(&options, &redis, &err), 0);
    ck_assert_int_eq(redis_config_get(redis, "dir", &answer, &value, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_VALUE);
    free(value);
    buf_init(&reply, REDIS_INFO_MAX);
    buf_init(&info, REDIS_INFO_MAX);
    ck_assert_msg(redis_bgsave(redis, &saving, &reply, &info, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(saving, REDIS_BGSAVE_ACCEPTED);
    ck_assert_ptr_nonnull(strstr(buf_text(&info), "rdb_bgsave_in_progress:1\r\n"));

    redis_server_do(&server, "ACL SETUSER sidecar -config|get -bgsave");
    ck_assert_int_eq(redis_config_get(redis, "dir", &answer, &value, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_FORBIDDEN);
    ck_assert_int_eq(redis_bgsave(redis, &saving, &reply, &info, &err), -1);
    check_says(&err, "NOPERM");
    check_says(&err, "+bgsave");
    redis_free(redis);
    redis_server_stop(&server);
}
END_TEST

static void note_value(void *context, const char *name, const char *value)
{
    char **seen = context;
    auto_free char *before = *seen;

    *seen = xasprintf("%s%s=%s\n", before, name, value);
}

START_TEST(settings_are_read_and_changed)
{
    static const char *const args[] = {"--requirepass", "SECRET", NULL};
    const struct redis_server_options with_args = {.password = "SECRET", .args = args};
    struct redis_server server;
    auto_secret struct secret password = {0};
    auto_free char *seen = xstrdup("");
    enum redis_config_answer answer;
    char *value = NULL;
    struct err err = {0};

    secret_set(&password, "SECRET", 6);
    redis_server_start(&server, &with_args);
    const struct redis_options options = {.url = server.url, .password = &password};
    struct redis *redis = NULL;
    ck_assert_int_eq(redis_connect(&options, &redis, &err), 0);
    ck_assert_int_eq(redis_config_set(redis, "save", "900 1 60 10", &err), 0);
    ck_assert_int_eq(redis_config_all(redis, note_value, &seen, &answer, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_VALUE);
    ck_assert_ptr_nonnull(strstr(seen, "save=900 1 60 10\n"));
    ck_assert_ptr_nonnull(strstr(seen, "requirepass=***\n"));
    ck_assert_ptr_null(strstr(seen, "SECRET"));
    ck_assert_ptr_nonnull(strstr(seen, "maxclients="));
    ck_assert_int_eq(redis_config_set(redis, "no-such-setting", "1", &err), -1);
    check_says(&err, "CONFIG SET");
    ck_assert_int_eq(redis_config_get(redis, "save", &answer, &value, &err), 0);
    ck_assert_str_eq(value, "900 1 60 10");
    free(value);
    redis_free(redis);
    redis_server_stop(&server);
}
END_TEST

START_TEST(renamed_commands_are_used_by_their_new_names)
{
    static const char *const args[] = {"--rename-command", "CONFIG", "GETIT", "--rename-command",
                                       "BGSAVE",           "SAVEIT", NULL};
    const struct redis_server_options with_args = {.args = args};
    struct redis_server server;
    enum redis_config_answer answer;
    enum redis_bgsave_answer saving;
    char *value = NULL;
    auto_buf struct buf reply;
    auto_buf struct buf info;
    struct err err = {0};

    buf_init(&reply, REDIS_INFO_MAX);
    buf_init(&info, REDIS_INFO_MAX);
    redis_server_start(&server, &with_args);
    struct redis *redis = connect_to(server.url);
    ck_assert_int_eq(redis_config_get(redis, "dir", &answer, &value, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_FORBIDDEN);
    ck_assert_int_eq(redis_bgsave(redis, &saving, &reply, &info, &err), -1);
    check_says(&err, "renamed");
    redis_free(redis);

    const struct redis_options options = {
        .url = server.url, .bgsave_command = "SAVEIT", .config_command = "GETIT"};
    ck_assert_int_eq(redis_connect(&options, &redis, &err), 0);
    ck_assert_int_eq(redis_config_get(redis, "dir", &answer, &value, &err), 0);
    ck_assert_int_eq(answer, REDIS_CONFIG_VALUE);
    free(value);
    ck_assert_int_eq(redis_bgsave(redis, &saving, &reply, &info, &err), 0);
    ck_assert_int_eq(saving, REDIS_BGSAVE_ACCEPTED);
    redis_free(redis);
    redis_server_stop(&server);
}
END_TEST

START_TEST(too_many_clients_are_explained)
{
    static const char *const args[] = {"--maxclients", "1", NULL};
    const struct redis_server_options with_args = {.args = args};
    struct redis_server server;
    struct err err = {0};

    redis_server_start(&server, &with_args);
    struct redis *first = connect_to(server.url);
    refuse(server.url, NULL, &err);
    check_says(&err, "maxclients");
    redis_free(first);
    redis_server_stop(&server);
}
END_TEST

START_TEST(no_descriptor_is_left_behind)
{
    struct redis_server server;
    struct err err;

    redis_server_start(&server, NULL);
    redis_free(connect_to(server.url)); /* what libc opens once is open now */
    unsigned before = fd_count();
    redis_free(connect_to(server.url));
    refuse("unix:///no/such/socket", NULL, &err);
    refuse("redis://127.0.0.1:1", NULL, &err);
    ck_assert_uint_eq(fd_count(), before);
    redis_free(NULL);
    redis_server_stop(&server);
}
END_TEST

static TCase *real_case(void)
{
    TCase *tcase = tcase_create("real");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_real_server_answers_on_socket_and_port);
    tcase_add_test(tcase, a_wrong_password_is_explained);
    tcase_add_test(tcase, the_minimal_acl_user_is_enough);
    tcase_add_test(tcase, settings_are_read_and_changed);
    tcase_add_test(tcase, renamed_commands_are_used_by_their_new_names);
    tcase_add_test(tcase, too_many_clients_are_explained);
    tcase_add_test(tcase, no_descriptor_is_left_behind);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("redis_conn_real");

    suite_add_tcase(suite, real_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
