/*
 * Order matters: the save first, then the AOF, so that the AOF is never older than the dump beside
 * it; small files last. Each of them is complete by itself.
 *
 * INVARIANT (the server comes first): before the save, room on the disk and in memory is checked,
 * because a save that fails makes the server refuse every write.
 */
#include "backup/snapshot.h"

#include <string.h>
#include <sys/stat.h>

#include "backup/memory_room.h"
#include "backup/snapshot_files.h"
#include "base/fs.h"
#include "base/mem.h"
#include "redis/aof_ready.h"

void snapshot_release(struct snapshot *snapshot)
{
    bundle_free(snapshot->bundle);
    for (size_t i = 0; i < snapshot->file_count; i++)
        free(snapshot->files[i].name);
    free(snapshot->files);
    redis_saved_release(&snapshot->saved);
    aof_pin_release(&snapshot->aof);
    redis_info_release(&snapshot->info);
    *snapshot = (struct snapshot)SNAPSHOT_INIT;
}

static int add_rdb(struct redis *redis, const struct server_files *names,
                   const struct snapshot_options *options, struct snapshot *snapshot,
                   struct err *err)
{
    struct redis_save_room room = {.memory_free_bytes = memory_room()};
    struct stat st;

    if (fstatat(options->data_dir_fd, names->dbfilename, &st, 0) == 0)
        room.dump_bytes = (uint64_t)st.st_size;
    if (fs_free_bytes(options->data_dir_fd, &room.disk_free_bytes, err) != 0 ||
        redis_save_preflight(&snapshot->info, &room, err) != 0)
        return -1;

    struct redis_save_options save = {
        .clock = options->clock,
        .timeout_ms = options->save_timeout_ms,
        .data_dir_fd = options->data_dir_fd,
        .data_dir = options->data_dir,
        .dbfilename = names->dbfilename,
        .on_progress = options->on_save,
        .context = options->context,
    };
    if (redis_save_proven(redis, &save, &snapshot->saved, err) != 0)
        return -1;
    return snapshot_add_rdb(snapshot, names->dbfilename, err);
}

static int pin_aof(const struct server_files *names, const struct snapshot_options *options,
                   struct snapshot *snapshot, struct err *err)
{
    if (snapshot_pin_aof(names, options, snapshot, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    err->kind = ERR_FAILED; /* a missing file is no missing backup */
    return err->problem != PROBLEM_NONE ? -1 : err_as(err, PROBLEM_DATA_DIR);
}

static void on_aof_wait(void *context)
{
    const struct snapshot_options *options = context;

    if (options->on_event != NULL)
        options->on_event(options->context, "waiting until the server has written its append-only "
                                            "files anew");
}

/* INVARIANT (proven before it counts): the set is the one that the server writes to, before and
 * after it was pinned. With none, the caller sees that no such file is there. */
static int add_aof(struct redis *redis, const struct server_files *names,
                   const struct snapshot_options *options, struct snapshot *snapshot,
                   struct err *err)
{
    auto_redis_info struct redis_server_info info = {0};
    struct redis_watch watch = {.redis = redis, .clock = options->clock};
    const struct aof_ready_options ready = {.data_dir_fd = options->data_dir_fd,
                                            .appenddirname = names->appenddirname,
                                            .appendfilename = names->appendfilename,
                                            .timeout_ms = options->save_timeout_ms,
                                            .on_wait = on_aof_wait,
                                            .context = (void *)(uintptr_t)options};

    memcpy(watch.run_id, snapshot->info.run_id, sizeof(watch.run_id));
    if (aof_ready_wait(&watch, &ready, &info, err) != 0)
        return err_wrap(err, "include the append-only files");
    if (info.aof_enabled != 1)
        return 0;
    if (pin_aof(names, options, snapshot, err) != 0 ||
        aof_ready_wait(&watch, &ready, &info, err) != 0)
        return err_wrap(err, "include the append-only files");
    if (info.aof_enabled != 1) {
        aof_pin_release(&snapshot->aof);
        return 0;
    }
    if (info.aof_last_write_ok == 0)
        snapshot->aof_doubt = "the server cannot write its append-only files "
                              "(aof_last_write_status:err): they lack what it has in memory";
    return snapshot_add_aof(names, snapshot, err);
}

static int look_at_server(struct redis *redis, struct snapshot *snapshot, struct err *err)
{
    auto_buf struct buf text = {0};

    buf_init(&text, REDIS_INFO_MAX);
    if (redis_info(redis, NULL, &text, err) != 0)
        return -1;
    redis_info_parse(buf_text(&text), text.len, &snapshot->info);
    if (snapshot->info.loading == 1 || snapshot->info.async_loading == 1) {
        (void)err_set(err, ERR_SERVER,
                      "back up %s: it is still loading its data. HINT: try again when it has "
                      "loaded",
                      redis_label(redis));
        return err_as(err, PROBLEM_SERVER_LOADING);
    }
    return 0;
}

static int take_all(struct redis *redis, const struct server_files *names,
                    const struct snapshot_options *options, struct snapshot *snapshot,
                    struct err *err)
{
    snapshot->bundle = bundle_new();
    if (snapshot_check_names(names, options, err) != 0 || look_at_server(redis, snapshot, err) != 0)
        return -1;
    if (options->include_rdb && add_rdb(redis, names, options, snapshot, err) != 0)
        return -1;
    if (options->include_aof && add_aof(redis, names, options, snapshot, err) != 0)
        return -1;
    if (snapshot->file_count == 0) {
        (void)err_set(err, ERR_CONFIG,
                      "backup-include asks for the append-only files alone, and the server runs "
                      "with appendonly no. HINT: include rdb as well");
        return err_as(err, PROBLEM_NO_DATA);
    }
    return snapshot_add_small_files(names, options, snapshot, err);
}

int snapshot_take(struct redis *redis, const struct server_files *names,
                  const struct snapshot_options *options, struct snapshot *out, struct err *err)
{
    auto_snapshot struct snapshot snapshot = SNAPSHOT_INIT;

    if (take_all(redis, names, options, &snapshot, err) != 0)
        return -1;
    *out = snapshot;
    snapshot = (struct snapshot)SNAPSHOT_INIT;
    return 0;
}
