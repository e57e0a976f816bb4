/*
 * Families of metrics, one after the other: HELP and TYPE before the first sample, and neither when
 * there is none. Each line is appended whole or not at all, so that even a record too large for the
 * ceiling is text that Prometheus can read.
 */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "daemon/metrics_table.h"

struct family {
    struct buf *out;
    const char *name;
    const char *type;
    const char *help;
    bool has_head;
};

/* labels: "" or {name="value",...} */
static void put(struct family *family, const char *labels, const char *value)
{
    struct err unused; /* over the ceiling: the line is left out */

    if (!family->has_head) {
        (void)buf_printf(family->out, &unused, "# HELP %s %s\n# TYPE %s %s\n", family->name,
                         family->help, family->name, family->type);
        family->has_head = true;
    }
    (void)buf_printf(family->out, &unused, "%s%s %s\n", family->name, labels, value);
}

static void put_u64(struct family *family, const char *labels, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    put(family, labels, text);
}

/* value divided by per; nothing for a negative one */
static void put_i64(struct family *family, const char *labels, int64_t value, int64_t per)
{
    char text[48];

    if (value < 0)
        return;
    if (per == 1)
        (void)snprintf(text, sizeof(text), "%" PRId64, value);
    else
        (void)snprintf(text, sizeof(text), "%" PRId64 ".%0*" PRId64, value / per,
                       per == 1000 ? 3 : 6, value % per);
    put(family, labels, text);
}

static void put_ms(struct family *family, const char *labels, int64_t ms)
{
    put_i64(family, labels, ms, 1000);
}

static struct family gauge(struct buf *out, const char *name, const char *help)
{
    return (struct family){.out = out, .name = name, .type = "gauge", .help = help};
}

static struct family counter(struct buf *out, const char *name, const char *help)
{
    return (struct family){.out = out, .name = name, .type = "counter", .help = help};
}

/* Appends name="value", as the exposition format has it. */
static void add_label(struct buf *labels, const char *name, const char *value)
{
    const char *text = value != NULL ? value : "";
    size_t len = strlen(text);
    struct err unused; /* no ceiling */

    (void)buf_printf(labels, &unused, "%s%s=\"", labels->len == 0 ? "{" : ",", name);
    for (size_t i = 0; i < len;) {
        uint32_t character = 0;
        size_t bytes = text_utf8_next(text + i, len - i, &character);

        if (character == '\n')
            (void)buf_append(labels, "\\n", 2, &unused);
        else if (bytes == 0 || character < 0x20 || character == 0x7f)
            (void)buf_append(labels, "\xef\xbf\xbd", 3, &unused);
        else if (character == '"' || character == '\\')
            (void)buf_printf(labels, &unused, "\\%c", (int)character);
        else
            (void)buf_append(labels, text + i, bytes, &unused);
        i += bytes > 0 ? bytes : 1;
    }
    (void)buf_append(labels, "\"", 1, &unused);
}

/* {name="value"}; heap. */
static char *label(const char *name, const char *value)
{
    auto_buf struct buf labels;
    struct err unused;

    buf_init(&labels, SIZE_MAX - 1);
    add_label(&labels, name, value);
    (void)buf_append(&labels, "}", 1, &unused);
    return buf_take(&labels);
}

/* {name="value",other="other_value"}; heap. */
static char *label_two(const char *name, const char *value, const char *other,
                       const char *other_value)
{
    auto_buf struct buf labels;
    struct err unused;

    buf_init(&labels, SIZE_MAX - 1);
    add_label(&labels, name, value);
    add_label(&labels, other, other_value);
    (void)buf_append(&labels, "}", 1, &unused);
    return buf_take(&labels);
}

/* Constant 1; the labels are name, value, name, value, ..., NULL. */
static void put_info(struct family *family, const char *const *pairs)
{
    auto_buf struct buf labels;
    struct err unused;

    buf_init(&labels, SIZE_MAX - 1);
    for (size_t i = 0; pairs[i] != NULL; i += 2)
        add_label(&labels, pairs[i], pairs[i + 1]);
    (void)buf_append(&labels, "}", 1, &unused);
    put(family, buf_text(&labels), "1");
}

