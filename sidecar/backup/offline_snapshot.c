/*
 * When were the append-only files written to? A server appends to its increments, and to nothing
 * else, so the newest of them tells. A dump says itself when its data was: a SHUTDOWN with save
 * points writes the append-only files to their end first, and then the dump.
 */
#include "backup/offline_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/snapshot_files.h"
#include "backup/volume.h"
#include "base/fs.h"
#include "base/mem.h"
#include "redis/aof_manifest.h"
#include "redis/rdb_probe.h"

#define LABEL_MAX 800

static int64_t changed_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* The dump, as saved->fd and saved->rdb. ERR_NOT_FOUND when it is not there. */
static int open_dump(int dir_fd, const char *dir, const char *dbfilename, struct redis_saved *saved,
                     struct err *err)
{
    auto_close int fd = openat(dir_fd, dbfilename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char label[LABEL_MAX];
    struct stat st;

    (void)snprintf(label, sizeof(label), "%.400s/%.300s", dir, dbfilename);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "%s: is not there", label);
    if (fd < 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be opened", label);
    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be looked at", label);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FAILED, "%s: is not a regular file", label);
    if (rdb_probe_fd(fd, label, &saved->rdb, err) != 0)
        return err->kind == ERR_CORRUPT ? err_as(err, PROBLEM_RDB_CORRUPT) : -1;
    /* the format of a newer server may hide when that was */
    saved->forked_ms =
        saved->rdb.head.ctime_s >= 0 ? saved->rdb.head.ctime_s * 1000 : changed_ms(&st);
    saved->fd = take_fd(&fd);
    return 0;
}

/* The last time that an increment was written to; -1 when there is none, or none can be found. */
static int64_t appended_ms(int data_dir_fd, const struct server_files *names)
{
    auto_close int fd = -1;
    auto_free char *name = xasprintf("%s.manifest", names->appendfilename);
    auto_buf struct buf text = {0};
    auto_aof_manifest struct aof_manifest manifest = {0};
    int64_t newest_ms = -1;
    struct stat st;
    struct err ignored;

    buf_init(&text, AOF_MANIFEST_MAX);
    if (fs_open_dir(data_dir_fd, names->appenddirname, &fd, &ignored) != 0 ||
        fs_read_file(fd, name, &text, &ignored) != 0 ||
        aof_manifest_parse(buf_text(&text), text.len, name, &manifest, &ignored) != 0)
        return -1;
    for (size_t i = 0; i < manifest.count; i++)
        if (manifest.files[i].type == AOF_INCR &&
            fstatat(fd, manifest.files[i].name, &st, 0) == 0 && changed_ms(&st) > newest_ms)
            newest_ms = changed_ms(&st);
    return newest_ms;
}

/* Was the server told to append after it had said that it does not (CONFIG SET appendonly yes)? Its
 * dump would be newer if it had gone on without. */
static bool has_changed_its_mind(int data_dir_fd, const struct server_files *names, int64_t said_ms)
{
    struct redis_saved dump = REDIS_SAVED_INIT;
    int64_t last_ms = appended_ms(data_dir_fd, names);
    struct err ignored; /* a dump that cannot be read is none that is newer */

    if (last_ms <= said_ms)
        return false;
    bool is_newer = open_dump(data_dir_fd, ".", names->dbfilename, &dump, &ignored) == 0 &&
                    dump.forked_ms / 1000 >= last_ms / 1000;
    redis_saved_release(&dump);
    return !is_newer;
}

const char *offline_appendonly(int data_dir_fd, const struct server_files *names, const char *said,
                               int64_t said_ms)
{
    auto_free char *manifest =
        xasprintf("%s/%s.manifest", names->appenddirname, names->appendfilename);

    if (said != NULL && strcmp(said, "yes") == 0)
        return "yes";
    if (said != NULL)
        return has_changed_its_mind(data_dir_fd, names, said_ms) ? "yes" : "no";
    return faccessat(data_dir_fd, manifest, F_OK, 0) == 0 ? "yes" : NULL;
}

/* INVARIANT (a restore never touches a volume that holds data): what a server writes on its first
 * empty start is no data there, so it does not hide a dump here. */
static int find_set(const struct server_files *names, const struct snapshot_options *options,
                    bool *out_is_there, struct err *err)
{
    const struct volume_names entry = {.dbfilename = names->dbfilename,
                                       .appendfilename = names->appendfilename,
                                       .appenddirname = names->appenddirname};
    char what[VOLUME_WHAT_MAX];

    if (volume_entry_holds_data(options->data_dir_fd, names->appenddirname, &entry, out_is_there,
                                what, err) != 0)
        return err_wrap(err, "%s", options->data_dir);
    return 0;
}

/* What is said of a set while its server runs does not help now. */
static int advise_other(struct err *err)
{
    const char *hint = err_hint(err->msg);
    struct err told = *err;

    if (err->kind != ERR_CORRUPT)
        return -1;
    if (hint != NULL)
        told.msg[hint - err->msg] = '\0';
    (void)err_set(
        err, ERR_CORRUPT,
        "%s HINT: redis-check-aof says more; keep a copy of the directory before it mends "
        "anything",
        told.msg);
    return err_as(err, PROBLEM_AOF_CORRUPT);
}

/* *out_shown_ms: when the set was written to last. */
static int pin_set(const struct server_files *names, const struct snapshot_options *options,
                   struct snapshot *snapshot, int64_t *out_shown_ms, struct err *err)
{
    bool is_there = false;
    int64_t newest_ms = -1;
    struct stat st;

