/*
 * The advice: what holds for every wish and every server, and which mode follows.
 */
#include "host/advise.h"

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/settings_conf.h"
#include "daemon/settings_value.h"
#include "support/advise_case.h"

#define GB "000000000"
#define LL(n) ((int64_t)(n))

static const struct advise_case fixtures[] = {
    {"nothing is seen", NULL, NULL, -1, -1, -1},
    {"only a limit is known", NULL, NULL, -1, -1, LL(4) << 30},
    {"empty, as installed",
     "used_memory:1048576\r\naof_enabled:0\r\nrdb_last_bgsave_time_sec:-1\r\n"
     "rdb_last_cow_size:0\r\naof_last_cow_size:0\r\n",
     "save:3600 1 300 100 60 10000\nappendonly:no\nmaxmemory:0\nmaxmemory-policy:noeviction\n", 89,
     LL(10) << 30, -1},
    {"a small one with a log",
     "used_memory:250" GB "\r\naof_enabled:1\r\nrdb_last_bgsave_time_sec:3\r\n"
     "rdb_last_cow_size:20000000\r\naof_last_cow_size:30000000\r\ndb0:keys=5,expires=0\r\n"
     "rdb_last_bgsave_status:ok\r\naof_delayed_fsync:0\r\n",
     "save:\nappendonly:yes\nmaxmemory:400" GB
     "\nmaxmemory-policy:allkeys-lfu\nrdbcompression:no\n",
     LL(170) * 1000000000, LL(2000) * 1000000000, -1},
    {"a large one that saves for an hour",
     "used_memory:100" GB "\r\naof_enabled:0\r\nrdb_last_bgsave_time_sec:3600\r\n"
     "rdb_last_cow_size:90" GB "\r\nlatest_fork_usec:2500000\r\ndb0:keys=5,expires=0\r\n"
     "cluster_enabled:1\r\nconnected_slaves:2\r\n",
     "save:900 1\nappendonly:no\nmaxmemory:0\n", LL(60) * 1000000000, LL(80) * 1000000000,
     LL(120) * 1000000000},
    {"one that loads",
     "loading:1\r\nloading_start_time:1000\r\nserver_time_usec:1010000000\r\n"
     "loading_total_bytes:3000000000\r\nloading_loaded_bytes:1000000000\r\nused_memory:"
     "1200000000\r\n",
     NULL, -1, -1, -1},
    {"one that lies",
     "used_memory:9223372036854775807\r\nrdb_last_bgsave_time_sec:9223372036854775807\r\n"
     "rdb_last_cow_size:-9223372036854775807\r\naof_last_cow_size:9223372036854775807\r\n"
     "loading:1\r\nloading_start_time:1\r\nserver_time_usec:1\r\nloading_loaded_bytes:7\r\n"
     "latest_fork_usec:9223372036854775807\r\n",
     "maxmemory:9223372036854775807\nmaxmemory-policy:\n", INT64_MAX / 4, INT64_MAX, 16 << 20},
    {"one that says the most that is believed",
     "used_memory:1125899906842624\r\nrdb_last_bgsave_time_sec:1125899906842624\r\n"
     "rdb_last_cow_size:1125899906842624\r\n",
     "maxmemory:1125899906842624\n", LL(1) << 50, LL(1) << 50, LL(1) << 50},
};
enum { FIXTURES = sizeof fixtures / sizeof fixtures[0] };

static const int64_t points[] = {-1,  0,   1,    2,    5,     60,    69,       70,
                                 300, 900, 3600, 7200, 86400, 90000, 31536000, INT64_MAX / 1000};
enum { POINTS = sizeof points / sizeof points[0] };

/* ---- what always holds ---- */

static void check_sentences(const struct advise_texts *texts, const char *where)
{
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->texts[i];
        size_t len = strlen(text);

        ck_assert_msg(len > 20 && text[len - 1] == '.', "%s: %s", where, text);
        ck_assert_msg(strchr(text, '\n') == NULL && strstr(text, "  ") == NULL, "%s", text);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(texts->texts[j], text);
    }
}

static void check_lines(const struct advise_lines *lines, const char *where)
{
    for (size_t i = 0; i < lines->count; i++) {
        const struct advise_line *line = &lines->lines[i];
        size_t len = strlen(line->why);

        ck_assert_msg(len > 10 && line->why[len - 1] != '.' &&
                          !isupper((unsigned char)line->why[0]),
                      "%s: %s", where, line->why);
        ck_assert_msg(strpbrk(line->value, "\n\"\\") == NULL, "%s", line->value);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(lines->lines[j].name, line->name);
    }
}

static int take_setting(void *context, const struct settings_conf_line *line, struct err *err)
{
    const struct setting_row *row = setting_find(line->name);

    ck_assert_msg(row != NULL, "no setting is called %s", line->name);
    return setting_value_parse(row, line->value, context, err);
}

