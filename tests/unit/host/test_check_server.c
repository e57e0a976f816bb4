/*
 * Each finding about the server and its absence, on what a real Redis 7.0.15 said, with single
 * lines of it changed.
 */
#include "host/check_server.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/check_case.h"

#define DEFAULT_SAVES "save 3600 1 300 100 60 10000"
#define SAVES_NOW                                                                                \
    "redis-cli CONFIG SET save \"3600 1 300 100 60 10000\"   # then in redis.conf: save 3600 1 " \
    "300 "                                                                                       \
    "100 60 10000"

static const struct check_finding findings[] = {
    {.id = "persistence", .kind = "rdb", .status = CHECK_OK, .says = "save points"},
    {.id = "persistence",
     .kind = "aof",
     .status = CHECK_OK,
     .says = "append-only file and save points"},
    {.id = "persistence",
     .kind = "aof",
     .edits = {"config:save="},
     .status = CHECK_OK,
     .says = "append-only file"},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config:save="},
     .status = CHECK_FAIL,
     .says = "none",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:maxmemory_policy=allkeys-lru"},
     .status = CHECK_OK,
     .says = "a cache, by its maxmemory-policy"},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config:save=", "cache"},
     .status = CHECK_OK,
     .says = "a cache, by the setting use"},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:maxmemory_policy=volatile-lru"},
     .status = CHECK_FAIL,
     .says = "none",
     .act = DEFAULT_SAVES},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config", "info:maxmemory_policy=allkeys-lru"},
     .status = CHECK_UNKNOWN,
     .says = "+config|get"},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:role=slave"},
     .status = CHECK_WARN,
     .says = "replica",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config"},
     .status = CHECK_UNKNOWN,
     .says = "+config|get"},
    {.id = "persistence",
     .kind = "aof",
     .edits = {"config"},
     .status = CHECK_OK,
     .says = "append-only file"},
    {.id = "persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:aof_enabled=2", "config:appendonly="},
     .status = CHECK_UNKNOWN,
     .says = "aof_enabled"},

    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"config:save="},
     .status = CHECK_OK,
     .says = "no replicas"},
    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"info:connected_slaves=2"},
     .status = CHECK_OK,
     .says = "2 replicas"},
    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:connected_slaves=2"},
     .status = CHECK_FAIL,
     .says = "2 replicas of a primary without",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:connected_slaves=2", "cache"},
     .status = CHECK_WARN,
     .says = "2 replicas of a cache without",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"config:save=", "info:role=slave", "info:connected_slaves=2"},
     .status = CHECK_OK,
     .says = "replica itself"},
    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"config", "info:connected_slaves=1"},
     .status = CHECK_UNKNOWN,
     .says = "+config|get"},
    {.id = "replicas-without-persistence",
     .kind = "rdb",
     .edits = {"info:role=sentinel"},
     .status = CHECK_UNKNOWN,
     .says = "sentinel"},

    {.id = "save-points", .kind = "rdb", .status = CHECK_OK, .says = "3600 1 300 100"},
    {.id = "save-points",
     .kind = "aof",
     .edits = {"config:save="},
     .status = CHECK_OK,
     .says = "none, beside an append-only file"},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save="},
     .status = CHECK_WARN,
     .says = "none",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save=", "cache"},
     .status = CHECK_OK,
     .says = "a cache, by the setting use"},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save=", "info:maxmemory_policy=allkeys-lru"},
     .status = CHECK_OK,
     .says = "a cache, by its maxmemory-policy"},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save=60 10000"},
     .status = CHECK_WARN,
     .says = "never",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save=7200 1 60 10000"},
     .status = CHECK_WARN,
     .says = "longer than an hour",
     .fix = SAVES_NOW,
     .act = DEFAULT_SAVES},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save=60"},
     .status = CHECK_UNKNOWN,
     .says = "no list"},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"config:save=99999999999999999999999999 1"},
     .status = CHECK_UNKNOWN,
     .says = "no list"},
    {.id = "save-points",
     .kind = "rdb",
     .edits = {"info:aof_enabled", "config:appendonly"},
     .status = CHECK_UNKNOWN,
     .says = "aof_enabled"},

    {.id = "appendfsync", .kind = "aof", .status = CHECK_OK, .says = "everysec"},
    {.id = "appendfsync", .kind = "rdb", .status = CHECK_OK, .says = "not used"},
    {.id = "appendfsync",
     .kind = "aof",
     .edits = {"config:appendfsync=always"},
     .status = CHECK_OK,
     .says = "always"},
    {.id = "appendfsync",
     .kind = "aof",
     .edits = {"config:appendfsync=no"},
     .status = CHECK_WARN,
     .says = "no",
     .fix = "appendfsync everysec",
     .act = "appendfsync everysec"},
    {.id = "appendfsync",
     .kind = "aof",
     .edits = {"config:no-appendfsync-on-rewrite=yes"},
     .status = CHECK_WARN,
     .says = "not while",
     .fix = "no-appendfsync-on-rewrite no",
     .act = "no-appendfsync-on-rewrite no"},
    {.id = "appendfsync",
     .kind = "aof",
     .edits = {"config"},
     .status = CHECK_UNKNOWN,
     .says = "+config|get"},

    {.id = "aof-use-rdb-preamble", .kind = "aof", .status = CHECK_OK, .says = "yes"},
    {.id = "aof-use-rdb-preamble", .kind = "rdb", .status = CHECK_OK, .says = "not used"},
    {.id = "aof-use-rdb-preamble",
     .kind = "aof",
     .edits = {"config:aof-use-rdb-preamble=no"},
     .status = CHECK_WARN,
     .says = "no",
     .fix = "aof-use-rdb-preamble yes",
     .act = "aof-use-rdb-preamble yes"},

    {.id = "aof-load-truncated", .kind = "aof", .status = CHECK_OK, .says = "yes"},
    {.id = "aof-load-truncated",
     .kind = "aof",
     .edits = {"config:aof-load-truncated=no"},
     .status = CHECK_WARN,
     .says = "no",
     .fix = "aof-load-truncated yes",
     .act = "aof-load-truncated yes"},

    {.id = "stop-writes-on-bgsave-error", .kind = "rdb", .status = CHECK_OK, .says = "yes"},
    {.id = "stop-writes-on-bgsave-error",
     .kind = "rdb",
     .edits = {"config:stop-writes-on-bgsave-error=no"},
     .status = CHECK_WARN,
     .says = "no",
     .fix = "stop-writes-on-bgsave-error yes",
     .act = "stop-writes-on-bgsave-error yes"},
    {.id = "stop-writes-on-bgsave-error",
     .kind = "aof",
     .edits = {"config:stop-writes-on-bgsave-error=no"},
     .status = CHECK_OK,
     .says = "append-only"},

    {.id = "rdbchecksum", .kind = "rdb", .status = CHECK_OK, .says = "yes"},
    {.id = "rdbchecksum",
     .kind = "rdb",
     .edits = {"config:rdbchecksum=no"},
     .status = CHECK_WARN,
     .says = "no",
     .fix = "rdbchecksum yes"},
    {.id = "rdbcompression", .kind = "rdb", .status = CHECK_OK, .says = "faster"},
    {.id = "rdbcompression",
     .kind = "rdb",
     .edits = {"config:rdbcompression=no"},
     .status = CHECK_OK,
     .says = "no"},
    {.id = "rdbcompression",
     .kind = "rdb",
     .edits = {"config:rdbcompression=lz4"},
     .status = CHECK_UNKNOWN,
     .says = "lz4"},

    {.id = "eviction-policy", .kind = "rdb", .status = CHECK_OK, .says = "nothing is evicted"},
    {.id = "eviction-policy",
     .kind = "rdb",
     .edits = {"info:maxmemory=1000000"},
     .status = CHECK_OK,
     .says = "noeviction"},
    {.id = "eviction-policy",
     .kind = "rdb",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=volatile-ttl"},
     .status = CHECK_OK,
     .says = "time to live"},
    {.id = "eviction-policy",
     .kind = "rdb",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=allkeys-lfu",
               "info:evicted_keys=7"},
     .status = CHECK_WARN,
     .says = "7 keys",
     .fix = "maxmemory-policy noeviction",
     .act = "maxmemory-policy noeviction"},
    {.id = "eviction-policy",
     .kind = "aof",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=allkeys-lru"},
     .status = CHECK_WARN,
     .says = "0 keys",
     .fix = "maxmemory-policy noeviction",
     .act = "maxmemory-policy noeviction"},
    {.id = "eviction-policy",
     .kind = "aof",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=allkeys-lru",
               "info:evicted_keys=7"},
     .status = CHECK_FAIL,
     .says = "7 keys",
     .fix = "maxmemory-policy noeviction",
     .act = "maxmemory-policy noeviction"},
    {.id = "eviction-policy",
     .kind = "aof",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=allkeys-lru", "cache"},
     .status = CHECK_OK,
     .says = "a cache, by the setting use"},
    {.id = "stop-writes-on-bgsave-error",
     .kind = "rdb",
     .edits = {"config:save=", "config:stop-writes-on-bgsave-error=no", "cache"},
     .status = CHECK_OK,
     .says = "a cache"},
    {.id = "eviction-policy",
     .kind = "rdb",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=allkeys-lru", "config:save="},
     .status = CHECK_OK,
     .says = "a cache"},
    {.id = "eviction-policy",
     .kind = "rdb",
     .edits = {"info:maxmemory=1000000", "info:maxmemory_policy=newest"},
     .status = CHECK_UNKNOWN,
     .says = "newest"},

    {.id = "protection", .kind = "rdb", .status = CHECK_OK, .says = "protected-mode yes"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no"},
     .status = CHECK_WARN,
     .says = "bind * -::*"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:requirepass=secret"},
     .status = CHECK_OK,
     .says = "a password"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:bind=127.0.0.1 -::1"},
     .status = CHECK_OK,
     .says = "this machine"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:bind=127.0.0.1 10.0.0.7"},
     .status = CHECK_WARN,
     .says = "10.0.0.7"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:bind=::1:2"},
     .status = CHECK_WARN,
     .says = "::1:2"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:port=0"},
     .status = CHECK_OK,
     .says = "socket"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:port=0", "config:tls-port=6379"},
     .status = CHECK_OK,
     .says = "client certificates"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:port=0", "config:tls-port=6379",
               "config:tls-auth-clients=no"},
     .status = CHECK_WARN,
     .says = "no password"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:aclfile=/etc/users.acl"},
     .status = CHECK_UNKNOWN,
     .says = "ACL GETUSER"},
    {.id = "protection", /* which may have lifted it */
     .kind = "rdb",
     .edits = {"config:protected-mode=no", "config:requirepass=***",
               "config:aclfile=/etc/users.acl"},
     .status = CHECK_UNKNOWN,
     .says = "ACL GETUSER"},
    {.id = "protection",
     .kind = "rdb",
     .edits = {"config:bind"},
     .status = CHECK_UNKNOWN,
     .says = "bind"},
};

