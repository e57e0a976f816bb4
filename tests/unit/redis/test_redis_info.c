/*
 * INFO of a real Redis 7.0, the differences of the other servers, and nonsense.
 */
#include "redis/redis_info.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"

static void read_golden(const char *path, struct redis_server_info *out)
{
    auto_buf struct buf text;
    struct err err = {0};

    buf_init(&text, 1 << 20);
    ck_assert_msg(fs_read_file(AT_FDCWD, path, &text, &err) == 0, "%s", err.msg);
    redis_info_parse(buf_text(&text), text.len, out);
}

START_TEST(info_of_redis_7_0_is_read)
{
    auto_redis_info struct redis_server_info info = {0};
    struct server_version version;
    struct err err = {0};

    read_golden("tests/data/info/redis-7.0.txt", &info);

    ck_assert_int_eq(info.flavour, REDIS_FLAVOUR_REDIS);
    ck_assert_str_eq(info.version, "7.0.15");
    ck_assert_uint_eq(strlen(info.run_id), 40);
    ck_assert_int_gt(info.process_id, 0);
    ck_assert_int_eq(info.tcp_port, 0);
    ck_assert_int_gt(info.server_time_usec, 1500000000000000);
    ck_assert_int_eq(info.uptime_s, 0);
    ck_assert_str_eq(info.executable, "/usr/bin/redis-server");
    ck_assert_str_eq(info.config_file, "/etc/redis/redis.conf");
    ck_assert_str_eq(info.role, "master");
    ck_assert_uint_eq(strlen(info.replid), 40);
    ck_assert_int_eq(info.repl_offset, 0);
    ck_assert_str_eq(info.master_link_status, "");
    ck_assert_int_eq(info.connected_slaves, 0);
    ck_assert_int_eq(info.master_sync_in_progress, -1);
    ck_assert_int_eq(info.master_link_down_since_s, -1);
    ck_assert_int_eq(info.master_last_io_s, -1);
    ck_assert_int_eq(info.loading, 0);
    ck_assert_int_eq(info.async_loading, 0);
    ck_assert_int_eq(info.loading_start_time_s, -1);
    ck_assert_int_eq(info.loading_total_bytes, -1);
    ck_assert_int_eq(info.rdb_saves, 0);
    ck_assert_int_eq(info.rdb_bgsave_in_progress, 0);
    ck_assert_int_eq(info.rdb_last_bgsave_ok, 1);
    ck_assert_int_eq(info.rdb_changes_since_last_save, 3);
    ck_assert_int_eq(info.rdb_last_bgsave_s, -1);
    ck_assert_int_eq(info.rdb_current_bgsave_s, -1);
    ck_assert_int_eq(info.rdb_last_cow_bytes, 0);
    ck_assert_int_eq(info.rdb_last_load_keys_loaded, 0);
    ck_assert_int_eq(info.rdb_last_load_keys_expired, 0);
    ck_assert_int_eq(info.latest_fork_usec, 0);
    ck_assert_int_eq(info.aof_enabled, 1);
    ck_assert_int_eq(info.aof_rewrite_in_progress, 0);
    ck_assert_int_eq(info.aof_last_write_ok, 1);
    ck_assert_int_eq(info.aof_last_rewrite_s, -1);
    ck_assert_int_eq(info.aof_last_cow_bytes, 0);
    ck_assert_int_eq(info.aof_current_bytes, 173);
    ck_assert_int_eq(info.aof_base_bytes, 0);
    ck_assert_int_eq(info.aof_delayed_fsync, 0);
    ck_assert_int_eq(info.module_fork_in_progress, 0);
    ck_assert_int_eq(info.slot_migration_fork_in_progress, -1);
    ck_assert_int_eq(info.used_memory, 991768);
    ck_assert_int_eq(info.used_memory_rss, 6889472);
    ck_assert_int_eq(info.maxmemory, 0);
    ck_assert_int_gt(info.total_system_memory, 0);
    ck_assert_int_eq(info.cluster_enabled, 0);

    ck_assert_uint_eq(info.keyspace_count, 2);
    ck_assert_uint_eq(info.keyspace[0].db, 0);
    ck_assert_uint_eq(info.keyspace[0].keys, 2);
    ck_assert_uint_eq(info.keyspace[0].expires, 1);
    ck_assert_uint_eq(info.keyspace[1].db, 3);
    ck_assert_uint_eq(info.keyspace[1].keys, 1);
    ck_assert_uint_eq(redis_info_keys(&info), 3);
    ck_assert(!redis_info_has_child(&info));
    ck_assert_int_eq(redis_info_version(&info, &version, &err), 0);
    ck_assert_uint_eq(version.major * 10000 + version.minor * 100 + version.patch, 70015);
}
END_TEST

