/*
 * One value: what each type takes and refuses, and how it is shown.
 */
#include "daemon/settings_value.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What the field of a setting holds, as JSON text. */
static char *shown(const char *name, const struct settings *settings)
{
    auto_json struct json *object = json_object();

    setting_value_to_json(setting_find(name), settings, object, "v");
    return json_print(object, false);
}

static const struct {
    const char *name;
    const char *text;
    const char *json;
} good[] = {
    {"data-dir", "/data", "{\"v\":\"/data\"}"},
    {"data-dir", "a dir", "{\"v\":\"a dir\"}"},
    {"redis-password", "p\nq \xff", "{\"v\":\"***\"}"},
    {"redis-url", "redis://h", "{\"v\":\"redis://h\"}"},
    {"redis-url", "redis://u:p@h", "{\"v\":\"redis://u:***@h\"}"},
    {"redis-url", "unix:///run/redis.sock", "{\"v\":\"unix:///run/redis.sock\"}"},
    {"repository", "file:///backup", "{\"v\":\"file:///backup\"}"},
    {"http-listen", "0.0.0.0:9742", "{\"v\":\"0.0.0.0:9742\"}"},
    {"http-listen", "[::1]:0", "{\"v\":\"[::1]:0\"}"},
    {"http-listen", "Off", "{\"v\":null}"},
    {"primary", "redis-0.redis:6379", "{\"v\":\"redis-0.redis:6379\"}"},
    {"primary", "off", "{\"v\":null}"},
    {"notify-url", "https://h/s3cret", "{\"v\":\"https://h/***\"}"},
    {"heartbeat-url", "http://h:80/ping/s3cret", "{\"v\":\"http://h:80/***\"}"},
    {"dbfilename", "dump.rdb", "{\"v\":\"dump.rdb\"}"},
    {"dbfilename", "..rdb", "{\"v\":\"..rdb\"}"},
    {"instance", "redis-0", "{\"v\":\"redis-0\"}"},
    {"aclfile", "users.acl", "{\"v\":\"users.acl\"}"},
    {"aclfile", "conf/users.acl", "{\"v\":\"conf/users.acl\"}"},
    {"bgsave-command", "x8f2", "{\"v\":\"x8f2\"}"},
    {"server-version", "auto", "{\"v\":null}"},
    {"server-version", "7", "{\"v\":\"7\"}"},
    {"server-version", "7.0.15", "{\"v\":\"7.0.15\"}"},
    {"server-version", "valkey 8.1", "{\"v\":\"valkey 8.1\"}"},
    {"server-version", "Redis 8.0.2", "{\"v\":\"Redis 8.0.2\"}"},
    {"restore-owner", "auto", "{\"v\":null}"},
    {"restore-owner", "999", "{\"v\":\"999:999\"}"},
    {"restore-owner", "999:1000", "{\"v\":\"999:1000\"}"},
    {"restore-owner", "0:0", "{\"v\":\"0:0\"}"},
    {"compression-level", "0", "{\"v\":0}"},
    {"compression-level", "19", "{\"v\":19}"},
    {"compress-workers", "1", "{\"v\":1}"},
    {"upload-parallel", "auto", "{\"v\":null}"},
    {"upload-parallel", "AUTO", "{\"v\":null}"},
    {"upload-parallel", "0", "{\"v\":null}"},
    {"upload-parallel", "12", "{\"v\":12}"},
    {"part-size", "auto", "{\"v\":null}"},
    {"part-size", "5MiB", "{\"v\":5242880}"},
    {"part-size", "1GiB", "{\"v\":1073741824}"},
    {"bandwidth-limit", "off", "{\"v\":null}"},
    {"bandwidth-limit", "10mb", "{\"v\":10485760}"},
    {"save-timeout", "off", "{\"v\":null}"},
    {"save-timeout", "0", "{\"v\":null}"},
    {"save-timeout", "1h30m", "{\"v\":5400}"},
    {"save-timeout", "250ms", "{\"v\":0.25}"},
    {"appendonly", "yes", "{\"v\":\"yes\"}"},
    {"appendonly", "No", "{\"v\":\"no\"}"},
    {"s3-object-lock-days", "off", "{\"v\":null}"},
    {"s3-object-lock-days", "0", "{\"v\":null}"},
    {"s3-object-lock-days", "1", "{\"v\":1}"},
    {"s3-object-lock-days", "36500", "{\"v\":36500}"},
    {"s3-object-lock-mode", "governance", "{\"v\":\"governance\"}"},
    {"s3-object-lock-mode", "Compliance", "{\"v\":\"compliance\"}"},
    {"log-level", "debug", "{\"v\":\"debug\"}"},
    {"log-format", "json", "{\"v\":\"json\"}"},
    {"backup-include", "rdb", "{\"v\":[\"rdb\"]}"},
    {"backup-include", "aof,rdb", "{\"v\":[\"rdb\",\"aof\"]}"},
    {"backup-include", " rdb , aof,acl,cluster ", "{\"v\":[\"rdb\",\"aof\",\"acl\",\"cluster\"]}"},
};

