/*
 * What jobs say while they run, and how they end.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/agent_state.h"

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = value != NULL ? xstrdup(value) : NULL;
}

static uint64_t number(const struct json *object, const char *key)
{
    uint64_t value = 0;
    struct err ignored;

    (void)json_get_u64(object, key, &value, &ignored); /* what it does not say is 0 */
    return value;
}

static const char *words(const struct json *object, const char *key)
{
    const char *text = "";
    struct err ignored;

    (void)json_get_string(object, key, &text, &ignored);
    return text;
}

static void take_error(struct agent_job *inside, const struct json *error)
{
    enum problem problem = problem_find(words(error, "code"));

    inside->problem = problem != PROBLEM_NONE ? problem : PROBLEM_FAILED;
    set_text(&inside->message, words(error, "message"));
}

static void take_warning(struct agent_job *inside, const struct json *warning)
{
    enum problem problem = problem_find(words(warning, "code"));

    if (problem == PROBLEM_NONE)
        problem = PROBLEM_FAILED;
    set_text(&inside->warnings[problem], words(warning, "message"));
}

void agent_raise_warnings(struct agent *agent, enum job_kind job, struct agent_time now)
{
    for (enum problem problem = PROBLEM_NONE + 1; problem < PROBLEM_COUNT; problem++) {
        if (agent->jobs[job].warnings[problem] != NULL)
            agent_raise(agent, problem, true, now, agent->jobs[job].warnings[problem]);
    }
}

void agent_job_clear(struct agent_job *inside)
{
    for (size_t i = 0; i < PROBLEM_COUNT; i++)
        free(inside->warnings[i]);
    free(inside->message);
    *inside = (struct agent_job){0};
}

static void take_progress(struct status_job *job, const struct json *progress)
{
    set_text(&job->doing, words(progress, "what"));
    job->done_bytes = number(progress, "done");
    job->total_bytes = number(progress, "total");
    job->bytes_per_s = number(progress, "rate");
}

/* More codes than there is room for are no server's. */
static void count_requests(struct status *status, int http_code, uint64_t count)
{
    size_t i = 0;

    while (i < status->request_count && status->requests[i].http_code != http_code)
        i++;
    if (i == status->request_count) {
        if (i == STATUS_CODES_MAX)
            return;
        status->requests[status->request_count++] =
            (struct status_request_count){.http_code = http_code};
    }
    status->requests[i].count += count;
}

static void take_counts(struct status *status, const struct json *counts)
{
    const struct json *requests;
    struct err ignored;

    status->store_retries += number(counts, "retries");
    if (json_get(counts, "requests", &requests, &ignored) != 0)
        return;
    for (const struct json *entry = json_first(requests); entry != NULL; entry = json_next(entry))
        count_requests(status, (int)number(entry, "status"), number(entry, "count"));
}

void agent_on_report(struct agent *agent, enum job_kind job, const struct json *line,
                     struct agent_time now)
{
    struct agent_job *inside = &agent->jobs[job];
    struct status_job *shown = &agent->status->jobs[job];
    const struct json *part;
    struct err ignored;

    inside->heard_ms = now.mono_ms;
    if (json_get(line, "error", &part, &ignored) == 0)
        take_error(inside, part);
    else if (json_get(line, "warning", &part, &ignored) == 0)
        take_warning(inside, part);
    else if (json_get(line, "progress", &part, &ignored) == 0)
        take_progress(shown, part);
    else if (json_get(line, "counts", &part, &ignored) == 0)
        take_counts(agent->status, part);
    else if (json_has(line, "event"))
        set_text(&shown->doing, words(line, "event"));
}

static void forget_doing(struct status_job *shown)
{
    shown->done_bytes = 0;
    shown->total_bytes = 0;
    shown->bytes_per_s = 0;
    set_text(&shown->doing, NULL);
}

void agent_on_started(struct agent *agent, enum job_kind job, int64_t pid)
{
    struct status_job *shown = &agent->status->jobs[job];

    shown->pid = pid;
    shown->count_started++;
}

/* Why it failed: its own words, or what can be seen from outside. */
static void explain(const struct agent_job *inside, const struct agent_end *end,
                    struct status_job *shown)
{
    char text[128];

    if (inside->is_hung) {
        shown->count_hung++;
        shown->last_problem = PROBLEM_JOB_HUNG;
        set_text(&shown->last_message,
                 "nothing was heard of it for ten minutes, so it was stopped");
    } else if (end->exit_code < 0 && inside->stopped_ms == 0) {
        shown->count_crashed++;
        shown->last_problem = PROBLEM_JOB_CRASHED;
        (void)snprintf(text, sizeof(text), "it died of signal %d (%s)", end->signal,
                       strsignal(end->signal));
        set_text(&shown->last_message, text);
    } else if (inside->message != NULL) {
        shown->last_problem = inside->problem;
        set_text(&shown->last_message, inside->message);
    } else {
        shown->last_problem = inside->stopped_ms != 0 ? PROBLEM_INTERRUPTED : PROBLEM_FAILED;
        (void)snprintf(text, sizeof(text), "it ended with exit code %d and said nothing",
                       end->exit_code);
        set_text(&shown->last_message, inside->stopped_ms != 0 ? "it was stopped" : text);
    }
}

