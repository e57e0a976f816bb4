/*
 * The load matrix as it was seen, and what is said about servers that were not.
 */
#include "redis/rdb_compat.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *server;
    enum rdb_magic magic;
    int version;
    enum rdb_load want;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct server_version server = {0};
        struct err err = {0};
        char why[RDB_LOAD_WHY_MAX] = "";

        ck_assert_int_eq(server_version_parse(rows[i].server, &server, &err), 0);
        ck_assert_msg(rdb_can_load(&server, rows[i].magic, rows[i].version, why) == rows[i].want,
                      "%s, magic %d, version %d: %s", rows[i].server, (int)rows[i].magic,
                      rows[i].version, why);
        ck_assert_uint_gt(strlen(why), 10);
    }
}

START_TEST(the_seen_load_matrix_holds)
{
    static const char *const servers[] = {"7.0.15", "7.2.6", "valkey 8.1.1", "7.4.1",
                                          "8.0.2",  "8.6.3", "valkey 9.1.2"};
    static const struct {
        enum rdb_magic magic;
        int version;
    } files[] = {
        {RDB_MAGIC_REDIS, 10}, {RDB_MAGIC_REDIS, 11}, {RDB_MAGIC_REDIS, 11},  {RDB_MAGIC_REDIS, 12},
        {RDB_MAGIC_REDIS, 12}, {RDB_MAGIC_REDIS, 13}, {RDB_MAGIC_VALKEY, 80},
    };
    static const char matrix[7][8] = {
        "Ynnnnnn", "YYYnnnn", "YYYnnnn", "YYYYYnn", "YYYYYnn", "YYYYYYn", "YYYnnnY",
    };

    for (size_t s = 0; s < 7; s++)
        for (size_t f = 0; f < 7; f++) {
            struct row row = {servers[s], files[f].magic, files[f].version,
                              matrix[s][f] == 'Y' ? RDB_LOAD_YES : RDB_LOAD_NO};
            check_rows(&row, 1);
        }
}
END_TEST

START_TEST(other_servers_and_files_are_judged_with_care)
{
    static const struct row rows[] = {
        {"8.2.0", RDB_MAGIC_REDIS, 12, RDB_LOAD_YES},
        {"8.2.0", RDB_MAGIC_REDIS, 13, RDB_LOAD_NO},
        {"8.4.0", RDB_MAGIC_REDIS, 13, RDB_LOAD_YES},
        {"8.6.0", RDB_MAGIC_REDIS, 14, RDB_LOAD_NO},
        {"8.8.0", RDB_MAGIC_REDIS, 13, RDB_LOAD_YES},
        {"8.8.0", RDB_MAGIC_REDIS, 14, RDB_LOAD_UNKNOWN},
        {"8.10.0", RDB_MAGIC_REDIS, 15, RDB_LOAD_YES},
        {"8.10.0", RDB_MAGIC_REDIS, 16, RDB_LOAD_NO},
        {"8.12.0", RDB_MAGIC_REDIS, 15, RDB_LOAD_YES},
        {"8.12.0", RDB_MAGIC_REDIS, 16, RDB_LOAD_UNKNOWN},
        {"9.0.0", RDB_MAGIC_REDIS, 15, RDB_LOAD_YES},
        {"9.0.0", RDB_MAGIC_VALKEY, 80, RDB_LOAD_NO},
        {"6.2.0", RDB_MAGIC_REDIS, 9, RDB_LOAD_YES},
        {"6.2.0", RDB_MAGIC_REDIS, 10, RDB_LOAD_NO},
        {"4.0.0", RDB_MAGIC_REDIS, 8, RDB_LOAD_UNKNOWN},
        {"valkey 7.2.5", RDB_MAGIC_REDIS, 11, RDB_LOAD_YES},
        {"valkey 8.0.1", RDB_MAGIC_REDIS, 12, RDB_LOAD_NO},
        {"valkey 8.1.1", RDB_MAGIC_VALKEY, 80, RDB_LOAD_NO},
        {"valkey 9.1.0", RDB_MAGIC_VALKEY, 81, RDB_LOAD_NO},
        {"valkey 9.2.0", RDB_MAGIC_VALKEY, 81, RDB_LOAD_YES},
        {"valkey 9.2.0", RDB_MAGIC_VALKEY, 82, RDB_LOAD_NO},
        {"valkey 10.0.0", RDB_MAGIC_VALKEY, 82, RDB_LOAD_UNKNOWN},
        {"valkey 10.0.0", RDB_MAGIC_REDIS, 12, RDB_LOAD_NO},
        {"7.0.15", RDB_MAGIC_OPAQUE, -1, RDB_LOAD_UNKNOWN},
        {"8.10.0", RDB_MAGIC_OPAQUE, -1, RDB_LOAD_UNKNOWN},
    };

    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}
