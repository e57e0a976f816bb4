/*
 * Events in, actions out; what they mean is in agent_backup.c, agent_server.c, agent_jobs.c and
 * agent_drain.c. The order of the actions is the order of the decisions.
 */
#include "daemon/agent.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/agent_state.h"

struct agent *agent_new(const struct agent_config *config, struct status *status,
                        struct agent_time now)
{
    struct agent *agent = xcalloc(1, sizeof(*agent));

    agent->status = status;
    agent->started = now;
    agent->last = now;
    agent->jump_ms = now.wall_ms - now.mono_ms;
    agent->list_ms = now.mono_ms;
    agent->list_retry_ms = AGENT_LIST_RETRY_MS;
    agent->heartbeat_ms = now.mono_ms;
    agent->check_ms = now.mono_ms + AGENT_CHECK_FIRST_MS;
    agent->check_was_early = true;
    agent->look_ms = now.mono_ms;
    status->started_ms = now.wall_ms;
    status->now_ms = now.wall_ms;
    agent_configure(agent, config, now);
    return agent;
}

void agent_free(struct agent *agent)
{
    struct agent_action action;

    if (agent == NULL)
        return;
    while (agent_take(agent, &action))
        free(action.text);
    for (size_t i = 0; i < agent->message_count; i++)
        free(agent->messages[i]);
    for (size_t i = 0; i < JOB_KIND_COUNT; i++)
        agent_job_clear(&agent->jobs[i]);
    free(agent);
}

/* Nobody is to be told any more. */
static void forget_messages(struct agent *agent, struct agent_time now)
{
    for (size_t i = 0; i < agent->message_count; i++)
        free(agent->messages[i]);
    agent->message_count = 0;
    agent->told = 0;
    agent_clear(agent, PROBLEM_NOTIFY_FAILED, now);
}

void agent_configure(struct agent *agent, const struct agent_config *config, struct agent_time now)
{
    bool ends_verify = agent->config.verify_schedule.kind != SCHEDULE_OFF &&
                       config->verify_schedule.kind == SCHEDULE_OFF;

    agent->config = *config;
    agent->status->backup_max_age_ms = config->max_age_ms != 0
                                           ? config->max_age_ms
                                           : 2 * schedule_period(&config->schedule, now.wall_ms);
    agent->status->next_backup_ms = -1;
    agent->is_planned = false;
    agent->delete_tried_ms = 0; /* they may be other credentials */
    agent_verify_plan(agent, now);
    if (!config->prunes)
        agent_let_go(agent, JOB_PRUNE, now);
    if (ends_verify) /* nor while it stays off: what was found on request is not over */
        agent_let_go(agent, JOB_VERIFY, now);
    if (ends_verify || !config->has_drill)
        agent_let_go(agent, JOB_DRILL, now);
    if (!config->has_notify)
        forget_messages(agent, now);
    /* a backup that runs or waits is the one for every time that has passed */
    if (agent->status->has_backups && !agent_is_running(agent, JOB_BACKUP) &&
        agent->wanted == AGENT_WHY_NOTHING && agent->retry_ms == 0)
        agent_catch_up(agent, now);
}

void agent_push(struct agent *agent, struct agent_action action)
{
    size_t at = (agent->action_first + agent->action_count) % AGENT_ACTIONS_MAX;

    /* they are taken after every event, and no event makes so many */
    assert(agent->action_count < AGENT_ACTIONS_MAX);
    agent->actions[at] = action;
    agent->action_count++;
}

/* A ping that was decided before another action of the same moment failed. */
static bool is_late_ping(const struct agent *agent, const struct agent_action *action)
{
    return action->kind == AGENT_START && action->job == JOB_HEARTBEAT &&
           agent->status->problem_count > 0;
}

bool agent_take(struct agent *agent, struct agent_action *out)
{
    while (agent->action_count > 0) {
        *out = agent->actions[agent->action_first];
        agent->action_first = (agent->action_first + 1) % AGENT_ACTIONS_MAX;
        agent->action_count--;
        if (!is_late_ping(agent, out))
            return true;
        agent->status->jobs[JOB_HEARTBEAT].is_running = false;
    }
    return false;
}

__attribute__((format(printf, 4, 0))) static void push_log(struct agent *agent,
                                                           enum log_level level,
                                                           enum problem problem, const char *format,
                                                           va_list args)
{
    char text[4096];

    (void)vsnprintf(text, sizeof(text), format, args); /* too long is cut */
    agent_push(agent, (struct agent_action){
                          .kind = AGENT_LOG,
                          .level = level,
                          .problem = problem,
                          .text = xstrdup(text),
                      });
}