START_TEST(each_finding_and_its_absence)
{
    for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++)
        check_case_prove(&findings[i]);
}
END_TEST

START_TEST(a_password_is_never_shown)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_put(&c.config, "requirepass", "hunter2");
    for (const struct check_row *row = check_server_rows; row->id != NULL; row++)
        ck_assert_ptr_null(strstr(check_case_look(&c, row->id)->value, "hunter2"));
    check_case_release(&c);
}
END_TEST

START_TEST(what_is_not_known_is_unknown)
{
    struct check_case c;

    check_case_init(&c, "aof");
    check_case_forget(&c);
    for (const struct check_row *row = check_server_rows; row->id != NULL; row++) {
        const struct check_result *r = check_case_look(&c, row->id);

        ck_assert_msg(r->status == CHECK_UNKNOWN, "%s: %s", row->id, r->value);
        ck_assert_msg(strstr(r->value, "connection refused") != NULL, "%s: %s", row->id, r->value);
    }
    c.facts.server_why = NULL;
    ck_assert_ptr_nonnull(strstr(check_case_look(&c, "persistence")->value, "not asked"));
    check_case_release(&c);
}
END_TEST

START_TEST(without_any_line_of_info_and_config_nothing_is_ok)
{
    struct check_case c;
    struct pairs none = {0};

    check_case_init(&c, "aof");
    c.facts.info = &none;
    c.facts.config = &none;
    for (const struct check_row *row = check_server_rows; row->id != NULL; row++)
        ck_assert_msg(check_case_look(&c, row->id)->status == CHECK_UNKNOWN, "%s", row->id);
    check_case_release(&c);
}
END_TEST