    if (find_set(names, options, &is_there, err) != 0)
        return -1;
    if (!is_there)
        return 0;
    if (snapshot_pin_aof(names, options, snapshot, err) != 0)
        return err->kind == ERR_NOT_FOUND ? 0 : advise_other(err);
    for (size_t i = 0; i < snapshot->aof.count; i++) {
        if (fstat(snapshot->aof.files[i].fd, &st) != 0)
            return err_sys(err, ERR_FAILED, "look at %s", snapshot->aof.files[i].name);
        if (changed_ms(&st) > newest_ms)
            newest_ms = changed_ms(&st);
    }
    *out_shown_ms = newest_ms;
    return 0;
}

static void tell(const struct snapshot_options *options, const char *text)
{
    if (options->on_event != NULL)
        options->on_event(options->context, text);
}

/* Beside a set: only a dump that shows the same. */
static int add_dump_beside(const struct server_files *names, const struct snapshot_options *options,
                           struct snapshot *snapshot, int64_t set_ms, struct err *err)
{
    if (!options->include_rdb)
        return 0;
    if (open_dump(options->data_dir_fd, options->data_dir, names->dbfilename, &snapshot->saved,
                  err) != 0)
        return err->kind == ERR_NOT_FOUND ? 0 : -1;
    if (snapshot->saved.forked_ms / 1000 >= set_ms / 1000)
        return snapshot_add_rdb(snapshot, names->dbfilename, err);
    redis_saved_release(&snapshot->saved);
    snapshot->saved = (struct redis_saved)REDIS_SAVED_INIT;
    auto_free char *text = xasprintf("%s is older than the append-only files, which are what the "
                                     "server loads, and left out",
                                     names->dbfilename);
    tell(options, text);
    return 0;
}

static int add_dump(const struct server_files *names, const struct snapshot_options *options,
                    struct snapshot *snapshot, int64_t *out_shown_ms, struct err *err)
{
    bool is_set_there = false;

    if (open_dump(options->data_dir_fd, options->data_dir, names->dbfilename, &snapshot->saved,
                  err) == 0) {
        *out_shown_ms = snapshot->saved.forked_ms;
        return snapshot_add_rdb(snapshot, names->dbfilename, err);
    }
    if (err->kind != ERR_NOT_FOUND || find_set(names, options, &is_set_there, err) != 0)
        return -1;
    if (is_set_there) {
        auto_free char *text = xasprintf("%s/ holds append-only files, but with appendonly no, or "
                                         "without a manifest, no server loads them",
                                         names->appenddirname);
        tell(options, text);
    }
    return 0;
}

int offline_snapshot_take(const struct server_files *names, const struct snapshot_options *options,
                          struct snapshot *out, int64_t *out_shown_ms, struct err *err)
{
    bool appends = names->appendonly != NULL && strcmp(names->appendonly, "yes") == 0;

    redis_info_parse("", 0, &out->info); /* all unknown */
    out->bundle = bundle_new();
    if (snapshot_check_names(names, options, err) != 0 ||
        (appends && pin_set(names, options, out, out_shown_ms, err) != 0))
        return -1;
    if (out->aof.count == 0) {
        if (add_dump(names, options, out, out_shown_ms, err) != 0)
            return -1;
    } else if (add_dump_beside(names, options, out, *out_shown_ms, err) != 0 ||
               snapshot_add_aof(names, out, err) != 0) {
        return -1;
    }
    return out->file_count > 0 ? snapshot_add_small_files(names, options, out, err) : 0;
}
