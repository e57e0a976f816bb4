/*
 * URLs of servers: what is taken, what is refused, and that no refusal shows the password.
 */
#include "redis/redis_url.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *url;
    const char *host;
    unsigned port;
    const char *path;
    const char *username;
    const char *password;
    unsigned db;
    const char *label;
};

static void check_secret(const char *url, const struct secret *got, const char *want)
{
    if (want == NULL)
        ck_assert_msg(got->text == NULL, "%s", url);
    else
        ck_assert_msg(got->text != NULL && strcmp(got->text, want) == 0, "%s", url);
}

START_TEST(every_part_of_a_url_is_found)
{
    static const struct row rows[] = {
        {"redis://127.0.0.1:6379", "127.0.0.1", 6379, "", NULL, NULL, 0, "redis://127.0.0.1:6379"},
        {"redis://", "127.0.0.1", 6379, "", NULL, NULL, 0, "redis://127.0.0.1:6379"},
        {"redis://cache", "cache", 6379, "", NULL, NULL, 0, "redis://cache:6379"},
        {"redis://cache/", "cache", 6379, "", NULL, NULL, 0, "redis://cache:6379"},
        {"REDIS://cache:1/15", "cache", 1, "", NULL, NULL, 15, "redis://cache:1"},
        {"redis://cache?db=3", "cache", 6379, "", NULL, NULL, 3, "redis://cache:6379"},
        {"rediss://cache", "cache", 6379, "", NULL, NULL, 0, "rediss://cache:6379"},
        {"rediss://me:a/b@[::1]:7/2", "::1", 7, "", "me", "a/b", 2, "rediss://[::1]:7"},
        {"redis://[::1]:7000", "::1", 7000, "", NULL, NULL, 0, "redis://[::1]:7000"},
        {"redis://[fe80::1%25eth0]", "fe80::1%eth0", 6379, "", NULL, NULL, 0,
         "redis://[fe80::1%eth0]:6379"},
        {"redis://:pw@h", "h", 6379, "", NULL, "pw", 0, "redis://h:6379"},
        {"redis://me:pw@h:65535", "h", 65535, "", "me", "pw", 0, "redis://h:65535"},
        {"redis://me@h", "h", 6379, "", "me", NULL, 0, "redis://h:6379"},
        {"redis://me:@h", "h", 6379, "", "me", NULL, 0, "redis://h:6379"},
        {"redis://me:p%40%3a%2F%25w@h", "h", 6379, "", "me", "p@:/%w", 0, "redis://h:6379"},
        {"redis://me:a@b@h/2", "h", 6379, "", "me", "a@b", 2, "redis://h:6379"},
        {"redis://me:a/b?c@h/2", "h", 6379, "", "me", "a/b?c", 2, "redis://h:6379"},
        {"redis://me:a:b@h", "h", 6379, "", "me", "a:b", 0, "redis://h:6379"},
        {"unix:///run/redis.sock", NULL, 0, "/run/redis.sock", NULL, NULL, 0,
         "unix:///run/redis.sock"},
        {"unix:///a%20b?db=7", NULL, 0, "/a b", NULL, NULL, 7, "unix:///a b"},
        {"unix://me:pw@/run/s", NULL, 0, "/run/s", "me", "pw", 0, "unix:///run/s"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct redis_address got = {0};
        struct err err = {0};
        char label[REDIS_LABEL_MAX];

        ck_assert_msg(redis_url_parse(row->url, &got, &err) == 0, "%s: %s", row->url, err.msg);
        if (row->host != NULL) {
            ck_assert_int_eq(got.kind, REDIS_ADDRESS_TCP);
            ck_assert_str_eq(got.host, row->host);
            ck_assert_uint_eq(got.port, row->port);
        } else {
            ck_assert_int_eq(got.kind, REDIS_ADDRESS_UNIX);
        }
        ck_assert_str_eq(got.path, row->path);
        ck_assert_uint_eq(got.db, row->db);
        check_secret(row->url, &got.username, row->username);
        check_secret(row->url, &got.password, row->password);
        ck_assert_int_eq(got.is_tls, strncmp(row->url, "rediss:", 7) == 0);
        redis_address_label(&got, label);
        ck_assert_str_eq(label, row->label);
        redis_address_release(&got);
    }
}
END_TEST

START_TEST(bad_urls_are_refused_without_showing_the_password)
{
    static const char *const rows[] = {
        "",
        "hunter2",
        "http://hunter2@h",
        "redis:hunter2",
        "redisss://me:hunter2@h",
        "rediss://me:hunter2@h:0",
        "rediss://me:hunter2@/run/redis.sock",
        "redis://me:hunter2@h:0",
        "redis://me:hunter2@h:65536",
        "redis://me:hunter2@h:",
        "redis://me:hunter2@h:12x",
        "redis://me:hunter2@h/x",
        "redis://me:hunter2@h/-1",
        "redis://me:hunter2@h/65536",
        "redis://me:hunter2@h?x=1",
        "redis://me:hunter2@h?db=1&x=2",
        "redis://me:hunter2@h?db=",
        "redis://me:hunter2%@h",
        "redis://me:hunter2%4@h",
        "redis://me:hunter2%zz@h",
        "redis://me:hunter2%00@h",
        "redis://me:hunter2@[::1",
        "redis://me:hunter2@[::1]x",
        "redis://me:hunter2@[]",
        "redis://me:hunter2", /* the host was forgotten: the password stands where a port does */
        "redis://me/hunter2",
        "redis://me?hunter2",
        "unix://run/redis.sock?hunter2",
        "unix://me:hunter2@run",
        "unix:///run/s?hunter2",
        "unix:///run/s?db=hunter2",
        "unix:///run/s%",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_address got = {.db = 77};
        struct err err = {0};

        ck_assert_msg(redis_url_parse(rows[i], &got, &err) == -1, "%s", rows[i]);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_uint_eq(got.db, 77);
        ck_assert_msg(strstr(err.msg, "hunter") == NULL, "%s", err.msg);
        ck_assert_msg(strstr(err.msg, "2\"") == NULL, "%s", err.msg);
    }
}
END_TEST

START_TEST(tls_is_for_hosts_alone)
{
    static const char *const sockets[] = {"rediss:///run/redis.sock",
                                          "rediss://me:pw@/run/redis.sock"};
    struct redis_address got = {0};
    struct err err = {0};

    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
        ck_assert_int_eq(redis_url_parse(sockets[i], &got, &err), -1);
        ck_assert_ptr_nonnull(strstr(err.msg, "no TLS on a unix socket"));
    }
    ck_assert_int_eq(redis_url_parse("rediss:///3", &got, &err), 0);
    ck_assert(got.is_tls);
    ck_assert_uint_eq(got.db, 3);
    ck_assert_int_eq(redis_url_parse("redis://h", &got, &err), 0);
    ck_assert(!got.is_tls);
    ck_assert_int_eq(redis_url_parse("unix:///s", &got, &err), 0);
    ck_assert(!got.is_tls);
}
END_TEST

