/*
 * Time goes from event to event: a tick that is due, a look, a job that reports or ends. Nothing
 * waits. The invariants of agent.h are asserted where their events pass: in act() and check().
 */
#include "support/agent_sim.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "support/agent_sim_jobs.h"

#define TEXT_MAX ((size_t)4 << 20)
#define MONO_BEGIN_MS 1000 /* 0 looks like never */
#define ALIVE_MS 2000
#define LOOK_TOOK_MS 1

struct agent_config agent_sim_config(const char *schedule)
{
    struct agent_config config = {
        .drain_ms = 25000,
    };
    struct err err;
    int rc = schedule_parse(schedule, &config.schedule, &err);

    assert(rc == 0);
    return config;
}

void agent_sim_init_with(struct agent_sim *sim, const struct agent_config *config, int64_t wall_ms)
{
    *sim = (struct agent_sim){
        .config = *config,
        .now = {.wall_ms = wall_ms, .mono_ms = MONO_BEGIN_MS},
        .look_ms = 1000,
        .next_look_ms = MONO_BEGIN_MS,
        .server = {.keys = 1000,
                   .key_bytes = 100,
                   .link_down_s = -1,
                   .process = 1,
                   .started_ms = MONO_BEGIN_MS - 100 * AGENT_SIM_H},
    };
    status_init(&sim->status);
    sim->status.instance = xstrdup("cache-0");
    buf_init(&sim->story, TEXT_MAX);
    buf_init(&sim->shown, TEXT_MAX);
    buf_init(&sim->log, TEXT_MAX);
    sim->seen = sim->status.readiness;
    sim->agent = agent_new(config, &sim->status, sim->now);
}

void agent_sim_init(struct agent_sim *sim, const char *schedule, int64_t wall_ms)
{
    struct agent_config config = agent_sim_config(schedule);

    agent_sim_init_with(sim, &config, wall_ms);
}

void agent_sim_release(struct agent_sim *sim)
{
    agent_free(sim->agent);
    status_release(&sim->status);
    buf_release(&sim->story);
    buf_release(&sim->shown);
    buf_release(&sim->log);
}

static void put(struct agent_sim *sim, struct buf *to, const char *text)
{
    struct err err;

    if (sim->is_quiet)
        return;
    int rc = buf_append(to, text, strlen(text), &err);

    assert(rc == 0);
}

/* "20 12:00:00 WHAT" */
static void tell_story(struct agent_sim *sim, const char *what, const char *of)
{
    char time[32];

    if (sim->is_quiet)
        return;
    format_rfc3339(sim->now.wall_ms, time, sizeof(time));
    auto_free char *line =
        xasprintf("%.2s %.8s %s%s%s\n", time + 8, time + 11, what, *of != '\0' ? " " : "", of);
    put(sim, &sim->story, line);
}

static bool is_shown(enum job_kind job)
{
    return job == JOB_BACKUP || job == JOB_FINAL || job == JOB_VERIFY || job == JOB_DRILL;
}

static void tell_message(struct agent_sim *sim, const char *input)
{
    auto_json struct json *message = NULL;
    const char *event = NULL;
    const char *code = "";
    struct err err;
    int rc = json_parse(input, strlen(input), &message, &err);

    assert(rc == 0);
    rc = json_get_string(message, "event", &event, &err);
    assert(rc == 0);
    (void)json_get_string(message, "code", &code, &err); /* there need be none */
    auto_free char *what = xasprintf("tell %s", event);
    tell_story(sim, what, code);
    sim->told++;
}

/* INVARIANT of agent.h: no ping while anything is wrong. */
static void check_heartbeat(const struct agent_sim *sim)
{
    auto_free char *why = NULL;

    assert(sim->config.has_heartbeat);
    assert(sim->status.problem_count == 0);
    assert(sim->status.readiness.state == READINESS_READY);
    assert(status_backup_is_fresh(&sim->status, &why));
}

static void end_job(struct agent_sim *sim, enum job_kind kind, const struct agent_sim_outcome *how)
{
    auto_json struct json *answer = NULL;
    struct agent_end end = {.exit_code = how->exit_code, .signal = how->signal};

    sim->jobs[kind].is_running = false;
    answer = agent_sim_answer(sim, kind, how);
    end.answer = answer;
    agent_on_end(sim->agent, kind, &end, sim->now);
}