static void put_infos(const struct status *status, struct buf *out)
{
    struct family build = gauge(out, "redkeep_build_info", "Which redkeep this is");
    struct family settings =
        gauge(out, "redkeep_settings_info", "What it keeps, where, and when; redis is its name");
    struct family server = gauge(out, "redkeep_server_info", "Which server it keeps");

    put_info(&build, (const char *const[]){"version", status->version, NULL});
    put_info(&settings, (const char *const[]){"redis", status->instance, "repository",
                                              status->repository, "schedule", status->schedule,
                                              "timezone", status->timezone, NULL});
    if (status->has_info)
        put_info(&server,
                 (const char *const[]){"name", server_flavour_name(status->info.flavour), "version",
                                       status->info.version, "role", status->info.role, NULL});
}

static struct family family_of(const struct metric *row, struct buf *out)
{
    return (struct family){.out = out, .name = row->name, .type = row->type, .help = row->help};
}

/* of: the struct that the row's offset is of */
static void put_field(struct family *family, const char *labels, const struct metric *row,
                      const void *of)
{
    const void *field = (const char *)of + row->offset;

    switch (row->field) {
    case METRIC_BOOL:
        put_u64(family, labels, *(const bool *)field);
        break;
    case METRIC_INT:
        put_i64(family, labels, *(const int *)field, 1);
        break;
    case METRIC_I64:
        put_i64(family, labels, *(const int64_t *)field, 1);
        break;
    case METRIC_U64:
        put_u64(family, labels, *(const uint64_t *)field);
        break;
    case METRIC_I64_MS:
        put_ms(family, labels, *(const int64_t *)field);
        break;
    case METRIC_I64_US:
        put_i64(family, labels, *(const int64_t *)field, 1000000);
        break;
    }
}

static bool is_up(const struct status *status)
{
    return status->readiness.state != READINESS_UNREACHABLE &&
           status->readiness.state != READINESS_AUTH;
}

/* What a server said before it went away is not what it says. */
static bool is_heard(const struct status *status)
{
    return status->has_info && is_up(status);
}

static bool is_said_by_server(const struct metric *row)
{
    return row->offset >= offsetof(struct status, info) &&
           row->offset < offsetof(struct status, info) + sizeof(struct redis_server_info);
}

static void put_plain(const struct status *status, struct buf *out)
{
    for (size_t i = 0; i < metrics_table_count; i++) {
        struct family family = family_of(&metrics_table[i], out);
        if (is_heard(status) || !is_said_by_server(&metrics_table[i]))
            put_field(&family, "", &metrics_table[i], status);
    }
}

static uint64_t expiring_keys(const struct redis_server_info *info)
{
    uint64_t expires = 0;

    for (size_t i = 0; i < info->keyspace_count; i++)
        expires += info->keyspace[i].expires;
    return expires;
}

static void put_server(const struct status *status, struct buf *out)
{
    const struct readiness *readiness = &status->readiness;
    struct family up = gauge(out, "redkeep_server_up", "Does the server answer?");
    struct family state = gauge(out, "redkeep_server_state",
                                "1 for the state that the server is in, ready is the goal");
    struct family loading = gauge(out, "redkeep_server_loading_ratio",
                                  "How much is loaded, from 0 to 1, while it loads");
    struct family link =
        gauge(out, "redkeep_server_primary_link_up", "Is the link of a replica to its primary up?");
    struct family keys = gauge(out, "redkeep_server_keys", "Keys of all databases");
    struct family expiring =
        gauge(out, "redkeep_server_keys_expiring", "Those of them that have a time to live");
    char ratio[32];

    put_u64(&up, "", is_up(status));
    for (int i = READINESS_UNREACHABLE; i <= READINESS_READY; i++) {
        auto_free char *labels = label("state", readiness_name((enum readiness_state)i));
        put_u64(&state, labels, (int)readiness->state == i);
    }
    if (readiness->loading_percent >= 0) {
        double percent = readiness->loading_percent > 100 ? 100 : readiness->loading_percent;
        (void)snprintf(ratio, sizeof(ratio), "%.4f", percent / 100);
        put(&loading, "", ratio);
    }
    if (!is_heard(status))
        return;
    if (status->info.master_link_status[0] != '\0')
        put_u64(&link, "", strcmp(status->info.master_link_status, "up") == 0);
    if (status->info.loading == 1) /* what it counts then is no keyspace yet */
        return;
    put_u64(&keys, "", redis_info_keys(&status->info));
    put_u64(&expiring, "", expiring_keys(&status->info));
}