START_TEST(info_of_a_server_that_loads_is_read)
{
    auto_redis_info struct redis_server_info info = {0};

    read_golden("tests/data/info/redis-7.0-loading.txt", &info);
    ck_assert_int_eq(info.loading, 1);
    ck_assert_int_eq(info.async_loading, 0);
    ck_assert_int_eq(info.uptime_s, 3);
    ck_assert_int_eq(info.server_time_usec, 1795229404657739);
    ck_assert_int_eq(info.loading_start_time_s, 1795229401);
    ck_assert_int_eq(info.loading_total_bytes, 6977840);
    ck_assert_int_eq(info.loading_loaded_bytes, 917500);
    ck_assert_int_eq(info.loading_eta_s, 19);
    ck_assert_int_eq(info.rdb_last_load_keys_loaded, 26296);
    ck_assert_int_eq(info.aof_enabled, 0);
    ck_assert_int_eq(info.aof_current_bytes, -1);
    ck_assert_int_eq(info.aof_base_bytes, -1);
    ck_assert_int_eq(info.aof_delayed_fsync, -1);
    ck_assert_str_eq(info.config_file, "");
}
END_TEST

START_TEST(info_of_a_replica_is_read)
{
    auto_redis_info struct redis_server_info info = {0};

    read_golden("tests/data/info/redis-7.0-replica.txt", &info);
    ck_assert_str_eq(info.role, "slave");
    ck_assert_str_eq(info.master_link_status, "up");
    ck_assert_int_eq(info.master_sync_in_progress, 0);
    ck_assert_int_eq(info.master_last_io_s, 5);
    ck_assert_int_eq(info.master_link_down_since_s, -1);
    ck_assert_int_eq(info.connected_slaves, 0);
    ck_assert_int_eq(info.repl_offset, 28);
    ck_assert_int_eq(info.rdb_last_bgsave_s, 0);
    ck_assert_int_eq(info.rdb_current_bgsave_s, -1);
    ck_assert_int_eq(info.rdb_last_cow_bytes, 679936);
    ck_assert_int_eq(info.rdb_last_load_keys_loaded, 200000);
    ck_assert_int_eq(info.latest_fork_usec, 5477);
    ck_assert_int_eq(info.aof_last_rewrite_s, 0);
    ck_assert_int_eq(info.aof_last_cow_bytes, 651264);
    ck_assert_int_eq(info.aof_current_bytes, 6977840);
    ck_assert_int_eq(info.aof_base_bytes, 6977840);
}
END_TEST

START_TEST(each_number_has_a_field_of_its_own)
{
    static const char text[] =
        "uptime_in_seconds:1\r\nconnected_slaves:2\r\nmaster_link_down_since_seconds:3\r\n"
        "master_last_io_seconds_ago:4\r\nloading_start_time:5\r\nrdb_last_bgsave_time_sec:6\r\n"
        "rdb_current_bgsave_time_sec:7\r\nrdb_last_load_keys_loaded:8\r\n"
        "rdb_last_load_keys_expired:9\r\nlatest_fork_usec:10\r\naof_last_rewrite_time_sec:11\r\n"
        "aof_last_cow_size:12\r\naof_current_size:13\r\naof_base_size:14\r\n"
        "aof_delayed_fsync:15\r\nused_memory_rss:16\r\n";
    auto_redis_info struct redis_server_info info = {0};

    redis_info_parse(text, strlen(text), &info);
    const int64_t got[] = {
        info.uptime_s,
        info.connected_slaves,
        info.master_link_down_since_s,
        info.master_last_io_s,
        info.loading_start_time_s,
        info.rdb_last_bgsave_s,
        info.rdb_current_bgsave_s,
        info.rdb_last_load_keys_loaded,
        info.rdb_last_load_keys_expired,
        info.latest_fork_usec,
        info.aof_last_rewrite_s,
        info.aof_last_cow_bytes,
        info.aof_current_bytes,
        info.aof_base_bytes,
        info.aof_delayed_fsync,
        info.used_memory_rss,
    };
    for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++)
        ck_assert_int_eq(got[i], (int64_t)i + 1);
}
END_TEST

START_TEST(valkey_is_told_by_its_own_version_in_any_order)
{
    static const char *const rows[] = {
        "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n",
        "valkey_version:9.1.2\r\nredis_version:7.2.4\r\n",
        "valkey_version:9.1.2\nredis_version:7.2.4",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_redis_info struct redis_server_info info = {0};
        struct server_version version;
        struct err err = {0};

        redis_info_parse(rows[i], strlen(rows[i]), &info);
        ck_assert_int_eq(info.flavour, REDIS_FLAVOUR_VALKEY);
        ck_assert_str_eq(info.version, "9.1.2");
        ck_assert_int_eq(redis_info_version(&info, &version, &err), 0);
        ck_assert_int_eq(version.flavour, REDIS_FLAVOUR_VALKEY);
    }
}
END_TEST

