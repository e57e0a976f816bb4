/*
 * The happy path: lock, the newest manifest (what the server was like), pin what lies there,
 * compare, store as any backup.
 */
#include "backup/offline.h"

#include <stdlib.h>
#include <string.h>

#include "backup/backup_store.h"
#include "backup/offline_held.h"
#include "backup/offline_snapshot.h"
#include "backup/stage.h"
#include "base/mem.h"

struct offline {
    struct store *store;
    const struct backup_options *options;
    const struct backup_offline_options *offline;
    int dir_fd;
    struct server_files names;
    bool has_newest;
    struct manifest newest; /* of those that can be read */
};

void backup_offline_result_release(struct backup_offline_result *result)
{
    manifest_release(&result->manifest);
    *result = (struct backup_offline_result){0};
}

static void offline_release(struct offline *job)
{
    server_files_release(&job->names);
    manifest_release(&job->newest);
}

#define auto_offline auto_with(offline_release)

/* What is in the way is half of a backup that is there already. */
static int check_stage(const struct offline *job, struct err *err)
{
    enum stage_found found = STAGE_NONE;

    if (stage_find(job->dir_fd, &found, err) != 0)
        return -1;
    if (found != STAGE_COMMITTED)
        return 0;
    return err_set(
        err, ERR_FAILED,
        "back up %s: a restore into it was interrupted, and what lies there is not all of "
        "it. HINT: the next `redkeep restore` finishes it",
        job->options->data_dir);
}

static int find_newest(struct offline *job, struct err *err)
{
    const char *instance = job->options->instance;
    auto_catalog struct catalog catalog = {0};

    if (catalog_list(job->store, instance, &catalog, err) != 0)
        return -1;
    for (size_t i = catalog.count; i-- > 0 && !job->has_newest;) {
        if (catalog_read(job->store, instance, catalog.ids[i], &job->newest, err) == 0)
            job->has_newest = true;
        else if (err->kind != ERR_NOT_FOUND && err->kind != ERR_CORRUPT && err->kind != ERR_TOO_NEW)
            return -1;
    }
    return 0;
}

static const char *acl_of(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (manifest->files[i].kind == MANIFEST_ACL && strchr(manifest->files[i].name, '/') == NULL)
            return manifest->files[i].name;
    return NULL;
}

/* As set, as in the newest manifest, as by default. */
static int find_names(struct offline *job, struct err *err)
{
    const struct manifest *newest = &job->newest;
    struct server_names names = job->options->names;
    const char *appendonly = job->offline->appendonly;

    if (job->has_newest) {
        if (names.dbfilename == NULL)
            names.dbfilename = newest->dbfilename;
        if (names.appendfilename == NULL)
            names.appendfilename = newest->appendfilename;
        if (names.appenddirname == NULL)
            names.appenddirname = newest->appenddirname;
        if (names.aclfile == NULL)
            names.aclfile = acl_of(newest);
    }
    if (server_files_find(NULL, &names, &job->names, err) != 0)
        return -1;
    if (appendonly == NULL)
        appendonly =
            offline_appendonly(job->dir_fd, &job->names, newest->appendonly, newest->forked_ms);
    if (appendonly != NULL)
        job->names.appendonly = xstrdup(appendonly);
    return 0;
}

static bool take_version(const struct rdb_head *head, struct manifest *manifest)
{
    auto_free char *full =
        xasprintf("%s %s", head->server_is_valkey ? "valkey" : "redis", head->server_version);
    struct err ignored;

    if (server_version_parse(full, &manifest->server, &ignored) != 0 ||
        !manifest_can_hold(head->server_version))
        return false;
    manifest->server_version = xstrdup(head->server_version);
    return true;
}

/* Which server wrote it: the newest file that says so. */
static void describe_server(const struct offline *job, const struct snapshot *snapshot,
                            struct manifest *manifest)
{
    if (snapshot->saved.fd >= 0 && take_version(&snapshot->saved.rdb.head, manifest))
        return;
    if (snapshot->aof.count > 0 && take_version(&snapshot->aof.files[0].rdb.head, manifest))
        return;
    manifest->server = job->newest.server;
    manifest->server_version = xstrdup(job->has_newest ? job->newest.server_version : "");
}