START_TEST(good_text_becomes_the_value)
{
    const struct setting_row *row = setting_find(good[_i].name);
    auto_settings struct settings settings = {0};
    auto_free char *json = NULL;
    struct err err = {0};

    ck_assert_msg(setting_value_parse(row, good[_i].text, &settings, &err) == 0, "%s", err.msg);
    json = shown(good[_i].name, &settings);
    ck_assert_str_eq(json, good[_i].json);
}
END_TEST

static const struct {
    const char *name;
    const char *text;
    const char *message; /* a part of it */
} bad[] = {
    {"data-dir", "", "may not be empty"},
    {"data-dir", "/a\nb", "control character"},
    {"redis-password", "", "may not be empty"},
    {"redis-url", "", "may not be empty"},
    {"redis-url", "localhost:6379", "not a URL, such as redis://HOST:6379"},
    {"redis-url", "://h", "not a URL"},
    {"redis-url", "redis:/h", "not a URL"},
    {"redis-url", "redis://h h", "not a URL"},
    {"redis-url", "redis:s3cret@h", "not a URL"},
    {"s3-object-lock-days", "36501", "36500"},
    {"s3-object-lock-days", "30d", ""},
    {"s3-object-lock-days", "-1", ""},
    {"s3-object-lock-mode", "legal", "governance, compliance"},
    {"s3-object-lock-mode", "off", "governance, compliance"},
    {"repository", "/backup", "not a URL, such as file:///PATH"},
    {"repository", "s3://b/\x01", "control character"},
    {"repository", "ftp://s3cret@h/x", "it begins with none of s3://, file:///"},
    {"repository", "S3://bucket", "begins with none of"},
    {"repository", "file://relative", "begins with none of"},
    {"http-listen", "", "not an address to listen at"},
    {"http-listen", "9742", "the port is missing"},
    {"primary", "redis-0", "the port is missing"},
    {"http-listen", "http://0.0.0.0:9742", "it is a URL"},
    {"notify-url", "hooks.slack.com/s3cret", "not a URL, such as https://"},
    {"notify-url", "ftp://h/s3cret", "it begins with none of https://, http://"},
    {"notify-url", "https:///s3cret", "it names no host"},
    {"heartbeat-url", "https://:80/s3cret", "it names no host"},
    {"heartbeat-url", "https://h/s3cret x", "not a URL"},
    {"dbfilename", "", "may not be empty"},
    {"dbfilename", "a/b", "one plain name"},
    {"dbfilename", "..", "one plain name"},
    {"instance", ".", "one plain name"},
    {"instance", "a\tb", "control character"},
    {"aclfile", "/etc/users.acl", "below data-dir"},
    {"aclfile", "../users.acl", "below data-dir"},
    {"aclfile", "a/../b", "below data-dir"},
    {"aclfile", "a//b", "below data-dir"},
    {"aclfile", "a/", "below data-dir"},
    {"aclfile", "./a", "below data-dir"},
    {"config-command", "CONFIG GET", "not one word"},
    {"config-command", "", "may not be empty"},
    {"server-version", "", "not a version"},
    {"server-version", "latest", "not a version"},
    {"server-version", "7.", "not a version"},
    {"server-version", ".7", "not a version"},
    {"server-version", "7.0.1.2", "not a version"},
    {"server-version", "7.0-rc1", "not a version"},
    {"server-version", "keydb 6.3", "not a version"},
    {"server-version", "valkey", "not a version"},
    {"server-version", "999999.0", "not a version"},
    {"restore-owner", "redis:redis", "not UID or UID:GID"},
    {"restore-owner", "", "not UID or UID:GID"},
    {"restore-owner", ":", "not UID or UID:GID"},
    {"restore-owner", "1:", "not UID or UID:GID"},
    {"restore-owner", ":1", "not UID or UID:GID"},
    {"restore-owner", "1:2:3", "not UID or UID:GID"},
    {"restore-owner", "-1", "not UID or UID:GID"},
    {"restore-owner", "4294967295", "not UID or UID:GID"}, /* chown's "leave as it is" */
    {"restore-owner", "1:4294967295", "not UID or UID:GID"},
    {"compression-level", "20", "not between 0 and 19"},
    {"compression-level", "-1", ""},
    {"compression-level", "1x", ""},
    {"compression-level", "", ""},
    {"compress-workers", "0", "not between 1 and 256"},
    {"compress-workers", "257", "not between 1 and 256"},
    {"compress-workers", "4294967297", "not between 1 and 256"},
    {"upload-parallel", "65", "not between 1 and 64"},
    {"part-size", "4MiB", "not between 5MiB and 1GiB"},
    {"part-size", "2GiB", "not between 5MiB and 1GiB"},
    {"part-size", "big", ""},
    {"bandwidth-limit", "1", "not between 1KiB"},
    {"save-timeout", "10", ""},
    {"save-timeout", "-1s", ""},
    {"appendonly", "maybe", "\"maybe\" is not one of auto, yes, no"},
    {"appendonly", "", "\"\" is not one of"},
    {"log-level", "warning", "not one of debug, info, warn, error"},
    {"log-level", "inf", "not one of"},
    {"backup-include", "", "not one of rdb, aof, acl, cluster"},
    {"backup-include", "rdb,", "not one of"},
    {"backup-include", ",rdb", "not one of"},
    {"backup-include", "rdb aof", "apart by commas"},
    {"backup-include", "rdb,foo", "\"foo\" is not one of"},
};

