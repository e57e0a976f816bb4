/*
 * The scratch directory is <parent>/redkeep-drill-XXXXXX, locked (flock) for as long as the drill
 * lives, so that the next one can tell what a dead one has left. Below it: data (the volume), s
 * (the server's socket), log.
 *
 * A restored volume that is laid out for both ways to start is started the way that the backup's
 * own server would be: with its append-only files when the backup holds some.
 *
 * A server loads what it understands, and counts what it has loaded. So before it starts, the RDBs
 * are walked as verify walks them, where they lie: their bytes were proven while they were written.
 */
#include "backup/drill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "backup/catalog.h"
#include "backup/verify_walk.h"
#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"
#include "redis/scratch_server.h"

#define PREFIX "redkeep-drill-"
#define STALL_MS 60000

enum { READ_BYTES = 256 * 1024 };

struct scratch {
    char *path;
    char *data;
    char *socket;
    char *log;
    int parent_fd;
    int fd;
};

static void scratch_release(struct scratch *scratch)
{
    struct err ignored;

    if (scratch->path != NULL) /* what stays is found by the next drill */
        (void)fs_remove_tree(scratch->parent_fd, strrchr(scratch->path, '/') + 1, &ignored);
    free(scratch->path);
    free(scratch->data);
    free(scratch->socket);
    free(scratch->log);
    cleanup_close(&scratch->fd);
    cleanup_close(&scratch->parent_fd);
}
#define auto_scratch auto_with(scratch_release)

static void sweep(int parent_fd)
{
    auto_fs_list struct fs_list list = {0};
    struct err ignored;

    if (fs_list_dir(parent_fd, ".", &list, &ignored) != 0)
        return; /* what cannot be listed cannot be swept; making a directory will tell */
    for (size_t i = 0; i < list.count; i++) {
        auto_close int fd = -1;

        if (strncmp(list.names[i], PREFIX, strlen(PREFIX)) != 0 ||
            fs_open_dir(parent_fd, list.names[i], &fd, &ignored) != 0)
            continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)fs_remove_tree(parent_fd, list.names[i], &ignored);
    }
}

static int scratch_make(const char *parent, struct scratch *out, struct err *err)
{
    auto_free char *path = xasprintf("%s/" PREFIX "XXXXXX", parent);

    if (fs_open_dir(AT_FDCWD, parent, &out->parent_fd, err) != 0) {
        err->kind = ERR_CONFIG;
        return err_wrap(err, "drill-dir");
    }
    sweep(out->parent_fd);
    if (mkdtemp(path) == NULL)
        return err_sys(err, ERR_FAILED, "cannot make a directory for the drill in %s", parent);
    out->path = TAKE_PTR(path);
    out->data = xasprintf("%s/data", out->path);
    out->socket = xasprintf("%s/s", out->path);
    out->log = xasprintf("%s/log", out->path);
    if (fs_open_dir(AT_FDCWD, out->path, &out->fd, err) != 0 ||
        fs_lock(out->fd, out->path, err) != 0)
        return -1;
    return 0;
}

static int restore_into(const struct drill_options *options, const char *dir,
                        struct restore_result *out, struct err *err)
{
    struct restore_options wanted = options->restore;

    wanted.dir = dir;
    wanted.create = true;
    wanted.at_ms = -1;
    wanted.appendonly = RESTORE_APPENDONLY_AUTO;
    wanted.check_server = NULL;
    return restore(&wanted, out, err);
}

/* The manifest tells the names that the restore has laid out. */
static int read_manifest(const struct drill_options *options, const char *id, struct manifest *out,
                         struct err *err)
{
    auto_store struct store *store = NULL;

    if (options->restore.open_store(options->restore.context, &store, err) != 0)
        return -1;
    return catalog_read(store, options->restore.instance, id, out, err);
}

/* Keys that expired while it loaded, or since, are no loss. A backup with append-only files holds
 * writes behind its dump: nothing says how many keys that makes. */
static void judge(const struct manifest *manifest, const struct redis_server_info *info,
                  struct drill_result *out)
{
    uint64_t gone = 0;
    uint64_t wanted = manifest_keys(manifest);

    out->has_keys = true;
    out->keys = redis_info_keys(info);
    out->ok = true;
    if (!manifest->has_keys || manifest_has_kind(manifest, MANIFEST_AOF_INCR))
        return;
    gone += info->rdb_last_load_keys_expired > 0 ? (uint64_t)info->rdb_last_load_keys_expired : 0;
    gone += info->expired_keys > 0 ? (uint64_t)info->expired_keys : 0;
    if (out->keys <= wanted && out->keys + gone >= wanted)
        return;
    out->ok = false;
    free(out->why);
    out->why = xasprintf("the server loaded %" PRIu64 " keys, of which %" PRIu64
                         " have expired, and the backup holds %" PRIu64,
                         out->keys + gone, gone, wanted);
}