static void check_redkeep_conf(const struct advice *advice)
{
    auto_free char *text = advice_redkeep_conf(advice);
    auto_settings struct settings settings = {0};
    struct err err = {0};

    ck_assert_msg(settings_conf_parse(text, strlen(text), take_setting, &settings, &err) == 0,
                  "%s: %s", text, err.msg);
    ck_assert_int_eq(settings.appendonly,
                     strcmp(advise_case_value(&advice->redis, "appendonly"), "yes") == 0
                         ? SETTINGS_APPENDONLY_YES
                         : SETTINGS_APPENDONLY_NO);
}

static void check_loss(const struct advise_wish *wish, const struct advice *advice)
{
    int64_t point_s = wish->recovery_point_s;

    if (advice->mode == ADVISE_MODE_NONE) {
        ck_assert_int_eq(advice->loses_at_most_s, -1);
        ck_assert_int_eq(point_s, -1); /* who states one wants something back */
        return;
    }
    ck_assert_int_ge(advice->loses_at_most_s, 0);
    ck_assert_int_gt(advice->loses_at_most_volume_s, 0);
    ck_assert(point_s < 0 || advice->loses_at_most_s <= point_s ||
              advise_case_says(&advice->warnings, "A crash may cost"));
    ck_assert(point_s < 0 || advice->loses_at_most_volume_s <= point_s ||
              advise_case_says(&advice->warnings, "A lost volume may cost"));
    ck_assert(point_s < 0 || advice->loses_at_most_s > point_s ||
              !advise_case_says(&advice->warnings, "A crash may cost"));
}

static void check_mode(const struct advise_wish *wish, const struct advice *advice)
{
    const char *save = advise_case_value(&advice->redis, "save");
    const char *appendonly = advise_case_value(&advice->redis, "appendonly");
    const char *sync = advise_case_value(&advice->redis, "appendfsync");
    bool has_log = advice->mode == ADVISE_MODE_AOF || advice->mode == ADVISE_MODE_HYBRID;
    bool has_saves = advice->mode == ADVISE_MODE_RDB || advice->mode == ADVISE_MODE_HYBRID;

    ck_assert_int_eq(save[0] != '\0', has_saves);
    ck_assert_str_eq(appendonly, has_log ? "yes" : "no");
    ck_assert_int_eq(strcmp(sync, "?") != 0, has_log);
    if (wish->durability == ADVISE_ALWAYS)
        ck_assert_str_eq(sync, "always");
    if (wish->durability == ADVISE_EVERY_SECOND)
        ck_assert_str_eq(sync, "everysec");
    if (wish->use != ADVISE_CACHE)
        ck_assert_int_ne(advice->mode, ADVISE_MODE_NONE);
    if (wish->use == ADVISE_RECORD || wish->use == ADVISE_QUEUE)
        ck_assert_str_eq(advise_case_value(&advice->redis, "maxmemory-policy"), "noeviction");
    if (wish->durability == ADVISE_ALWAYS && wish->storage >= ADVISE_HDD)
        ck_assert(advise_case_says(&advice->warnings, "fsync_always on "));
    if (wish->durability == ADVISE_ALWAYS && wish->use == ADVISE_CACHE)
        ck_assert(advise_case_says(&advice->warnings, "fsync_always for a cache"));
    ck_assert_uint_gt(advice->reasons.count, 0);
}

static void check_numbers(const struct advise_server *server, const struct advice *advice)
{
    const char *maxmemory = advise_case_value(&advice->redis, "maxmemory");

    ck_assert_int_ge(advice->recovery_s, -1);
    ck_assert_int_ge(advice->memory_bytes, -1);
    ck_assert_int_ge(advice->disk_bytes, -1);
    ck_assert(strcmp(maxmemory, "?") != 0 || advise_case_says(&advice->warnings, "No maxmemory"));
    if (server->memory_limit_bytes > 0) {
        ck_assert_str_ne(maxmemory, "?");
        ck_assert_int_le(advice->memory_bytes, server->memory_limit_bytes);
        ck_assert_int_ge(advice->memory_bytes, server->memory_limit_bytes / 10 * 8);
    }
}

static void check_no_diff_once_applied(const struct advice *advice)
{
    struct pairs config = {0};
    auto_json struct json *diff = NULL;
    auto_json struct json *all = advice_diff_json(advice, NULL);

    for (size_t i = 0; i < advice->redis.count; i++)
        pairs_add(&config, advice->redis.lines[i].name, advice->redis.lines[i].value);
    diff = advice_diff_json(advice, &config);
    ck_assert_uint_eq(json_size(diff), 0);
    ck_assert_uint_eq(json_size(all), advice->redis.count);
    pairs_release(&config);
}

