/*
 * When a backup is due, whether it may begin, and what becomes of one that fails. "Due" is a wish
 * (agent->wanted); it stays one until the server has loaded and nothing else of its kind runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "daemon/agent_state.h"

static void wait_for(struct agent *agent, const char *what)
{
    struct status *status = agent->status;

    if (what == NULL) {
        free(status->waiting_for);
        status->waiting_for = NULL;
        return;
    }
    if (status->waiting_for != NULL && strcmp(status->waiting_for, what) == 0)
        return;
    if (status->waiting_for == NULL)
        agent_log(agent, LOG_LEVEL_INFO, "a backup is due and waits: %s", what);
    free(status->waiting_for);
    status->waiting_for = xstrdup(what);
}

/* The slot behind after_ms is the next one. */
void agent_plan(struct agent *agent, int64_t after_ms)
{
    struct status *status = agent->status;
    int64_t slot = schedule_next(&agent->config.schedule, after_ms);

    agent->is_planned = true;
    agent->slot_why = AGENT_WHY_SCHEDULE;
    if (slot == INT64_MAX || agent->stop_ms != 0) {
        status->next_backup_ms = -1;
        return;
    }
    status->next_backup_ms =
        slot + schedule_jitter(status->instance, slot, agent->config.jitter_ms);
}

static const struct status_backup *newest(const struct agent *agent)
{
    return agent->status->backup_count > 0 ? &agent->status->backups[0] : NULL;
}

/* One run for whatever was missed, at once but for the jitter. */
void agent_catch_up(struct agent *agent, struct agent_time now)
{
    const struct status_backup *last = newest(agent);
    enum agent_why why = AGENT_WHY_FIRST;
    int64_t slot;

    if (agent->config.schedule.kind == SCHEDULE_OFF || agent->stop_ms != 0) {
        agent_plan(agent, now.wall_ms);
        return;
    }
    if (last == NULL) {
        agent_log(agent, LOG_LEVEL_INFO, "there is no backup of %s yet: the first is taken now",
                  agent->status->instance);
        slot = now.wall_ms;
    } else {
        slot = schedule_next(&agent->config.schedule, last->created_ms);
        if (slot > now.wall_ms) {
            agent_plan(agent, last->created_ms > now.wall_ms ? now.wall_ms : last->created_ms);
            return;
        }
        agent_log(agent, LOG_LEVEL_INFO,
                  "a scheduled backup was missed since %s: one is made up for now", last->id);
        why = AGENT_WHY_CATCH_UP;
    }
    agent->is_planned = true;
    agent->slot_why = why;
    agent->status->next_backup_ms =
        now.wall_ms + schedule_jitter(agent->status->instance, slot, agent->config.jitter_ms);
}

bool agent_role_fits(const struct agent *agent)
{
    const char *role = agent->status->info.role;

    if (agent->config.role == AGENT_ROLE_ANY || !agent->status->has_info)
        return true;
    return strcmp(role, agent->config.role == AGENT_ROLE_PRIMARY ? "master" : "slave") == 0;
}

/* Does the server's data allow a backup? NULL: yes; else why not, in words. */
static const char *held_back(const struct agent *agent)
{
    const struct status *status = agent->status;

    switch (status->readiness.state) {
    case READINESS_READY:
        return NULL;
    case READINESS_SYNCING: /* data without its primary may be all that is left */
        if (status->has_info && status->info.master_sync_in_progress != 1 &&
            status->info.master_link_down_since_s >= AGENT_LINK_DOWN_S &&
            redis_info_keys(&status->info) > 0)
            return NULL;
        return "the replica is not in sync with its primary";
    case READINESS_LOADING:
        return "the server loads its data";
    case READINESS_AUTH:
        return "the server refuses us";
    case READINESS_UNREACHABLE:
    default:
        return "the server cannot be reached";
    }
}