/* An error of what was tried is the drill's result; one of trying is an error. */
static int conclude(struct drill_result *out, struct err *err)
{
    if (err->kind != ERR_CORRUPT && err->kind != ERR_SERVER && err->kind != ERR_TOO_NEW)
        return -1;
    out->ok = false;
    out->too_new = err->kind == ERR_TOO_NEW;
    free(out->why);
    out->why = xstrdup(err->msg);
    return 0;
}

/* Where the restore has laid it; heap. */
static char *place_of(const struct scratch *scratch, const struct manifest *manifest,
                      const struct manifest_file *file)
{
    const char *slash = strrchr(file->name, '/');
    const char *name = slash != NULL ? slash + 1 : file->name;

    return file->kind == MANIFEST_RDB
               ? xasprintf("%s/%s", scratch->data, manifest->dbfilename)
               : xasprintf("%s/%s/%s", scratch->data, manifest->appenddirname, name);
}

static int feed(const char *path, uint64_t size, struct sink *sink, struct err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    auto_free uint8_t *block = xmalloc(READ_BYTES);

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "read %s", path);
    for (uint64_t at = 0; at < size;) {
        size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;

        if (cancel_check(err) != 0 || fs_pread_all(fd, block, len, at, path, err) != 0 ||
            sink_write(sink, block, len, err) != 0)
            return -1;
        at += len;
    }
    return sink_finish(sink, err);
}

/* ERR_CORRUPT: an RDB is one that no server writes. */
static int walk(const struct scratch *scratch, const struct manifest *manifest,
                struct drill_result *out, struct err *err)
{
    auto_verify_walk struct verify_walk walk = {.manifest = manifest};

    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        auto_sink struct sink *sink = NULL;

        if (verify_walk_on_file(&walk, file, NULL, &sink, err) != 0)
            return -1;
        if (sink == NULL)
            continue;
        auto_free char *path = place_of(scratch, manifest, file);
        if (feed(path, file->size, sink, err) != 0)
            return -1;
    }
    out->walked = walk.walked > 0 && walk.why == NULL;
    if (!out->walked)
        out->why = xasprintf("not walked: %s", walk.why != NULL ? walk.why : "it holds no RDB");
    return 0;
}

static int load(const struct drill_options *options, const struct scratch *scratch,
                const struct manifest *manifest, struct drill_result *out, struct err *err)
{
    const struct clock *clock = options->restore.clock;
    bool with_aof = manifest_has_kind(manifest, MANIFEST_AOF_MANIFEST);
    auto_scratch_server struct scratch_server *server = NULL;
    auto_redis_info struct redis_server_info info = {0};
    int64_t begin_ms = clock_mono_ms(clock);
    const struct scratch_server_options wanted = {
        .program = options->program,
        .dir = scratch->data,
        .socket = scratch->socket,
        .log = scratch->log,
        .dbfilename = manifest->dbfilename,
        .appendfilename = with_aof ? manifest->appendfilename : NULL,
        .appenddirname = with_aof ? manifest->appenddirname : NULL,
        .stall_ms = options->stall_ms > 0 ? options->stall_ms : STALL_MS,
        .clock = clock,
    };

    if (scratch_server_start(&wanted, &server, err) != 0 ||
        scratch_server_wait(server, options->restore.on_event, options->restore.context, &info,
                            err) != 0)
        return conclude(out, err);
    out->load_ms = clock_mono_ms(clock) - begin_ms;
    judge(manifest, &info, out);
    return 0;
}

int drill(const struct drill_options *options, struct drill_result *out, struct err *err)
{
    auto_scratch struct scratch scratch = {.parent_fd = -1, .fd = -1};
    auto_restore_result struct restore_result restored = {0};
    auto_manifest struct manifest manifest = {0};
    auto_drill_result struct drill_result result = {.restore_ms = -1, .load_ms = -1};
    struct drill_result empty = {0};
    int rc;

    if (scratch_make(options->parent, &scratch, err) != 0)
        return -1;
    rc = restore_into(options, scratch.data, &restored, err);
    if (restored.id != NULL)
        result.id = xstrdup(restored.id);
    if (rc != 0) {
        if (conclude(&result, err) != 0)
            return -1;
    } else {
        result.restore_ms = restored.took_ms;
        if (read_manifest(options, restored.id, &manifest, err) != 0)
            return -1;
        rc = walk(&scratch, &manifest, &result, err) != 0
                 ? conclude(&result, err)
                 : load(options, &scratch, &manifest, &result, err);
        if (rc != 0)
            return -1;
    }
    *out = result;
    result = empty;
    return 0;
}

void drill_result_release(struct drill_result *result)
{
    free(result->id);
    free(result->why);
    *result = (struct drill_result){0};
}