START_TEST(every_wish_on_every_server_keeps_the_rules)
{
    struct pairs info = {0};
    struct pairs config = {0};
    struct advise_server server;

    advise_case_fill(&fixtures[_i], &info, &config, &server);
    for (unsigned i = 0; i < 3u * 4u * 4u * POINTS; i++) {
        const struct advise_wish wish = {
            .durability = (enum advise_durability)(i % 3),
            .use = (enum advise_use)(i / 3 % 4),
            .storage = (enum advise_storage)(i / 12 % 4),
            .recovery_point_s = points[i / 48],
        };
        auto_advice struct advice advice = {0};
        auto_json struct json *json = NULL;

        advise(&wish, &server, &advice);
        check_sentences(&advice.reasons, fixtures[_i].name);
        check_sentences(&advice.warnings, fixtures[_i].name);
        check_lines(&advice.redis, fixtures[_i].name);
        check_lines(&advice.redkeep, fixtures[_i].name);
        check_mode(&wish, &advice);
        check_loss(&wish, &advice);
        check_numbers(&server, &advice);
        check_redkeep_conf(&advice);
        check_no_diff_once_applied(&advice);
        json = advice_to_json(&advice);
        ck_assert(json_has(json, "mode") && json_has(json, "redis_conf"));
    }
    pairs_release(&info);
    pairs_release(&config);
}
END_TEST

/* ---- the mode, and the intervals ---- */

START_TEST(the_mode_follows_from_durability_use_and_recovery_point)
{
    static const struct {
        enum advise_durability durability;
        enum advise_use use;
        int64_t point_s;
        enum advise_mode mode;
        int64_t loses_s;
        const char *save;
        const char *schedule;
    } cases[] = {
        {ADVISE_BEST_EFFORT, ADVISE_CACHE, -1, ADVISE_MODE_NONE, -1, "", "off"},
        {ADVISE_BEST_EFFORT, ADVISE_CACHE, 86400, ADVISE_MODE_RDB, 3610, "3600 1 300 100 60 10000",
         "@every 12h"},
        {ADVISE_BEST_EFFORT, ADVISE_SESSIONS, -1, ADVISE_MODE_RDB, 310, "300 1 60 10000",
         "@hourly"},
        {ADVISE_BEST_EFFORT, ADVISE_RECORD, 300, ADVISE_MODE_RDB, 190, "180 1 60 10000",
         "@every 3m"},
        {ADVISE_BEST_EFFORT, ADVISE_RECORD, 70, ADVISE_MODE_RDB, 70, "60 1", "@every 1m"},
        {ADVISE_BEST_EFFORT, ADVISE_RECORD, 69, ADVISE_MODE_HYBRID, 2, "3600 1", "@every 1m"},
        {ADVISE_BEST_EFFORT, ADVISE_QUEUE, 5, ADVISE_MODE_AOF, 2, "", "@every 1m"},
        {ADVISE_EVERY_SECOND, ADVISE_CACHE, -1, ADVISE_MODE_AOF, 2, "", "@daily"},
        {ADVISE_EVERY_SECOND, ADVISE_QUEUE, 900, ADVISE_MODE_AOF, 2, "", "@every 10m"},
        {ADVISE_EVERY_SECOND, ADVISE_RECORD, -1, ADVISE_MODE_HYBRID, 2, "3600 1", "@hourly"},
        {ADVISE_EVERY_SECOND, ADVISE_RECORD, 7230, ADVISE_MODE_HYBRID, 2, "3600 1", "@every 2h"},
        {ADVISE_ALWAYS, ADVISE_SESSIONS, -1, ADVISE_MODE_AOF, 0, "", "@hourly"},
        {ADVISE_ALWAYS, ADVISE_RECORD, 1, ADVISE_MODE_HYBRID, 0, "3600 1", "@every 1m"},
    };
    const struct advise_server server = ADVISE_SERVER_UNKNOWN;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct advise_wish wish = {.durability = cases[i].durability,
                                         .use = cases[i].use,
                                         .storage = ADVISE_SSD,
                                         .recovery_point_s = cases[i].point_s};
        auto_advice struct advice advice = {0};

        advise(&wish, &server, &advice);
        ck_assert_msg(advice.mode == cases[i].mode, "case %zu: %s", i,
                      advise_mode_name(advice.mode));
        ck_assert_int_eq(advice.loses_at_most_s, cases[i].loses_s);
        ck_assert_str_eq(advise_case_value(&advice.redis, "save"), cases[i].save);
        ck_assert_str_eq(advise_case_value(&advice.redkeep, "backup-schedule"), cases[i].schedule);
        ck_assert_int_eq(advice.recovery_s, advice.mode == ADVISE_MODE_NONE ? 1 : -1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("advise");
    TCase *tcase = tcase_create("advise");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_wish_on_every_server_keeps_the_rules, 0, FIXTURES);
    tcase_add_test(tcase, the_mode_follows_from_durability_use_and_recovery_point);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