void agent_log(struct agent *agent, enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    push_log(agent, level, PROBLEM_NONE, format, args);
    va_end(args);
}

void agent_log_problem(struct agent *agent, enum log_level level, enum problem problem,
                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    push_log(agent, level, problem, format, args);
    va_end(args);
}

bool agent_is_running(const struct agent *agent, enum job_kind job)
{
    return agent->status->jobs[job].is_running;
}

void agent_start(struct agent *agent, enum job_kind job, char *input, struct agent_time now)
{
    struct agent_job *inside = &agent->jobs[job];
    struct status_job *shown = &agent->status->jobs[job];

    agent_job_clear(inside);
    inside->heard_ms = now.mono_ms;
    inside->started_mono_ms = now.mono_ms;
    shown->is_running = true;
    shown->started_ms = now.wall_ms;
    agent_push(agent, (struct agent_action){.kind = AGENT_START, .job = job, .text = input});
}

void agent_stop_job(struct agent *agent, enum job_kind job, struct agent_time now)
{
    struct agent_job *inside = &agent->jobs[job];

    if (!agent_is_running(agent, job) || inside->stopped_ms != 0)
        return;
    inside->stopped_ms = now.mono_ms;
    agent_push(agent, (struct agent_action){.kind = AGENT_STOP, .job = job});
}

void agent_tell(struct agent *agent, enum notify_event event, enum problem problem,
                const char *what, struct agent_time now)
{
    struct notify_message message = {
        .event = event,
        .instance = agent->status->instance,
        .problem = problem,
        .what = what,
        .at_ms = now.wall_ms,
    };

    if (!agent->config.has_notify)
        return;
    if (agent->message_count == AGENT_MESSAGES_MAX) { /* a hook that is dead for long */
        free(agent->messages[0]);
        memmove(&agent->messages[0], &agent->messages[1],
                (AGENT_MESSAGES_MAX - 1) * sizeof(agent->messages[0]));
        agent->message_count--;
        agent->status->notify_dropped++;
    }
    auto_json struct json *json = notify_to_json(&message);
    agent->messages[agent->message_count++] = json_print(json, false);
}

void agent_raise(struct agent *agent, enum problem problem, bool tell, struct agent_time now,
                 const char *detail)
{
    const struct problem_row *row = problem_row(problem);

    if (!status_raise(agent->status, problem, now.wall_ms, detail))
        return;
    /* the remedy is the hint, or stands behind one */
    agent_log_problem(agent, LOG_LEVEL_WARN, problem,
                      err_hint(detail) != NULL ? "%s. %s" : "%s. HINT: %s", detail, row->remedy);
    if (!tell)
        return;
    agent_tell(agent, NOTIFY_PROBLEM, problem, detail, now);
    /* these end when newer data is compared with its own like: nothing has come back */
    if (problem != PROBLEM_SHRUNK && problem != PROBLEM_LOADED_LESS)
        agent->told |= UINT64_C(1) << problem;
}

void agent_forget_told(struct agent *agent, enum problem problem)
{
    agent->told &= ~(UINT64_C(1) << problem);
}

void agent_clear(struct agent *agent, enum problem problem, struct agent_time now)
{
    if (!status_clear(agent->status, problem))
        return;
    auto_free char *what = xasprintf("%s is over", problem_row(problem)->code);
    agent_log_problem(agent, LOG_LEVEL_INFO, problem, "%s", what);
    if ((agent->told >> problem & 1) == 0)
        return;
    agent_forget_told(agent, problem);
    agent_tell(agent, NOTIFY_RECOVERED, problem, what, now);
}

bool agent_ask(struct agent *agent, enum job_kind job, struct agent_time now)
{
    (void)now;
    if (agent->stop_ms != 0)
        return false;
    if (job == JOB_VERIFY) {
        if (agent->verify_wanted || agent_is_running(agent, JOB_VERIFY) ||
            agent_is_running(agent, JOB_DRILL))
            return false;
        agent->verify_wanted = true;
        agent->verify_kind = agent->config.has_drill ? JOB_DRILL : JOB_VERIFY;
        return true;
    }
    if (agent->wanted != AGENT_WHY_NOTHING || agent_is_running(agent, JOB_BACKUP))
        return false;
    agent->wanted = AGENT_WHY_ASKED;
    agent->retry_ms = 0;
    agent->attempt = 0;
    return true;
}

