/*
 * The record as JSON, for /status and /backupz. Every fixed field of the design is there, and null
 * where it is not known; the rest is called as the fields of status.h.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/status.h"

static void set_number(struct json *object, const char *key, int64_t value)
{
    if (value < 0)
        json_set_null(object, key);
    else
        json_set_i64(object, key, value);
}

static void set_span(struct json *object, const char *key, int64_t ms)
{
    if (ms < 0)
        json_set_null(object, key);
    else
        json_set_double(object, key, (double)ms / 1000.0);
}

static void set_flag(struct json *object, const char *key, int flag)
{
    if (flag < 0)
        json_set_null(object, key);
    else
        json_set_bool(object, key, flag != 0);
}

/* null for "" too: INFO has said nothing */
static void set_text(struct json *object, const char *key, const char *text)
{
    json_set_string(object, key, text != NULL && text[0] != '\0' ? text : NULL);
}

static struct json *rdb_to_json(const struct redis_server_info *info)
{
    struct json *rdb = json_object();

    set_flag(rdb, "save_in_progress", info->rdb_bgsave_in_progress);
    set_flag(rdb, "last_save_ok", info->rdb_last_bgsave_ok);
    json_set_time(rdb, "last_save_at",
                  info->rdb_last_save_time_s > 0 ? info->rdb_last_save_time_s * 1000 : -1);
    set_number(rdb, "last_save_seconds", info->rdb_last_bgsave_s);
    set_number(rdb, "changes_since_last_save", info->rdb_changes_since_last_save);
    set_number(rdb, "last_cow_bytes", info->rdb_last_cow_bytes);
    set_number(rdb, "last_load_keys_loaded", info->rdb_last_load_keys_loaded);
    set_number(rdb, "last_load_keys_expired", info->rdb_last_load_keys_expired);
    return rdb;
}

static struct json *aof_to_json(const struct status *status)
{
    const struct redis_server_info *info = &status->info;
    const struct history_delays *delays = &status->history.delays;
    struct json *aof = json_object();

    set_flag(aof, "enabled", info->aof_enabled);
    set_flag(aof, "last_write_ok", info->aof_last_write_ok);
    set_flag(aof, "rewrite_in_progress", info->aof_rewrite_in_progress);
    set_flag(aof, "last_rewrite_ok", info->aof_last_rewrite_ok);
    set_number(aof, "last_rewrite_seconds", info->aof_last_rewrite_s);
    set_number(aof, "size_bytes", info->aof_current_bytes);
    set_number(aof, "base_bytes", info->aof_base_bytes);
    set_number(aof, "last_cow_bytes", info->aof_last_cow_bytes);
    set_number(aof, "delayed_fsyncs", info->aof_delayed_fsync);
    set_number(aof, "delayed_fsyncs_lately", delays->span_ms > 0 ? delays->count : -1);
    set_span(aof, "lately_seconds", delays->span_ms > 0 ? delays->span_ms : -1);
    return aof;
}

static void set_server(struct json *root, const struct status *status)
{
    const struct redis_server_info *info = &status->info;
    struct json *server;

    json_set_string(root, "server_url", status->server_url);
    if (!status->has_info) {
        json_set_null(root, "server");
        return;
    }
    server = json_object();
    json_set_string(server, "name", server_flavour_name(info->flavour));
    set_text(server, "version", info->version);
    set_text(server, "run_id", info->run_id);
    set_text(server, "role", info->role);
    set_text(server, "primary_link", info->master_link_status);
    set_number(server, "replicas", info->connected_slaves);
    json_set_time(server, "seen_at", status->seen_ms);
    set_number(server, "uptime_seconds", info->uptime_s);
    json_set_u64(server, "keys", redis_info_keys(info));
    set_number(server, "used_memory_bytes", info->used_memory);
    set_number(server, "resident_memory_bytes", info->used_memory_rss);
    set_number(server, "maxmemory_bytes", info->maxmemory);
    if (info->latest_fork_usec >= 0)
        json_set_double(server, "last_fork_seconds", (double)info->latest_fork_usec / 1e6);
    else
        json_set_null(server, "last_fork_seconds");
    json_set(server, "rdb", rdb_to_json(info));
    json_set(server, "aof", aof_to_json(status));
    json_set(root, "server", server);
}

static struct json *backup_to_json(const struct status_backup *backup)
{
    struct json *row = json_object();

