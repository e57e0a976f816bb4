/*
 * The happy path: lock, snapshot (a proven save), tar | zstd | store, compare checksums, manifest.
 *
 * "Proven" is decided while the bytes stream: a whole RDB with its trailer has CRC64 0. A dump that
 * has not is never committed: the upload is dropped before its last step.
 *
 * INVARIANT (manifest last): data.tar.zst is complete and durable in the store before backup.json
 * is written, and nobody lists a backup without one.
 */
#include "backup/backup.h"

#include <fcntl.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"
#include "stream/pack.h"

#define OBJECT_NAME "data.tar.zst"

static void tell(const struct backup_options *options, const char *text)
{
    if (options->on_event != NULL)
        options->on_event(options->context, text);
}

static void on_save(void *context, int percent)
{
    const struct backup_options *options = context;
    auto_free char *text = xasprintf("the server saves: %d %%", percent);

    tell(options, text);
}

static char *copy_or_null(const char *text)
{
    return text != NULL && *text != '\0' ? xstrdup(text) : NULL;
}

static void describe_server(const struct redis_server_info *info, struct manifest *manifest)
{
    struct err ignored;

    /* the version guards restores; INFO without one leaves the RDB version to do it */
    (void)redis_info_version(info, &manifest->server, &ignored);
    manifest->server_version = xstrdup(info->version);
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

/* The format of the data: the dump's, else that of the AOF's base. */
static void describe_rdb(const struct snapshot *snapshot, struct manifest *manifest)
{
    const struct redis_saved *saved = &snapshot->saved;
    struct rdb_ends base;
    struct err ignored;

    manifest->rdb_magic = RDB_MAGIC_OPAQUE;
    manifest->rdb_version = -1;
    if (saved->fd >= 0) {
        manifest->rdb_magic = saved->rdb.head.magic;
        manifest->rdb_version = saved->rdb.head.version;
        return;
    }
    /* a base in RESP (aof-use-rdb-preamble no) has no RDB version */
    if (snapshot->aof.count > 0 && snapshot->aof.files[0].type == AOF_BASE &&
        rdb_probe_fd(snapshot->aof.files[0].fd, snapshot->aof.files[0].name, &base, &ignored) ==
            0 &&
        base.head.magic != RDB_MAGIC_OPAQUE) {
        manifest->rdb_magic = base.head.magic;
        manifest->rdb_version = base.head.version;
    }
}

static void describe(const struct snapshot *snapshot, const struct server_files *names,
                     const struct backup_options *options, int64_t asked_ms,
                     struct manifest *manifest)
{
    const struct redis_saved *saved = &snapshot->saved;
    char id[CATALOG_ID_SIZE];
    uint32_t tail = 0;

    fs_random(&tail, sizeof(tail));
    catalog_make_id(asked_ms, tail, id);
    manifest->id = xstrdup(id);
    manifest->instance = xstrdup(options->instance);
    manifest->asked_ms = asked_ms;
    manifest->forked_ms = saved->fd >= 0 ? saved->forked_ms : asked_ms;
    manifest->save_ms = saved->fd >= 0 ? saved->done_ms - saved->asked_ms : -1;
    describe_server(saved->fd >= 0 && saved->is_exact ? &saved->at_fork : &snapshot->info,
                    manifest);
    describe_keys(saved, manifest);
    describe_rdb(snapshot, manifest);
    manifest->object = xstrdup(OBJECT_NAME);
    manifest->compression_level = options->level;
    manifest->appendonly = copy_or_null(names->appendonly);
    if (manifest->appendonly == NULL && snapshot->info.aof_enabled >= 0)
        manifest->appendonly = xstrdup(snapshot->info.aof_enabled == 1 ? "yes" : "no");
    manifest->dbfilename = xstrdup(names->dbfilename);
    manifest->appendfilename = xstrdup(names->appendfilename);
    manifest->appenddirname = xstrdup(names->appenddirname);
}

static void copy_files(const struct snapshot *snapshot, const uint64_t *crc,
                       struct manifest *manifest)
{
    manifest->files = xcalloc(snapshot->file_count + 1, sizeof(*manifest->files));
    for (size_t i = 0; i < snapshot->file_count; i++) {
        manifest->files[i] = snapshot->files[i];
        manifest->files[i].name = xstrdup(snapshot->files[i].name);
        manifest->files[i].crc64 = crc[i];
    }
    manifest->file_count = snapshot->file_count;
}

/* INVARIANT (proven before it counts): the file ends in the checksum of all that was read of it. */
static int judge_rdb(const struct rdb_ends *rdb, const struct manifest_file *file,
                     struct manifest *manifest, struct err *err)
{
    const char *why = NULL;

    if (rdb->head.magic == RDB_MAGIC_OPAQUE)
        why = "its format is not known to this redkeep";
    else if (rdb->tail.crc == 0)
        why = "the server saves without a checksum (rdbchecksum no)";
    else if (file->crc64 != 0)
        return err_set(err, ERR_CORRUPT,
                       "%s does not match its own checksum: what the server wrote is not what is "
                       "on the disk. HINT: look at the disk and the memory of this host; the "
                       "backup was not stored",
                       file->name);
    if (why != NULL && manifest->unproven_why == NULL)
        manifest->unproven_why = xasprintf("%s: %s", file->name, why);
    return 0;
}

static int judge(const struct snapshot *snapshot, struct manifest *manifest, struct err *err)
{
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        struct rdb_ends rdb;
        bool is_rdb = false;

        if (file->kind == MANIFEST_RDB) {
            rdb = snapshot->saved.rdb;
            is_rdb = true;
        } else if (file->kind == MANIFEST_AOF_BASE) {
            const struct aof_pin_file *base = &snapshot->aof.files[0];
            struct err ignored;
            /* a base in RESP is no RDB; aof_pin_open has scanned it */
            is_rdb = rdb_probe_fd(base->fd, base->name, &rdb, &ignored) == 0 &&
                     rdb.head.magic != RDB_MAGIC_OPAQUE;
        }
        if (is_rdb && judge_rdb(&rdb, file, manifest, err) != 0)
            return -1;
    }
    manifest->proven = manifest->unproven_why == NULL;
    return 0;
}