START_TEST(big_numbers_stay_in_their_bounds)
{
    ck_assert_int_eq(check_add(1, 2), 3);
    ck_assert_int_eq(check_add(INT64_MAX, 1), INT64_MAX);
    ck_assert_int_eq(check_times(3, 4), 12);
    ck_assert_int_eq(check_times(INT64_MAX / 2, 3), INT64_MAX);
}
END_TEST

START_TEST(what_was_met_without_a_name_counts_more_than_settings)
{
    static const char *const files[] = {"", "/etc/users.acl"};
    static const char *const passwords[] = {"", "***"};

    for (size_t i = 0; i < 4; i++) {
        struct check_case c;

        check_case_init(&c, "rdb");
        check_case_put(&c.config, "protected-mode", "no");
        check_case_put(&c.config, "aclfile", files[i / 2]);
        check_case_put(&c.config, "requirepass", passwords[i % 2]);
        c.facts.login = CHECK_LOGIN_PASSWORD;
        check_case_expect(&c, "protection", CHECK_OK, "a password", NULL);
        c.facts.login = CHECK_LOGIN_FREE;
        const char *fix = i == 0
                              ? "requirepass <what `openssl rand -hex 32` prints>"
                              : "redis-cli ACL SETUSER default resetpass \">$PASSWORD\"   # then "
                                "the same in the ACL file or redis.conf";
        check_case_expect(&c, "protection", CHECK_WARN, "no password", fix);
        check_case_release(&c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_server");
    TCase *tcase = tcase_create("configuration");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, each_finding_and_its_absence);
    tcase_add_test(tcase, a_password_is_never_shown);
    tcase_add_test(tcase, what_was_met_without_a_name_counts_more_than_settings);
    tcase_add_test(tcase, what_is_not_known_is_unknown);
    tcase_add_test(tcase, without_any_line_of_info_and_config_nothing_is_ok);
    tcase_add_test(tcase, big_numbers_stay_in_their_bounds);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
