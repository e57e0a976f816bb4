/*
 * What is done to backups that are there: retention after each new one, verifications and drills by
 * their schedule and when somebody asks. One at a time, and never beside a backup: they read and
 * compress as it does, and the server keeps a core.
 */
#include <string.h>

#include "daemon/agent_state.h"

void agent_verify_plan(struct agent *agent, struct agent_time now)
{
    int64_t next = schedule_next(&agent->config.verify_schedule, now.wall_ms);

    agent->verify_ms = next == INT64_MAX ? -1 : next;
}

const char *agent_verify_running(const struct agent *agent)
{
    if (agent_is_running(agent, JOB_VERIFY))
        return "a verification runs";
    if (agent_is_running(agent, JOB_DRILL))
        return "a drill runs";
    return agent_is_running(agent, JOB_PRUNE) ? "retention is applied" : NULL;
}

void agent_verify_tick(struct agent *agent, struct agent_time now)
{
    if (agent->verify_ms >= 0 && now.wall_ms >= agent->verify_ms) {
        agent_verify_plan(agent, now);
        if (!agent->verify_wanted && agent->status->backup_count > 0) {
            agent->verify_wanted = true;
            agent->verify_kind = agent->config.has_drill ? JOB_DRILL : JOB_VERIFY;
        }
    }
    if (agent_is_running(agent, JOB_BACKUP) || agent_verify_running(agent) != NULL)
        return;
    if (agent->prune_wanted) {
        agent->prune_wanted = false;
        agent_start(agent, JOB_PRUNE, NULL, now);
    } else if (agent->verify_wanted) {
        agent->verify_wanted = false;
        agent_log(agent, LOG_LEVEL_INFO, "%s: the newest backup",
                  job_kind_name(agent->verify_kind));
        agent_start(agent, agent->verify_kind, NULL, now);
    }
}

static const char *id_of(const struct json *row)
{
    const char *id = "";
    struct err ignored;

    (void)json_get_string(row, "id", &id, &ignored); /* none is no backup's */
    return id;
}

static void take_result(struct status *status, const struct json *row, int64_t now_ms)
{
    bool ok = false;
    bool too_new = false;
    struct err ignored;

    (void)json_get_bool(row, "too_new", &too_new, &ignored);
    if (too_new) /* nobody has looked at it */
        return;
    (void)json_get_bool(row, "ok", &ok, &ignored);
    if (json_has(row, "drilled")) {
        status->drilled_ms = now_ms;
        status->drill_ok = ok;
        status->drill_took_ms = json_get_duration_ms(row, "seconds");
        status->drill_load_ms = json_get_duration_ms(row, "load_seconds");
        status->drill_bytes = 0;
    }
    for (size_t i = 0; i < status->backup_count; i++) {
        if (strcmp(status->backups[i].id, id_of(row)) != 0)
            continue;
        status->backups[i].verified_ms = now_ms;
        status->backups[i].verified_ok = ok;
        status->backups[i].drilled = json_has(row, "drilled");
        if (json_has(row, "drilled"))
            status->drill_bytes = status->backups[i].size_bytes;
    }
}

bool agent_is_held(const struct agent *agent, enum problem problem)
{
    bool is_held = false;

    for (size_t i = 0; i < JOB_KIND_COUNT; i++)
        is_held = is_held || agent->held[i] == problem;
    return is_held && problem != PROBLEM_NONE;
}

void agent_let_go(struct agent *agent, enum job_kind job, struct agent_time now)
{
    enum problem problem = agent->held[job];

    agent->held[job] = PROBLEM_NONE;
    if (problem != PROBLEM_NONE && !agent_is_held(agent, problem) &&
        !agent_list_has(agent, problem) && !agent->is_failing)
        agent_clear(agent, problem, now);
}

void agent_verify_listed(struct agent *agent, struct agent_time now)
{
    const struct status *status = agent->status;
    const struct status_backup *newest = &status->backups[0];

    if (status->backup_count == 0 || !newest->verified_ok ||
        agent->is_failing) /* then nothing is cleared: a later list says it again */
        return;
    if (newest->verified_ms > status->jobs[JOB_VERIFY].ended_ms)
        agent_let_go(agent, JOB_VERIFY, now);
    if (newest->drilled && newest->verified_ms > status->jobs[JOB_DRILL].ended_ms)
        agent_let_go(agent, JOB_DRILL, now);
}

static void take_results(struct status *status, const struct json *answer, int64_t now_ms)
{
    const struct json *results;
    struct err ignored;

    if (answer == NULL || json_get(answer, "results", &results, &ignored) != 0)
        return;
    for (const struct json *row = json_first(results); row != NULL; row = json_next(row))
        take_result(status, row, now_ms);
}

static void failed(struct agent *agent, enum job_kind job, struct agent_time now)
{
    const struct status_job *shown = &agent->status->jobs[job];
    enum problem problem = shown->last_problem;

    /* of these the next list that works says that they are over; and nothing of the one before */
    if (problem != PROBLEM_STORE_UNREACHABLE && problem != PROBLEM_STORE_MISSING)
        agent->held[job] = problem;
    agent_raise(agent, problem, true, now, shown->last_message);
}

void agent_verify_ended(struct agent *agent, enum job_kind job, const struct agent_end *end,
                        struct agent_time now)
{
    if (job == JOB_PRUNE)
        agent->list_ms = now.mono_ms; /* what is gone is not to be shown */
    else
        take_results(agent->status, end->answer, now.wall_ms);
    if (end->exit_code != 0) {
        if (agent->stop_ms == 0) /* else it was stopped */
            failed(agent, job, now);
        return;
    }
    agent_let_go(agent, job, now);
    if (job == JOB_DRILL)
        agent_let_go(agent, JOB_VERIFY, now); /* it proves all that a verification does */
    if (job != JOB_PRUNE) {
        agent_log(agent, LOG_LEVEL_INFO, "%s: the newest backup is good", job_kind_name(job));
        agent_clear(agent, PROBLEM_BACKUP_CORRUPT, now);
    }
}
