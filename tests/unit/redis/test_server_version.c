/*
 * Versions in the four wordings that there are.
 */
#include "redis/server_version.h"

#include <check.h>
#include <stdlib.h>

START_TEST(all_wordings_of_a_version_are_read)
{
    static const struct {
        const char *text;
        struct server_version want;
    } rows[] = {
        {"7.0.15", {REDIS_FLAVOUR_REDIS, 7, 0, 15}},
        {"7.2", {REDIS_FLAVOUR_REDIS, 7, 2, 0}},
        {"8.10.0", {REDIS_FLAVOUR_REDIS, 8, 10, 0}},
        {"v8.0.2-rc1", {REDIS_FLAVOUR_REDIS, 8, 0, 2}},
        {"redis 8.0.2", {REDIS_FLAVOUR_REDIS, 8, 0, 2}},
        {"Redis 7.4.1", {REDIS_FLAVOUR_REDIS, 7, 4, 1}},
        {"valkey 9.1.2", {REDIS_FLAVOUR_VALKEY, 9, 1, 2}},
        {"Valkey v8.1", {REDIS_FLAVOUR_VALKEY, 8, 1, 0}},
        {"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4\n",
         {REDIS_FLAVOUR_REDIS, 7, 0, 15}},
        {"Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64",
         {REDIS_FLAVOUR_VALKEY, 8, 1, 1}},
        {"255.255.255", {REDIS_FLAVOUR_REDIS, 255, 255, 255}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server_version got = {0};
        struct err err = {0};

        ck_assert_msg(server_version_parse(rows[i].text, &got, &err) == 0, "%s: %s", rows[i].text,
                      err.msg);
        ck_assert_int_eq(got.flavour, rows[i].want.flavour);
        ck_assert_uint_eq(got.major, rows[i].want.major);
        ck_assert_uint_eq(got.minor, rows[i].want.minor);
        ck_assert_uint_eq(got.patch, rows[i].want.patch);
    }
}
END_TEST

START_TEST(what_is_no_version_is_a_configuration_error)
{
    static const char *const rows[] = {
        "",        "7",       "7.",           "seven",          "7.0.",       "7.0x",
        "7.0.1.x", "keydb 6", "valkey",       "redis",          "99999999.0", "-7.0",
        ".7",      "7..0",    "Redis server", "Redis server 7", "redis7.0",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server_version got = {.major = 77};
        struct err err = {0};

        ck_assert_msg(server_version_parse(rows[i], &got, &err) == -1, "%s", rows[i]);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_uint_eq(got.major, 77);
    }
}
END_TEST

START_TEST(a_version_is_written_for_people)
{
    const struct server_version redis = {REDIS_FLAVOUR_REDIS, 7, 0, 15};
    const struct server_version valkey = {REDIS_FLAVOUR_VALKEY, 9, 1, 2};
    char text[48];

    server_version_format(&redis, text, sizeof(text));
    ck_assert_str_eq(text, "Redis 7.0.15");
    server_version_format(&valkey, text, sizeof(text));
    ck_assert_str_eq(text, "Valkey 9.1.2");
    ck_assert_str_eq(server_flavour_name(REDIS_FLAVOUR_REDIS), "redis");
    ck_assert_str_eq(server_flavour_name(REDIS_FLAVOUR_VALKEY), "valkey");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_version");
    TCase *tcase = tcase_create("server_version");

    tcase_add_test(tcase, all_wordings_of_a_version_are_read);
    tcase_add_test(tcase, what_is_no_version_is_a_configuration_error);
    tcase_add_test(tcase, a_version_is_written_for_people);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
