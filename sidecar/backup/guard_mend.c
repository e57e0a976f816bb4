/*
 * The fixes. What each leaves when it is killed, at any instruction:
 *
 *     a new base         .redkeep-restore.partial/, which the next run throws away; the directory
 *                        appears with its manifest in it, in one rename
 *     a newer base       redkeep-new.*; one rename
 *     a first start      the set with the dump as its base, with or without its empty incrs
 *     a manifest         redkeep-new.*; one rename
 *     left out           redkeep-new.*, the whole file kept under a second name; one rename
 *     cut                redkeep-new.*, the tail kept; one ftruncate
 *
 * INVARIANT (no fix loses a command): what is taken out is on the disk under another name before it
 * goes from the file, and what stays is read again afterwards (guard.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backup/guard_job.h"
#include "backup/stage.h"
#include "backup/stage_names.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/aof_mend.h"
#include "redis/aof_scan.h"

#define ROOM_SPARE ((uint64_t)1 << 20)

/* The commands of a file of the set. */
struct commands {
    int dir_fd; /* of the append-only directory */
    const char *name;
    int fd;
    struct stat st;
    struct aof_mend mend;
};

static void commands_release(struct commands *commands)
{
    cleanup_close(&commands->dir_fd);
    cleanup_close(&commands->fd);
    aof_mend_release(&commands->mend);
}
#define auto_commands auto_with(commands_release)
#define COMMANDS_INIT           \
    {                           \
        .dir_fd = -1, .fd = -1, \
    }

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static int open_aof_dir(const struct guard_job *job, int *out_fd, struct err *err)
{
    return fs_open_dir(job->dir_fd, job->names.appenddirname, out_fd, err);
}

static int check_room(int fd, uint64_t need, const char *path, struct err *err)
{
    uint64_t have = 0;
    char text[32];

    if (fs_free_bytes(fd, &have, err) < 0)
        return -1;
    if (have >= need + ROOM_SPARE)
        return 0;
    format_size(need, text, sizeof(text));
    (void)err_set(err, ERR_FAILED,
                  "mend %s: its new copy needs %s on the volume. HINT: make room, or use a larger "
                  "volume",
                  path, text);
    return err_as(err, PROBLEM_DISK_FULL);
}

/* Opens the file, and finds again what is to be done to it. */
static int open_commands(struct guard_job *job, const char *path, int flags, struct commands *out,
                         struct err *err)
{
    const struct guard_seen *seen = NULL;
    char first[1] = "";

    out->name = name_of(path);
    if (open_aof_dir(job, &out->dir_fd, err) < 0)
        return -1;
    out->fd = openat(out->dir_fd, out->name, flags | O_CLOEXEC | O_NOFOLLOW);
    if (out->fd < 0 || fstat(out->fd, &out->st) != 0)
        return err_sys(err, ERR_FAILED, "open %s to mend it", path);
    uint64_t size = (uint64_t)out->st.st_size;
    if (size > 0 && fs_pread_all(out->fd, first, 1, 0, path, err) < 0)
        return -1;
    bool may_be_rdb = first[0] == 'R' || first[0] == 'V';
    if (may_be_rdb && guard_read_rdb(job, out->fd, path, &seen, err) < 0)
        return -1;
    return aof_mend_find(out->fd, seen != NULL ? seen->end : 0, size, path, &out->mend, err);
}

static int mend_by_drops(struct guard_job *job, struct guard_finding *finding, struct err *err)
{
    auto_commands struct commands file = COMMANDS_INIT;
    auto_close int new_fd = -1;
    uint64_t at = 0;

    if (open_commands(job, finding->file, O_RDONLY, &file, err) < 0 ||
        check_room(file.fd, (uint64_t)file.st.st_size, finding->file, err) < 0 ||
        guard_new_file(file.dir_fd, file.name, &file.st, &new_fd, err) < 0)
        return -1;
    for (size_t i = 0; i < file.mend.count; i++) {
        const struct aof_drop *drop = &file.mend.drops[i];

        if (guard_copy(file.fd, new_fd, at, drop->from, finding->file, err) < 0)
            return -1;
        at = drop->to;
    }
    if (guard_copy(file.fd, new_fd, at, (uint64_t)file.st.st_size, finding->file, err) < 0 ||
        guard_keep_file(file.dir_fd, file.name, &finding->kept, err) < 0)
        return -1;
    return guard_put_new_file(file.dir_fd, file.name, new_fd, err);
}