START_TEST(too_long_parts_are_refused)
{
    struct redis_address got;
    struct err err = {0};
    char url[6000];

    memset(url, 'a', sizeof(url));
    memcpy(url, "redis://", 8);
    url[8 + 256] = '\0'; /* host has 255 */
    ck_assert_int_eq(redis_url_parse(url, &got, &err), -1);
    url[8 + 255] = '\0';
    ck_assert_int_eq(redis_url_parse(url, &got, &err), 0);
    redis_address_release(&got);

    memset(url, 'a', sizeof(url));
    memcpy(url, "unix:///", 8);
    url[7 + 108] = '\0';
    ck_assert_int_eq(redis_url_parse(url, &got, &err), -1);
    url[7 + 107] = '\0';
    ck_assert_int_eq(redis_url_parse(url, &got, &err), 0);
    ck_assert_uint_eq(strlen(got.path), 107);
    redis_address_release(&got);

    memset(url, 'a', sizeof(url));
    memcpy(url, "redis://", 8);
    url[sizeof(url) - 1] = '\0';
    ck_assert_int_eq(redis_url_parse(url, &got, &err), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_url");
    TCase *tcase = tcase_create("redis_url");

    tcase_add_test(tcase, every_part_of_a_url_is_found);
    tcase_add_test(tcase, bad_urls_are_refused_without_showing_the_password);
    tcase_add_test(tcase, tls_is_for_hosts_alone);
    tcase_add_test(tcase, too_long_parts_are_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
