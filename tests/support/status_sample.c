#include "support/status_sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static const char redis_says[] = "# Server\r\nredis_version:7.2.5\r\nrun_id:8b1f\r\n"
                                 "process_id:1\r\ntcp_port:6379\r\nuptime_in_seconds:864000\r\n"
                                 "# Memory\r\nused_memory:4210000000\r\n"
                                 "used_memory_rss:4460000000\r\nmaxmemory:8000000000\r\n"
                                 "# Persistence\r\nloading:0\r\nasync_loading:0\r\n"
                                 "rdb_changes_since_last_save:1207\r\nrdb_bgsave_in_progress:0\r\n"
                                 "rdb_last_save_time:1795192203\r\nrdb_last_bgsave_status:ok\r\n"
                                 "rdb_last_bgsave_time_sec:14\r\nrdb_saves:240\r\n"
                                 "rdb_last_cow_size:43008000\r\n"
                                 "rdb_last_load_keys_expired:12\r\n"
                                 "rdb_last_load_keys_loaded:18201554\r\n"
                                 "aof_enabled:1\r\naof_rewrite_in_progress:0\r\n"
                                 "aof_last_rewrite_time_sec:21\r\naof_last_bgrewrite_status:ok\r\n"
                                 "aof_last_write_status:ok\r\naof_last_cow_size:51000000\r\n"
                                 "aof_current_size:2310000000\r\naof_base_size:1890000000\r\n"
                                 "aof_delayed_fsync:2\r\n"
                                 "# Stats\r\nlatest_fork_usec:38211\r\n"
                                 "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
                                 "master_repl_offset:99120114\r\n"
                                 "# Keyspace\r\ndb0:keys=18211342,expires=1201,avg_ttl=0\r\n"
                                 "db3:keys=912,expires=0,avg_ttl=0\r\n";

static void set_text(char **where, const char *text)
{
    free(*where);
    *where = xstrdup(text);
}

static void hear(struct status *status, const char *info)
{
    redis_info_release(&status->info);
    redis_info_parse(info, strlen(info), &status->info);
    status->has_info = true;
    status->seen_ms = status->now_ms;
}

/* What holds for all of them but the first. */
static void begin(struct status *status)
{
    status->now_ms = STATUS_SAMPLE_NOW_MS;
    status->started_ms = STATUS_SAMPLE_NOW_MS - 10 * DAY_MS;
    set_text(&status->instance, "cache-0");
    set_text(&status->repository, "s3://backups/redis");
    set_text(&status->server_url, "redis://127.0.0.1:6379");
    set_text(&status->schedule, "@hourly");
    set_text(&status->timezone, "Europe/Berlin");
    status->next_backup_ms = STATUS_SAMPLE_NOW_MS + 30 * MINUTE_MS;
    status->backup_max_age_ms = 2 * HOUR_MS;
    status->volume_total_bytes = INT64_C(21000000000);
    status->volume_free_bytes = INT64_C(13400000000);
    status->readiness.state = READINESS_READY;
    status->readiness.why[0] = '\0';
}

static void add_backups(struct status *status, int64_t newest_ms, unsigned count)
{
    for (unsigned i = count; i-- > 0;) {
        struct status_backup backup = {
            /* hourly for a day, then daily */
            .created_ms = newest_ms - (i < 24 ? i * HOUR_MS : 23 * HOUR_MS + (i - 23) * DAY_MS),
            .has_keys = true,
            .keys = 18212254 - i * UINT64_C(20110),
            .expires = 1201,
            .size_bytes = UINT64_C(1893000000) - i * UINT64_C(4200000),
            .stored_bytes = UINT64_C(612000000) - i * UINT64_C(1300000),
            .server = "Redis 7.2.5",
            .rdb_version = 11,
            .proven = true,
            .save_ms = 14200 - (int64_t)(i % 7) * 210,
            .pack_ms = 3400 + (int64_t)(i % 5) * 130,
            .verified_ms = i % 6 == 1 ? newest_ms - i * HOUR_MS + 40 * MINUTE_MS : -1,
            .verified_ok = true,
        };
        (void)snprintf(backup.id, sizeof(backup.id), "20261120T17%02u00Z-%06x", 59 - i % 60,
                       0x4f3a9c + i);
        status_add_backup(status, &backup);
    }
    status->has_backups = true;
    status->backups_total = count;
    status->backups_read_ms = status->now_ms - 20 * MINUTE_MS;
    status->changes_since_backup = 1207;
}