static void start(struct agent_sim *sim, enum job_kind kind, const char *input)
{
    struct agent_sim_job *job = &sim->jobs[kind];

    assert(!job->is_running);
    assert(!sim->jobs[kind == JOB_BACKUP ? JOB_FINAL : JOB_BACKUP].is_running ||
           (kind != JOB_BACKUP && kind != JOB_FINAL));
    if (is_shown(kind))
        tell_story(sim, "start", job_kind_name(kind));
    if (kind == JOB_NOTIFY)
        tell_message(sim, input);
    if (kind == JOB_HEARTBEAT)
        check_heartbeat(sim);
    if (kind == JOB_CHECK)
        (void)snprintf(sim->check_input, sizeof(sim->check_input), "%s",
                       input != NULL ? input : "");
    agent_sim_job_begin(sim, kind);
    if (job->outcome.cannot_start) {
        struct agent_sim_outcome how = {.exit_code = 1, .answer = ""};

        agent_sim_report(sim, kind, "{\"error\":{\"code\":\"FAILED\",\"message\":\"no fork\"}}");
        end_job(sim, kind, &how);
        return;
    }
    agent_on_started(sim->agent, kind, 1000 + kind);
}

static void stop(struct agent_sim *sim, enum job_kind kind, bool is_kill)
{
    struct agent_sim_job *job = &sim->jobs[kind];

    if (is_shown(kind))
        tell_story(sim, is_kill ? "kill" : "stop", job_kind_name(kind));
    if (!job->is_running)
        return; /* it ended in between */
    if (is_kill ? job->outcome.is_stuck : job->outcome.is_deaf || job->outcome.is_stuck)
        return;
    job->is_stopped = true;
    job->end_ms = sim->now.mono_ms + 100;
    job->outcome.exit_code = is_kill ? -1 : 1;
    job->outcome.signal = is_kill ? SIGKILL : 0;
    job->outcome.answer = "";
    job->outcome.code = is_kill ? NULL : "INTERRUPTED";
    job->outcome.message = "interrupted";
}

static void act(struct agent_sim *sim)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct agent_action action;

    while (agent_take(sim->agent, &action)) {
        auto_free char *text = action.text;

        assert(!sim->has_exited);
        switch (action.kind) {
        case AGENT_START:
            assert(sim->status.jobs[action.job].started_ms == sim->now.wall_ms);
            start(sim, action.job, text);
            break;
        case AGENT_STOP:
        case AGENT_KILL:
            stop(sim, action.job, action.kind == AGENT_KILL);
            break;
        case AGENT_LOG: {
            auto_free char *line = xasprintf(
                "%s %s: %s\n", levels[action.level],
                action.problem != PROBLEM_NONE ? problem_row(action.problem)->code : "-", text);
            put(sim, &sim->log, line);
            break;
        }
        case AGENT_POKE:
            if (sim->next_look_ms > sim->now.mono_ms + LOOK_TOOK_MS)
                sim->next_look_ms = sim->now.mono_ms + LOOK_TOOK_MS;
            break;
        case AGENT_EXIT:
        default:
            tell_story(sim, "exit", action.exit_code == 0 ? "0" : "1");
            sim->has_exited = true;
            sim->exit_code = action.exit_code;
            sim->exit_ms = sim->now.mono_ms;
            break;
        }
    }
}

/* What holds after every tick. */
static void check(const struct agent_sim *sim)
{
    const struct status *status = &sim->status;
    int64_t due_ms = agent_due_ms(sim->agent);

    assert(sim->has_exited || (due_ms > sim->now.mono_ms && due_ms <= sim->now.mono_ms + 1000));
    assert(status->next_backup_ms < 0 || status->next_backup_ms > sim->now.wall_ms);
    assert(status->backup_count <= STATUS_BACKUPS_MAX);
    assert(status->problem_count <= STATUS_PROBLEMS_MAX);
    for (size_t i = 0; i < status->problem_count; i++) {
        assert(status->problems[i].problem != PROBLEM_NONE);
        assert(status->problems[i].detail != NULL && status->problems[i].detail[0] != '\0');
        assert(status_find(status, status->problems[i].problem) == &status->problems[i]);
    }
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        assert(status->jobs[i].is_running == sim->jobs[i].is_running || sim->has_exited);
        assert(status->jobs[i].count_started + (status->jobs[i].is_running ? 0 : 1) >=
               status->jobs[i].count_ok);
        assert((status->jobs[i].last_message != NULL) ==
               (status->jobs[i].last_problem != PROBLEM_NONE));
    }
}

