/*
 * The happy path: tar | zstd | store, compare checksums, manifest.
 *
 * "Proven" is decided while the bytes stream: a whole RDB with its trailer has CRC64 0. A dump that
 * has not is never committed: the upload is dropped before its last step.
 *
 * INVARIANT (manifest last): data.tar.zst is complete and durable in the store before backup.json
 * is written, and nobody lists a backup without one.
 */
#include "backup/backup_store.h"

#include <fcntl.h>
#include <string.h>

#include "backup/shrink.h"
#include "backup/volume.h"
#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"
#include "stream/pack.h"

#define OBJECT_NAME "data.tar.zst"

void backup_tell(const struct backup_options *options, const char *text)
{
    if (options->on_event != NULL)
        options->on_event(options->context, text);
}

void backup_warn(const struct backup_options *options, enum problem problem, const char *text)
{
    if (options->on_warning != NULL)
        options->on_warning(options->context, problem, text);
}

int backup_begin(const struct backup_options *options, int *out_dir_fd, struct err *err)
{
    auto_close int dir_fd = -1;

    if (catalog_check_instance(options->instance, err) != 0)
        return -1;
    if (fs_open_dir(AT_FDCWD, options->data_dir, &dir_fd, err) != 0) {
        if (err->kind == ERR_NOT_FOUND) {
            (void)err_as(err, PROBLEM_DATA_DIR);
            (void)err_advise(err, VOLUME_MISSING_HINT);
        }
        err->kind = ERR_FAILED; /* a missing directory is no missing backup */
        return err_wrap(err, "open the data directory (data-dir)");
    }
    if (fs_lock(dir_fd, options->data_dir, err) != 0)
        return -1;
    *out_dir_fd = take_fd(&dir_fd);
    return 0;
}

int backup_choose_id(struct store *store, const struct backup_options *options,
                     struct catalog_new *out, struct err *err)
{
    if (catalog_new_id(store, options->instance, options->clock, out, err) != 0)
        return -1;
    if (out->later[0] != '\0') {
        auto_free char *text = xasprintf("the backup %s is later than the clock of this host says: "
                                         "%s will not be the latest. Is the clock right?",
                                         out->later, out->id);
        backup_warn(options, PROBLEM_CONFIG, text);
    }
    return 0;
}

/* The format of the data: the dump's, else that of the AOF's base. One in RESP
 * (aof-use-rdb-preamble no) has no RDB version. */
static void describe_rdb(const struct snapshot *snapshot, struct manifest *manifest)
{
    const struct redis_saved *saved = &snapshot->saved;
    const struct aof_pin_file *base = snapshot->aof.count > 0 ? &snapshot->aof.files[0] : NULL;
    const struct rdb_head *head = NULL;

    if (saved->fd >= 0)
        head = &saved->rdb.head;
    else if (base != NULL &&
             (base->content == AOF_CONTENT_RDB || base->content == AOF_CONTENT_RDB_AND_COMMANDS))
        head = &base->rdb.head;
    manifest->rdb_magic = head != NULL ? head->magic : RDB_MAGIC_OPAQUE;
    manifest->rdb_version = head != NULL ? head->version : -1;
}

void backup_describe(const struct snapshot *snapshot, const struct server_files *names,
                     const struct backup_options *options, const struct catalog_new *new,
                     struct manifest *manifest)
{
    manifest->id = xstrdup(new->id);
    manifest->instance = xstrdup(options->instance);
    manifest->asked_ms = new->time_ms;
    describe_rdb(snapshot, manifest);
    manifest->object = xstrdup(OBJECT_NAME);
    manifest->compression_level = options->level;
    if (names->appendonly != NULL && *names->appendonly != '\0' &&
        manifest_can_hold(names->appendonly))
        manifest->appendonly = xstrdup(names->appendonly);
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
    else if (file->crc64 != 0) {
        (void)err_set(err, ERR_CORRUPT,
                      "%s does not match its own checksum: what the server wrote is not what is "
                      "on the disk. HINT: look at the disk and the memory of this host; the "
                      "backup was not stored",
                      file->name);
        return err_as(err, file->kind == MANIFEST_RDB ? PROBLEM_RDB_CORRUPT : PROBLEM_AOF_CORRUPT);
    }
    if (why != NULL && manifest->unproven_why == NULL)
        manifest->unproven_why = xasprintf("%s: %s", file->name, why);
    return 0;
}