static int mend_by_cut(struct guard_job *job, struct guard_finding *finding, struct err *err)
{
    auto_commands struct commands file = COMMANDS_INIT;

    if (open_commands(job, finding->file, O_RDWR, &file, err) < 0 ||
        guard_keep_tail(file.dir_fd, file.name, file.mend.keep_end, &finding->kept, err) < 0)
        return -1;
    if (ftruncate(file.fd, (off_t)file.mend.keep_end) != 0)
        return err_sys(err, ERR_FAILED, "cut %s", finding->file);
    return fs_fsync(file.fd, finding->file, err);
}

/* Who a new manifest is like: the old one, else the first file of the set. */
static int find_like(const struct guard_job *job, int aof_fd, struct stat *out, bool *out_is_old,
                     struct err *err)
{
    auto_fs_list struct fs_list entries = {0};

    *out_is_old = fstatat(aof_fd, job->manifest_name, out, AT_SYMLINK_NOFOLLOW) == 0;
    if (*out_is_old)
        return 0;
    if (fs_list_dir(aof_fd, ".", &entries, err) < 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++)
        if (strncmp(entries.names[i], job->names.appendfilename,
                    strlen(job->names.appendfilename)) == 0 &&
            fstatat(aof_fd, entries.names[i], out, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(out->st_mode))
            return 0;
    return err_set(err, ERR_FAILED, "the append-only directory is empty now");
}

static int mend_manifest(const struct guard_job *job, struct guard_finding *finding,
                         struct err *err)
{
    auto_close int aof_fd = -1;
    auto_close int fd = -1;
    struct stat like;
    bool is_old = false;

    if (open_aof_dir(job, &aof_fd, err) < 0 || find_like(job, aof_fd, &like, &is_old, err) < 0 ||
        guard_new_file(aof_fd, job->manifest_name, &like, &fd, err) < 0 ||
        fs_write_all(fd, finding->text, strlen(finding->text), finding->file, err) < 0 ||
        (is_old && guard_keep_file(aof_fd, job->manifest_name, &finding->kept, err) < 0))
        return -1;
    return guard_put_new_file(aof_fd, job->manifest_name, fd, err);
}

/* The first line tells the next guard that no server has run on it; a server drops it when it
 * writes its own. */
static int mirror_manifest(const char *base, char **out, struct err *err)
{
    auto_buf struct buf text = {0};
    auto_free char *name = xstrdup(base);
    struct aof_file file = {.name = name, .seq = 1, .type = AOF_BASE};

    buf_init(&text, AOF_MANIFEST_MAX);
    if (buf_append(&text, VOLUME_MIRROR_LINE, strlen(VOLUME_MIRROR_LINE), err) < 0 ||
        aof_manifest_format(&file, 1, &text, err) < 0)
        return -1;
    *out = buf_take(&text);
    return 0;
}

static int lay_base(const struct guard_job *job, struct err *err)
{
    const struct volume_names *names = &job->names;
    auto_free char *dump = xasprintf("../%s", names->dbfilename); /* out of the staging directory */
    auto_free char *base = xasprintf("%s.1.base.rdb", names->appendfilename);
    auto_free char *base_path = xasprintf("%s/%s", names->appenddirname, base);
    auto_free char *manifest_path = xasprintf("%s/%s", names->appenddirname, job->manifest_name);
    auto_free char *text = NULL;
    auto_stage struct stage *stage = NULL;
    struct stat st;

    if (fstatat(job->dir_fd, names->dbfilename, &st, 0) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", names->dbfilename);
    struct stage_owner owner = {.uid = st.st_uid, .gid = st.st_gid};
    mode_t dir_mode = (st.st_mode | 0700 | (st.st_mode & 0444) >> 2) & 0777;
    if (mirror_manifest(base, &text, err) < 0 || stage_new(job->dir_fd, &owner, &stage, err) < 0 ||
        stage_add_dir(stage, names->appenddirname, dir_mode, err) < 0 ||
        stage_add_link(stage, dump, base_path, err) < 0 ||
        stage_add_bytes(stage, manifest_path, st.st_mode & 0666, text, err) < 0)
        return -1;
    return stage_put(stage, names->appenddirname, err);
}

/* Can whoever reads the one read the other? */
static bool is_as_open(const struct stat *dump, const struct stat *base)
{
    return dump->st_uid == base->st_uid && dump->st_gid == base->st_gid &&
           (base->st_mode & ~dump->st_mode & 0777) == 0;
}

/* A copy is no older than what it is of: by a second, since that is all that some file systems
 * tell. Else the next look takes the dump for a newer one. */
static int set_younger(int fd, const struct stat *than, const char *path, struct err *err)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = than->st_mtim.tv_sec + 1, .tv_nsec = than->st_mtim.tv_nsec},
    };

    return futimens(fd, times) == 0 ? 0 : err_sys(err, ERR_FAILED, "set the time of %s", path);
}

