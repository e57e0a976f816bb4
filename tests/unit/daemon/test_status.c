/*
 * The record: problems that stand, backups that are newest, what is fresh, and its JSON.
 */
#include "daemon/status.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/status_sample.h"

static struct status status;

static void setup(void)
{
    status_init(&status);
}

static void teardown(void)
{
    status_release(&status);
}

static struct status_backup backup_of(const char *id, int64_t created_ms, bool proven)
{
    struct status_backup backup = {.created_ms = created_ms, .proven = proven, .verified_ms = -1};

    (void)snprintf(backup.id, sizeof(backup.id), "%s", id);
    return backup;
}

static char *text_of(struct json *json)
{
    char *text = json_print(json, false);

    json_free(json);
    return text;
}

#define ck_assert_holds(text, part) \
    ck_assert_msg(strstr(text, part) != NULL, "%s is not in %s", part, text)

START_TEST(a_problem_keeps_its_beginning_and_takes_new_words)
{
    ck_assert(status_raise(&status, PROBLEM_DISK_FULL, 100, "first"));
    ck_assert(status_raise(&status, PROBLEM_WRITE_ERR, 200, NULL));
    ck_assert(!status_raise(&status, PROBLEM_DISK_FULL, 300, "second"));
    ck_assert_uint_eq(status.problem_count, 2);

    const struct status_problem *found = status_find(&status, PROBLEM_DISK_FULL);
    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(found->since_ms, 100);
    ck_assert_str_eq(found->detail, "second");
    ck_assert_ptr_null(status_find(&status, PROBLEM_WRITE_ERR)->detail);
    ck_assert(!status_raise(&status, PROBLEM_DISK_FULL, 400, found->detail)); /* its own words */
    ck_assert_str_eq(status_find(&status, PROBLEM_DISK_FULL)->detail, "second");
}
END_TEST

START_TEST(a_cleared_problem_leaves_the_others_in_their_order)
{
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++)
        ck_assert(status_raise(&status, (enum problem)i, i, problem_row((enum problem)i)->code));
    for (int i = PROBLEM_NONE + 2; i < PROBLEM_COUNT; i += 2) {
        ck_assert(status_clear(&status, (enum problem)i));
        ck_assert(!status_clear(&status, (enum problem)i));
        ck_assert_ptr_null(status_find(&status, (enum problem)i));
    }
    for (size_t i = 0; i < status.problem_count; i++) {
        ck_assert_int_eq(status.problems[i].since_ms, (int64_t)(2 * i + 1));
        ck_assert_str_eq(status.problems[i].detail, problem_row(status.problems[i].problem)->code);
    }
}
END_TEST

START_TEST(a_new_backup_is_in_front_and_the_oldest_makes_room)
{
    char id[32];

    for (int i = 0; i < STATUS_BACKUPS_MAX + 5; i++) {
        (void)snprintf(id, sizeof(id), "id-%d", i);
        struct status_backup backup = backup_of(id, 1000 + i, i != STATUS_BACKUPS_MAX + 4);
        status_add_backup(&status, &backup);
    }
    ck_assert_uint_eq(status.backup_count, STATUS_BACKUPS_MAX);
    ck_assert_uint_eq(status.backups_total, STATUS_BACKUPS_MAX + 5);
    ck_assert_str_eq(status.backups[0].id, "id-104");
    ck_assert_str_eq(status.backups[STATUS_BACKUPS_MAX - 1].id, "id-5");
    ck_assert_int_eq(status.last_backup_ok_ms, 1000 + 103); /* the last one is not proven */

    struct status_backup again = backup_of("id-50", 1050, true);
    status_add_backup(&status, &again);
    ck_assert_uint_eq(status.backups_total, STATUS_BACKUPS_MAX + 5);
    ck_assert_str_eq(status.backups[0].id, "id-50");
    ck_assert_str_eq(status.backups[1].id, "id-104");
    ck_assert_str_eq(status.backups[STATUS_BACKUPS_MAX - 1].id, "id-5");
    ck_assert_int_eq(status.last_backup_ok_ms, 1000 + 103);
}
END_TEST

