/*
 * What a look at the server means: its state for /readyz, its own problems, writes that came since
 * the newest backup, and, once after each of its starts, whether it loaded as much as the newest
 * restore point holds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "daemon/agent_state.h"

static void log_state(struct agent *agent, enum readiness_state before, struct agent_time now)
{
    const struct readiness *readiness = &agent->status->readiness;
    bool is_new = readiness->state != before;
    bool is_loading = readiness->state == READINESS_LOADING;

    if (!is_new && !(is_loading && now.mono_ms - agent->progress_ms >= AGENT_PROGRESS_MS))
        return;
    auto_free char *text = readiness_text(readiness);
    agent->progress_ms = now.mono_ms;
    agent_log(agent, LOG_LEVEL_INFO, "the server: %s", text);
}

/* A flag of INFO that is 0, 1 or -1 (not said): 0 is a problem. */
static void judge(struct agent *agent, int ok, enum problem problem, const char *detail,
                  struct agent_time now)
{
    if (ok == 0)
        agent_raise(agent, problem, true, now, detail);
    else if (ok == 1)
        agent_clear(agent, problem, now);
}

static void judge_server(struct agent *agent, struct agent_time now)
{
    const struct status *status = agent->status;
    const struct redis_server_info *info = &status->info;

    judge(agent, info->rdb_last_bgsave_ok, PROBLEM_BGSAVE_ERR,
          "the server says that its last save failed (rdb_last_bgsave_status)", now);
    if (info->aof_enabled == 1) {
        judge(agent, info->aof_last_write_ok, PROBLEM_WRITE_ERR,
              "the server says that it could not write to its append-only file "
              "(aof_last_write_status)",
              now);
        judge(agent, info->aof_last_rewrite_ok, PROBLEM_AOF_REWRITE_ERR,
              "the server says that its last rewrite of the append-only file failed "
              "(aof_last_bgrewrite_status)",
              now);
    } else if (info->aof_enabled == 0) {
        agent_clear(agent, PROBLEM_WRITE_ERR, now);
        agent_clear(agent, PROBLEM_AOF_REWRITE_ERR, now);
    }
}

/* The server process is a new one, or new to us, and has loaded. */
static void on_loaded(struct agent *agent, struct agent_time now)
{
    const struct redis_server_info *info = &agent->status->info;

    (void)snprintf(agent->run_id, sizeof(agent->run_id), "%s", info->run_id);
    agent->load_unchecked = info->uptime_s >= 0;
    agent->loaded_keys = redis_info_keys(info);
    agent->loaded_at_ms = now.wall_ms - info->uptime_s * 1000;
    agent_log(agent, LOG_LEVEL_INFO, "the server has loaded: %" PRIu64 " keys", agent->loaded_keys);
    agent_compare_load(agent, now);
}

/* Of a backup that was taken without a server (at its end) nobody knows how many keys it holds:
 * then the one before it counts. */
static const struct status_backup *newest_counted(const struct status *status)
{
    for (size_t i = 0; i < status->backup_count; i++) {
        if (status->backups[i].has_keys)
            return &status->backups[i];
    }
    return NULL;
}

/* INVARIANT (what is on the volume is what the server loads): a server that was started after the
 * newest restore point and has fewer keys than that is shouted about. Keys that had an expiry may
 * be gone by themselves. */
void agent_compare_load(struct agent *agent, struct agent_time now)
{
    const struct status *status = agent->status;
    const struct status_backup *newest;
    char created[32];

    if (!agent->load_unchecked || !status->has_backups)
        return;
    agent->load_unchecked = false;
    if (status->backup_count == 0)
        return;
    newest = newest_counted(status);
    if (newest == NULL || agent->loaded_at_ms < status->backups[0].created_ms)
        return;
    if (agent->loaded_keys >= newest->keys) {
        agent_clear(agent, PROBLEM_LOADED_LESS, now);
        return;
    }
    format_rfc3339(newest->created_ms, created, sizeof(created));
    if (agent->loaded_keys + newest->expires >= newest->keys) {
        agent_log(agent, LOG_LEVEL_INFO,
                  "the server loaded %" PRIu64 " keys, and backup %s holds %" PRIu64
                  ", of which %" PRIu64 " can expire",
                  agent->loaded_keys, newest->id, newest->keys, newest->expires);
        agent_clear(agent, PROBLEM_LOADED_LESS, now);
        return;
    }
    auto_free char *detail =
        xasprintf("the server loaded %" PRIu64
                  " keys, and the newest restore point, %s of %s, holds %" PRIu64,
                  agent->loaded_keys, newest->id, created, newest->keys);
    agent_raise(agent, PROBLEM_LOADED_LESS, true, now, detail);
}

