/*
 * The record itself: what begins unknown, what stands, what is newest. status_json.c shows it,
 * status_read.c fills it from the answers of jobs.
 */
#include "daemon/status.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

static const char *const job_names[JOB_KIND_COUNT] = {
    [JOB_BACKUP] = "backup", [JOB_FINAL] = "final-backup", [JOB_VERIFY] = "verify",
    [JOB_DRILL] = "drill",   [JOB_PRUNE] = "prune",        [JOB_LIST] = "list",
    [JOB_CHECK] = "check",   [JOB_NOTIFY] = "notify",      [JOB_HEARTBEAT] = "heartbeat",
};

const char *job_kind_name(enum job_kind kind)
{
    return job_names[kind];
}

void status_init(struct status *status)
{
    *status = (struct status){
        .version = REDKEEP_VERSION,
        .now_ms = -1,
        .started_ms = -1,
        .readiness = {.state = READINESS_UNREACHABLE,
                      .loading_percent = -1,
                      .loaded_bytes = -1,
                      .total_bytes = -1,
                      .bytes_per_s = -1,
                      .eta_s = -1,
                      .why = "the server was not asked yet"},
        .seen_ms = -1,
        .changes_since_backup = -1,
        .volume_free_bytes = -1,
        .volume_total_bytes = -1,
        .backups_read_ms = -1,
        .checks_read_ms = -1,
        .next_backup_ms = -1,
        .last_backup_ok_ms = -1,
        .restored_ms = -1,
        .restore_took_ms = -1,
        .drilled_ms = -1,
        .drill_took_ms = -1,
        .drill_load_ms = -1,
    };
    redis_info_release(&status->info);
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        status->jobs[i].started_ms = -1;
        status->jobs[i].ended_ms = -1;
        status->jobs[i].last_took_ms = -1;
    }
}

void status_release(struct status *status)
{
    char *texts[] = {status->instance, status->repository, status->server_url,
                     status->schedule, status->timezone,   status->waiting_for};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        free(status->jobs[i].last_message);
        free(status->jobs[i].doing);
    }
    for (size_t i = 0; i < status->problem_count; i++)
        free(status->problems[i].detail);
    status_checks_release(&status->checks);
    free(status->backups);
    redis_info_release(&status->info);
    *status = (struct status){0};
}

static size_t index_of(const struct status *status, enum problem problem)
{
    size_t i = 0;

    while (i < status->problem_count && status->problems[i].problem != problem)
        i++;
    return i;
}

bool status_raise(struct status *status, enum problem problem, int64_t now_ms, const char *detail)
{
    size_t i = index_of(status, problem);
    bool is_new = i == status->problem_count;
    struct status_problem *standing = &status->problems[i];
    char *words = detail != NULL ? xstrdup(detail) : NULL;

    assert(problem > PROBLEM_NONE && problem < PROBLEM_COUNT);
    if (is_new) {
        *standing = (struct status_problem){.problem = problem, .since_ms = now_ms};
        status->problem_count++;
    }
    free(standing->detail);
    standing->detail = words;
    return is_new;
}

bool status_clear(struct status *status, enum problem problem)
{
    size_t i = index_of(status, problem);

    if (i == status->problem_count)
        return false;
    free(status->problems[i].detail);
    status->problem_count--;
    memmove(&status->problems[i], &status->problems[i + 1],
            (status->problem_count - i) * sizeof(status->problems[0]));
    status->problems[status->problem_count] = (struct status_problem){0};
    return true;
}

const struct status_problem *status_find(const struct status *status, enum problem problem)
{
    size_t i = index_of(status, problem);

    return i < status->problem_count ? &status->problems[i] : NULL;
}

/* Clocks of one host that are set now and then agree better than this. */
#define AHEAD_MS 60000

/* The newest proven one that a clock which is right can have seen. One backup of a day when the
 * clock was a year ahead would else be fresh for a year, whatever became of all others. */
static int64_t newest_ok_ms(const struct status *status)
{
    int64_t latest_ms = status->now_ms + AHEAD_MS;
    int64_t newest_ms = -1;

    if (status->last_backup_ok_ms <= latest_ms)
        return status->last_backup_ok_ms;
    for (size_t i = 0; i < status->backup_count; i++) {
        const struct status_backup *backup = &status->backups[i];

        if (backup->proven && backup->created_ms <= latest_ms && backup->created_ms > newest_ms)
            newest_ms = backup->created_ms;
    }
    /* none: then it is the clock of now that is wrong */
    return newest_ms >= 0 ? newest_ms : status->last_backup_ok_ms;
}

int64_t status_backup_age_ms(const struct status *status)
{
    if (status->last_backup_ok_ms < 0 || status->now_ms < 0)
        return -1;

    int64_t ok_ms = newest_ok_ms(status);

    return status->now_ms > ok_ms ? status->now_ms - ok_ms : 0;
}

int64_t status_lag_ms(const struct status *status)
{
    int64_t age_ms = status_backup_age_ms(status);
    int64_t same_ms = status->now_ms - status->unchanged_ms;

    /* it still is what the server has; that of a clock that was ahead says nothing */
    if (status->unchanged_ms > 0 && same_ms >= -AHEAD_MS && same_ms < age_ms)
        return same_ms > 0 ? same_ms : 0;
    return age_ms;
}

bool status_backup_is_fresh(const struct status *status, char **out_why)
{
    int64_t age_ms = status_lag_ms(status);
    char age[32];
    char bound[32];

    if (age_ms < 0) {
        *out_why = xstrdup(status->has_backups
                               ? "there is no proven backup of this instance"
                               : "no proven backup is known, the repository was not read yet");
        return false;
    }
    if (status->backup_max_age_ms <= 0 || age_ms <= status->backup_max_age_ms)
        return true;
    format_duration(age_ms, age, sizeof(age));
    format_duration(status->backup_max_age_ms, bound, sizeof(bound));
    *out_why =
        xasprintf("the newest proven backup is %s old, more than backup-max-age (%s)", age, bound);
    return false;
}

void status_add_backup(struct status *status, const struct status_backup *backup)
{
    struct status_backup copy = *backup;
    size_t from = 0;

    if (status->backups == NULL)
        status->backups = xcalloc(STATUS_BACKUPS_MAX, sizeof(*status->backups));
    while (from < status->backup_count && strcmp(status->backups[from].id, copy.id) != 0)
        from++;
    if (from == status->backup_count) { /* it was not there */
        status->backups_total++;
        if (from < STATUS_BACKUPS_MAX)
            status->backup_count++;
        else
            from--; /* the oldest makes room */
    }
    memmove(&status->backups[1], &status->backups[0], from * sizeof(*status->backups));
    status->backups[0] = copy;
    if (copy.proven && copy.created_ms > status->last_backup_ok_ms)
        status->last_backup_ok_ms = copy.created_ms;
}