static const struct {
    int64_t ok_ms;
    int64_t now_ms;
    int64_t bound_ms;
    int64_t age_ms;
    const char *why; /* NULL: fresh */
} ages[] = {
    {-1, 5000, 0, -1, "not read yet"},
    {-1, 5000, 1000, -1, "not read yet"},
    {5000, -1, 1000, -1, "not read yet"},
    {4000, 5000, 1000, 1000, NULL},
    {3999, 5000, 1000, 1001, "1.0 s old, more than backup-max-age (1.0 s)"},
    {0, 7200000, 3600000, 7200000, "2h 00m old, more than backup-max-age (1h 00m)"},
    {0, 7200000, 0, 7200000, NULL},   /* no bound */
    {9000, 5000, 1000, 0, NULL},      /* the clock went back */
    {INT64_MAX, 5000, 1000, 0, NULL}, /* so far back */
};

START_TEST(a_backup_is_fresh_within_its_bound)
{
    auto_free char *why = NULL;

    status.last_backup_ok_ms = ages[_i].ok_ms;
    status.now_ms = ages[_i].now_ms;
    status.backup_max_age_ms = ages[_i].bound_ms;
    ck_assert_int_eq(status_backup_age_ms(&status), ages[_i].age_ms);
    ck_assert_int_eq(status_backup_is_fresh(&status, &why), ages[_i].why == NULL);
    if (ages[_i].why != NULL)
        ck_assert_holds(why, ages[_i].why);
    else
        ck_assert_ptr_null(why);
}
END_TEST

static const struct {
    int64_t created_ms[3]; /* newest id first; negative: not proven */
    int64_t age_ms;        /* now is 10 hours */
} clocks[] = {
    {{36000000, 32400000, 28800000}, 0},
    {{36060000, 32400000, 28800000}, 0},       /* clocks are not that exact */
    {{36060001, 32400000, 28800000}, 3600000}, /* one of a clock that was ahead */
    {{INT64_MAX, 28800000, 32400000}, 3600000},
    {{INT64_MAX, -32400000, 28800000}, 7200000},
    {{INT64_MAX, INT64_MAX, 80000000}, 0}, /* all of them: this clock is behind */
};

START_TEST(a_backup_of_the_future_does_not_hide_that_there_is_none_of_late)
{
    status.now_ms = 36000000;
    for (size_t i = 3; i-- > 0;) {
        struct status_backup backup = {.proven = clocks[_i].created_ms[i] > 0,
                                       .created_ms = llabs(clocks[_i].created_ms[i])};

        (void)snprintf(backup.id, sizeof(backup.id), "id-%zu", i);
        status_add_backup(&status, &backup);
    }
    ck_assert_int_eq(status_backup_age_ms(&status), clocks[_i].age_ms);
    ck_assert_int_eq(status_lag_ms(&status), clocks[_i].age_ms);
}
END_TEST

START_TEST(what_did_not_change_costs_nothing)
{
    static const struct {
        int64_t unchanged_ms;
        int64_t lag_ms;
    } rows[] = {
        {0, 30000}, {5000, 30000}, {20000, 20000}, {40000, 0}, {41000, 0}, {999999, 30000},
    };

    status.now_ms = 40000;
    status.last_backup_ok_ms = 10000;
    status.backup_max_age_ms = 25000;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *why = NULL;

        status.unchanged_ms = rows[i].unchanged_ms;
        ck_assert_int_eq(status_backup_age_ms(&status), 30000);
        ck_assert_int_eq(status_lag_ms(&status), rows[i].lag_ms);
        ck_assert_int_eq(status_backup_is_fresh(&status, &why), rows[i].lag_ms <= 25000);
    }
}
END_TEST

START_TEST(an_empty_repository_is_not_fresh)
{
    auto_free char *why = NULL;

    status.has_backups = true;
    ck_assert(!status_backup_is_fresh(&status, &why));
    ck_assert_str_eq(why, "there is no proven backup of this instance");
}
END_TEST

