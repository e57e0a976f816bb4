/*
 * What the server has done so far: each finding and its absence, on what a real Redis 7.0.15 said,
 * with single lines of it changed.
 */
#include <check.h>
#include <stdlib.h>

#include "support/check_case.h"

static const struct check_finding findings[] = {
    {.id = "last-save", .kind = "rdb", .status = CHECK_OK, .says = "1 changes since"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:rdb_saves=0", "info:rdb_last_bgsave_time_sec=-1"},
     .status = CHECK_UNKNOWN,
     .says = "not saved"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:rdb_saves=0"}, /* CONFIG RESETSTAT */
     .status = CHECK_OK,
     .says = "ok"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:rdb_last_bgsave_status=err"},
     .status = CHECK_FAIL,
     .says = "refuses writes",
     .fix = "redis-cli BGSAVE"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:rdb_last_bgsave_status=err", "config"},
     .status = CHECK_FAIL,
     .says = "failed",
     .fix = "redis-cli BGSAVE"},
    {.id = "last-save",
     .kind = "aof",
     .edits = {"info:rdb_last_bgsave_status=err"},
     .status = CHECK_FAIL,
     .says = "refuses writes",
     .fix = "redis-cli BGSAVE"},
    {.id = "last-save",
     .kind = "aof",
     .edits = {"info:rdb_last_bgsave_status=err", "config:save="},
     .status = CHECK_WARN,
     .says = "failed",
     .fix = "redis-cli BGSAVE"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:rdb_last_bgsave_status=maybe"},
     .status = CHECK_UNKNOWN,
     .says = "maybe"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:rdb_last_save_time=9999999999"}, /* its clock was set back */
     .status = CHECK_OK,
     .says = "unknown ago"},
    {.id = "last-save",
     .kind = "rdb",
     .edits = {"info:server_time_usec=1795252079000000"}, /* an hour later, by its own clock */
     .status = CHECK_OK,
     .says = "1h 00m ago"},

    {.id = "last-aof-write", .kind = "rdb", .status = CHECK_OK, .says = "not used"},
    {.id = "last-aof-write", .kind = "aof", .status = CHECK_OK, .says = "ok"},
    {.id = "last-aof-write",
     .kind = "aof",
     .edits = {"info:aof_last_write_status=err"},
     .status = CHECK_FAIL,
     .says = "err",
     .fix = "redis-cli BGREWRITEAOF"},
    {.id = "last-aof-write",
     .kind = "aof",
     .edits = {"info:aof_last_bgrewrite_status=err"},
     .status = CHECK_WARN,
     .says = "rewrite failed",
     .fix = "redis-cli BGREWRITEAOF"},
    {.id = "last-aof-write",
     .kind = "aof",
     .edits = {"info:aof_last_write_status"},
     .status = CHECK_UNKNOWN,
     .says = "aof_last_write_status"},

    {.id = "fork-time", .kind = "aof", .status = CHECK_OK, .says = "ms"},
    {.id = "fork-time",
     .kind = "aof",
     .edits = {"info:latest_fork_usec=0"},
     .status = CHECK_UNKNOWN,
     .says = "not forked"},
    {.id = "fork-time",
     .kind = "aof",
     .edits = {"info:latest_fork_usec=999999"},
     .status = CHECK_OK,
     .says = "999 ms"},
    {.id = "fork-time",
     .kind = "aof",
     .edits = {"info:latest_fork_usec=1000000"},
     .status = CHECK_WARN,
     .says = "1.0 s"},
    {.id = "fork-time",
     .kind = "aof",
     .edits = {"info:latest_fork_usec=-3"},
     .status = CHECK_UNKNOWN,
     .says = "no count"},

    {.id = "delayed-fsync", .kind = "rdb", .status = CHECK_OK, .says = "not used"},
    {.id = "delayed-fsync", .kind = "aof", .status = CHECK_OK, .says = "0 in"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=1", "info:uptime_in_seconds=60"},
     .status = CHECK_OK,
     .says = "1 in 1m"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=2", "info:uptime_in_seconds=60"},
     .status = CHECK_WARN,
     .says = "2 in 1m"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=24", "info:uptime_in_seconds=86400"},
     .status = CHECK_OK,
     .says = "24 in 1d"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=25", "info:uptime_in_seconds=86400"},
     .status = CHECK_WARN,
     .says = "25 in 1d"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=9", "config:aof-rewrite-incremental-fsync=no"},
     .status = CHECK_WARN,
     .says = "9 in",
     .fix = "aof-rewrite-incremental-fsync yes",
     .act = "aof-rewrite-incremental-fsync yes"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=9", "config:rdb-save-incremental-fsync=no"},
     .status = CHECK_WARN,
     .says = "9 in",
     .fix = "rdb-save-incremental-fsync yes",
     .act = "rdb-save-incremental-fsync yes"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=9223372036854775807"},
     .status = CHECK_WARN,
     .says = "9223372036854775807"},
    {.id = "delayed-fsync",
     .kind = "aof",
     .edits = {"info:aof_delayed_fsync=100", "info:uptime_in_seconds=86401"},
     .status = CHECK_UNKNOWN, /* it may all have been on the first day */
     .says = "100 in 1d 00h, since the server started; whether they go on needs a sidecar"},

    {.id = "aof-growth", .kind = "rdb", .status = CHECK_OK, .says = "not used"},
    {.id = "aof-growth", .kind = "aof", .status = CHECK_OK, .says = "99 B"},
    {.id = "aof-growth",
     .kind = "aof",
     .edits = {"config:auto-aof-rewrite-percentage=0"},
     .status = CHECK_WARN,
     .says = "never rewritten",
     .fix = "auto-aof-rewrite-percentage 100",
     .act = "auto-aof-rewrite-percentage 100"},
    {.id = "aof-growth",
     .kind = "aof",
     .edits = {"info:aof_current_size=120000000"}, /* below two times the smallest */
     .status = CHECK_OK,
     .says = "120 MB"},
    {.id = "aof-growth",
     .kind = "aof",
     .edits = {"info:aof_current_size=4000000", "info:aof_base_size=1000000000"},
     .status = CHECK_OK,
     .says = "1.0 GB"},
    {.id = "aof-growth",
     .kind = "aof",
     .edits = {"info:aof_current_size=4100000000", "info:aof_base_size=1000000000"},
     .status = CHECK_WARN,
     .says = "do not keep up",
     .fix = "redis-cli BGREWRITEAOF"},
    {.id = "aof-growth",
     .kind = "aof",
     .edits = {"info:aof_current_size=9223372036854775807",
               "info:aof_base_size=9223372036854775807",
               "config:auto-aof-rewrite-percentage=9223372036854775807"},
     .status = CHECK_OK,
     .says = "B"},
    {.id = "aof-growth",
     .kind = "aof",
     .edits = {"config"},
     .status = CHECK_UNKNOWN,
     .says = "+config|get"},

    {.id = "cluster-slots", .kind = "rdb", .status = CHECK_OK, .says = "no cluster"},
    {.id = "cluster-slots",
     .kind = "rdb",
     .edits = {"info:cluster_enabled=1"},
     .status = CHECK_UNKNOWN,
     .says = "CLUSTER INFO"},
    {.id = "cluster-slots",
     .kind = "rdb",
     .edits = {"info:cluster_enabled=1", "info:cluster_state=ok",
               "info:cluster_slots_assigned=16384", "info:cluster_slots_ok=16384"},
     .status = CHECK_OK,
     .says = "all 16384"},
    {.id = "cluster-slots",
     .kind = "rdb",
     .edits = {"info:cluster_enabled=1", "info:cluster_state=ok",
               "info:cluster_slots_assigned=16384", "info:cluster_slots_ok=16384",
               "info:redis_version=8.6.3"},
     .status = CHECK_OK,
     .says = "ok, all 16384"},
    {.id = "cluster-slots",
     .kind = "rdb",
     .edits = {"info:cluster_enabled=1", "info:cluster_state=fail",
               "info:cluster_slots_assigned=16383", "info:cluster_slots_ok=16383",
               "info:tcp_port=7000"},
     .status = CHECK_WARN,
     .says = "fail, 16383 of 16384",
     .fix = "redis-cli --cluster fix 127.0.0.1:7000"},
    {.id = "cluster-slots",
     .kind = "rdb",
     .edits = {"info:cluster_enabled=1", "info:cluster_state=ok",
               "info:cluster_slots_assigned=16384", "info:cluster_slots_ok=11000",
               "info:tcp_port=7000"},
     .status = CHECK_WARN,
     .says = "11000 served",
     .fix = "redis-cli --cluster check 127.0.0.1:7000"},
    {.id = "cluster-slots",
     .kind = "rdb",
     .edits = {"info:cluster_enabled=1", "info:cluster_state=ok",
               "info:cluster_slots_assigned=many", "info:cluster_slots_ok=16384"},
     .status = CHECK_UNKNOWN,
     .says = "many"},
};

