/*
 * The end. SIGTERM comes to the sidecar after the server has gone (a native Kubernetes sidecar), at
 * the same time (a classic pod, Compose), or to the sidecar alone. In all three: wait until nobody
 * listens where the server was, back up what its SHUTDOWN wrote, and leave; and leave in any case
 * before drain_ms is over.
 *
 * A server that saves in its SHUTDOWN answers nothing, and keeps its socket until it is done: so
 * "gone" is a refused connection, never silence.
 */
#include <stdio.h>

#include "daemon/agent_state.h"

/* Not with every event: each look is one, and would ask for the next. */
static void poke(struct agent *agent, struct agent_time now)
{
    if (agent->poke_ms != 0 && now.mono_ms - agent->poke_ms < AGENT_DRAIN_POLL_MS)
        return;
    agent->poke_ms = now.mono_ms;
    agent_push(agent, (struct agent_action){.kind = AGENT_POKE});
}

void agent_on_stop(struct agent *agent, struct agent_time now)
{
    if (agent->stop_ms != 0) {
        agent_log(agent, LOG_LEVEL_WARN, "asked to stop again: not waiting any longer");
        if (agent->give_up_ms == 0)
            agent->give_up_ms = now.mono_ms;
        return;
    }
    agent->stop_ms = now.mono_ms;
    agent->status->is_stopping = true;
    agent_backup_drop(agent);
    agent->verify_wanted = false;
    agent->prune_wanted = false;
    agent->status->next_backup_ms = -1;
    agent_log(agent, LOG_LEVEL_INFO, "asked to stop: waiting for the server to end, %d s at most",
              (int)(agent->config.drain_ms / 1000));
    agent_stop_job(agent, JOB_VERIFY, now);
    agent_stop_job(agent, JOB_DRILL, now);
    agent_stop_job(agent, JOB_PRUNE, now);
    agent_stop_job(agent, JOB_LIST, now);
    agent_stop_job(agent, JOB_CHECK, now);
    agent_stop_job(agent, JOB_HEARTBEAT, now);
    poke(agent, now);
}

void agent_drain_look(struct agent *agent, bool nobody_listens)
{
    if (agent->stop_ms == 0 || agent->server_is_gone || !nobody_listens)
        return;
    agent->server_is_gone = true;
    agent_log(agent, LOG_LEVEL_INFO, "the server has ended");
}

static bool is_any_running(const struct agent *agent)
{
    for (enum job_kind job = 0; job < JOB_KIND_COUNT; job++) {
        if (agent_is_running(agent, job))
            return true;
    }
    return false;
}

static void leave(struct agent *agent, int exit_code)
{
    if (agent->is_leaving)
        return;
    agent->is_leaving = true;
    agent_push(agent, (struct agent_action){.kind = AGENT_EXIT, .exit_code = exit_code});
}

/* Is there something that only the final backup would store? With the schedule off, or in another's
 * role, this sidecar takes no backups by itself. */
static bool wants_final(const struct agent *agent)
{
    return agent->config.schedule.kind != SCHEDULE_OFF && agent_role_fits(agent);
}

/* INVARIANT (it ends inside drain_ms): not even SIGKILL ends a job that waits for a dead disk. */
static bool is_last_moment(const struct agent *agent, struct agent_time now)
{
    return now.mono_ms - agent->give_up_ms >= AGENT_DRAIN_MARGIN_MS - 2 * AGENT_DRAIN_POLL_MS;
}

/* A server that saves in its SHUTDOWN says nothing, and so does one that hangs. */
static bool is_silent(const struct agent *agent, struct agent_time now)
{
    return !agent->server_is_gone && (agent->status->readiness.state == READINESS_UNREACHABLE ||
                                      now.mono_ms - agent->look_ms >= AGENT_SILENCE_MS);
}

static void lose(struct agent *agent, const char *detail, struct agent_time now)
{
    if (agent->drain_failed)
        return;
    agent->drain_failed = true;
    agent_raise(agent, PROBLEM_DRAIN_TIMEOUT, false, now, detail);
}