static void begin(struct agent *agent, struct agent_time now)
{
    static const char *const words[] = {
        [AGENT_WHY_NOTHING] = "",
        [AGENT_WHY_SCHEDULE] = "by the schedule",
        [AGENT_WHY_CATCH_UP] = "to make up for one that was missed",
        [AGENT_WHY_FIRST] = "the first one",
        [AGENT_WHY_CHANGES] = "because much has changed",
        [AGENT_WHY_ASKED] = "as asked for",
        [AGENT_WHY_RETRY] = "once more",
    };
    struct status *status = agent->status;

    wait_for(agent, NULL);
    agent_log(agent, LOG_LEVEL_INFO, "backup: %s", words[agent->wanted]);
    agent->running_why = agent->wanted;
    agent->wanted = AGENT_WHY_NOTHING;
    agent->retry_ms = 0;
    status->jobs[JOB_BACKUP].attempt = agent->attempt + 1;
    changes_begin(&agent->changes, status->has_info ? &status->info : NULL);
    if (agent->running_why == AGENT_WHY_CHANGES)
        agent->early_ms = now.mono_ms;
    /* @every counts from the run; the slots of a cron line that passed meanwhile are this run's */
    agent_plan(agent, now.wall_ms);
    agent_start(agent, JOB_BACKUP, NULL, now);
}

static void skip_role(struct agent *agent)
{
    agent->status->skipped_role++;
    agent_log(agent, LOG_LEVEL_INFO, "no backup: the server is a %s, and backup-role says %s",
              strcmp(agent->status->info.role, "master") == 0 ? "primary" : "replica",
              agent->config.role == AGENT_ROLE_PRIMARY ? "primary" : "replica");
}

/* Of a server that does not answer right now nothing is certain. */
static bool is_unchanged(const struct agent *agent, struct agent_time now)
{
    return changes_count(&agent->changes) == 0 && agent->ready_ms != 0 &&
           now.mono_ms - agent->ready_ms <= AGENT_CERTAIN_MS;
}

/* While it waited, the server has told its role, or changed it. */
static bool is_anothers(const struct agent *agent)
{
    return !agent_role_fits(agent) && agent->wanted != AGENT_WHY_ASKED &&
           agent->wanted != AGENT_WHY_RETRY;
}

void agent_backup_drop(struct agent *agent)
{
    agent->wanted = AGENT_WHY_NOTHING;
    agent->retry_ms = 0;
    wait_for(agent, NULL);
}

/* A slot has come. */
static void want_scheduled(struct agent *agent, struct agent_time now)
{
    struct status *status = agent->status;
    enum agent_why why = agent->slot_why;

    agent_plan(agent, now.wall_ms);
    if (agent->wanted != AGENT_WHY_NOTHING || agent->retry_ms != 0 ||
        agent_is_running(agent, JOB_BACKUP))
        return; /* never two for one time */
    if (!agent_role_fits(agent)) {
        skip_role(agent);
        return;
    }
    if (agent->config.on_changes != 0 && !agent->is_failing && is_unchanged(agent, now)) {
        status->skipped_unchanged++;
        status->unchanged_ms = now.wall_ms;
        agent_log(agent, LOG_LEVEL_INFO, "no backup: nothing has changed since the newest one");
        return;
    }
    agent->attempt = 0;
    agent->wanted = why;
}

static void want_early(struct agent *agent, struct agent_time now)
{
    int64_t changed = changes_count(&agent->changes);

    if (agent->config.on_changes == 0 || agent->is_failing ||
        agent->config.schedule.kind == SCHEDULE_OFF || changed < 0 ||
        (uint64_t)changed < agent->config.on_changes || !agent_role_fits(agent) ||
        (agent->early_ms != 0 && now.mono_ms - agent->early_ms < AGENT_EARLY_MS))
        return;
    agent->attempt = 0;
    agent->wanted = AGENT_WHY_CHANGES;
}

