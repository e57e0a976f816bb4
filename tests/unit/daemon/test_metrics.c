/*
 * The text that Prometheus reads: its form in every state, and what is (not) in it. That Prometheus
 * itself takes it is asked in metrics.bats.
 */
#include "daemon/metrics.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/metrics_table.h"
#include "support/status_sample.h"

static struct status status;
static struct buf text;

static void setup(void)
{
    status_init(&status);
    buf_init(&text, METRICS_BYTES_MAX);
}

static void teardown(void)
{
    status_release(&status);
    buf_release(&text);
}

static const char *metrics_of(const char *state)
{
    status_release(&status);
    ck_assert_int_eq(status_sample(state, &status), 0);
    buf_clear(&text);
    metrics_format(&status, &text);
    return buf_text(&text);
}

/* Does a line stand there, whole? */
static bool has_line(const char *all, const char *line)
{
    auto_free char *wanted = xasprintf("\n%s\n", line);

    return strstr(all, wanted) != NULL;
}

static size_t count_of(const char *all, const char *part)
{
    size_t count = 0;

    for (const char *at = all; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

/* The length of the name that line begins with. */
static size_t name_len(const char *line)
{
    return strspn(line, "abcdefghijklmnopqrstuvwxyz_0123456789");
}

/* One line that is a sample: name{label="...",...} number */
static void check_sample(const char *line, size_t len)
{
    size_t at = name_len(line);

    ck_assert_msg(strncmp(line, "redkeep_", 8) == 0, "%.*s", (int)len, line);
    if (line[at] == '{') {
        bool quoted = false;

        for (at++; at < len && (quoted || line[at] != '}'); at++) {
            if (quoted && line[at] == '\\')
                ck_assert_ptr_nonnull(strchr("n\"\\", line[++at]));
            else if (line[at] == '"')
                quoted = !quoted;
        }
        at++;
    }
    ck_assert_msg(at < len && line[at] == ' ', "%.*s", (int)len, line);
    at++;
    if (strncmp(line, "redkeep_check_status{", 21) == 0 && line[at] == '-')
        at++;
    ck_assert_msg(at < len && strspn(line + at, "0123456789.") == len - at, "%.*s", (int)len, line);
}

/* Every family: HELP, TYPE, its samples, in one piece and once. */
static void check_form(const char *all)
{
    char family[128] = "";
    char part[160];

    for (const char *line = all; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);

        if (strncmp(line, "# HELP ", 7) == 0) {
            (void)snprintf(family, sizeof(family), "%.*s", (int)name_len(line + 7), line + 7);
            (void)snprintf(part, sizeof(part), "# HELP %s ", family);
            ck_assert_msg(count_of(all, part) == 1, "twice: %s", part);
            (void)snprintf(part, sizeof(part), "\n# TYPE %s ", family);
            ck_assert_msg(strncmp(end, part, strlen(part)) == 0, "no TYPE: %s", family);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            bool counts = strncmp(end - 7, "counter", 7) == 0;
            ck_assert_int_eq(counts, strcmp(family + strlen(family) - 6, "_total") == 0);
            ck_assert_msg(strncmp(end + 1, family, strlen(family)) == 0, "empty: %s", family);
        } else {
            check_sample(line, (size_t)(end - line));
            ck_assert_msg(name_len(line) == strlen(family) &&
                              strncmp(line, family, strlen(family)) == 0,
                          "%.*s is not of %s", (int)(end - line), line, family);
            auto_free char *same = xasprintf(
                "\n%.*s ", (int)((const char *)memrchr(line, ' ', (size_t)(end - line)) - line),
                line);
            ck_assert_msg(count_of(all, same) == 1, "twice: %s", same);
        }
    }
}

START_TEST(every_state_has_the_form)
{
    for (size_t i = 0; status_sample_name(i) != NULL; i++) {
        const char *all = metrics_of(status_sample_name(i));

        check_form(all);
        ck_assert_uint_lt(text.len, METRICS_BYTES_MAX / 4);
    }
}
END_TEST

static const char *const said_when_well[] = {
    "redkeep_build_info{version=\"" REDKEEP_VERSION "\"} 1",
    ("redkeep_settings_info{redis=\"cache-0\",repository=\"s3://backups/redis\","
     "schedule=\"@hourly\",timezone=\"Europe/Berlin\"} 1"),
    "redkeep_server_info{name=\"redis\",version=\"7.2.5\",role=\"master\"} 1",
    "redkeep_server_up 1",
    "redkeep_server_state{state=\"ready\"} 1",
    "redkeep_server_state{state=\"loading\"} 0",
    "redkeep_server_keys 18212254",
    "redkeep_server_keys_expiring 1201",
    "redkeep_server_last_fork_duration_seconds 0.038211",
    "redkeep_server_rdb_last_save_ok 1",
    "redkeep_server_rdb_last_save_timestamp_seconds 1795192203",
    "redkeep_server_rdb_last_cow_bytes 43008000",
    "redkeep_server_aof_last_write_ok 1",
    "redkeep_server_aof_delayed_fsyncs_total 2",
    "redkeep_volume_free_bytes 13400000000",
    "redkeep_last_backup_timestamp_seconds 1795194000.000",
    "redkeep_backup_fresh 1",
    "redkeep_lag_seconds 1800.000",
    "redkeep_last_backup_duration_seconds{phase=\"save\"} 14.200",
    "redkeep_last_backup_duration_seconds{phase=\"pack\"} 3.400",
    "redkeep_last_backup_size_bytes 1893000000",
    "redkeep_last_backup_stored_bytes 612000000",
    "redkeep_last_verify_success 1",
    "redkeep_last_restore_keys 18190011",
    "redkeep_last_restore_duration_seconds 41.300",
    "redkeep_job_successes_total{kind=\"backup\"} 240",
    "redkeep_job_last_success{kind=\"backup\"} 1",
    "redkeep_problem{code=\"DISK_FULL\"} 0",
    "redkeep_store_requests_total{code=\"503\"} 3",
    "redkeep_store_retries_total 3",
    "redkeep_check_status{check=\"overcommit-memory\",scope=\"host\"} 0",
    "redkeep_check_status{check=\"clock-source\",scope=\"host\"} -1",
    "redkeep_checks_timestamp_seconds 1795195560.000",
};

START_TEST(what_is_known_is_said)
{
    const char *all = metrics_of("well");

    for (size_t i = 0; i < sizeof(said_when_well) / sizeof(said_when_well[0]); i++)
        ck_assert_msg(has_line(all, said_when_well[i]), "%s", said_when_well[i]);
    ck_assert_uint_eq(count_of(all, "\nredkeep_problem{"), PROBLEM_COUNT - 1);
    ck_assert_uint_eq(count_of(all, "\nredkeep_problem_since"), 0);
    ck_assert_uint_eq(count_of(all, "loading_ratio"), 0);
    ck_assert_uint_eq(count_of(all, "_done_bytes"), 0);
}
END_TEST

START_TEST(what_is_not_known_is_left_out)
{
    static const char *const absent[] = {
        "last_backup",  "redkeep_backups ", "_restore_",    "server_info", "server_keys",
        "server_rdb",   "server_aof",       "server_mem",   "uptime",      "volume",
        "lag_seconds",  "last_success",     "last_verify",  "next_backup", "job_last",
        "changes",      "loading_loaded",   "loading_left", "server_seen", "problem_since",
        "check_status", "checks_",
    };
    const char *all = metrics_of("unknown");

    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        ck_assert_msg(strstr(all, absent[i]) == NULL, "%s", absent[i]);
    ck_assert(has_line(all, "redkeep_server_up 0"));
    ck_assert(has_line(all, "redkeep_backup_fresh 0"));
}
END_TEST

START_TEST(problems_and_failures_are_said)
{
    const char *all = metrics_of("failing");

    ck_assert(has_line(all, "redkeep_problem{code=\"DISK_FULL\"} 1"));
    ck_assert(has_line(all, "redkeep_problem{code=\"LOADED_LESS\"} 0"));
    ck_assert(has_line(
        all, "redkeep_problem_since_timestamp_seconds{code=\"DISK_FULL\"} 1795163460.000"));
    ck_assert(has_line(all, "redkeep_server_rdb_last_save_ok 0"));
    ck_assert(has_line(all, "redkeep_job_last_success{kind=\"backup\"} 0"));
    ck_assert(has_line(all, "redkeep_job_failures_total{kind=\"backup\"} 27"));
    ck_assert(has_line(all, "redkeep_job_crashes_total{kind=\"backup\"} 1"));
    ck_assert(has_line(all, "redkeep_job_hangs_total{kind=\"backup\"} 2"));
    ck_assert(has_line(all, "redkeep_backup_fresh 0"));
    ck_assert(has_line(all, "redkeep_last_verify_success 0"));
    ck_assert(has_line(all, "redkeep_check_status{check=\"volume-space\",scope=\"host\"} 2"));
    ck_assert(has_line(all, "redkeep_check_status{check=\"backlog\",scope=\"host\"} 1"));
}
END_TEST

START_TEST(a_load_is_a_ratio_and_its_keys_are_not_counted)
{
    const char *all = metrics_of("loading");

    ck_assert(has_line(all, "redkeep_server_up 1"));
    ck_assert(has_line(all, "redkeep_server_state{state=\"loading\"} 1"));
    ck_assert(has_line(all, "redkeep_server_loading_ratio 0.4230"));
    ck_assert(has_line(all, "redkeep_server_loading_loaded_bytes 977000000"));
    ck_assert(has_line(all, "redkeep_server_loading_left_seconds 7"));
    ck_assert_ptr_null(strstr(all, "redkeep_server_keys"));
}
END_TEST

START_TEST(a_server_that_is_gone_says_nothing)
{
    ck_assert_int_eq(status_sample("well", &status), 0);
    status.readiness.state = READINESS_UNREACHABLE;
    metrics_format(&status, &text);
    ck_assert(has_line(buf_text(&text), "redkeep_server_up 0"));
    ck_assert(has_line(buf_text(&text), "redkeep_server_seen_timestamp_seconds 1795195800.000"));
    ck_assert_ptr_null(strstr(buf_text(&text), "redkeep_server_rdb"));
    ck_assert_ptr_null(strstr(buf_text(&text), "redkeep_server_keys"));
    ck_assert_ptr_nonnull(strstr(buf_text(&text), "redkeep_last_backup_keys"));
}
END_TEST

static const struct {
    const char *instance;
    const char *label;
} labels[] = {
    {"cache-0", "redis=\"cache-0\","},
    {"", "redis=\"\","},
    {"a\"b\\c\nd", "redis=\"a\\\"b\\\\c\\nd\","},
    {"\xc3\xa4\xf0\x9f\x98\x80", "redis=\"\xc3\xa4\xf0\x9f\x98\x80\","},
    {"\xff\xc3", "redis=\"\xef\xbf\xbd\xef\xbf\xbd\","},
    {"\x01\x7f\t\r", "redis=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","},
};

START_TEST(labels_are_escaped)
{
    status.instance = xstrdup(labels[_i].instance);
    metrics_format(&status, &text);
    ck_assert_msg(strstr(buf_text(&text), labels[_i].label) != NULL, "%s", labels[_i].label);
    check_form(buf_text(&text));
}
END_TEST

START_TEST(a_ceiling_leaves_whole_lines)
{
    ck_assert_int_eq(status_sample("hostile", &status), 0);
    for (size_t max = 0; max < 12000; max += 97) {
        auto_buf struct buf small;

        buf_init(&small, max);
        metrics_format(&status, &small);
        ck_assert_uint_le(small.len, max);
        ck_assert(small.len == 0 || buf_text(&small)[small.len - 1] == '\n');
    }
}
END_TEST

START_TEST(the_rows_of_the_tables_are_fit_to_print)
{
    const struct {
        const struct metric *rows;
        size_t count;
    } tables[] = {{metrics_table, metrics_table_count},
                  {metrics_job_table, metrics_job_table_count}};

    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < tables[t].count; i++) {
            const struct metric *row = &tables[t].rows[i];

            ck_assert_uint_eq(name_len(row->name), strlen(row->name));
            ck_assert(strcmp(row->type, "gauge") == 0 || strcmp(row->type, "counter") == 0);
            ck_assert_ptr_null(strpbrk(row->help, "\\\n"));
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("text");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_state_has_the_form);
    tcase_add_test(tcase, what_is_known_is_said);
    tcase_add_test(tcase, what_is_not_known_is_left_out);
    tcase_add_test(tcase, problems_and_failures_are_said);
    tcase_add_test(tcase, a_load_is_a_ratio_and_its_keys_are_not_counted);
    tcase_add_test(tcase, a_server_that_is_gone_says_nothing);
    tcase_add_loop_test(tcase, labels_are_escaped, 0, sizeof(labels) / sizeof(labels[0]));
    tcase_add_test(tcase, a_ceiling_leaves_whole_lines);
    tcase_add_test(tcase, the_rows_of_the_tables_are_fit_to_print);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