START_TEST(what_is_unknown_is_null)
{
    static const char *const nulls[] = {
        "loading_percent",   "eta_seconds",    "lag_bytes", "lag_seconds",
        "last_backup_ok_at", "next_backup_at", "server",    "backups_total",
        "last_restore",      "now_at",         "instance",  "backup_max_age_seconds",
        "last_drill",        "last_load"};
    auto_free char *text = text_of(status_to_json(&status));

    ck_assert_holds(text, "\"ready\":false");
    ck_assert_holds(text, "\"state\":\"unreachable\"");
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
        auto_free char *part = xasprintf("\"%s\":null", nulls[i]);
        ck_assert_holds(text, part);
    }
    ck_assert_holds(text, "\"volume\":{\"free_bytes\":null,\"total_bytes\":null}");
    ck_assert_holds(text, "\"backups\":[]");
    ck_assert_holds(text, "\"problems\":[]");
    ck_assert_holds(text, "\"checks\":[],\"checks_read_at\":null");
}
END_TEST

static const char *const shown_when_well[] = {
    "\"ready\":true",
    "\"state\":\"ready\"",
    "\"instance\":\"cache-0\"",
    "\"lag_bytes\":null",
    "\"lag_seconds\":1800",
    "\"now_at\":\"2026-11-20T17:30:00Z\"",
    "\"next_backup_at\":\"2026-11-20T18:00:00Z\"",
    "\"last_backup_ok_at\":\"2026-11-20T17:00:00Z\"",
    "\"backup_max_age_seconds\":7200",
    "\"keys\":18212254",
    "\"used_memory_bytes\":4210000000",
    "\"name\":\"redis\",\"version\":\"7.2.5\"",
    "\"role\":\"master\"",
    "\"rdb\":{\"save_in_progress\":false,\"last_save_ok\":true,"
    "\"last_save_at\":\"2026-11-20T16:30:03Z\",\"last_save_seconds\":14,"
    "\"changes_since_last_save\":1207,\"last_cow_bytes\":43008000",
    "\"aof\":{\"enabled\":true,\"last_write_ok\":true",
    "\"last_fork_seconds\":0.038211",
    "\"volume\":{\"free_bytes\":13400000000,\"total_bytes\":21000000000}",
    "{\"kind\":\"backup\",\"running\":false,\"pid\":null,\"started_at\":\"2026-11-20T17:00:00Z\","
    "\"ended_at\":\"2026-11-20T17:00:18Z\",\"last_took_seconds\":18,\"last_ok\":true,"
    "\"last_exit_code\":0,\"last_problem\":null",
    "\"last_restore\":{\"time\":\"2026-11-10T17:30:00Z\",\"backup\":\"20261110T170000Z-77a0b1\","
    "\"keys\":18190011,\"skipped\":0,\"seconds\":41.3}",
    "\"size_bytes\":1893000000,\"stored_bytes\":612000000,\"server\":\"Redis 7.2.5\","
    "\"rdb_version\":11,\"proven\":true,\"verified_at\":null,\"verified_ok\":null,"
    "\"encrypted\":false,\"pinned\":false,\"save_seconds\":14.2,\"pack_seconds\":3.4}",
    "{\"http_code\":503,\"count\":3}",
    "\"checks\":[{\"id\":\"clock-source\",\"status\":\"unknown\",\"value\":\"unknown: this needs "
    "/sys\",\"wanted\":null,\"scope\":\"host\",\"why\":\"It matters for a reason.\",\"fix\":null},",
    "\"checks_read_at\":\"2026-11-20T17:26:00Z\"",
};

START_TEST(what_is_known_is_shown)
{
    ck_assert_int_eq(status_sample("well", &status), 0);

    auto_free char *text = text_of(status_to_json(&status));
    for (size_t i = 0; i < sizeof(shown_when_well) / sizeof(shown_when_well[0]); i++)
        ck_assert_holds(text, shown_when_well[i]);
}
END_TEST

