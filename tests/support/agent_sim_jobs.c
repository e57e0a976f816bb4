/*
 * What is made up here is made as the real ones do it: INFO is judged by readiness.h, answers are
 * the JSON of `list` and `backup`.
 */
#include "support/agent_sim_jobs.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

#define SAVE_MS 1000
#define ALIVE_FIRST_MS 2000

static const int64_t usual_ms[JOB_KIND_COUNT] = {
    [JOB_BACKUP] = 3000, [JOB_FINAL] = 1000, [JOB_VERIFY] = 2000,
    [JOB_DRILL] = 4000,  [JOB_PRUNE] = 100,  [JOB_LIST] = 100,
    [JOB_CHECK] = 200,   [JOB_NOTIFY] = 50,  [JOB_HEARTBEAT] = 50,
};

static bool makes_backups(enum job_kind kind)
{
    return kind == JOB_BACKUP || kind == JOB_FINAL;
}

void agent_sim_next(struct agent_sim *sim, enum job_kind job, int times,
                    struct agent_sim_outcome outcome)
{
    sim->next[job] = outcome;
    sim->times[job] = times;
}

void agent_sim_store_away(struct agent_sim *sim)
{
    static const struct agent_sim_outcome away = {
        .exit_code = ERR_STORE, .code = "STORE_UNREACHABLE", .message = "no route", .answer = ""};

    agent_sim_next(sim, JOB_BACKUP, AGENT_SIM_FOR_EVER, away);
    agent_sim_next(sim, JOB_LIST, AGENT_SIM_FOR_EVER, away);
}

void agent_sim_store_back(struct agent_sim *sim)
{
    sim->times[JOB_BACKUP] = 0;
    sim->times[JOB_LIST] = 0;
}

void agent_sim_restart_server(struct agent_sim *sim, uint64_t keys)
{
    sim->server.process++;
    sim->server.started_ms = sim->now.mono_ms;
    sim->server.keys = keys;
    if (sim->server.saves >= 0)
        sim->server.saves = 0;
    if (sim->server.changes >= 0)
        sim->server.changes = 0;
}

void agent_sim_job_begin(struct agent_sim *sim, enum job_kind kind)
{
    struct agent_sim_job *job = &sim->jobs[kind];
    struct agent_sim_outcome how = {0};
    int64_t now_ms = sim->now.mono_ms;
    unsigned started = job->started + 1;

    if (sim->times[kind] != 0) {
        how = sim->next[kind];
        sim->times[kind] -= sim->times[kind] > 0;
    }
    *job = (struct agent_sim_job){
        .outcome = how,
        .is_running = true,
        .fork_ms = sim->now.wall_ms,
        .fork_changes = sim->server.changes,
        .save_ms = INT64_MAX,
        .end_ms = INT64_MAX,
        .alive_ms = how.is_silent ? INT64_MAX : now_ms + ALIVE_FIRST_MS,
        .started = started,
    };
    if (how.took_ms >= 0)
        job->end_ms = now_ms + (how.took_ms != 0 ? how.took_ms : usual_ms[kind]);
    if (kind == JOB_BACKUP && how.save_ms >= 0)
        job->save_ms = now_ms + (how.save_ms != 0 ? how.save_ms : SAVE_MS);
}

void agent_sim_job_saved(struct agent_sim *sim, enum job_kind kind)
{
    struct agent_sim_job *job = &sim->jobs[kind];
    struct agent_sim_server *server = &sim->server;

    job->save_ms = INT64_MAX;
    if (server->saves >= 0)
        server->saves++;
    if (server->changes >= job->fork_changes && job->fork_changes >= 0)
        server->changes -= job->fork_changes;
    agent_sim_report(sim, kind,
                     "{\"progress\":{\"what\":\"stores\",\"done\":10,\"total\":100,\"rate\":5}}");
}

static void add_backup(struct agent_sim *sim, const struct status_backup *backup)
{
    size_t kept =
        sim->backup_count < STATUS_BACKUPS_MAX ? sim->backup_count : STATUS_BACKUPS_MAX - 1;

    memmove(&sim->backups[1], &sim->backups[0], kept * sizeof(sim->backups[0]));
    sim->backups[0] = *backup;
    sim->backup_count = kept + 1;
}

static struct status_backup make_backup(struct agent_sim *sim, int64_t at_ms, uint64_t keys)
{
    struct status_backup backup = {
        .created_ms = at_ms - at_ms % 1000,
        .keys = keys,
        .expires = sim->server.expires,
        .size_bytes = keys * sim->server.key_bytes,
        .proven = !sim->unproven,
    };

    (void)snprintf(backup.id, sizeof(backup.id), "20261120T120000Z-%06x", ++sim->backups_made);
    return backup;
}

void agent_sim_has_backup(struct agent_sim *sim, int64_t age_ms, uint64_t keys)
{
    struct status_backup backup = make_backup(sim, sim->now.wall_ms - age_ms, keys);

    add_backup(sim, &backup);
}