    json_set_string(row, "id", backup->id);
    json_set_time(row, "created_at", backup->created_ms);
    if (backup->has_keys)
        json_set_u64(row, "keys", backup->keys);
    else
        json_set_null(row, "keys");
    json_set_u64(row, "size_bytes", backup->size_bytes);
    json_set_u64(row, "stored_bytes", backup->stored_bytes);
    set_text(row, "server", backup->server);
    set_number(row, "rdb_version", backup->rdb_version);
    json_set_bool(row, "proven", backup->proven);
    json_set_time(row, "verified_at", backup->verified_ms);
    set_flag(row, "verified_ok", backup->verified_ms < 0 ? -1 : backup->verified_ok);
    json_set_bool(row, "encrypted", backup->encrypted);
    json_set_bool(row, "pinned", backup->pinned);
    set_span(row, "save_seconds", backup->save_ms);
    set_span(row, "pack_seconds", backup->pack_ms);
    return row;
}

static void set_backups(struct json *root, const struct status *status)
{
    struct json *backups = json_array();

    for (size_t i = 0; i < status->backup_count; i++)
        json_push(backups, backup_to_json(&status->backups[i]));
    json_set(root, "backups", backups);
    if (status->has_backups)
        json_set_u64(root, "backups_total", status->backups_total);
    else
        json_set_null(root, "backups_total");
    json_set_time(root, "backups_read_at", status->backups_read_ms);
    json_set(root, "moments", json_array());
}

static void set_schedule(struct json *root, const struct status *status)
{
    json_set_string(root, "schedule", status->schedule);
    json_set_string(root, "timezone", status->timezone);
    json_set_time(root, "next_backup_at", status->next_backup_ms);
    set_span(root, "backup_max_age_seconds",
             status->backup_max_age_ms > 0 ? status->backup_max_age_ms : -1);
    json_set_string(root, "waiting_for", status->waiting_for);
    json_set_u64(root, "skipped_unchanged", status->skipped_unchanged);
    json_set_u64(root, "skipped_role", status->skipped_role);
    set_number(root, "changes_since_backup", status->changes_since_backup);
}

/* The lag of a log follows with log shipping: until then what a lost volume costs is the age of the
 * newest proven backup. */
static void set_lag(struct json *root, const struct status *status)
{
    json_set_null(root, "lag_bytes");
    set_span(root, "lag_seconds", status_lag_ms(status));
    json_set_time(root, "last_backup_ok_at", status->last_backup_ok_ms);
}

static struct json *job_to_json(enum job_kind kind, const struct status_job *job)
{
    struct json *row = json_object();
    bool has_ended = job->ended_ms >= 0;

    json_set_string(row, "kind", job_kind_name(kind));
    json_set_bool(row, "running", job->is_running);
    set_number(row, "pid", job->is_running ? job->pid : -1);
    json_set_time(row, "started_at", job->started_ms);
    json_set_time(row, "ended_at", job->ended_ms);
    set_span(row, "last_took_seconds", job->last_took_ms);
    set_flag(row, "last_ok", has_ended ? job->last_ok : -1);
    if (has_ended)
        json_set_i64(row, "last_exit_code", job->last_exit_code);
    else
        json_set_null(row, "last_exit_code");
    set_text(row, "last_problem", problem_row(job->last_problem)->code);
    json_set_string(row, "last_message", job->last_message);
    json_set_string(row, "doing", job->doing);
    if (job->is_running)
        json_set_u64(row, "done_bytes", job->done_bytes);
    else
        json_set_null(row, "done_bytes");
    set_number(row, "total_bytes", job->total_bytes > 0 ? (int64_t)job->total_bytes : -1);
    set_number(row, "bytes_per_second", job->bytes_per_s > 0 ? (int64_t)job->bytes_per_s : -1);
    json_set_u64(row, "attempt", job->attempt);
    json_set_u64(row, "count_started", job->count_started);
    json_set_u64(row, "count_ok", job->count_ok);
    json_set_u64(row, "count_failed", job->count_failed);
    json_set_u64(row, "count_crashed", job->count_crashed);
    json_set_u64(row, "count_hung", job->count_hung);
    return row;
}

static struct json *problems_to_json(const struct status *status)
{
    struct json *problems = json_array();

    for (size_t i = 0; i < status->problem_count; i++) {
        const struct status_problem *standing = &status->problems[i];
        const struct problem_row *words = problem_row(standing->problem);
        struct json *row = json_object();

        json_set_string(row, "code", words->code);
        json_set_time(row, "since", standing->since_ms);
        json_set_string(row, "cause", words->cause);
        json_set_string(row, "remedy", words->remedy);
        json_set_string(row, "detail", standing->detail);
        json_push(problems, row);
    }
    return problems;
}