/* Time is up. */
static void give_up(struct agent *agent, struct agent_time now)
{
    /* of a server that still answers nothing is lost */
    bool lost = agent->server_is_gone &&
                (agent_is_running(agent, JOB_FINAL) || agent_is_running(agent, JOB_BACKUP) ||
                 (wants_final(agent) && !agent->final_is_done));

    for (enum job_kind job = 0; job < JOB_KIND_COUNT; job++) {
        agent_stop_job(agent, job, now);
        if (agent_is_running(agent, job) && !agent->jobs[job].is_killed &&
            now.mono_ms - agent->jobs[job].stopped_ms >= AGENT_DRAIN_MARGIN_MS / 2) {
            agent->jobs[job].is_killed = true;
            agent_push(agent, (struct agent_action){.kind = AGENT_KILL, .job = job});
        }
    }
    if (lost)
        lose(agent, "drain-timeout is over, and what the server wrote at its end is not stored",
             now);
    else if (is_silent(agent, now) && wants_final(agent))
        lose(agent,
             "drain-timeout is over, and the server neither answers nor has ended: what it may be "
             "saving is not stored",
             now);
    if (is_any_running(agent) && !is_last_moment(agent, now))
        return;
    if (!agent->server_is_gone && !agent->drain_failed)
        agent_log(agent, LOG_LEVEL_INFO,
                  "the server still runs, and goes on without a sidecar: what was written since "
                  "the last backup is not in the repository");
    leave(agent, agent->drain_failed ? 1 : 0);
}

void agent_drain_tick(struct agent *agent, struct agent_time now)
{
    const struct status_job *backup = &agent->status->jobs[JOB_BACKUP];

    if (agent->give_up_ms == 0 &&
        now.mono_ms - agent->stop_ms >= agent->config.drain_ms - AGENT_DRAIN_MARGIN_MS)
        agent->give_up_ms = now.mono_ms;
    if (agent->give_up_ms != 0) {
        give_up(agent, now);
        return;
    }
    if (!agent->server_is_gone) {
        poke(agent, now);
        return;
    }
    if (agent_is_running(agent, JOB_BACKUP)) {
        /* one that is being stored comes to its end; one that waits for the server never will */
        if (backup->total_bytes == 0)
            agent_stop_job(agent, JOB_BACKUP, now);
        return;
    }
    if (!agent->final_is_done && wants_final(agent)) {
        if (!agent_is_running(agent, JOB_FINAL) && now.mono_ms >= agent->final_ms)
            agent_start(agent, JOB_FINAL, NULL, now);
        return;
    }
    /* what there is to tell is told, as long as there is time */
    if (agent->message_count == 0 && !agent_is_running(agent, JOB_NOTIFY) && !is_any_running(agent))
        leave(agent, agent->drain_failed ? 1 : 0);
}

/* Both may be over in a moment, and there is nothing else to do until the time is up. */
static bool may_pass(enum problem problem)
{
    return problem == PROBLEM_STORE_UNREACHABLE || problem == PROBLEM_LOCKED;
}

/* A server that was killed, or has no save points, writes nothing at its end; what it had not saved
 * is gone with it. */
static void log_final(struct agent *agent, const struct agent_end *end)
{
    int64_t changes = changes_count(&agent->changes);

    if (end->answer == NULL || json_has(end->answer, "id"))
        agent_log(agent, LOG_LEVEL_INFO, "what the server wrote at its end is stored");
    else if (changes > 0)
        agent_log(agent, LOG_LEVEL_WARN,
                  "the server wrote nothing at its end: about %lld writes since the newest backup "
                  "were in its memory alone",
                  (long long)changes);
    else
        agent_log(agent, LOG_LEVEL_INFO,
                  "there is nothing on the volume that the newest backup does not hold");
}

void agent_final_ended(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    struct status_job *job = &agent->status->jobs[JOB_FINAL];
    bool was_stopped = agent->jobs[JOB_FINAL].stopped_ms != 0;

    agent->final_tries++;
    if (end->exit_code == 0) {
        agent->final_is_done = true;
        log_final(agent, end);
        agent_raise_warnings(agent, JOB_FINAL, now);
        if (agent->final_tries > AGENT_TRIES)
            agent_tell(agent, NOTIFY_RECOVERED, PROBLEM_NONE,
                       "what the server wrote at its end is stored after all", now);
        return;
    }
    agent_raise(agent, job->last_problem, false, now, job->last_message);
    if (agent->final_tries == AGENT_TRIES || was_stopped)
        agent_tell(agent, NOTIFY_FAILED, job->last_problem, job->last_message, now);
    if (!was_stopped && (agent->final_tries < AGENT_TRIES || may_pass(job->last_problem))) {
        agent->final_ms = now.mono_ms + AGENT_FINAL_MS;
        return;
    }
    agent->final_is_done = true;
    agent->drain_failed = true;
}