/* A row of the list, and what the same means in a manifest. */
static struct json *describe(const struct status_backup *backup)
{
    struct json *row = json_object();
    struct json *dbs = json_array();
    struct json *db = json_object();

    json_set_string(row, "id", backup->id);
    json_set_time(row, "created_at", backup->created_ms);
    json_set_u64(row, "keys", backup->keys);
    json_set_u64(row, "expires", backup->expires);
    json_set_u64(row, "size_bytes", backup->size_bytes);
    json_set_bool(row, "proven", backup->proven);
    if (backup->verified_ms > 0) {
        json_set_time(row, "verified_at", backup->verified_ms);
        json_set_bool(row, "verified_ok", backup->verified_ok);
        json_set_bool(row, "drilled", backup->drilled);
    }
    json_set_u64(db, "expires", backup->expires);
    json_push(dbs, db);
    json_set(row, "databases", dbs);
    return row;
}

static struct json *answer_list(const struct agent_sim *sim)
{
    struct json *answer = json_object();
    struct json *rows = json_array();

    for (size_t i = 0; i < sim->backup_count; i++)
        json_push(rows, describe(&sim->backups[i]));
    json_set(answer, "backups", rows);
    json_set_u64(answer, "total", sim->backups_made);
    return answer;
}

/* All is well with the machine. */
static struct json *answer_check(void)
{
    static const char report[] =
        "{\"checks\":[{\"id\":\"swap\",\"status\":\"ok\",\"value\":\"off\","
        "\"scope\":\"host\",\"why\":\"It is slow.\"}],\"worst\":\"ok\"}";
    struct json *answer = NULL;
    struct err err;
    int rc = json_parse(report, sizeof(report) - 1, &answer, &err);

    assert(rc == 0);
    return answer;
}

struct json *agent_sim_answer(struct agent_sim *sim, enum job_kind kind,
                              const struct agent_sim_outcome *how)
{
    struct json *answer = NULL;
    struct status_backup backup;
    struct err err;

    if (how->exit_code == 0 && makes_backups(kind)) {
        backup = make_backup(sim, sim->jobs[kind].fork_ms, sim->server.keys);
        add_backup(sim, &backup);
        answer = describe(&backup);
    }
    if (how->answer != NULL) {
        json_free(answer);
        answer = NULL;
        (void)json_parse(how->answer, strlen(how->answer), &answer, &err); /* or it is none */
        return answer;
    }
    if (kind == JOB_LIST && how->exit_code == 0)
        return answer_list(sim);
    if (kind == JOB_CHECK && how->exit_code == 0)
        return answer_check();
    return answer;
}

static void fill_info(const struct agent_sim *sim, struct redis_server_info *info)
{
    const struct agent_sim_server *server = &sim->server;

    (void)snprintf(info->run_id, sizeof(info->run_id), "%040u", server->process);
    (void)snprintf(info->role, sizeof(info->role), "%s", server->is_replica ? "slave" : "master");
    if (server->is_replica)
        (void)snprintf(info->master_link_status, sizeof(info->master_link_status), "%s",
                       server->link_down_s < 0 ? "up" : "down");
    info->master_link_down_since_s = server->link_down_s;
    info->master_sync_in_progress = server->is_syncing;
    info->uptime_s = (sim->now.mono_ms - server->started_ms) / 1000;
    info->loading = server->is_loading;
    info->async_loading = 0;
    info->rdb_saves = server->saves;
    info->rdb_changes_since_last_save = server->changes;
    info->rdb_last_bgsave_ok = !server->bgsave_failed;
    info->aof_enabled = server->aof_failed;
    info->aof_last_write_ok = !server->aof_failed;
    info->aof_last_rewrite_ok = 1;
    if (server->keys == 0 || server->is_loading)
        return;
    info->keyspace = xcalloc(1, sizeof(*info->keyspace));
    info->keyspace[0] = (struct redis_keyspace){.keys = server->keys, .expires = server->expires};
    info->keyspace_count = 1;
}

void agent_sim_look(struct agent_sim *sim, struct watcher_look *out)
{
    const struct agent_sim_server *server = &sim->server;
    struct readiness before = sim->seen;

    *out = (struct watcher_look){.at_ms = sim->now.wall_ms, .since_answer_ms = 0};
    redis_info_parse("", 0, &out->info);
    if (server->is_down || server->is_lost) {
        (void)err_set(&out->why, ERR_SERVER, "connection refused");
        out->why.code = EIO;
        out->nobody_listens = server->is_down;
    } else if (server->refuses) {
        (void)err_set(&out->why, ERR_SERVER, "NOAUTH Authentication required.");
        (void)err_as(&out->why, PROBLEM_SERVER_AUTH);
    } else if (server->is_busy) {
        (void)err_set(&out->why, ERR_SERVER, "BUSY Redis is busy running a script.");
        out->why.code = EBUSY;
    } else {
        fill_info(sim, &out->info);
        out->has_info = true;
        readiness_from_info(&out->info, &before, 1000, &out->readiness);
    }
    if (!out->has_info)
        readiness_from_error(&out->why, &before, &out->readiness);
    sim->seen = out->readiness;
}