static void job_went_well(struct status_job *job, int64_t ended_ms, int64_t took_ms, uint64_t count)
{
    job->started_ms = ended_ms - took_ms;
    job->ended_ms = ended_ms;
    job->last_took_ms = took_ms;
    job->last_ok = true;
    job->count_started = job->count_ok = count;
}

static void add_check(struct status *status, const char *id, enum check_status how,
                      const char *value, const char *fix)
{
    struct status_checks *checks = &status->checks;

    if (checks->rows == NULL)
        checks->rows = xcalloc(STATUS_CHECKS_MAX, sizeof(*checks->rows));
    checks->rows[checks->count++] = (struct status_check){
        .id = xstrdup(id),
        .scope = CHECK_HOST,
        .status = how,
        .value = xstrdup(value),
        .wanted = how >= CHECK_WARN ? xstrdup("something else") : NULL,
        .why = xstrdup("It matters for a reason."),
        .fix = fix != NULL ? xstrdup(fix) : NULL,
    };
    status->checks_read_ms = status->now_ms - 4 * MINUTE_MS;
}

static void well(struct status *status)
{
    int64_t newest_ms = STATUS_SAMPLE_NOW_MS - 30 * MINUTE_MS;

    begin(status);
    hear(status, redis_says);
    add_backups(status, newest_ms, 30);
    job_went_well(&status->jobs[JOB_BACKUP], newest_ms + 18000, 18000, 240);
    job_went_well(&status->jobs[JOB_LIST], newest_ms + 19000, 220, 241);
    job_went_well(&status->jobs[JOB_CHECK], status->now_ms - 4 * MINUTE_MS, 90, 1440);
    add_check(status, "clock-source", CHECK_UNKNOWN, "unknown: this needs /sys", NULL);
    add_check(status, "overcommit-memory", CHECK_OK, "1", NULL);
    job_went_well(&status->jobs[JOB_VERIFY], newest_ms + 40 * MINUTE_MS - HOUR_MS, 4100, 10);
    status->requests[0] = (struct status_request_count){.http_code = 200, .count = 4210};
    status->requests[1] = (struct status_request_count){.http_code = 503, .count = 3};
    status->request_count = 2;
    status->store_retries = 3;
    status->skipped_unchanged = 4;
    status->http_requests = 81200;
    status->restored_ms = STATUS_SAMPLE_NOW_MS - 10 * DAY_MS;
    status->drilled_ms = STATUS_SAMPLE_NOW_MS - 5 * HOUR_MS;
    status->drill_ok = true;
    status->drill_took_ms = 31500;
    (void)snprintf(status->restored_backup, sizeof(status->restored_backup), "%s",
                   "20261110T170000Z-77a0b1");
    status->restored_has_keys = true;
    status->restored_keys = 18190011;
    status->restore_took_ms = 41300;
}

static void fresh(struct status *status) /* installed a minute ago */
{
    begin(status);
    status->started_ms = status->now_ms - MINUTE_MS;
    hear(status, redis_says);
    status->has_backups = true;
    status->backups_read_ms = status->now_ms - MINUTE_MS;
    job_went_well(&status->jobs[JOB_LIST], status->now_ms - MINUTE_MS, 190, 1);
    (void)status_raise(status, PROBLEM_NO_BACKUP, status->now_ms - MINUTE_MS,
                       "the repository holds no backup of instance cache-0");
}

