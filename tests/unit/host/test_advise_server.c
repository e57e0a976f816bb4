/*
 * The advice for single servers: what they get to hear, and what their measurements change.
 */
#include "host/advise.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/advise_case.h"

#define LL(n) ((int64_t)(n))

START_TEST(each_risk_of_a_running_server_is_said_and_only_then)
{
    static const struct {
        enum advise_durability durability;
        enum advise_use use;
        const char *info;
        const char *config;
        const char *warning;
        const char *well_info; /* the same without the risk; NULL: as it is */
        const char *well_config;
    } cases[] = {
        {ADVISE_EVERY_SECOND, ADVISE_RECORD, "aof_enabled:0\ndb0:keys=1\n", "", "start empty",
         "aof_enabled:0\n", NULL},
        {ADVISE_EVERY_SECOND, ADVISE_RECORD, "aof_enabled:0\ndb12:keys=1\n", "", "start empty",
         "aof_enabled:1\ndb12:keys=1\n", NULL},
        {ADVISE_BEST_EFFORT, ADVISE_RECORD, "aof_enabled:1\ndb0:keys=1\n", "",
         "restart into appendonly no", "aof_enabled:0\ndb0:keys=1\n", NULL},
        {ADVISE_BEST_EFFORT, ADVISE_CACHE, "db0:keys=1\n", "", "a restart loses it",
         "role:master\n", NULL},
        {ADVISE_BEST_EFFORT, ADVISE_CACHE, "connected_slaves:1\n", "", "replicas become empty",
         "connected_slaves:0\n", NULL},
        {ADVISE_BEST_EFFORT, ADVISE_QUEUE, "aof_enabled:0\n", "save:\n", "keeps nothing", NULL,
         "save:900 1\n"},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "aof_enabled:0\n", "save:900 1\n", "has save points only",
         "aof_enabled:1\n", NULL},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "rdb_last_bgsave_status:err\n", "", "last save",
         "rdb_last_bgsave_status:ok\n", NULL},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "aof_last_bgrewrite_status:err\n", "", "last rewrite",
         "aof_last_bgrewrite_status:ok\n", NULL},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "aof_last_write_status:err\n", "", "last write",
         "aof_last_write_status:ok\n", NULL},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "aof_delayed_fsync:3\n", "", "3 times in the ",
         "aof_delayed_fsync:0\n", NULL},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "latest_fork_usec:700000\n", "", "700 ms",
         "latest_fork_usec:70000\n", NULL},
        {ADVISE_ALWAYS, ADVISE_QUEUE, "evicted_keys:7\n", "", "evicted 7 keys", "evicted_keys:0\n",
         NULL},
        {ADVISE_ALWAYS, ADVISE_RECORD, "", "maxmemory:99\nmaxmemory-policy:allkeys-lru\n",
         "would evict", NULL, "maxmemory:99\nmaxmemory-policy:noeviction\n"},
        {ADVISE_ALWAYS, ADVISE_RECORD, "", "maxmemory:0\n", "No maxmemory", NULL, "maxmemory:99\n"},
        {ADVISE_ALWAYS, ADVISE_RECORD, "", "rdbchecksum:no\n", "checksum", NULL,
         "rdbchecksum:yes\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct advise_case bad = {"", cases[i].info, cases[i].config, -1, -1, -1};
        const struct advise_case well = {
            "",
            cases[i].well_info != NULL ? cases[i].well_info : cases[i].info,
            cases[i].well_config != NULL ? cases[i].well_config : cases[i].config,
            -1,
            -1,
            -1};
        auto_advice struct advice advice = {0};
        auto_advice struct advice without = {0};

        advise_case_run(&bad, cases[i].durability, cases[i].use, &advice);
        advise_case_run(&well, cases[i].durability, cases[i].use, &without);
        ck_assert_msg(advise_case_says(&advice.warnings, cases[i].warning), "not said: %s",
                      cases[i].warning);
        ck_assert_msg(!advise_case_says(&without.warnings, cases[i].warning), "said: %s",
                      cases[i].warning);
    }
}
END_TEST