static void tick(struct agent_sim *sim)
{
    if (sim->has_exited)
        return;
    agent_on_tick(sim->agent, sim->now);
    act(sim);
    check(sim);
}

void agent_sim_report(struct agent_sim *sim, enum job_kind job, const char *line)
{
    auto_json struct json *json = NULL;
    struct err err;
    int rc = json_parse(line, strlen(line), &json, &err);

    assert(rc == 0);
    agent_on_report(sim->agent, job, json, sim->now);
}

/* What this job does now, if anything. */
static void step_job(struct agent_sim *sim, enum job_kind kind)
{
    struct agent_sim_job *job = &sim->jobs[kind];
    int64_t now_ms = sim->now.mono_ms;

    if (!job->is_running)
        return;
    if (now_ms >= job->save_ms)
        agent_sim_job_saved(sim, kind);
    if (now_ms >= job->alive_ms) {
        agent_sim_report(sim, kind, "{\"alive\":true}");
        job->alive_ms = now_ms + ALIVE_MS;
    }
    if (now_ms < job->end_ms)
        return;
    if (job->outcome.code != NULL) {
        auto_free char *line = xasprintf("{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
                                         job->outcome.code, job->outcome.message);
        agent_sim_report(sim, kind, line);
    }
    end_job(sim, kind, &job->outcome);
}

static int64_t soonest(const struct agent_sim *sim, int64_t until_ms)
{
    int64_t at_ms = agent_due_ms(sim->agent);

    if (sim->look_ms != 0 && sim->next_look_ms < at_ms)
        at_ms = sim->next_look_ms;
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        const struct agent_sim_job *job = &sim->jobs[i];
        const int64_t times[] = {job->save_ms, job->alive_ms, job->end_ms};

        for (size_t j = 0; job->is_running && j < sizeof(times) / sizeof(times[0]); j++)
            at_ms = times[j] < at_ms ? times[j] : at_ms;
    }
    at_ms = at_ms < until_ms ? at_ms : until_ms;
    return at_ms > sim->now.mono_ms ? at_ms : sim->now.mono_ms;
}

void agent_sim_run(struct agent_sim *sim, int64_t ms)
{
    int64_t until_ms = sim->now.mono_ms + ms;

    while (!sim->has_exited) {
        int64_t at_ms = soonest(sim, until_ms);

        sim->now.wall_ms += at_ms - sim->now.mono_ms;
        sim->now.mono_ms = at_ms;
        for (enum job_kind kind = 0; kind < JOB_KIND_COUNT; kind++)
            step_job(sim, kind);
        if (sim->look_ms != 0 && at_ms >= sim->next_look_ms) {
            struct watcher_look look;

            agent_sim_look(sim, &look);
            sim->looks++;
            sim->next_look_ms = at_ms + sim->look_ms;
            agent_on_look(sim->agent, &look, sim->now);
        }
        tick(sim);
        if (at_ms >= until_ms)
            return;
    }
}

void agent_sim_jump(struct agent_sim *sim, int64_t ms)
{
    sim->now.wall_ms += ms;
}

bool agent_sim_ask(struct agent_sim *sim, enum job_kind job)
{
    bool is_taken = agent_ask(sim->agent, job, sim->now);

    tick(sim);
    return is_taken;
}

void agent_sim_stop(struct agent_sim *sim)
{
    agent_on_stop(sim->agent, sim->now);
    tick(sim);
}

const char *agent_sim_story(struct agent_sim *sim)
{
    struct buf shown = sim->story;

    sim->story = sim->shown;
    sim->shown = shown;
    buf_clear(&sim->story);
    return buf_text(&sim->shown);
}

unsigned agent_sim_logged(const struct agent_sim *sim, const char *text)
{
    unsigned count = 0;

    for (const char *at = buf_text(&sim->log); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

bool agent_sim_has(const struct agent_sim *sim, enum problem problem)
{
    return status_find(&sim->status, problem) != NULL;
}
