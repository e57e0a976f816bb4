/*
 * Order matters: the save first, then the AOF, so that the AOF is never older than the dump beside
 * it; small files last. Each of them is complete by itself.
 *
 * INVARIANT (the server comes first): before the save, room on the disk and in memory is checked,
 * because a save that fails makes the server refuse every write.
 */
#include "backup/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/memory_room.h"
#include "base/fs.h"
#include "base/mem.h"
#include "redis/aof_ready.h"
#include "stream/untar.h"

#define SMALL_FILE_MAX ((size_t)16 << 20) /* an ACL file or nodes.conf */

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

static void note_file(struct snapshot *snapshot, const char *name, enum manifest_kind kind,
                      uint64_t size)
{
    snapshot->files =
        xreallocarray(snapshot->files, snapshot->file_count + 1, sizeof(*snapshot->files));
    snapshot->files[snapshot->file_count++] =
        (struct manifest_file){.name = xstrdup(name), .kind = kind, .size = size};
}

static int check_name(const char *name, struct err *err)
{
    if (!untar_name_is_safe(name) || !manifest_can_hold(name))
        return err_set(err, ERR_CONFIG, "file name '%.200s' cannot be stored", name);
    return 0;
}

static int add_fd(struct snapshot *snapshot, const char *name, enum manifest_kind kind, int fd,
                  uint64_t size, struct err *err)
{
    struct stat st;

    if (check_name(name, err) != 0)
        return -1;
    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", name);
    struct bundle_file file = {.name = name,
                               .size = size,
                               .mode = st.st_mode & 07777,
                               .uid = st.st_uid,
                               .gid = st.st_gid,
                               .mtime_s = st.st_mtime};
    if (bundle_add_fd(snapshot->bundle, &file, fd, err) != 0)
        return -1;
    note_file(snapshot, name, kind, size);
    return 0;
}

/* A small file that may change while it is read is copied at once; its absence is no error. */
static int add_small(struct snapshot *snapshot, int dir_fd, const char *path, const char *name,
                     enum manifest_kind kind, struct err *err)
{
    auto_buf struct buf content = {0};
    struct stat st;

    if (check_name(name, err) != 0)
        return -1;
    if (fstatat(dir_fd, path, &st, 0) != 0) { /* a link into a mounted volume is followed */
        if (errno == ENOENT)
            return 0;
        return err_sys(err, ERR_FAILED, "include %s", path);
    }
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FAILED, "include %s: it is not a regular file", path);
    buf_init(&content, SMALL_FILE_MAX);
    if (fs_read_file(dir_fd, path, &content, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            return 0;
        return err_wrap(err, "include %s", path);
    }
    struct bundle_file file = {.name = name,
                               .size = content.len,
                               .mode = st.st_mode & 07777,
                               .uid = st.st_uid,
                               .gid = st.st_gid,
                               .mtime_s = st.st_mtime};
    if (bundle_add_bytes(snapshot->bundle, &file, content.data, err) != 0)
        return -1;
    note_file(snapshot, name, kind, content.len);
    return 0;
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
    return add_fd(snapshot, names->dbfilename, MANIFEST_RDB, snapshot->saved.fd,
                  snapshot->saved.rdb.size, err);
}

static int add_aof_files(const struct server_files *names, struct snapshot *snapshot,
                         struct err *err)
{
    const struct aof_pin *aof = &snapshot->aof;

    for (size_t i = 0; i < aof->count; i++) {
        const struct aof_pin_file *from = &aof->files[i];
        auto_free char *name = xasprintf("%s/%s", names->appenddirname, from->name);
        enum manifest_kind kind = from->type == AOF_BASE ? MANIFEST_AOF_BASE : MANIFEST_AOF_INCR;

        if (add_fd(snapshot, name, kind, from->fd, from->length, err) != 0)
            return -1;
    }

    auto_free char *name = xasprintf("%s/%s", names->appenddirname, aof->manifest_name);
    struct bundle_file file = {.name = name, .size = aof->manifest_len, .mode = 0644};
    if (bundle_add_bytes(snapshot->bundle, &file, aof->manifest, err) != 0)
        return -1;
    note_file(snapshot, name, MANIFEST_AOF_MANIFEST, aof->manifest_len);
    return 0;
}

/* By their first bytes: what could not be looked through proves nothing. */
static const char *doubt_of(const struct redis_server_info *info, const struct aof_pin *aof)
{
    if (info->aof_last_write_ok == 0)
        return "the server cannot write its append-only files (aof_last_write_status:err): they "
               "lack what it has in memory";
    for (size_t i = 0; i < aof->count; i++) {
        if (aof->files[i].content == AOF_CONTENT_RDB_AND_COMMANDS)
            return "the append-only base is an RDB with commands behind it, as servers before 7.0 "
                   "wrote it, and was not looked through. HINT: BGREWRITEAOF makes a new one";
        if (aof->files[i].content == AOF_CONTENT_UNKNOWN)
            return "the format of the append-only base is not known to this redkeep";
    }
    return NULL;
}

static int pin_aof(const struct server_files *names, const struct snapshot_options *options,
                   struct snapshot *snapshot, struct err *err)
{
    auto_close int dir_fd = -1;
    struct aof_pin_options pin = {.dir = names->appenddirname,
                                  .appendfilename = names->appendfilename,
                                  .clock = options->clock};

    if (fs_open_dir(options->data_dir_fd, names->appenddirname, &dir_fd, err) == 0) {
        pin.dir_fd = dir_fd;
        if (aof_pin_open(&pin, &snapshot->aof, err) == 0)
            return 0;
    }
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
    snapshot->aof_doubt = doubt_of(&info, &snapshot->aof);
    return add_aof_files(names, snapshot, err);
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

/* A manifest has to give all of them back as they are. */
static int check_names(const struct server_files *names, const struct snapshot_options *options,
                       struct err *err)
{
    const char *all[] = {names->dbfilename, names->appendfilename, names->appenddirname};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (check_name(all[i], err) != 0)
            return -1;
    if (options->include_acl && names->aclfile != NULL && !manifest_is_acl_name(names->aclfile))
        return err_set(err, ERR_CONFIG,
                       "the ACL file is called '%.200s', as data is. HINT: call it users.acl, or "
                       "take acl out of backup-include",
                       names->aclfile);
    return 0;
}

static int take_all(struct redis *redis, const struct server_files *names,
                    const struct snapshot_options *options, struct snapshot *snapshot,
                    struct err *err)
{
    snapshot->bundle = bundle_new();
    if (check_names(names, options, err) != 0 || look_at_server(redis, snapshot, err) != 0)
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
    if (options->include_acl && names->aclfile != NULL &&
        add_small(snapshot, options->data_dir_fd, names->aclfile, names->aclfile, MANIFEST_ACL,
                  err) != 0)
        return -1;
    if (options->include_cluster && add_small(snapshot, options->data_dir_fd, names->cluster_config,
                                              "cluster/nodes.conf", MANIFEST_CLUSTER, err) != 0)
        return -1;
    return 0;
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