static void working(struct status *status)
{
    struct status_job *job = &status->jobs[JOB_BACKUP];

    well(status);
    job->is_running = true;
    job->pid = 4711;
    job->started_ms = status->now_ms - 9000;
    job->attempt = 1;
    job->count_started++;
    job->done_bytes = UINT64_C(812000000);
    job->total_bytes = UINT64_C(1897000000);
    job->bytes_per_s = UINT64_C(540000000);
    set_text(&job->doing, "reading, compressing and storing");
}

static void loading(struct status *status)
{
    struct readiness *readiness = &status->readiness;

    well(status);
    hear(status, "redis_version:7.2.5\r\nuptime_in_seconds:21\r\nloading:1\r\nasync_loading:0\r\n"
                 "role:master\r\naof_enabled:1\r\n");
    readiness->state = READINESS_LOADING;
    readiness->loading_percent = 42.3;
    readiness->loaded_bytes = INT64_C(977000000);
    readiness->total_bytes = INT64_C(2310000000);
    readiness->bytes_per_s = INT64_C(181000000);
    readiness->eta_s = 7;
    (void)snprintf(readiness->why, sizeof(readiness->why), "the server loads its data");
    set_text(&status->waiting_for, "the server loads its data");
}

static void failing(struct status *status)
{
    struct status_job *job = &status->jobs[JOB_BACKUP];
    int64_t since_ms = STATUS_SAMPLE_NOW_MS - 9 * HOUR_MS;

    well(status);
    add_check(status, "volume-space", CHECK_FAIL, "212 MB are free", NULL);
    add_check(status, "backlog", CHECK_WARN, "128",
              "# not done from here: cannot write it\nsysctl -w net.core.somaxconn=511");
    for (size_t i = 0; i < status->backup_count; i++) {
        status->backups[i].created_ms -= 10 * HOUR_MS;
        if (status->backups[i].verified_ms >= 0)
            status->backups[i].verified_ms -= 10 * HOUR_MS;
    }
    status->last_backup_ok_ms = status->backups[0].created_ms;
    status->backups[3].proven = false;
    status->backups[1].verified_ms = since_ms;
    status->backups[1].verified_ok = false;
    status->info.rdb_last_bgsave_ok = 0;
    status->volume_free_bytes = INT64_C(212000000);
    job->ended_ms = status->now_ms - 12 * MINUTE_MS;
    job->started_ms = job->ended_ms - 2000;
    job->last_took_ms = 2000;
    job->last_ok = false;
    job->last_exit_code = 7;
    job->last_problem = PROBLEM_BGSAVE_ERR;
    set_text(&job->last_message, "the server's save failed: its log says why, redis.log:118");
    job->attempt = 3;
    job->count_started += 27;
    job->count_failed = 27;
    job->count_crashed = 1;
    job->count_hung = 2;
    (void)status_raise(status, PROBLEM_BGSAVE_ERR, since_ms, job->last_message);
    (void)status_raise(status, PROBLEM_DISK_FULL, since_ms + MINUTE_MS,
                       "backup: 212 MB are free on the volume, a save needs 1.9 GB");
    (void)status_raise(status, PROBLEM_BACKUP_STALE, since_ms + 2 * HOUR_MS, NULL);
    set_text(&status->waiting_for, "the next turn of the schedule: three tries have failed");
}

