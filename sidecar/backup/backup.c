/*
 * The happy path: lock, snapshot (a proven save), store (backup_store.c). What the manifest says
 * beside that is what the server said of itself.
 */
#include "backup/backup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/backup_store.h"
#include "backup/guard.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/report.h"

static void on_snapshot_event(void *context, const char *text)
{
    backup_tell(context, text);
}

static void on_save(void *context, int percent)
{
    const struct backup_options *options = context;

    if (percent == 0) { /* most saves are over before the server says more: no line for the log */
        report_event("the server saves");
        return;
    }
    auto_free char *text = xasprintf("the server saves: %d %%", percent);
    backup_tell(options, text);
}

static char *copy_or_null(const char *text)
{
    return text != NULL && *text != '\0' && manifest_can_hold(text) ? xstrdup(text) : NULL;
}

static void describe_server(const struct redis_server_info *info, struct manifest *manifest)
{
    struct err ignored;

    /* the version guards restores; INFO without one leaves the RDB version to do it */
    (void)redis_info_version(info, &manifest->server, &ignored);
    manifest->server_version = xstrdup(manifest_can_hold(info->version) ? info->version : "");
    manifest->role = copy_or_null(info->role);
    manifest->run_id = copy_or_null(info->run_id);
    manifest->replid = copy_or_null(info->replid);
    manifest->repl_offset = info->repl_offset;
}

static void describe_keys(const struct redis_saved *saved, struct manifest *manifest)
{
    const struct redis_server_info *info = &saved->at_fork;

    if (saved->fd < 0 || !saved->is_exact)
        return;
    manifest->has_keys = true;
    manifest->dbs = xcalloc(info->keyspace_count + 1, sizeof(*manifest->dbs));
    manifest->db_count = info->keyspace_count;
    for (size_t i = 0; i < info->keyspace_count; i++)
        manifest->dbs[i] = (struct manifest_db){.db = info->keyspace[i].db,
                                                .keys = info->keyspace[i].keys,
                                                .expires = info->keyspace[i].expires};
}

static void describe(const struct snapshot *snapshot, const struct server_files *names,
                     const struct backup_options *options, const struct catalog_new *new,
                     struct manifest *manifest)
{
    const struct redis_saved *saved = &snapshot->saved;

    backup_describe(snapshot, names, options, new, manifest);
    manifest->forked_ms = saved->fd >= 0 ? saved->forked_ms : new->time_ms;
    manifest->save_ms = saved->fd >= 0 ? saved->done_ms - saved->asked_ms : -1;
    describe_server(saved->fd >= 0 && saved->is_exact ? &saved->at_fork : &snapshot->info,
                    manifest);
    describe_keys(saved, manifest);
    if (manifest->appendonly == NULL && snapshot->info.aof_enabled >= 0)
        manifest->appendonly = xstrdup(snapshot->info.aof_enabled == 1 ? "yes" : "no");
}

/* The server's `dir`, by its own words, is here too, holds its files, and is not our data-dir. */
static void warn_of_other_dir(const struct backup_options *options,
                              const struct server_files *names, int data_dir_fd)
{
    auto_close int other_fd = -1;
    struct err ignored; /* that path means something in the server's container only */
    struct stat ours;
    struct stat other;

    if (names->dir == NULL || names->dir[0] != '/' ||
        fs_open_dir(AT_FDCWD, names->dir, &other_fd, &ignored) != 0 ||
        fstat(data_dir_fd, &ours) != 0 || fstat(other_fd, &other) != 0 ||
        (ours.st_dev == other.st_dev && ours.st_ino == other.st_ino) ||
        (faccessat(other_fd, names->dbfilename, F_OK, 0) != 0 &&
         faccessat(other_fd, names->appenddirname, F_OK, 0) != 0))
        return;
    auto_free char *text = xasprintf(
        "the server says that its directory is %s, which is here too and holds its files, "
        "but is not data-dir, %s: are redis-url and data-dir those of one server?",
        names->dir, options->data_dir);
    backup_warn(options, PROBLEM_DATA_DIR, text);
}

/* What the user might have expected to be in the backup, or to be otherwise. */
static void tell_about(const struct backup_options *options, const struct snapshot *snapshot,
                       const struct server_files *names)
{
    if (options->include_aof && snapshot->aof.count == 0)
        backup_tell(options,
                    "the server runs with appendonly no: there are no append-only files to "
                    "include");
    if (options->include_acl && names->acl_elsewhere != NULL) {
        auto_free char *text = xasprintf("the server's ACL file, %s, is outside its directory and "
                                         "not included",
                                         names->acl_elsewhere);
        backup_tell(options, text);
    }
    if (snapshot->saved.is_strange) {
        auto_free char *text =
            xasprintf("%s/%s does not hold as many keys as the server had when it "
                      "forked for it: are redis-url and data-dir those of one "
                      "server?",
                      options->data_dir, names->dbfilename);
        backup_warn(options, PROBLEM_DATA_DIR, text);
    }
}

static int take_and_store(struct redis *redis, struct store *store,
                          const struct backup_options *options, int data_dir_fd,
                          struct manifest *manifest, struct err *err)
{
    auto_server_files struct server_files names = {0};
    auto_snapshot struct snapshot snapshot = SNAPSHOT_INIT;
    struct catalog_new new;
    struct snapshot_options snapshot_options = {
        .data_dir_fd = data_dir_fd,
        .data_dir = options->data_dir,
        .include_rdb = options->include_rdb,
        .include_aof = options->include_aof,
        .include_acl = options->include_acl,
        .include_cluster = options->include_cluster,
        .save_timeout_ms = options->save_timeout_ms,
        .clock = options->clock,
        .on_save = on_save,
        .on_event = on_snapshot_event,
        .context = (void *)(uintptr_t)options,
    };

    if (backup_choose_id(store, options, &new, err) != 0 ||
        server_files_find(redis, &options->names, &names, err) != 0 ||
        snapshot_take(redis, &names, &snapshot_options, &snapshot, err) != 0)
        return -1;
    warn_of_other_dir(options, &names, data_dir_fd);
    tell_about(options, &snapshot, &names);
    describe(&snapshot, &names, options, &new, manifest);
    return backup_store(store, &snapshot, options, &new, manifest, err);
}

int backup(struct redis *redis, struct store *store, const struct backup_options *options,
           struct manifest *out, struct err *err)
{
    auto_manifest struct manifest manifest = BACKUP_MANIFEST_INIT;
    auto_close int data_dir_fd = -1;

    if (backup_begin(options, &data_dir_fd, err) != 0 ||
        take_and_store(redis, store, options, data_dir_fd, &manifest, err) != 0)
        return -1;
    if (manifest.proven) /* it holds what the server has loaded from files that were mended */
        guard_forget_kept(data_dir_fd, manifest.appenddirname, manifest.asked_ms);
    *out = manifest;
    manifest = (struct manifest){0};
    return 0;
}