/* Of the newest backup, whatever it is worth; only the timestamp is that of the newest proven one.
 */
static void put_last_backup(const struct status *status, struct buf *out)
{
    const struct status_backup *last = &status->backups[0];
    struct family proven = gauge(out, "redkeep_last_backup_proven",
                                 "Is the newest backup proven: new, whole, its checksum right?");
    struct family keys = gauge(out, "redkeep_last_backup_keys", "Keys of the newest backup");
    struct family size =
        gauge(out, "redkeep_last_backup_size_bytes", "Bytes of the files in the newest backup");
    struct family stored = gauge(out, "redkeep_last_backup_stored_bytes",
                                 "Bytes that the newest backup takes in the repository");
    struct family took =
        gauge(out, "redkeep_last_backup_duration_seconds",
              "How long the newest backup took: the save, then reading, compressing and storing");

    put_u64(&proven, "", last->proven);
    if (last->has_keys)
        put_u64(&keys, "", last->keys);
    put_u64(&size, "", last->size_bytes);
    put_u64(&stored, "", last->stored_bytes);
    put_ms(&took, "{phase=\"save\"}", last->save_ms);
    put_ms(&took, "{phase=\"pack\"}", last->pack_ms);
}

static void put_last_verify(const struct status *status, struct buf *out)
{
    const struct status_backup *last = NULL;
    struct family when =
        gauge(out, "redkeep_last_verify_timestamp_seconds", "When a backup was read back last");
    struct family ok =
        gauge(out, "redkeep_last_verify_success", "Was it whole when it was read back?");

    for (size_t i = 0; i < status->backup_count; i++)
        if (status->backups[i].verified_ms >= 0 &&
            (last == NULL || status->backups[i].verified_ms > last->verified_ms))
            last = &status->backups[i];
    if (last == NULL)
        return;
    put_ms(&when, "", last->verified_ms);
    put_u64(&ok, "", last->verified_ok);
}

static void put_backups(const struct status *status, struct buf *out)
{
    auto_free char *why = NULL;
    struct family count = gauge(out, "redkeep_backups", "Backups that the repository holds");
    struct family ok = gauge(out, "redkeep_last_backup_timestamp_seconds",
                             "The moment that the newest proven backup shows");
    struct family fresh =
        gauge(out, "redkeep_backup_fresh", "Is the newest proven backup younger than its bound?");
    struct family lag =
        gauge(out, "redkeep_lag_seconds", "How much of the past a lost volume would cost now");
    struct family skipped = counter(out, "redkeep_backups_skipped_total",
                                    "Scheduled backups that were not needed, by reason");

    if (status->has_backups)
        put_u64(&count, "", status->backups_total);
    put_ms(&ok, "", status->last_backup_ok_ms);
    put_u64(&fresh, "", status_backup_is_fresh(status, &why));
    put_ms(&lag, "", status_lag_ms(status));
    put_u64(&skipped, "{reason=\"unchanged\"}", status->skipped_unchanged);
    put_u64(&skipped, "{reason=\"role\"}", status->skipped_role);
    if (status->backup_count > 0)
        put_last_backup(status, out);
    put_last_verify(status, out);
}

static void put_restore(const struct status *status, struct buf *out)
{
    struct family when = gauge(out, "redkeep_last_restore_timestamp_seconds",
                               "When this instance was restored last");
    struct family keys = gauge(out, "redkeep_last_restore_keys", "Keys of what was restored");
    struct family skipped =
        gauge(out, "redkeep_last_restore_skipped_backups",
              "Newer backups that were passed over, since they were damaged or too new");
    struct family took =
        gauge(out, "redkeep_last_restore_duration_seconds", "How long that restore took");

    if (status->restored_ms < 0)
        return;
    put_ms(&when, "", status->restored_ms);
    if (status->restored_has_keys)
        put_u64(&keys, "", status->restored_keys);
    put_u64(&skipped, "", status->restored_skipped);
    put_ms(&took, "", status->restore_took_ms);
}

