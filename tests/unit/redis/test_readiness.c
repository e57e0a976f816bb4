/*
 * The rule of readiness over what servers, their stages, and their like answer.
 */
#include "redis/readiness.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"

static struct readiness look_at(const char *info_text, const struct readiness *before,
                                int64_t elapsed_ms)
{
    auto_redis_info struct redis_server_info info = {0};
    struct readiness found;

    memset(&found, 0x5a, sizeof(found)); /* every field is set */
    redis_info_parse(info_text, strlen(info_text), &info);
    readiness_from_info(&info, before, elapsed_ms, &found);
    return found;
}

static void check_text(const struct readiness *readiness, const char *want)
{
    auto_free char *text = readiness_text(readiness);

    ck_assert_str_eq(text, want);
}

#define LOADED "loading:0\r\nasync_loading:0\r\n"
#define REPLICA "role:slave\r\nmaster_link_status:"

START_TEST(each_stage_of_a_server_has_its_state)
{
    static const struct {
        const char *info;
        enum readiness_state state;
        const char *text;
    } rows[] = {
        {LOADED "role:master\r\n", READINESS_READY, "ready"},
        {"loading:1\r\nasync_loading:0\r\nrole:master\r\n", READINESS_LOADING, "loading"},
        {"loading:1\r\nasync_loading:0\r\n" REPLICA "down\r\n", READINESS_LOADING, "loading"},
        {"loading:0\r\nasync_loading:1\r\n" REPLICA "up\r\n", READINESS_LOADING, "loading"},
        {LOADED REPLICA "up\r\nmaster_sync_in_progress:0\r\n", READINESS_READY, "ready"},
        {LOADED REPLICA "up\r\nmaster_sync_in_progress:1\r\n", READINESS_SYNCING,
         "syncing: the replica is being sent its primary's data"},
        {LOADED REPLICA "down\r\nmaster_sync_in_progress:1\r\n", READINESS_SYNCING,
         "syncing: the replica is being sent its primary's data"},
        {LOADED REPLICA "down\r\nmaster_sync_in_progress:0\r\nmaster_link_down_since_seconds:7\r\n",
         READINESS_SYNCING, "syncing: the replica's link to its primary has been down for 7 s"},
        {LOADED REPLICA
         "down\r\nmaster_sync_in_progress:0\r\nmaster_link_down_since_seconds:-1\r\n",
         READINESS_SYNCING, "syncing: the replica has no link to its primary"},
        /* a primary that stopped saving, or that a script blocked a moment ago, has loaded */
        {LOADED "rdb_last_bgsave_status:err\r\nrole:master\r\n", READINESS_READY, "ready"},
        /* before 7.0 there is no async_loading */
        {"loading:0\r\nrole:master\r\n", READINESS_READY, "ready"},
        {"loading:1\r\nrole:master\r\n", READINESS_LOADING, "loading"},
        /* another word for a replica, a field left out: not known to have its data */
        {LOADED "role:replica\r\nmaster_link_status:down\r\n", READINESS_SYNCING,
         "syncing: the replica has no link to its primary"},
        {LOADED "role:replica\r\nmaster_link_status:up\r\n", READINESS_READY, "ready"},
        {LOADED "role:slave\r\n", READINESS_SYNCING,
         "syncing: the replica has no link to its primary"},
        /* one of the two is enough; an answer with neither is of something else */
        {"role:master\r\n", READINESS_READY, "ready"},
        {LOADED, READINESS_READY, "ready"},
        {"", READINESS_UNREACHABLE, NULL},
        {"redis_mode:sentinel\r\nsentinel_masters:1\r\n", READINESS_UNREACHABLE, NULL},
        {"loading:maybe\r\n", READINESS_UNREACHABLE, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct readiness found = look_at(rows[i].info, NULL, 0);

        ck_assert_msg(found.state == rows[i].state, "%s: %s", rows[i].info,
                      readiness_name(found.state));
        if (rows[i].text != NULL)
            check_text(&found, rows[i].text);
        ck_assert_msg((found.why[0] == '\0') == (found.state == READINESS_READY), "%s",
                      rows[i].info);
    }
}
END_TEST

START_TEST(a_real_servers_load_is_told_in_figures)
{
    auto_buf struct buf text;
    struct err err = {0};

    buf_init(&text, 1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/info/redis-7.0-loading.txt", &text, &err),
                     0);
    struct readiness found = look_at(buf_text(&text), NULL, 0);

    ck_assert_int_eq(found.state, READINESS_LOADING);
    ck_assert_int_eq(found.loaded_bytes, 917500);
    ck_assert_int_eq(found.total_bytes, 6977840);
    ck_assert_int_eq(found.bytes_per_s, 917500 * 1000LL / 3657);
    ck_assert_int_eq(found.eta_s, 19);
    check_text(&found, "loading: 13 %, 918 kB of 7.0 MB, 251 kB/s, 19 s left");
}
END_TEST

#define START "loading:1\r\nrole:master\r\nloading_start_time:1000\r\n"
#define AT_S(seconds) START "server_time_usec:" #seconds "000000\r\n"

START_TEST(one_look_gives_percent_rate_and_time_left)
{
    static const struct {
        const char *info;
        double percent;
        int64_t rate;
        int64_t eta_s;
        const char *text;
    } rows[] = {
        {AT_S(1004) "loading_total_bytes:1000000\r\nloading_loaded_bytes:400000\r\n"
                    "loading_eta_seconds:6\r\n",
         40, 100000, 6, "loading: 40 %, 400 kB of 1.0 MB, 100 kB/s, 6 s left"},
        /* without the server's own: what is left by the rate, whole seconds up */
        {AT_S(1004) "loading_total_bytes:1000001\r\nloading_loaded_bytes:400000\r\n", 39.9, 100000,
         7, "loading: 39 %, 400 kB of 1.0 MB, 100 kB/s, 7 s left"},
        /* in the first second the server makes one up */
        {AT_S(1000) "loading_total_bytes:1000000\r\nloading_loaded_bytes:400000\r\n"
                    "loading_eta_seconds:1\r\n",
         40, -1, -1, "loading: 40 %, 400 kB of 1.0 MB"},
        /* a clock that went back */
        {AT_S(900) "loading_total_bytes:1000000\r\nloading_loaded_bytes:400000\r\n"
                   "loading_eta_seconds:3\r\n",
         40, -1, 3, "loading: 40 %, 400 kB of 1.0 MB, 3 s left"},
        /* nothing loaded yet */
        {AT_S(1004) "loading_total_bytes:1000000\r\nloading_loaded_bytes:0\r\n", 0, 0, -1,
         "loading: 0 %, 0 B of 1.0 MB, 0 B/s"},
        /* the tenth is cut, never 100 % before the end; a file may be longer than it was */
        {AT_S(1001) "loading_total_bytes:1000000\r\nloading_loaded_bytes:999999\r\n", 99.9, 999999,
         1, "loading: 99 %, 1.0 MB of 1.0 MB, 1.0 MB/s, 1 s left"},
        {AT_S(1001) "loading_total_bytes:1000000\r\nloading_loaded_bytes:1000001\r\n", 100, 1000001,
         0, "loading: 100 %, 1.0 MB of 1.0 MB, 1.0 MB/s, 0 s left"},
        /* from a primary that does not say how much it sends */
        {AT_S(1010) "loading_total_bytes:0\r\nloading_loaded_bytes:5000000\r\n"
                    "loading_eta_seconds:12\r\n",
         -1, 500000, 12, "loading: 5.0 MB, 500 kB/s, 12 s left"},
        {AT_S(1010) "loading_total_bytes:0\r\nloading_loaded_bytes:5000000\r\n", -1, 500000, -1,
         "loading: 5.0 MB, 500 kB/s"},
        /* nothing but the state */
        {"loading:1\r\nloading_total_bytes:7\r\n", -1, -1, -1, "loading"},
        {"loading:1\r\nloading_total_bytes:-7\r\nloading_loaded_bytes:-1\r\n", -1, -1, -1,
         "loading"},
        /* an hour, and one that stands still */
        {AT_S(1100) "loading_total_bytes:80000000000\r\nloading_loaded_bytes:2000000000\r\n", 2.5,
         20000000, 3900, "loading: 2 %, 2.0 GB of 80 GB, 20 MB/s, 1h 05m left"},
        {AT_S(9000) "loading_total_bytes:9223372036854775807\r\nloading_loaded_bytes:8000\r\n", 0,
         1, -1, "loading: 0 %, 8.0 kB of 9.2 EB, 1 B/s"},
        {AT_S(1001) "loading_total_bytes:9223372036854775807\r\n"
                    "loading_loaded_bytes:9223372036854775807\r\n",
         100, INT64_MAX, 0, "loading: 100 %, 9.2 EB of 9.2 EB, 9.2 EB/s, 0 s left"},
        {"loading:1\r\nloading_start_time:9223372036854775807\r\nserver_time_usec:0\r\n"
         "loading_loaded_bytes:1\r\nloading_eta_seconds:9223372036854775807\r\n",
         -1, -1, INT64_MAX, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct readiness found = look_at(rows[i].info, NULL, 0);

        ck_assert_int_eq(found.state, READINESS_LOADING);
        ck_assert_msg(found.bytes_per_s == rows[i].rate, "%s: %" PRId64 " B/s", rows[i].info,
                      found.bytes_per_s);
        ck_assert_msg(found.eta_s == rows[i].eta_s, "%s: %" PRId64 " s", rows[i].info, found.eta_s);
        ck_assert_double_eq_tol(found.loading_percent, rows[i].percent, 1e-9);
        auto_free char *text = readiness_text(&found);
        if (rows[i].text != NULL)
            ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

START_TEST(two_looks_give_the_rate_between_them)
{
    static const char at_400k[] =
        AT_S(1004) "loading_total_bytes:1000000\r\nloading_loaded_bytes:400000\r\n"
                   "loading_eta_seconds:6\r\n";
    static const struct {
        const char *before;
        int64_t elapsed_ms;
        int64_t rate;
        int64_t eta_s;
    } rows[] = {
        {AT_S(1003) "loading_total_bytes:1000000\r\nloading_loaded_bytes:100000\r\n", 1000, 300000,
         2},
        {AT_S(1003) "loading_total_bytes:1000000\r\nloading_loaded_bytes:100000\r\n", 500, 600000,
         1},
        /* it stands still: no time is left that could be told */
        {AT_S(1003) "loading_total_bytes:1000000\r\nloading_loaded_bytes:400000\r\n", 1000, 0, -1},
        /* no look of this load, or no time between: as from one look */
        {AT_S(1003) "loading_total_bytes:1000000\r\nloading_loaded_bytes:100000\r\n", 0, 100000, 6},
        {AT_S(1003) "loading_total_bytes:1000000\r\nloading_loaded_bytes:900000\r\n", 1000, 100000,
         6},
        {AT_S(1003) "loading_total_bytes:2000000\r\nloading_loaded_bytes:100000\r\n", 1000, 100000,
         6},
        {AT_S(1003) "loading_total_bytes:1000000\r\n", 1000, 100000, 6},
        {LOADED "role:master\r\n", 1000, 100000, 6},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct readiness before = look_at(rows[i].before, NULL, 0);
        struct readiness found = look_at(at_400k, &before, rows[i].elapsed_ms);

        ck_assert_msg(found.bytes_per_s == rows[i].rate && found.eta_s == rows[i].eta_s,
                      "row %zu: %" PRId64 " B/s, %" PRId64 " s", i, found.bytes_per_s, found.eta_s);
    }
}
END_TEST

START_TEST(a_load_without_a_total_keeps_the_servers_eta)
{
    struct readiness before =
        look_at("loading:1\r\nloading_total_bytes:0\r\nloading_loaded_bytes:1000\r\n", NULL, 0);
    struct readiness found = look_at("loading:1\r\nloading_total_bytes:0\r\n"
                                     "loading_loaded_bytes:3000\r\nloading_eta_seconds:5\r\n",
                                     &before, 1000);

    ck_assert_int_eq(found.bytes_per_s, 2000);
    ck_assert_int_eq(found.eta_s, 5);
}
END_TEST

/* What redis_conn makes of an error reply. */
static void server_said(struct err *err, const char *words, int code, enum problem problem)
{
    (void)err_set(err, ERR_SERVER, "redis://h:1: INFO: the server said \"%s\". HINT: do something",
                  words);
    err->code = code;
    (void)err_as(err, problem);
}

START_TEST(an_error_that_says_nothing_of_loading_leaves_what_is_known)
{
    static const char busy[] = "BUSY Redis is busy running a script.";
    static const char full[] = "ERR max number of clients reached";
    static const struct {
        const char *words;
        const char *before; /* NULL: none */
        enum readiness_state state;
    } rows[] = {
        {busy, NULL, READINESS_READY},
        {busy, "", READINESS_READY},
        {busy, LOADED "role:master\r\n", READINESS_READY},
        {busy, LOADED "role:slave\r\n", READINESS_SYNCING},
        {busy, "async_loading:1\r\n", READINESS_LOADING},
        {full, NULL, READINESS_UNREACHABLE},
        {full, "", READINESS_UNREACHABLE},
        {full, LOADED "role:master\r\n", READINESS_READY},
        {full, LOADED "role:slave\r\n", READINESS_SYNCING},
        {full, "loading:1\r\n", READINESS_LOADING},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct readiness before = look_at(rows[i].before == NULL ? "" : rows[i].before, NULL, 0);
        struct readiness found;
        struct err err = {0};

        server_said(&err, rows[i].words, EBUSY, PROBLEM_NONE);
        memset(&found, 0x5a, sizeof(found));
        readiness_from_error(&err, rows[i].before == NULL ? NULL : &before, &found);
        ck_assert_msg(found.state == rows[i].state, "row %zu: %s", i, readiness_name(found.state));
        if (before.state == found.state && found.state != READINESS_UNREACHABLE)
            ck_assert_str_eq(found.why, before.why);
        else
            ck_assert_int_eq(found.why[0] == '\0', found.state == READINESS_READY);
    }
    /* refused by now: what was ready is known no longer */
    struct readiness refused = {.state = READINESS_AUTH};
    struct err err = {0};
    server_said(&err, busy, EBUSY, PROBLEM_NONE);
    readiness_from_error(&err, &refused, &refused);
    ck_assert_int_eq(refused.state, READINESS_READY);
}
END_TEST

START_TEST(a_failure_has_its_state)
{
    static const struct {
        const char *words;
        int code;
        enum problem problem;
        enum readiness_state state;
    } rows[] = {
        {"NOAUTH Authentication required.", 0, PROBLEM_SERVER_AUTH, READINESS_AUTH},
        {"WRONGPASS invalid username-password pair", 0, PROBLEM_SERVER_AUTH, READINESS_AUTH},
        {"NOPERM this user has no permissions", 0, PROBLEM_SERVER_DENIED, READINESS_AUTH},
        {"ERR unknown command 'INFO'", 0, PROBLEM_SERVER_DENIED, READINESS_AUTH},
        {"LOADING Redis is loading", 0, PROBLEM_SERVER_LOADING, READINESS_LOADING},
        {"ERR something of another server", 0, PROBLEM_NONE, READINESS_UNREACHABLE},
        {"connecting: Connection refused", EIO, PROBLEM_NONE, READINESS_UNREACHABLE},
    };
    const struct readiness ready = {.state = READINESS_READY};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct readiness found;
        struct err err = {0};

        server_said(&err, rows[i].words, rows[i].code, rows[i].problem);
        memset(&found, 0x5a, sizeof(found));
        readiness_from_error(&err, &ready, &found);
        ck_assert_msg(found.state == rows[i].state, "%s: %s", rows[i].words,
                      readiness_name(found.state));
        ck_assert_ptr_nonnull(strstr(found.why, rows[i].words));
        ck_assert_ptr_null(strstr(found.why, "HINT"));
        ck_assert_int_eq(found.why[strlen(found.why) - 1], '"');
    }
}
END_TEST

START_TEST(the_reason_is_one_short_line_of_utf_8)
{
    struct readiness found;
    struct err err = {0};
    char longest[600];

    server_said(&err, "odd \x1b[31m\xff", 0, PROBLEM_NONE);
    readiness_from_error(&err, NULL, &found);
    ck_assert_ptr_nonnull(strstr(found.why, "odd \\x1b[31m\xef\xbf\xbd\""));

    for (size_t shift = 0; shift < 3; shift++) { /* cut in the middle of a character */
        memset(longest, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(longest); i += 3)
            memcpy(longest + i, "\xe2\x82\xac", 4);
        err_set(&err, ERR_SERVER, "%s", longest);
        readiness_from_error(&err, NULL, &found);
        size_t len = strlen(found.why);
        ck_assert_uint_ge(len, sizeof(found.why) - 3);
        ck_assert_uint_eq((len - shift) % 3, 0);
        ck_assert_int_eq(memcmp(found.why, longest, len), 0);
    }
    err_set(&err, ERR_SERVER, "%s", ". ");
    readiness_from_error(&err, NULL, &found);
    ck_assert_str_eq(found.why, "");
}
END_TEST

START_TEST(the_answer_has_the_fixed_fields)
{
    static const struct {
        const char *info;
        const char *json;
    } rows[] = {
        {LOADED "role:master\r\n",
         "{\"ready\":true,\"state\":\"ready\",\"loading_percent\":null,\"eta_seconds\":null,"
         "\"why\":null,\"loaded_bytes\":null,\"total_bytes\":null,\"bytes_per_second\":null}"},
        {AT_S(1004) "loading_total_bytes:1000\r\nloading_loaded_bytes:123\r\n",
         "{\"ready\":false,\"state\":\"loading\",\"loading_percent\":12.3,\"eta_seconds\":30,"
         "\"why\":\"the server is loading its data\",\"loaded_bytes\":123,\"total_bytes\":1000,"
         "\"bytes_per_second\":30}"},
        {LOADED "role:slave\r\n",
         "{\"ready\":false,\"state\":\"syncing\",\"loading_percent\":null,\"eta_seconds\":null,"
         "\"why\":\"the replica has no link to its primary\",\"loaded_bytes\":null,"
         "\"total_bytes\":null,\"bytes_per_second\":null}"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct readiness found = look_at(rows[i].info, NULL, 0);
        auto_json struct json *answer = readiness_to_json(&found);
        auto_free char *text = json_print(answer, false);

        ck_assert_str_eq(text, rows[i].json);
    }
}
END_TEST

START_TEST(every_state_has_a_name)
{
    static const char *const names[] = {"unreachable", "auth", "loading", "syncing", "ready"};

    for (int state = READINESS_UNREACHABLE; state <= READINESS_READY; state++)
        ck_assert_str_eq(readiness_name((enum readiness_state)state), names[state]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("readiness");
    TCase *tcase = tcase_create("readiness");

    tcase_add_test(tcase, each_stage_of_a_server_has_its_state);
    tcase_add_test(tcase, a_real_servers_load_is_told_in_figures);
    tcase_add_test(tcase, one_look_gives_percent_rate_and_time_left);
    tcase_add_test(tcase, two_looks_give_the_rate_between_them);
    tcase_add_test(tcase, a_load_without_a_total_keeps_the_servers_eta);
    tcase_add_test(tcase, an_error_that_says_nothing_of_loading_leaves_what_is_known);
    tcase_add_test(tcase, a_failure_has_its_state);
    tcase_add_test(tcase, the_reason_is_one_short_line_of_utf_8);
    tcase_add_test(tcase, the_answer_has_the_fixed_fields);
    tcase_add_test(tcase, every_state_has_a_name);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