START_TEST(each_finding_and_its_absence)
{
    for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++)
        check_case_prove(&findings[i]);
}
END_TEST

START_TEST(a_certificate_is_renewed_before_it_runs_out)
{
    static const int64_t day_ms = 86400000;
    static const struct {
        int64_t lives_days;
        int64_t left_ms;
        bool is_ours;
        enum check_status status;
        const char *says;
        const char *fix;
    } rows[] = {
        {365, 15 * day_ms, false, CHECK_OK, "good until 2026-12-06T", NULL},
        {365, 14 * day_ms - 1, false, CHECK_WARN, "the server's runs out on 2026-12-05T",
         "redis-cli CONFIG SET tls-cert-file FILE tls-key-file FILE   # when they were renewed, so "
         "that it reads them"},
        {365, day_ms, true, CHECK_WARN, "redkeep's own runs out on 2026-11-22T",
         "renew redis-tls-cert-file   # it is read at the next connection"},
        {1, day_ms / 5, true, CHECK_OK, "for 4h 48m", NULL},
        {1, day_ms / 5 - 1, true, CHECK_WARN, "redkeep's own",
         "renew redis-tls-cert-file   # it is read at the next connection"},
        {1, -1, true, CHECK_WARN, "redkeep's own",
         "renew redis-tls-cert-file   # it is read at the next connection"},
    };
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "tls-certificate", CHECK_OK, "not used", NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t until_ms = c.facts.now_ms + rows[i].left_ms;

        c.facts.tls = (struct check_tls){.is_used = true,
                                         .is_ours = rows[i].is_ours,
                                         .from_ms = until_ms - rows[i].lives_days * day_ms,
                                         .until_ms = until_ms};
        check_case_expect(&c, "tls-certificate", rows[i].status, rows[i].says, rows[i].fix);
    }
    check_case_release(&c);
}
END_TEST