void agent_backup_tick(struct agent *agent, struct agent_time now)
{
    struct status *status = agent->status;
    bool is_busy = agent_is_running(agent, JOB_BACKUP);
    const char *why;

    status->changes_since_backup = changes_count(&agent->changes);
    /* without a list the plan begins now: a repository that is away holds up no schedule */
    if (!agent->is_planned)
        agent_plan(agent, now.wall_ms);
    if (status->next_backup_ms >= 0 && now.wall_ms >= status->next_backup_ms)
        want_scheduled(agent, now);
    if (agent->retry_ms != 0 && now.mono_ms >= agent->retry_ms && !is_busy) {
        agent->retry_ms = 0;
        agent->wanted = AGENT_WHY_RETRY;
    }
    if (agent->wanted == AGENT_WHY_NOTHING && agent->retry_ms == 0 && !is_busy)
        want_early(agent, now);
    if (agent->wanted != AGENT_WHY_NOTHING && !is_busy) {
        why = held_back(agent);
        if (why == NULL)
            why = agent_verify_running(agent);
        if (why != NULL) {
            wait_for(agent, why);
        } else if (is_anothers(agent)) {
            agent_backup_drop(agent);
            skip_role(agent);
        } else {
            begin(agent, now);
        }
    }
}

/* The problems that a backup which went well proves to be over. */
static void clear_backup_problems(struct agent *agent, struct agent_time now)
{
    static const enum problem kept[] = {
        /* these are judged by something else than a backup */
        PROBLEM_BGSAVE_ERR,   PROBLEM_WRITE_ERR,     PROBLEM_AOF_REWRITE_ERR,
        PROBLEM_BACKUP_STALE, PROBLEM_NO_BACKUP,     PROBLEM_BACKUP_CORRUPT,
        PROBLEM_LOG_LOST,     PROBLEM_NOTIFY_FAILED, PROBLEM_BACKUP_UNPROVEN,
        PROBLEM_LOADED_LESS,
    };

    for (enum problem problem = PROBLEM_NONE + 1; problem < PROBLEM_COUNT; problem++) {
        bool is_kept = agent_list_has(agent, problem) || agent_is_held(agent, problem) ||
                       agent->jobs[JOB_BACKUP].warnings[problem] != NULL;

        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
            is_kept = is_kept || kept[i] == problem;
        if (!is_kept && agent->is_failing) /* that it works again says that, too */
            agent_forget_told(agent, problem);
        if (!is_kept)
            agent_clear(agent, problem, now);
    }
}

static void log_stored(struct agent *agent, const struct status_backup *backup)
{
    int64_t took_ms = agent->status->jobs[JOB_BACKUP].last_took_ms;
    char size[32];
    char stored[32];
    char took[32];
    char keys[32] = "an unknown number of";

    format_size(backup->size_bytes, size, sizeof(size));
    format_size(backup->stored_bytes, stored, sizeof(stored));
    format_duration(took_ms, took, sizeof(took));
    if (backup->has_keys)
        (void)snprintf(keys, sizeof(keys), "%" PRIu64, backup->keys);
    agent_log(agent, LOG_LEVEL_INFO, "backup %s: %s keys, %s, stored as %s, in %s", backup->id,
              keys, size, stored, took);
}

static void succeeded(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    struct status *status = agent->status;
    struct status_backup backup;
    struct err err;

    changes_end(&agent->changes, true);
    agent->attempt = 0;
    agent->load_unchecked = false;
    clear_backup_problems(agent, now);
    agent_raise_warnings(agent, JOB_BACKUP, now);
    if (agent->is_failing) {
        agent->is_failing = false;
        agent_forget_told(agent, PROBLEM_BACKUP_STALE);
        agent_forget_told(agent, PROBLEM_NO_BACKUP);
        agent_tell(agent, NOTIFY_RECOVERED, PROBLEM_NONE, "a backup was taken again", now);
    }
    if (end->answer == NULL || status_read_manifest(end->answer, &backup, &err) != 0) {
        agent->list_ms = now.mono_ms; /* it is there all the same */
        return;
    }
    log_stored(agent, &backup);
    agent->prune_wanted = agent->config.prunes;
    if (backup.proven) {
        agent_clear(agent, PROBLEM_BACKUP_UNPROVEN, now);
    } else {
        auto_free char *detail = xasprintf("backup %s is not proven", backup.id);
        agent_raise(agent, PROBLEM_BACKUP_UNPROVEN, true, now, detail);
    }
    status_add_backup(status, &backup);
}