static void describe(const struct offline *job, const struct snapshot *snapshot, int64_t shown_ms,
                     const struct catalog_new *new, struct manifest *manifest)
{
    backup_describe(snapshot, &job->names, job->options, new, manifest);
    manifest->forked_ms = shown_ms < new->time_ms ? shown_ms : new->time_ms;
    describe_server(job, snapshot, manifest);
    /* a dump without any key says so in its head; else counting them would be reading them */
    manifest->has_keys = snapshot->aof.count == 0 && rdb_is_empty(&snapshot->saved.rdb.head);
}

static int nothing_there(const struct offline *job, struct backup_offline_result *result,
                         struct err *err)
{
    result->reason = "no-data";
    if (job->offline->if_new)
        return 0;
    (void)err_set(err, ERR_NOT_FOUND,
                  "back up %s: there is no data that a server would load. HINT: is data-dir the "
                  "server's `dir`?",
                  job->options->data_dir);
    return err_as(err, PROBLEM_NO_DATA);
}

static int store_it(const struct offline *job, const struct snapshot *snapshot, int64_t shown_ms,
                    struct backup_offline_result *result, struct err *err)
{
    auto_manifest struct manifest manifest = BACKUP_MANIFEST_INIT;
    struct catalog_new new;
    bool is_held = false;

    if (job->offline->if_new && job->has_newest &&
        offline_is_held(snapshot, &job->newest, &is_held, err) != 0)
        return -1;
    if (is_held) {
        result->reason = "nothing-new";
        memcpy(result->newest, job->newest.id, sizeof(result->newest));
        return 0;
    }
    if (backup_choose_id(job->store, job->options, &new, err) != 0)
        return -1;
    describe(job, snapshot, shown_ms, &new, &manifest);
    if (backup_store(job->store, snapshot, job->options, &new, &manifest, err) != 0)
        return -1;
    result->is_stored = true;
    result->manifest = manifest;
    manifest = (struct manifest){0};
    return 0;
}

static void on_snapshot_event(void *context, const char *text)
{
    backup_tell(context, text);
}

/* *out_has_set: there are append-only files, which do without the dump. */
static int take_and_store(const struct offline *job, bool include_rdb,
                          struct backup_offline_result *result, bool *out_has_set, struct err *err)
{
    const struct backup_options *options = job->options;
    auto_snapshot struct snapshot snapshot = SNAPSHOT_INIT;
    int64_t shown_ms = -1;
    const struct snapshot_options snapshot_options = {
        .data_dir_fd = job->dir_fd,
        .data_dir = options->data_dir,
        .include_rdb = include_rdb,
        .include_acl = options->include_acl,
        .include_cluster = options->include_cluster,
        .clock = options->clock,
        .on_event = on_snapshot_event,
        .context = (void *)(uintptr_t)options,
    };
    int rc = offline_snapshot_take(&job->names, &snapshot_options, &snapshot, &shown_ms, err);

    *out_has_set = snapshot.aof.count > 0;
    if (rc != 0)
        return -1;
    return snapshot.file_count > 0 ? store_it(job, &snapshot, shown_ms, result, err)
                                   : nothing_there(job, result, err);
}

static int back_up(const struct offline *job, struct backup_offline_result *result, struct err *err)
{
    bool has_set = false;

    if (take_and_store(job, job->options->include_rdb, result, &has_set, err) == 0)
        return 0;
    if (err->kind != ERR_CORRUPT || err_problem(err) != PROBLEM_RDB_CORRUPT || !has_set ||
        !job->options->include_rdb)
        return -1;
    auto_free char *text = xasprintf("the dump is left out, since the server loads its append-only "
                                     "files: %s",
                                     err->msg);
    backup_warn(job->options, PROBLEM_RDB_CORRUPT, text);
    return take_and_store(job, false, result, &has_set, err);
}

int backup_offline(struct store *store, const struct backup_options *options,
                   const struct backup_offline_options *offline, struct backup_offline_result *out,
                   struct err *err)
{
    auto_close int dir_fd = -1;
    auto_backup_offline_result struct backup_offline_result result = {0};

    if (backup_begin(options, &dir_fd, err) != 0)
        return -1;
    auto_offline struct offline job = {
        .store = store, .options = options, .offline = offline, .dir_fd = dir_fd};
    if (check_stage(&job, err) != 0 || find_newest(&job, err) != 0 || find_names(&job, err) != 0 ||
        back_up(&job, &result, err) != 0)
        return -1;
    *out = result;
    result = (struct backup_offline_result){0};
    return 0;
}