START_TEST(what_loads_and_delays_were_seen_is_shown)
{
    ck_assert_int_eq(status_sample("well", &status), 0);
    auto_free char *before = text_of(status_to_json(&status));
    ck_assert_holds(before, "\"delayed_fsyncs_lately\":null,\"lately_seconds\":null");

    status.history = (struct history){
        .load = {.bytes = 4000000000, .took_ms = 21500, .at_ms = 1795248500000},
        .delays = {.count = 3, .span_ms = 3600000},
    };
    status.drilled_ms = 1795248500000;
    status.drill_took_ms = 41300;
    status.drill_load_ms = 20000;
    auto_free char *text = text_of(status_to_json(&status));
    ck_assert_holds(text, "\"last_load\":{\"time\":\"2026-11-21T");
    ck_assert_holds(text, "\"bytes\":4000000000,\"seconds\":21.5}");
    ck_assert_holds(text, "\"delayed_fsyncs_lately\":3,\"lately_seconds\":3600");
    ck_assert_holds(text, "\"recovery_seconds\":41.3,\"load_seconds\":20,\"size_bytes\":null}");
    status.drill_bytes = 1893000000;
    auto_free char *with_bytes = text_of(status_to_json(&status));
    ck_assert_holds(with_bytes, "\"load_seconds\":20,\"size_bytes\":1893000000}");
}
END_TEST

START_TEST(a_problem_is_shown_with_its_remedy)
{
    ck_assert_int_eq(status_sample("failing", &status), 0);

    auto_free char *text = text_of(status_to_json(&status));
    ck_assert_holds(text,
                    "{\"code\":\"DISK_FULL\",\"since\":\"2026-11-20T08:31:00Z\",\"cause\":\"");
    ck_assert_holds(text, "\"remedy\":\"");
    ck_assert_holds(text, "\"detail\":\"backup: 212 MB are free on the volume");
    ck_assert_holds(text, "\"last_exit_code\":7,\"last_problem\":\"BGSAVE_ERR\"");
}
END_TEST

START_TEST(every_state_is_json)
{
    for (size_t i = 0; status_sample_name(i) != NULL; i++) {
        struct status sample;
        struct json *back = NULL;
        struct err err;

        ck_assert_int_eq(status_sample(status_sample_name(i), &sample), 0);
        auto_free char *text = text_of(status_to_json(&sample));
        auto_free char *freshness = text_of(status_backupz_json(&sample));
        ck_assert_msg(json_parse(text, strlen(text), &back, &err) == 0, "%s: %s",
                      status_sample_name(i), err.msg);
        json_free(back);
        ck_assert_msg(json_parse(freshness, strlen(freshness), &back, &err) == 0, "%s", err.msg);
        json_free(back);
        status_release(&sample);
    }
}
END_TEST

START_TEST(backupz_says_why_not)
{
    ck_assert_int_eq(status_sample("well", &status), 0);
    auto_free char *good = text_of(status_backupz_json(&status));
    ck_assert_holds(good, "{\"ok\":true,\"why\":null,\"lag_bytes\":null,\"lag_seconds\":1800,");

    status_release(&status);
    ck_assert_int_eq(status_sample("failing", &status), 0);
    auto_free char *bad = text_of(status_backupz_json(&status));
    ck_assert_holds(bad, "\"ok\":false,\"why\":\"the newest proven backup is 10h 30m old");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tcase = tcase_create("record");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_problem_keeps_its_beginning_and_takes_new_words);
    tcase_add_test(tcase, a_cleared_problem_leaves_the_others_in_their_order);
    tcase_add_test(tcase, a_new_backup_is_in_front_and_the_oldest_makes_room);
    tcase_add_loop_test(tcase, a_backup_is_fresh_within_its_bound, 0,
                        sizeof(ages) / sizeof(ages[0]));
    tcase_add_loop_test(tcase, a_backup_of_the_future_does_not_hide_that_there_is_none_of_late, 0,
                        sizeof(clocks) / sizeof(clocks[0]));
    tcase_add_test(tcase, what_did_not_change_costs_nothing);
    tcase_add_test(tcase, an_empty_repository_is_not_fresh);
    tcase_add_test(tcase, what_is_unknown_is_null);
    tcase_add_test(tcase, what_is_known_is_shown);
    tcase_add_test(tcase, what_loads_and_delays_were_seen_is_shown);
    tcase_add_test(tcase, a_problem_is_shown_with_its_remedy);
    tcase_add_test(tcase, every_state_is_json);
    tcase_add_test(tcase, backupz_says_why_not);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