static_assert(PROBLEM_COUNT <= 64, "list_problems and told have a bit for each");

bool agent_list_has(const struct agent *agent, enum problem problem)
{
    return (agent->list_problems >> problem & 1) != 0;
}

static void list_failed(struct agent *agent, enum problem problem, const char *why,
                        struct agent_time now)
{
    bool is_first = agent->list_problems == 0;

    agent->list_ms = now.mono_ms + agent->list_retry_ms;
    agent->list_retry_ms *= 2;
    if (agent->list_retry_ms > AGENT_LIST_RETRY_MAX_MS)
        agent->list_retry_ms = AGENT_LIST_RETRY_MAX_MS;
    agent->list_problems |= UINT64_C(1) << problem;
    agent_raise(agent, problem, is_first, now, why); /* one alarm, until it works again */
}

/* What backups fail of at present is theirs. */
static void list_worked(struct agent *agent, struct agent_time now)
{
    bool is_failing = agent->is_failing || agent->attempt > 0;
    enum problem of_backup = agent->status->jobs[JOB_BACKUP].last_problem;

    agent->list_retry_ms = AGENT_LIST_RETRY_MS;
    for (enum problem problem = PROBLEM_NONE + 1; problem < PROBLEM_COUNT; problem++) {
        if (agent_list_has(agent, problem) && !agent_is_held(agent, problem) &&
            !(is_failing && problem == of_backup))
            agent_clear(agent, problem, now);
    }
    agent->list_problems = 0;
    if (is_failing)
        return;
    agent_clear(agent, PROBLEM_STORE_UNREACHABLE, now);
    if (!agent_is_held(agent, PROBLEM_STORE_DENIED))
        agent_clear(agent, PROBLEM_STORE_DENIED, now);
    agent_clear(agent, PROBLEM_STORE_MISSING, now);
}

static void list_ended(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    struct status *status = agent->status;
    struct status_job *job = &status->jobs[JOB_LIST];
    bool is_first = !status->has_backups;
    bool had_some = status->backup_count > 0;
    struct err err = {.msg = "its answer is no list"};

    if (agent->stop_ms != 0)
        return; /* it was stopped, and nobody needs it any more */
    if (end->exit_code != 0) {
        list_failed(agent, job->last_problem, job->last_message, now);
        return;
    }
    if (end->answer == NULL || status_read_list(status, end->answer, now.wall_ms, &err) != 0) {
        list_failed(agent, PROBLEM_FAILED, err.msg, now);
        return;
    }
    list_worked(agent, now);
    agent_verify_listed(agent, now);
    if (had_some && status->backup_count == 0)
        agent_log(agent, LOG_LEVEL_ERROR, "the backups that were in the repository are gone");
    if ((is_first || (had_some && status->backup_count == 0)) &&
        !agent_is_running(agent, JOB_BACKUP) && agent->wanted == AGENT_WHY_NOTHING)
        agent_catch_up(agent, now);
    agent_compare_load(agent, now);
}

static void notify_ended(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    struct status_job *job = &agent->status->jobs[JOB_NOTIFY];

    if (end->exit_code == 0) {
        agent_clear(agent, PROBLEM_NOTIFY_FAILED, now);
        return;
    }
    agent->status->notify_dropped++;
    agent_raise(agent, PROBLEM_NOTIFY_FAILED, false, now, job->last_message);
}

void agent_on_end(struct agent *agent, enum job_kind job, const struct agent_end *end,
                  struct agent_time now)
{
    struct status_job *shown = &agent->status->jobs[job];
    const struct agent_job *inside = &agent->jobs[job];

    shown->is_running = false;
    shown->pid = 0;
    forget_doing(shown);
    shown->ended_ms = now.wall_ms;
    shown->last_took_ms = now.mono_ms - inside->started_mono_ms;
    shown->last_exit_code = end->exit_code;
    shown->last_ok = end->exit_code == 0;
    if (shown->last_ok) {
        shown->count_ok++;
        shown->last_problem = PROBLEM_NONE;
        set_text(&shown->last_message, NULL);
    } else {
        shown->count_failed++;
        explain(inside, end, shown);
    }
    switch (job) {
    case JOB_BACKUP:
        agent_backup_ended(agent, end, now);
        break;
    case JOB_FINAL:
        agent_final_ended(agent, end, now);
        break;
    case JOB_VERIFY:
    case JOB_DRILL:
    case JOB_PRUNE:
        agent_verify_ended(agent, job, end, now);
        break;
    case JOB_LIST:
        list_ended(agent, end, now);
        break;
    case JOB_CHECK:
        agent_check_ended(agent, end, now);
        break;
    case JOB_NOTIFY:
        notify_ended(agent, end, now);
        break;
    case JOB_HEARTBEAT: /* that it does not come is what its receiver watches for */
    case JOB_KIND_COUNT:
    default:
        break;
    }
}