/* Everything that can stand, stands; numbers as large as they get. */
static void full(struct status *status)
{
    well(status);
    add_backups(status, STATUS_SAMPLE_NOW_MS - MINUTE_MS, STATUS_BACKUPS_MAX);
    status->backups_total = UINT64_MAX;
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++)
        (void)status_raise(status, (enum problem)i, status->now_ms - i * HOUR_MS,
                           "what happened, in the words of the moment");
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        job_went_well(&status->jobs[i], status->now_ms - HOUR_MS, 1000, UINT64_MAX);
        status->jobs[i].is_running = true;
        status->jobs[i].started_ms = status->now_ms - MINUTE_MS;
        status->jobs[i].done_bytes = UINT64_MAX;
        status->jobs[i].total_bytes = UINT64_MAX / 2;
        status->jobs[i].bytes_per_s = UINT64_MAX;
        set_text(&status->jobs[i].doing, "all at once");
    }
    while (status->checks.count < STATUS_CHECKS_MAX) {
        auto_free char *id = xasprintf("check-%zu", status->checks.count);
        add_check(status, id, CHECK_FAIL, "what is", "the line to paste");
    }
    for (size_t i = 0; i < STATUS_CODES_MAX; i++)
        status->requests[i] =
            (struct status_request_count){.http_code = (int)(500 + i), .count = UINT64_MAX};
    status->request_count = STATUS_CODES_MAX;
    status->volume_free_bytes = status->volume_total_bytes = INT64_MAX;
}

#define EVIL "</style><script>alert(1)</script>\"'&{}\\\n\x01\xff\xc3\xe2\x80\xae"

static void hostile(struct status *status)
{
    char *evil = xasprintf("%s%0*d%s", EVIL, 3000, 0, EVIL);

    full(status);
    set_text(&status->instance, EVIL);
    set_text(&status->repository, evil);
    set_text(&status->server_url, EVIL);
    set_text(&status->schedule, EVIL);
    set_text(&status->timezone, EVIL);
    set_text(&status->waiting_for, evil);
    (void)snprintf(status->info.version, sizeof(status->info.version), "%s", "7\"}\n<b>\xff\\");
    (void)snprintf(status->info.role, sizeof(status->info.role), "%s", "x\"}\n<i>\xff\\");
    (void)snprintf(status->readiness.why, sizeof(status->readiness.why), "%s", EVIL);
    status->readiness.state = READINESS_LOADING;
    status->readiness.loading_percent = 1e300;
    status->readiness.total_bytes = 0;
    (void)snprintf(status->restored_backup, sizeof(status->restored_backup), "%s", "<u>\"\n\xff");
    for (size_t i = 0; i < status->backup_count; i++) {
        (void)snprintf(status->backups[i].id, sizeof(status->backups[i].id), "<a>\"%zu\n\xff", i);
        (void)snprintf(status->backups[i].server, sizeof(status->backups[i].server), "%s", EVIL);
        status->backups[i].created_ms = i % 2 == 0 ? INT64_MAX - (int64_t)i : (int64_t)i - 5;
        status->backups[i].size_bytes = status->backups[i].stored_bytes = UINT64_MAX;
    }
    status->last_backup_ok_ms = INT64_MAX;
    status->next_backup_ms = INT64_MAX;
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        set_text(&status->jobs[i].doing, evil);
        set_text(&status->jobs[i].last_message, evil);
        status->jobs[i].last_ok = false;
    }
    for (size_t i = 0; i < status->problem_count; i++)
        set_text(&status->problems[i].detail, evil);
    for (size_t i = 0; i < status->checks.count; i++) {
        set_text(&status->checks.rows[i].value, evil);
        set_text(&status->checks.rows[i].fix, EVIL);
    }
    free(evil);
}

static void unknown(struct status *status)
{
    (void)status; /* nothing was heard of anything */
}

static const struct {
    const char *name;
    void (*fill)(struct status *status);
} samples[] = {
    {"unknown", unknown}, {"fresh", fresh},     {"well", well}, {"working", working},
    {"loading", loading}, {"failing", failing}, {"full", full}, {"hostile", hostile},
};

const char *status_sample_name(size_t index)
{
    return index < sizeof(samples) / sizeof(samples[0]) ? samples[index].name : NULL;
}

int status_sample(const char *name, struct status *out)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        if (strcmp(samples[i].name, name) != 0)
            continue;
        status_init(out);
        samples[i].fill(out);
        return 0;
    }
    return -1;
}