static int link_base(const struct guard_job *job, const struct guard_finding *finding,
                     struct err *err)
{
    const char *name = name_of(finding->file);
    auto_free char *new_name = xasprintf(GUARD_NEW_PREFIX "%s", name);
    auto_close int aof_fd = -1;
    auto_close int dump_fd = openat(job->dir_fd, job->names.dbfilename, O_RDONLY | O_CLOEXEC);
    auto_close int fd = -1;
    struct stat st;
    struct stat old;

    if (dump_fd < 0 || fstat(dump_fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "open %s", job->names.dbfilename);
    if (open_aof_dir(job, &aof_fd, err) < 0)
        return -1;
    if (fstatat(aof_fd, name, &old, 0) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", finding->file);
    if (unlinkat(aof_fd, new_name, 0) != 0 && errno != ENOENT)
        return err_sys(err, ERR_FAILED, "remove %s", new_name);
    /* the server reads the base that is there; a dump that somebody put there may be another's */
    if (is_as_open(&st, &old) &&
        linkat(job->dir_fd, job->names.dbfilename, aof_fd, new_name, 0) == 0)
        fd = openat(aof_fd, new_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    else if (check_room(aof_fd, (uint64_t)st.st_size, finding->file, err) < 0 ||
             guard_new_file(aof_fd, name, &old, &fd, err) < 0 ||
             guard_copy(dump_fd, fd, 0, (uint64_t)st.st_size, name, err) < 0 ||
             set_younger(fd, &st, finding->file, err) < 0)
        return -1;
    if (fd < 0)
        return err_sys(err, ERR_FAILED, "open %s", new_name);
    return guard_put_new_file(aof_fd, name, fd, err);
}

/* The base becomes the dump, which alone makes the set good; then the manifest says that no server
 * has run on it, so that a later guard knows when a newer dump has taken the old one's place. */
static int mend_first_start(struct guard_job *job, struct guard_finding *finding, struct err *err)
{
    auto_close int aof_fd = -1;
    auto_fs_list struct fs_list entries = {0};
    struct stat st;

    if (link_base(job, finding, err) < 0 ||
        mirror_manifest(name_of(finding->file), &finding->text, err) < 0 ||
        mend_manifest(job, finding, err) < 0 || open_aof_dir(job, &aof_fd, err) < 0 ||
        fs_list_dir(aof_fd, ".", &entries, err) < 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++) /* its incrs */
        if (fstatat(aof_fd, entries.names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0 &&
            unlinkat(aof_fd, entries.names[i], 0) != 0)
            return err_sys(err, ERR_FAILED, "remove %s", entries.names[i]);
    return fs_fsync(aof_fd, "the append-only directory", err);
}

static int remove_file(const struct guard_job *job, const struct guard_finding *finding,
                       struct err *err)
{
    if (unlinkat(job->dir_fd, finding->file, 0) != 0 && errno != ENOENT)
        return err_sys(err, ERR_FAILED, "remove %s", finding->file);
    return fs_fsync(job->dir_fd, "the data directory", err);
}

static int finish_restore(const struct guard_job *job, struct guard_finding *finding,
                          struct err *err)
{
    auto_free char *id = NULL;
    enum stage_found found = STAGE_NONE;

    if (stage_find(job->dir_fd, &found, err) < 0)
        return -1;
    if (found == STAGE_COMMITTED)
        return stage_resume(job->dir_fd, &id, &finding->kept, err);
    return stage_discard(job->dir_fd, err);
}

int guard_mend(struct guard_job *job, struct guard_finding *finding, struct err *err)
{
    switch (finding->mend) {
    case GUARD_MEND_NONE:
        break;
    case GUARD_MEND_LAY_BASE:
        return lay_base(job, err);
    case GUARD_MEND_LINK_BASE:
        return link_base(job, finding, err);
    case GUARD_MEND_FIRST_START:
        return mend_first_start(job, finding, err);
    case GUARD_MEND_MANIFEST:
        return mend_manifest(job, finding, err);
    case GUARD_MEND_DROP:
        return mend_by_drops(job, finding, err);
    case GUARD_MEND_CUT:
        return mend_by_cut(job, finding, err);
    case GUARD_MEND_REMOVE:
        return remove_file(job, finding, err);
    case GUARD_MEND_RESTORE:
        return finish_restore(job, finding, err);
    }
    return err_set(err, ERR_FAILED, "%s: there is no fix for it", finding->id);
}