static void is_there(struct agent *agent, struct agent_time now)
{
    agent->unreachable_ms = 0;
    agent_clear(agent, PROBLEM_SERVER_UNREACHABLE, now);
}

static void on_answer(struct agent *agent, struct watcher_look *look, struct agent_time now)
{
    struct status *status = agent->status;

    redis_info_release(&status->info);
    status->info = look->info;
    look->info = (struct redis_server_info){0};
    status->has_info = true;
    status->seen_ms = look->at_ms;
    history_look(&status->history, &status->info, look->at_ms, now.mono_ms);
    is_there(agent, now);
    agent_clear(agent, PROBLEM_SERVER_AUTH, now);
    agent_clear(agent, PROBLEM_SERVER_LOADING, now);
    judge_server(agent, now);
    if (status->readiness.state != READINESS_READY)
        return;
    agent->ready_ms = now.mono_ms;
    changes_look(&agent->changes, &status->info);
    if (strcmp(agent->run_id, status->info.run_id) != 0)
        on_loaded(agent, now);
}

static void on_silence(struct agent *agent, const struct watcher_look *look, struct agent_time now)
{
    switch (agent->status->readiness.state) {
    case READINESS_AUTH:
        is_there(agent, now);
        agent_raise(agent, PROBLEM_SERVER_AUTH, true, now, look->why.msg);
        break;
    case READINESS_UNREACHABLE:
        if (agent->unreachable_ms == 0)
            agent->unreachable_ms = now.mono_ms;
        break;
    case READINESS_LOADING:
    case READINESS_SYNCING:
    case READINESS_READY:
    default:
        is_there(agent, now); /* a script that blocks it: what it was, it still is */
        break;
    }
}

void agent_on_look(struct agent *agent, struct watcher_look *look, struct agent_time now)
{
    struct status *status = agent->status;
    enum readiness_state before = status->readiness.state;

    agent->look_ms = now.mono_ms;
    status->readiness = look->readiness;
    if (agent->stop_ms == 0)
        log_state(agent, before, now);
    if (look->has_info)
        on_answer(agent, look, now);
    else
        on_silence(agent, look, now);
    agent_drain_look(agent, look->nobody_listens);
    watcher_look_release(look);
}

/* The watcher itself is held up: by a name that is looked up for long, or an answer that drips. */
static void judge_watcher(struct agent *agent, struct agent_time now)
{
    struct readiness *readiness = &agent->status->readiness;

    if (now.mono_ms - agent->look_ms < AGENT_NO_LOOK_MS ||
        readiness->state == READINESS_UNREACHABLE)
        return;
    *readiness = (struct readiness){
        .state = READINESS_UNREACHABLE,
        .loading_percent = -1,
        .loaded_bytes = -1,
        .total_bytes = -1,
        .bytes_per_s = -1,
        .eta_s = -1,
        .why = "the server has not answered for a while",
    };
    agent_log(agent, LOG_LEVEL_INFO, "the server: %s", readiness->why);
    agent->unreachable_ms = now.mono_ms;
}

void agent_server_tick(struct agent *agent, struct agent_time now)
{
    judge_watcher(agent, now);
    if (agent->unreachable_ms != 0 && now.mono_ms - agent->unreachable_ms >= AGENT_UNREACHABLE_MS)
        agent_raise(agent, PROBLEM_SERVER_UNREACHABLE, true, now, agent->status->readiness.why);
}