START_TEST(bad_text_is_refused_with_the_reason)
{
    const struct setting_row *row = setting_find(bad[_i].name);
    auto_settings struct settings settings = {0};
    struct settings untouched = {0};
    struct err err = {0};

    ck_assert_int_eq(setting_value_parse(row, bad[_i].text, &settings, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, bad[_i].message) != NULL, "%s", err.msg);
    ck_assert_ptr_null(strstr(err.msg, "s3cret"));
    ck_assert_mem_eq(&settings, &untouched, sizeof settings);
}
END_TEST

START_TEST(a_second_value_replaces_the_first)
{
    auto_settings struct settings settings = {0};
    struct err err = {0};

    ck_assert_int_eq(setting_value_parse(setting_find("data-dir"), "/a", &settings, &err), 0);
    ck_assert_int_eq(setting_value_parse(setting_find("data-dir"), "/b", &settings, &err), 0);
    ck_assert_str_eq(settings.data_dir, "/b");
    ck_assert_int_eq(setting_value_parse(setting_find("part-size"), "8MiB", &settings, &err), 0);
    ck_assert_int_eq(setting_value_parse(setting_find("part-size"), "auto", &settings, &err), 0);
    ck_assert_uint_eq(settings.part_bytes, 0);
    ck_assert_int_eq(setting_value_parse(setting_find("server-version"), "7.2", &settings, &err),
                     0);
    ck_assert_int_eq(setting_value_parse(setting_find("server-version"), "auto", &settings, &err),
                     0);
    ck_assert_ptr_null(settings.server_version);
}
END_TEST

static const struct {
    const char *url;
    const char *masked;
    bool has_password;
} urls[] = {
    {"redis://h:6379/0", "redis://h:6379/0", false},
    {"redis://user@h", "redis://***@h", false},
    {"redis://user:pw@h:1/2", "redis://user:***@h:1/2", true},
    {"redis://:pw@h", "redis://:***@h", true},
    {"redis://:p@w@h", "redis://:***@h", true},
    {"redis://:p/w@h/1", "redis://:***@h/1", true},
    {"rediss://:p?w@h/1", "rediss://:***@h/1", true},
    {"redis://:p:w@h", "redis://:***@h", true},
    {"redis://h/0?password=pw", "redis://h/0?***", false},
    {"redis://:pw@h/0?x=pw", "redis://:***@h/0?***", true},
    {"unix:///run/redis.sock", "unix:///run/redis.sock", false},
    {"s3://bucket/a@b", "s3://bucket/a@b", false},
    {"s3://key:pw@bucket/a@b", "s3://key:***@bucket/a@b", true},
    {"s3://pw@bucket/a", "s3://***@bucket/a", false},
    {"file:///a:b@c", "file:///a:b@c", false},
    {"://", "://", false},
    {"pw", "***", false},
    {"", "***", false},
};

START_TEST(a_url_is_shown_without_its_secrets)
{
    auto_free char *masked = settings_masked_url(urls[_i].url);

    ck_assert_str_eq(masked, urls[_i].masked);
    ck_assert_int_eq(settings_url_has_password(urls[_i].url), urls[_i].has_password);
}
END_TEST

START_TEST(of_a_hook_the_host_is_shown)
{
    static const struct {
        const char *url;
        const char *masked;
    } hooks[] = {
        {"https://hooks.slack.com/services/T/B/x", "https://hooks.slack.com/***"},
        {"http://h:8080/a@b", "http://h:8080/***"},
        {"https://h?token=x", "https://h/***"},
        {"https://h#x", "https://h/***"},
        {"https://h", "https://h"},
        {"https://user:pw@h/x", "https://***@h/***"},
        {"https://token@h", "https://***@h"},
        {"https://[::1]:1/x", "https://[::1]:1/***"},
        {"token", "***"},
        {"", "***"},
    };

    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        auto_free char *masked = settings_masked_hook(hooks[i].url);

        ck_assert_str_eq(masked, hooks[i].masked);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_value");
    TCase *tcase = tcase_create("types");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, good_text_becomes_the_value, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tcase, bad_text_is_refused_with_the_reason, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, a_second_value_replaces_the_first);
    tcase_add_loop_test(tcase, a_url_is_shown_without_its_secrets, 0, sizeof urls / sizeof urls[0]);
    tcase_add_test(tcase, of_a_hook_the_host_is_shown);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