START_TEST(what_the_sidecar_has_seen_of_late_counts_more_than_the_sum)
{
    static const struct {
        struct check_delays delays;
        const char *total;
        const char *uptime_s;
        enum check_status status;
        const char *says;
    } cases[] = {
        {{3600, 0}, "5000", "864000", CHECK_OK, "0 in the last 1h 00m (5000 in 10d 00h, since"},
        {{3600, 1}, "5000", "864000", CHECK_OK, "1 in the last 1h 00m"},
        {{3600, 2}, "5000", "864000", CHECK_WARN, "2 in the last 1h 00m"},
        {{600, 2}, "2", "864000", CHECK_WARN, "2 in the last 10m 00s"}, /* seldom, until now */
        {{600, 0}, "50", "3600", CHECK_OK, "0 in the last 10m 00s"},
        {{600, 0}, "0", "3600", CHECK_OK, "0 in 1h 00m, since the server started"},
        {{0, 0}, "5000", "864000", CHECK_UNKNOWN, "needs a sidecar"},
        {{599, 1}, "5000", "864000", CHECK_UNKNOWN, "needs a sidecar"},
        {{30, 2}, "5000", "864000", CHECK_WARN, "2 in the last 30 s"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct check_case c;

        check_case_init(&c, "aof");
        c.facts.delays = cases[i].delays;
        check_case_put(&c.info, "aof_delayed_fsync", cases[i].total);
        check_case_put(&c.info, "uptime_in_seconds", cases[i].uptime_s);
        check_case_expect(&c, "delayed-fsync", cases[i].status, cases[i].says, NULL);
        check_case_release(&c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_server_state");
    TCase *tcase = tcase_create("state");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, each_finding_and_its_absence);
    tcase_add_test(tcase, a_certificate_is_renewed_before_it_runs_out);
    tcase_add_test(tcase, what_the_sidecar_has_seen_of_late_counts_more_than_the_sum);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