END_TEST

START_TEST(the_reason_names_server_and_versions)
{
    const struct server_version server = {REDIS_FLAVOUR_REDIS, 7, 0, 15};
    char why[RDB_LOAD_WHY_MAX];

    (void)rdb_can_load(&server, RDB_MAGIC_REDIS, 12, why);
    ck_assert_str_eq(why, "Redis 7.0.15 loads REDIS RDB files up to version 10; this one is 12");
    (void)rdb_can_load(&server, RDB_MAGIC_VALKEY, 80, why);
    ck_assert_str_eq(why, "Redis 7.0.15 does not load RDB files in Valkey's own format");
}
END_TEST

START_TEST(a_doubt_is_what_the_version_of_the_file_does_not_tell)
{
    static const struct {
        const char *target;
        const char *writer;
        struct rdb_load_parts parts;
        const char *want; /* NULL: none */
    } rows[] = {
        {"8.0.2", "8.0.6", {.has_rdb = true}, "does not load vector sets that Redis 8.0.6 writes"},
        {"8.0.3", "8.0.4", {.has_rdb = true}, "vector sets"},
        {"7.4.1", "8.0.2", {.has_rdb = true}, "vector sets"},
        {"8.0.2", "8.2.0", {.has_rdb = true}, "vector sets"},
        {"8.0.4", "8.0.6", {.has_rdb = true}, NULL},
        {"8.0.6", "8.0.2", {.has_rdb = true}, NULL},
        {"8.0.2", "8.0.3", {.has_rdb = true, .has_commands = true}, NULL},
        {"8.0.2", "8.0.6", {.has_commands = true}, NULL},
        {"7.0.15", "8.0.2", {.has_commands = true}, "Redis 7.0.15 may not know every command"},
        {"7.4.1", "7.2.6", {.has_commands = true}, NULL},
        {"7.2.6",
         "7.4.1",
         {.has_rdb = true, .has_commands = true},
         "every command that Redis 7.4.1"},
        {"valkey 8.1.1", "7.2.6", {.has_rdb = true, .has_commands = true}, NULL},
        {"valkey 9.1.2", "7.4.1", {.has_commands = true}, "every command"},
        {"valkey 8.1.1", "valkey 9.1.2", {.has_commands = true}, "every command"},
        {"valkey 9.1.2", "valkey 8.1.1", {.has_rdb = true, .has_commands = true}, NULL},
        {"8.6.3", "valkey 8.1.1", {.has_rdb = true, .has_commands = true}, "that Valkey 8.1.1"},
        {"8.6.3", "valkey 8.1.1", {.has_rdb = true}, NULL},
        {"8.6.3", "valkey 7.2.5", {.has_commands = true}, NULL},
        {"7.0.15", "valkey 7.2.5", {.has_commands = true}, "every command"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server_version target = {0};
        struct server_version writer = {0};
        struct err err = {0};
        char why[RDB_LOAD_WHY_MAX] = "";

        ck_assert_int_eq(server_version_parse(rows[i].target, &target, &err), 0);
        ck_assert_int_eq(server_version_parse(rows[i].writer, &writer, &err), 0);
        ck_assert_msg(rdb_load_doubt(&target, &writer, rows[i].parts, why) ==
                          (rows[i].want != NULL),
                      "%s from %s: %s", rows[i].target, rows[i].writer, why);
        if (rows[i].want != NULL)
            ck_assert_msg(strstr(why, rows[i].want) != NULL, "%s", why);
        else
            ck_assert_str_eq(why, "");
    }
}
END_TEST

START_TEST(a_writer_that_is_not_known_gives_no_doubt)
{
    const struct server_version target = {REDIS_FLAVOUR_REDIS, 7, 0, 15};
    const struct server_version writer = {0};
    const struct rdb_load_parts all = {.has_rdb = true, .has_commands = true};
    char why[RDB_LOAD_WHY_MAX];

    ck_assert(!rdb_load_doubt(&target, &writer, all, why));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rdb_compat");
    TCase *tcase = tcase_create("rdb_compat");

    tcase_add_test(tcase, the_seen_load_matrix_holds);
    tcase_add_test(tcase, other_servers_and_files_are_judged_with_care);
    tcase_add_test(tcase, the_reason_names_server_and_versions);
    tcase_add_test(tcase, a_doubt_is_what_the_version_of_the_file_does_not_tell);
    tcase_add_test(tcase, a_writer_that_is_not_known_gives_no_doubt);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