static struct json *restore_to_json(const struct status *status)
{
    struct json *restore = json_object();

    json_set_time(restore, "time", status->restored_ms);
    set_text(restore, "backup", status->restored_backup);
    if (status->restored_has_keys)
        json_set_u64(restore, "keys", status->restored_keys);
    else
        json_set_null(restore, "keys");
    json_set_u64(restore, "skipped", status->restored_skipped);
    set_span(restore, "seconds", status->restore_took_ms);
    return restore;
}

static struct json *drill_to_json(const struct status *status)
{
    struct json *drill = json_object();

    json_set_time(drill, "time", status->drilled_ms);
    json_set_bool(drill, "ok", status->drill_ok);
    set_span(drill, "recovery_seconds", status->drill_took_ms);
    set_span(drill, "load_seconds", status->drill_load_ms);
    if (status->drill_bytes > 0)
        json_set_u64(drill, "size_bytes", status->drill_bytes);
    else
        json_set_null(drill, "size_bytes");
    return drill;
}

/* As much of it as was seen. */
static struct json *load_to_json(const struct history_load *load)
{
    struct json *object = json_object();

    json_set_time(object, "time", load->at_ms);
    json_set_i64(object, "bytes", load->bytes);
    set_span(object, "seconds", load->took_ms);
    return object;
}

static void set_counters(struct json *root, const struct status *status)
{
    struct json *requests = json_array();

    for (size_t i = 0; i < status->request_count; i++) {
        struct json *row = json_object();

        json_set_i64(row, "http_code", status->requests[i].http_code);
        json_set_u64(row, "count", status->requests[i].count);
        json_push(requests, row);
    }
    json_set(root, "requests", requests);
    json_set_u64(root, "store_retries", status->store_retries);
    json_set_u64(root, "notify_dropped", status->notify_dropped);
    json_set_u64(root, "log_lost", status->log_lost);
    json_set_u64(root, "http_requests", status->http_requests);
    json_set_u64(root, "http_refused", status->http_refused);
}

struct json *status_to_json(const struct status *status)
{
    struct json *root = readiness_to_json(&status->readiness);
    struct json *jobs = json_array();
    struct json *volume = json_object();

    json_set_string(root, "instance", status->instance);
    json_set_string(root, "repository", status->repository);
    json_set_string(root, "version", status->version);
    json_set_time(root, "now_at", status->now_ms);
    json_set_time(root, "started_at", status->started_ms);
    json_set_bool(root, "stopping", status->is_stopping);
    set_lag(root, status);
    json_set(root, "problems", problems_to_json(status));
    for (size_t i = 0; i < JOB_KIND_COUNT; i++)
        json_push(jobs, job_to_json((enum job_kind)i, &status->jobs[i]));
    json_set(root, "jobs", jobs);
    set_schedule(root, status);
    set_server(root, status);
    set_number(volume, "free_bytes", status->volume_free_bytes);
    set_number(volume, "total_bytes", status->volume_total_bytes);
    json_set(root, "volume", volume);
    if (status->restored_ms >= 0)
        json_set(root, "last_restore", restore_to_json(status));
    else
        json_set_null(root, "last_restore");
    if (status->drilled_ms >= 0)
        json_set(root, "last_drill", drill_to_json(status));
    else
        json_set_null(root, "last_drill");
    if (status->history.load.bytes > 0)
        json_set(root, "last_load", load_to_json(&status->history.load));
    else
        json_set_null(root, "last_load");
    set_backups(root, status);
    json_set(root, "checks", status_checks_json(&status->checks));
    json_set_time(root, "checks_read_at", status->checks_read_ms);
    set_counters(root, status);
    return root;
}

struct json *status_backupz_json(const struct status *status)
{
    struct json *root = json_object();
    auto_free char *why = NULL;
    bool is_fresh = status_backup_is_fresh(status, &why);

    json_set_bool(root, "ok", is_fresh);
    json_set_string(root, "why", why);
    set_lag(root, status);
    set_span(root, "backup_max_age_seconds",
             status->backup_max_age_ms > 0 ? status->backup_max_age_ms : -1);
    json_set_time(root, "next_backup_at", status->next_backup_ms);
    return root;
}