START_TEST(recovery_is_measured_where_the_server_has_shown_it)
{
    auto_advice struct advice loading = {0};
    auto_advice struct advice seen = {0};
    const struct advise_case loads = {
        "",
        "loading:1\nloading_start_time:1000\nserver_time_usec:1010000000\n"
        "loading_total_bytes:3000000000\nloading_loaded_bytes:1000000000\n",
        "",
        -1,
        -1,
        -1};
    const struct advise_case idle = {"", "used_memory:1000000000\n", "", 600000000, -1, -1};

    /* 1 GB in 10 s, 3 GB to load */
    advise_case_run(&loads, ADVISE_BEST_EFFORT, ADVISE_RECORD, &loading);
    ck_assert_int_eq(loading.recovery_by, ADVISE_LOAD_NOW);
    ck_assert_int_eq(loading.recovery_s, 1 + 30);
    /* 0.6 GB at 100 MB/s */
    advise_case_run(&idle, ADVISE_BEST_EFFORT, ADVISE_RECORD, &seen);
    ck_assert_int_eq(seen.recovery_by, ADVISE_LOAD_NONE);
    ck_assert_int_ge(seen.recovery_s, 7);
    ck_assert_int_le(seen.recovery_s, 8);
}
END_TEST

START_TEST(a_delayed_fsync_now_and_then_is_no_slow_volume)
{
    static const struct {
        const char *info;
        bool is_slow;
    } cases[] = {
        {"aof_delayed_fsync:1\nuptime_in_seconds:60\n", false},
        {"aof_delayed_fsync:2\nuptime_in_seconds:60\n", true},
        {"aof_delayed_fsync:240\nuptime_in_seconds:864000\n", false},
        {"aof_delayed_fsync:241\nuptime_in_seconds:864000\n", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_advice struct advice advice = {0};
        const struct advise_case c = {"", cases[i].info, "", -1, -1, -1};

        advise_case_run(&c, ADVISE_EVERY_SECOND, ADVISE_RECORD, &advice);
        ck_assert_msg(advise_case_says(&advice.warnings, "since the server started") ==
                          cases[i].is_slow,
                      "%s", cases[i].info);
    }
}
END_TEST

START_TEST(the_rate_and_the_drill_of_the_sidecar_count)
{
    const struct advise_wish wish = {.recovery_point_s = -1, .use = ADVISE_RECORD};
    struct pairs info = {0};
    struct advise_server server = ADVISE_SERVER_UNKNOWN;
    auto_advice struct advice advice = {0};

    pairs_add(&info, "used_memory", "1000000000");
    server.info = &info;
    server.dump_bytes = 600000000;
    server.load_bytes_per_s = 200000000;
    server.load = ADVISE_LOAD_LAST;
    server.load_at_ms = 1795248500000;
    server.drill_s = 77;
    advise(&wish, &server, &advice);
    ck_assert_int_eq(advice.recovery_by, ADVISE_LOAD_LAST);
    ck_assert_int_eq(advice.recovery_by_ms, 1795248500000);
    auto_json struct json *root = advice_to_json(&advice);
    auto_free char *text = json_print(root, false);
    ck_assert_ptr_nonnull(strstr(text, "\"recovery_by\":\"last-load\""));
    ck_assert_ptr_nonnull(strstr(text, "\"recovery_is_measured\":true"));
    ck_assert_int_eq(advice.recovery_s, 1 + 3);
    ck_assert_int_eq(advice.recovery_volume_s, 77);
    pairs_release(&info);
}
END_TEST

START_TEST(maxmemory_leaves_room_for_the_copy_that_saves_have_needed)
{
    static const struct {
        const char *cow;
        int64_t maxmemory;
    } cases[] = {
        {"0", LL(16) * 1000000000 / 160 * 100},          /* not measured */
        {"100000000", LL(16) * 1000000000 / 160 * 100},  /* little: it was a quiet hour */
        {"5500000000", LL(16) * 1000000000 / 185 * 100}, /* 61 % */
        {"90000000000", LL(16) * 1000000000 / 210 * 100},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *text =
            xasprintf("used_memory:9000000000\nrdb_last_cow_size:%s\n", cases[i].cow);
        const struct advise_case fixture = {"", text, "", -1, -1, LL(16) * 1000000000};
        auto_free char *want = xasprintf("%" PRId64 "mb", cases[i].maxmemory >> 20);
        auto_advice struct advice advice = {0};

        advise_case_run(&fixture, ADVISE_ALWAYS, ADVISE_RECORD, &advice);
        ck_assert_str_eq(advise_case_value(&advice.redis, "maxmemory"), want);
        ck_assert_int_eq(advise_case_says(&advice.warnings, "already uses"),
                         cases[i].maxmemory < LL(9) * 1000000000);
    }
}
END_TEST

START_TEST(a_volume_that_is_too_small_compresses_and_is_said)
{
    struct advise_case fixture = {"", "used_memory:1000000000\n", "", -1, LL(1) << 30, -1};
    auto_advice struct advice small = {0};
    auto_advice struct advice large = {0};

    advise_case_run(&fixture, ADVISE_ALWAYS, ADVISE_RECORD, &small);
    fixture.volume_bytes = LL(1) << 40;
    advise_case_run(&fixture, ADVISE_ALWAYS, ADVISE_RECORD, &large);
    ck_assert_str_eq(advise_case_value(&small.redis, "rdbcompression"), "yes");
    ck_assert(advise_case_says(&small.warnings, "The volume has 1.1 GB"));
    ck_assert_str_eq(advise_case_value(&large.redis, "rdbcompression"), "no");
    ck_assert(!advise_case_says(&large.warnings, "The volume has"));
}
END_TEST

START_TEST(a_policy_of_the_right_kind_stays)
{
    static const struct {
        enum advise_use use;
        const char *running;
        const char *advised;
    } cases[] = {
        {ADVISE_CACHE, "allkeys-lfu", "allkeys-lfu"},
        {ADVISE_CACHE, "noeviction", "allkeys-lru"},
        {ADVISE_SESSIONS, "volatile-ttl", "volatile-ttl"},
        {ADVISE_SESSIONS, "allkeys-lru", "volatile-lru"},
        {ADVISE_QUEUE, "volatile-ttl", "noeviction"},
        {ADVISE_RECORD, "allkeys-lru", "noeviction"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *config = xasprintf("maxmemory-policy:%s\n", cases[i].running);
        const struct advise_case fixture = {"", "", config, -1, -1, -1};
        auto_advice struct advice advice = {0};

        advise_case_run(&fixture, ADVISE_ALWAYS, cases[i].use, &advice);
        ck_assert_str_eq(advise_case_value(&advice.redis, "maxmemory-policy"), cases[i].advised);
    }
}
END_TEST

START_TEST(only_what_differs_is_in_the_diff)
{
    const struct advise_case fixture = {
        "",
        "",
        "save:3600 1\nappendonly:YES\nappendfsync:no\naof-use-rdb-preamble:yes\n"
        "no-appendfsync-on-rewrite:no\nauto-aof-rewrite-percentage:100\n"
        "auto-aof-rewrite-min-size:67108864\naof-load-truncated:yes\n"
        "stop-writes-on-bgsave-error:no\nrdbchecksum:yes\nmaxmemory:1073741824\n"
        "maxmemory-policy:noeviction\n",
        -1,
        -1,
        -1};
    struct pairs config = {0};
    auto_advice struct advice advice = {0};
    auto_json struct json *diff = NULL;
    auto_free char *text = NULL;

    pairs_add_info(&config, fixture.config, strlen(fixture.config));
    advise_case_run(&fixture, ADVISE_EVERY_SECOND, ADVISE_RECORD, &advice);
    ck_assert_str_eq(advise_case_value(&advice.redis, "maxmemory"), "1gb");
    diff = advice_diff_json(&advice, &config);
    text = json_print(diff, false);
    ck_assert_uint_eq(json_size(diff), 2);
    ck_assert_ptr_nonnull(
        strstr(text, "{\"name\":\"appendfsync\",\"running\":\"no\",\"advised\":\"everysec\","));
    ck_assert_ptr_nonnull(
        strstr(text, "{\"name\":\"rdbcompression\",\"running\":null,\"advised\":\"no\","));
    pairs_release(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("advise_server");
    TCase *tcase = tcase_create("advise_server");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_risk_of_a_running_server_is_said_and_only_then);
    tcase_add_test(tcase, a_delayed_fsync_now_and_then_is_no_slow_volume);
    tcase_add_test(tcase, recovery_is_measured_where_the_server_has_shown_it);
    tcase_add_test(tcase, the_rate_and_the_drill_of_the_sidecar_count);
    tcase_add_test(tcase, maxmemory_leaves_room_for_the_copy_that_saves_have_needed);
    tcase_add_test(tcase, a_volume_that_is_too_small_compresses_and_is_said);
    tcase_add_test(tcase, a_policy_of_the_right_kind_stays);
    tcase_add_test(tcase, only_what_differs_is_in_the_diff);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