/* An answer lost behind the last step leaves data without a manifest: it is removed, if it can be.
 */
static int finish_data(struct sink **out, struct store *store, const char *key, struct err *err)
{
    struct err ignored;

    if (sink_finish(*out, err) == 0)
        return 0;
    sink_free(TAKE_PTR(*out));
    (void)store_remove(store, key, &ignored); /* what stays is an orphan, which nobody lists */
    return -1;
}

static int store_data(struct store *store, const struct snapshot *snapshot,
                      const struct backup_options *options, struct manifest *manifest,
                      struct err *err)
{
    const struct bundle *bundle = snapshot->bundle;
    auto_free char *key = catalog_key(manifest->instance, manifest->id, OBJECT_NAME);
    auto_free char *what = xasprintf("store %s", manifest->id);
    auto_free uint64_t *crc = xcalloc(snapshot->file_count + 1, sizeof(*crc));
    auto_progress struct progress *progress =
        progress_new(what, bundle_tar_bytes(bundle), options->clock);
    struct pack_options pack_options = {
        .workers = options->workers, .level = options->level, .progress = progress};
    auto_sink struct sink *out = NULL;
    struct sink *stored = NULL;
    int64_t began_ms = clock_mono_ms(options->clock);

    if (store_put(store, key, pack_bound(bundle), &manifest->parts, &stored, err) != 0)
        return -1;
    out = sink_part_crcs_new(stored, manifest->parts.part_bytes, &manifest->part_crcs);
    if (pack_bundle(bundle, &pack_options, out, crc, err) != 0)
        return -1;
    copy_files(snapshot, crc, manifest);
    if (judge(snapshot, manifest, err) != 0 || cancel_check(err) != 0 ||
        finish_data(&out, store, key, err) != 0)
        return -1;
    manifest->pack_ms = clock_mono_ms(options->clock) - began_ms;
    return 0;
}

static int store_manifest(struct store *store, const struct clock *clock, struct manifest *manifest,
                          struct err *err)
{
    auto_free char *key = catalog_key(manifest->instance, manifest->id, "backup.json");
    auto_free char *data_key = catalog_key(manifest->instance, manifest->id, OBJECT_NAME);

    manifest->stored_ms = clock_wall_ms(clock);
    auto_free char *text = manifest_format(manifest);
    if (store_put_small(store, key, text, strlen(text), err) == 0)
        return 0;

    struct err ignored;
    /* The answer may have been lost behind a manifest that was stored: it goes first, so that none
     * is left without its data. Failing here leaves an orphan, or a whole backup; both are fine. */
    if (store_remove(store, key, &ignored) == 0)
        (void)store_remove(store, data_key, &ignored);
    return err_wrap(err, "store the manifest of backup %s", manifest->id);
}

static int take_and_store(struct redis *redis, struct store *store,
                          const struct backup_options *options, int data_dir_fd,
                          struct manifest *manifest, struct err *err)
{
    auto_server_files struct server_files names = {0};
    auto_snapshot struct snapshot snapshot = SNAPSHOT_INIT;
    int64_t asked_ms = clock_wall_ms(options->clock);
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
        .context = (void *)(uintptr_t)options,
    };

    if (server_files_find(redis, &options->names, &names, err) != 0 ||
        snapshot_take(redis, &names, &snapshot_options, &snapshot, err) != 0)
        return -1;
    if (options->include_aof && snapshot.aof.count == 0)
        tell(options, "the server runs with appendonly no: there are no append-only files to "
                      "include");

    describe(&snapshot, &names, options, asked_ms, manifest);
    if (store_data(store, &snapshot, options, manifest, err) != 0)
        return -1;
    return store_manifest(store, options->clock, manifest, err);
}

int backup(struct redis *redis, struct store *store, const struct backup_options *options,
           struct manifest *out, struct err *err)
{
    auto_manifest struct manifest manifest = {.save_ms = -1, .pack_ms = -1, .repl_offset = -1};
    auto_close int data_dir_fd = -1;

    if (catalog_check_instance(options->instance, err) != 0)
        return -1;
    if (fs_open_dir(AT_FDCWD, options->data_dir, &data_dir_fd, err) != 0) {
        err->kind = ERR_FAILED; /* a missing directory is no missing backup */
        return err_wrap(err, "open the data directory");
    }
    if (fs_lock(data_dir_fd, options->data_dir, err) != 0 ||
        take_and_store(redis, store, options, data_dir_fd, &manifest, err) != 0)
        return -1;
    *out = manifest;
    manifest = (struct manifest){0};
    return 0;
}