static void put_drill(const struct status *status, struct buf *out)
{
    struct family when = gauge(out, "redkeep_last_drill_timestamp_seconds",
                               "When a backup was last loaded by a server to try it");
    struct family ok =
        gauge(out, "redkeep_last_drill_ok", "Did the server serve all of that backup?");
    struct family took =
        gauge(out, "redkeep_last_drill_recovery_seconds",
              "From the beginning of that restore until the server served: the recovery time");

    if (status->drilled_ms < 0)
        return;
    put_ms(&when, "", status->drilled_ms);
    put_u64(&ok, "", status->drill_ok ? 1 : 0);
    put_ms(&took, "", status->drill_took_ms);
}

static bool is_due(enum metric_when when, const struct status_job *job)
{
    return when == METRIC_ALWAYS || (when == METRIC_RUNNING && job->is_running) ||
           (when == METRIC_ENDED && job->ended_ms >= 0);
}

static void put_jobs(const struct status *status, struct buf *out)
{
    for (size_t i = 0; i < metrics_job_table_count; i++) {
        const struct metric *row = &metrics_job_table[i];
        struct family family = family_of(row, out);

        for (size_t kind = 0; kind < JOB_KIND_COUNT; kind++) {
            auto_free char *labels = label("kind", job_kind_name((enum job_kind)kind));
            if (is_due(row->when, &status->jobs[kind]))
                put_field(&family, labels, row, &status->jobs[kind]);
        }
    }
}

/* Every code, so that an alert sees a problem go as well as come. */
static void put_problems(const struct status *status, struct buf *out)
{
    struct family problems =
        gauge(out, "redkeep_problem", "1 for a problem that stands; the manual has the codes");
    struct family since =
        gauge(out, "redkeep_problem_since_timestamp_seconds", "Since when it stands");

    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        enum problem problem = (enum problem)i;
        auto_free char *labels = label("code", problem_row(problem)->code);

        put_u64(&problems, labels, status_find(status, problem) != NULL);
    }
    for (size_t i = 0; i < status->problem_count; i++) {
        const struct status_problem *standing = &status->problems[i];
        auto_free char *labels = label("code", problem_row(standing->problem)->code);

        put_ms(&since, labels, standing->since_ms);
    }
}

/* One number each, so that a graph shows it go up when it gets worse. */
static void put_checks(const struct status *status, struct buf *out)
{
    static const char *const numbers[CHECK_STATUS_COUNT] = {
        [CHECK_OK] = "0",   [CHECK_FIXED] = "0", [CHECK_UNKNOWN] = "-1",
        [CHECK_WARN] = "1", [CHECK_FAIL] = "2",
    };
    struct family checks = gauge(out, "redkeep_check_status",
                                 "What `redkeep check` says of an item: 0 ok, 1 warn, 2 fail, -1 "
                                 "could not be seen");
    struct family when =
        gauge(out, "redkeep_checks_timestamp_seconds", "When those checks were made");

    for (size_t i = 0; i < status->checks.count; i++) {
        const struct status_check *check = &status->checks.rows[i];
        auto_free char *labels =
            label_two("check", check->id, "scope", check_scope_name(check->scope));

        put(&checks, labels, numbers[check->status]);
    }
    put_ms(&when, "", status->checks_read_ms);
}

static void put_requests(const struct status *status, struct buf *out)
{
    struct family requests = counter(out, "redkeep_store_requests_total",
                                     "Requests to the repository, by HTTP status of the answer");

    for (size_t i = 0; i < status->request_count; i++) {
        char code[16];

        (void)snprintf(code, sizeof(code), "%d", status->requests[i].http_code);
        auto_free char *labels = label("code", status->requests[i].http_code == 0 ? "none" : code);
        put_u64(&requests, labels, status->requests[i].count);
    }
}

void metrics_format(const struct status *status, struct buf *out)
{
    put_infos(status, out);
    put_plain(status, out);
    put_server(status, out);
    put_backups(status, out);
    put_restore(status, out);
    put_drill(status, out);
    put_jobs(status, out);
    put_problems(status, out);
    put_checks(status, out);
    put_requests(status, out);
}