/* A job of which nothing is heard is stopped, and killed when that does not help. */
static void watch_jobs(struct agent *agent, struct agent_time now)
{
    int64_t kill_ms = agent->stop_ms != 0 ? AGENT_DRAIN_KILL_MS : AGENT_KILL_MS;

    for (enum job_kind job = 0; job < JOB_KIND_COUNT; job++) {
        struct agent_job *inside = &agent->jobs[job];

        if (!agent_is_running(agent, job) || inside->is_killed)
            continue;
        if (inside->stopped_ms == 0 && now.mono_ms - inside->heard_ms >= AGENT_STALL_MS) {
            agent_log(agent, LOG_LEVEL_WARN, "nothing was heard of the %s job for %d minutes",
                      job_kind_name(job), AGENT_STALL_MS / 60000);
            inside->is_hung = true;
            agent_stop_job(agent, job, now);
        }
        if (inside->stopped_ms != 0 && now.mono_ms - inside->stopped_ms >= kill_ms) {
            inside->is_killed = true;
            agent_push(agent, (struct agent_action){.kind = AGENT_KILL, .job = job});
        }
    }
}

/* INVARIANT (a clock that jumps moves the plan, not more): what is due is found anew from the
 * present time; a jump forth over a due time is one run. */
static void watch_clock(struct agent *agent, struct agent_time now)
{
    int64_t jump = now.wall_ms - now.mono_ms;
    int64_t by = jump - agent->jump_ms;

    if (by < AGENT_JUMP_MS && by > -AGENT_JUMP_MS) {
        agent->jump_ms = jump; /* a clock that is slewed is no jump, however long it takes */
        return;
    }
    agent->jump_ms = jump;
    agent_log(agent, LOG_LEVEL_WARN, "the clock jumped by %lld s", (long long)(by / 1000));
    if (by >= 0)
        return;
    agent_verify_plan(agent, now);
    if (agent->status->next_backup_ms < 0)
        return;
    if (agent->slot_why == AGENT_WHY_SCHEDULE)
        agent_plan(agent, now.wall_ms);
    else
        agent->status->next_backup_ms += by; /* it is for no time of the clock */
}

static void send_messages(struct agent *agent, struct agent_time now)
{
    if (agent->message_count == 0 || agent_is_running(agent, JOB_NOTIFY) ||
        agent->give_up_ms != 0 || agent->is_leaving)
        return;
    agent_start(agent, JOB_NOTIFY, agent->messages[0], now);
    agent->message_count--;
    memmove(&agent->messages[0], &agent->messages[1],
            agent->message_count * sizeof(agent->messages[0]));
}

/* INVARIANT (no ping while anything is wrong). */
static void send_heartbeat(struct agent *agent, struct agent_time now)
{
    const struct status *status = agent->status;
    auto_free char *why = NULL;

    if (!agent->config.has_heartbeat || now.mono_ms < agent->heartbeat_ms ||
        agent_is_running(agent, JOB_HEARTBEAT) || agent->stop_ms != 0)
        return;
    if (status->problem_count > 0 || status->readiness.state != READINESS_READY ||
        !status_backup_is_fresh(status, &why))
        return;
    agent->heartbeat_ms = now.mono_ms + AGENT_HEARTBEAT_MS;
    agent_start(agent, JOB_HEARTBEAT, NULL, now);
}

static void list_repository(struct agent *agent, struct agent_time now)
{
    if (now.mono_ms < agent->list_ms || agent_is_running(agent, JOB_LIST))
        return;
    agent->list_ms = now.mono_ms + AGENT_LIST_MS;
    agent_start(agent, JOB_LIST, NULL, now);
}

void agent_on_tick(struct agent *agent, struct agent_time now)
{
    agent->status->now_ms = now.wall_ms;
    if (agent->is_leaving)
        return;
    watch_clock(agent, now);
    watch_jobs(agent, now);
    if (agent->stop_ms != 0) {
        agent_drain_tick(agent, now);
    } else {
        list_repository(agent, now);
        agent_server_tick(agent, now);
        agent_backup_tick(agent, now);
        agent_verify_tick(agent, now);
        agent_check_tick(agent, now);
        agent_check_freshness(agent, now);
    }
    send_messages(agent, now);
    send_heartbeat(agent, now);
    agent->last = now;
}

int64_t agent_due_ms(const struct agent *agent)
{
    /* times are minutes and seconds, so a second is soon enough */
    return agent->last.mono_ms + (agent->stop_ms != 0 ? AGENT_DRAIN_POLL_MS : 1000);
}