static void failed(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    struct status_job *job = &agent->status->jobs[JOB_BACKUP];
    bool can_help = end->exit_code != ERR_CONFIG;

    changes_end(&agent->changes, false);
    agent_raise(agent, job->last_problem, false, now, job->last_message);
    if (end->exit_code == ERR_BUSY) { /* somebody does it by hand, or has the lease: no failure */
        agent->retry_ms = now.mono_ms + AGENT_BUSY_MS;
        return;
    }
    agent->attempt++;
    if (can_help && agent->attempt < AGENT_TRIES) {
        int64_t pause = (int64_t)AGENT_RETRY_MS << (agent->attempt - 1);

        agent->retry_ms = now.mono_ms + pause;
        agent_log_problem(agent, LOG_LEVEL_WARN, job->last_problem,
                          "the backup failed, try %u of %d; once more in %d s", agent->attempt,
                          AGENT_TRIES, (int)(pause / 1000));
        return;
    }
    agent->attempt = 0;
    agent_log_problem(agent, LOG_LEVEL_ERROR, job->last_problem,
                      "no backup was taken: %s. The next try is that of the schedule",
                      job->last_message);
    if (!agent->is_failing) /* one alarm, until it works again */
        agent_tell(agent, NOTIFY_FAILED, job->last_problem, job->last_message, now);
    agent->is_failing = true;
}

void agent_backup_ended(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    if (end->exit_code == 0)
        succeeded(agent, end, now);
    else if (agent->stop_ms == 0)
        failed(agent, end, now);
}

/* One begins now, or as soon as it can: the first, or one to make up for others. */
static bool is_on_its_way(const struct agent *agent)
{
    return agent_is_running(agent, JOB_BACKUP) || agent->wanted != AGENT_WHY_NOTHING ||
           agent->retry_ms != 0 ||
           (agent->status->next_backup_ms >= 0 && agent->slot_why != AGENT_WHY_SCHEDULE);
}

/* An alarm is raised, and stands, by what the repository holds now. */
static bool is_to_be_listed(struct agent *agent, struct agent_time now)
{
    if (agent_is_running(agent, JOB_LIST))
        return true;
    if (now.mono_ms - agent->jobs[JOB_LIST].started_mono_ms < AGENT_RELIST_MS)
        return false;
    agent->list_ms = now.mono_ms;
    return true;
}

void agent_check_freshness(struct agent *agent, struct agent_time now)
{
    auto_free char *why = NULL;
    enum problem problem;
    bool is_fresh = status_backup_is_fresh(agent->status, &why);

    if (is_fresh || !agent_role_fits(agent)) {
        agent_clear(agent, PROBLEM_BACKUP_STALE, now);
        agent_clear(agent, PROBLEM_NO_BACKUP, now);
        return;
    }
    /* nothing is known; the list job says why */
    if (!agent->status->has_backups && agent->status->backup_count == 0)
        return;
    problem = agent->status->backup_count == 0 ? PROBLEM_NO_BACKUP : PROBLEM_BACKUP_STALE;
    if (is_on_its_way(agent) && !agent->is_failing)
        return;
    if (is_to_be_listed(agent, now)) /* somebody may have taken one by hand */
        return;
    /* somebody else takes them, or will */
    if (problem == PROBLEM_NO_BACKUP && agent->config.schedule.kind == SCHEDULE_OFF)
        return;
    agent_raise(agent, problem, true, now, why);
}