/* What append-only files hold beside an RDB was looked through when they were pinned. */
static int judge(const struct snapshot *snapshot, struct manifest *manifest, struct err *err)
{
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        const struct rdb_ends *rdb = NULL;

        if (file->kind == MANIFEST_RDB)
            rdb = &snapshot->saved.rdb;
        else if (file->kind == MANIFEST_AOF_BASE &&
                 snapshot->aof.files[0].content == AOF_CONTENT_RDB)
            rdb = &snapshot->aof.files[0].rdb;
        if (rdb != NULL && judge_rdb(rdb, file, manifest, err) != 0)
            return -1;
    }
    if (manifest->unproven_why == NULL && snapshot->aof_doubt != NULL)
        manifest->unproven_why = xstrdup(snapshot->aof_doubt);
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
    if (pack_bundle(bundle, &pack_options, out, crc, err) != 0) {
        if (err->kind != ERR_CORRUPT || err->code != 0) /* the store's has an HTTP status */
            return -1;
        /* a file that is shorter than it was when it was pinned */
        return err_as(err, snapshot->saved.fd >= 0 ? PROBLEM_RDB_CORRUPT : PROBLEM_AOF_CORRUPT);
    }
    copy_files(snapshot, crc, manifest);
    if (judge(snapshot, manifest, err) != 0 || cancel_check(err) != 0 ||
        finish_data(&out, store, key, err) != 0)
        return -1;
    manifest->pack_ms = clock_mono_ms(options->clock) - began_ms;
    return 0;
}

/* INVARIANT (what is stored can be read back): by the very reader that a restore will have. */
static int check_readable(const char *text, struct err *err)
{
    auto_manifest struct manifest again = {0};
    size_t len = strlen(text);

    if (len > MANIFEST_BYTES_MAX)
        return err_set(err, ERR_FAILED, "its manifest has %zu bytes, and a reader takes %zu", len,
                       MANIFEST_BYTES_MAX);
    if (manifest_parse(text, len, "of this backup", &again, err) == 0)
        return 0;
    err->kind = ERR_FAILED; /* it is this redkeep that has failed */
    (void)err_as(err, PROBLEM_FAILED);
    return err_wrap(err, "no redkeep could restore it");
}

/* Was it stored, though the answer was lost? */
static bool is_there(struct store *store, const char *key, const char *text)
{
    auto_buf struct buf stored = {0};
    struct err ignored; /* not known is no */

    buf_init(&stored, MANIFEST_BYTES_MAX);
    return store_get_small(store, key, &stored, &ignored) == 0 && stored.len == strlen(text) &&
           memcmp(stored.data, text, stored.len) == 0;
}

static int store_manifest(struct store *store, const struct clock *clock, struct manifest *manifest,
                          struct err *err)
{
    auto_free char *key = catalog_key(manifest->instance, manifest->id, "backup.json");
    auto_free char *data_key = catalog_key(manifest->instance, manifest->id, OBJECT_NAME);
    struct err failed = {0};
    struct err ignored;

    manifest->stored_ms = clock_wall_ms(clock);
    auto_free char *text = manifest_format(manifest);
    if (check_readable(text, err) != 0) {
        (void)store_remove(store, data_key, &ignored); /* what stays is an orphan */
        return err_wrap(err, "backup %s", manifest->id);
    }
    if (store_put_small(store, key, text, strlen(text), &failed) == 0 || is_there(store, key, text))
        return 0;
    /* A request that nobody answered may still arrive, behind this removal too. So the data stays:
     * then it is a whole backup, and an orphan otherwise. */
    (void)store_remove(store, key, &ignored);
    *err = failed;
    return err_wrap(err, "store the manifest of backup %s", manifest->id);
}

int backup_store(struct store *store, const struct snapshot *snapshot,
                 const struct backup_options *options, const struct catalog_new *new,
                 struct manifest *manifest, struct err *err)
{
    if (store_data(store, snapshot, options, manifest, err) != 0)
        return -1;
    shrink_guard(store, options, new->before, manifest);
    if (store_manifest(store, options->clock, manifest, err) != 0)
        return -1;
    if (!manifest->proven) {
        auto_free char *text =
            xasprintf("backup %s is not proven: %s", manifest->id, manifest->unproven_why);
        backup_warn(options, PROBLEM_BACKUP_UNPROVEN, text);
    }
    return 0;
}