START_TEST(each_kind_of_child_counts)
{
    static const struct {
        const char *text;
        bool want;
    } rows[] = {
        {"", false},
        {"rdb_bgsave_in_progress:1\r\n", true},
        {"rdb_bgsave_in_progress:0\r\naof_rewrite_in_progress:0\r\n", false},
        {"aof_rewrite_in_progress:1\r\n", true},
        {"module_fork_in_progress:1\r\n", true},
        {"slot_migration_fork_in_progress:1\r\n", true},
        {"aof_rewrite_scheduled:1\r\n", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_redis_info struct redis_server_info info = {0};

        redis_info_parse(rows[i].text, strlen(rows[i].text), &info);
        ck_assert_msg(redis_info_has_child(&info) == rows[i].want, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(unreadable_fields_stay_unknown)
{
    static const char text[] =
        "# Server\r\nrun_id:\r\nprocess_id:12x\r\ntcp_port:99999999999999999999\r\n"
        "uptime\r\nrole:averyveryverylongroleindeed\r\nloading:maybe\r\nloading_eta_seconds:-1\r\n"
        "rdb_last_bgsave_status:err\r\nmaxmemory:-\r\n"
        "db0:keys=x,expires=1\r\ndb1:expires=1\r\ndbx:keys=1\r\ndb-1:keys=1\r\ndb:keys=1\r\n"
        "db2:keys=5\r\ndb3:xkeys=1,keys=7,expires=2,avg_ttl=0,subexpiry=0\r\n:\r\n:x\r\nexecutable:"
        "a";
    auto_redis_info struct redis_server_info info = {0};
    struct server_version version;
    struct err err = {0};

    redis_info_parse(text, strlen(text), &info);
    ck_assert_str_eq(info.run_id, "");
    ck_assert_int_eq(info.process_id, -1);
    ck_assert_int_eq(info.tcp_port, -1);
    ck_assert_str_eq(info.role, "");
    ck_assert_int_eq(info.loading, -1);
    ck_assert_int_eq(info.loading_eta_s, -1);
    ck_assert_int_eq(info.rdb_last_bgsave_ok, 0);
    ck_assert_int_eq(info.maxmemory, -1);
    ck_assert_str_eq(info.executable, "a");
    ck_assert_uint_eq(info.keyspace_count, 2);
    ck_assert_uint_eq(info.keyspace[0].keys, 5);
    ck_assert_uint_eq(info.keyspace[0].expires, 0);
    ck_assert_uint_eq(info.keyspace[1].keys, 7);
    ck_assert_int_eq(redis_info_version(&info, &version, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
}
END_TEST

START_TEST(every_prefix_of_an_info_can_be_read)
{
    auto_buf struct buf text;
    struct err err = {0};

    buf_init(&text, 1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/info/redis-7.0.txt", &text, &err), 0);
    for (size_t len = 0; len <= text.len; len++) {
        auto_free char *exact = malloc(len + 1); /* so that ASan sees a read behind the end */
        auto_redis_info struct redis_server_info info = {0};

        memcpy(exact, buf_text(&text), len);
        exact = realloc(exact, len == 0 ? 1 : len);
        redis_info_parse(exact, len, &info);
        ck_assert_uint_le(info.keyspace_count, 2);
    }
}
END_TEST

START_TEST(many_databases_are_all_kept)
{
    auto_buf struct buf text;
    auto_redis_info struct redis_server_info info = {0};
    struct err err = {0};

    buf_init(&text, REDIS_INFO_DATABASES_MAX * 40);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_int_eq(buf_printf(&text, &err, "db%u:keys=%u,expires=0\r\n", i, i + 1), 0);
    redis_info_parse(buf_text(&text), text.len, &info);
    ck_assert_uint_eq(info.keyspace_count, 1000);
    ck_assert_uint_eq(info.keyspace[999].keys, 1000);
    ck_assert_uint_eq(redis_info_keys(&info), 1000 * 1001 / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_info");
    TCase *tcase = tcase_create("redis_info");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, info_of_redis_7_0_is_read);
    tcase_add_test(tcase, info_of_a_server_that_loads_is_read);
    tcase_add_test(tcase, info_of_a_replica_is_read);
    tcase_add_test(tcase, each_number_has_a_field_of_its_own);
    tcase_add_test(tcase, valkey_is_told_by_its_own_version_in_any_order);
    tcase_add_test(tcase, each_kind_of_child_counts);
    tcase_add_test(tcase, unreadable_fields_stay_unknown);
    tcase_add_test(tcase, every_prefix_of_an_info_can_be_read);
    tcase_add_test(tcase, many_databases_are_all_kept);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
