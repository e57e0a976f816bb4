/*
 * A fix writes a new file beside the old one, fsyncs it, keeps the old bytes under a name of their
 * own, and only then takes the old one's place, in one rename; the directory is fsynced after each
 * step. Killed in between, it leaves a redkeep-new.* that the next fix writes anew, or bytes that
 * are kept twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backup/guard_job.h"
#include "backup/stage_names.h"
#include "base/cancel.h"
#include "base/mem.h"

#define COPY_BYTES ((size_t)1 << 20)
#define NAMES_MAX 1000 /* of what was kept of one file */

int guard_copy(int from_fd, int to_fd, uint64_t from, uint64_t to, const char *label,
               struct err *err)
{
    auto_free uint8_t *block = xmalloc(COPY_BYTES);

    while (from < to) {
        size_t len = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;

        if (cancel_check(err) < 0 || fs_pread_all(from_fd, block, len, from, label, err) < 0 ||
            fs_write_all(to_fd, block, len, label, err) < 0)
            return -1;
        from += len;
    }
    return 0;
}

int guard_new_file(int dir_fd, const char *name, const struct stat *like, int *out_fd,
                   struct err *err)
{
    auto_free char *new_name = xasprintf(GUARD_NEW_PREFIX "%s", name);

    if (unlinkat(dir_fd, new_name, 0) != 0 && errno != ENOENT)
        return err_sys(err, ERR_FAILED, "remove %s", new_name);
    auto_close int fd =
        openat(dir_fd, new_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, ERR_FAILED, "create %s", new_name);
    if (fchown(fd, like->st_uid, like->st_gid) != 0)
        return err_sys(err, ERR_FAILED, "give %s to user %u, group %u", new_name,
                       (unsigned)like->st_uid, (unsigned)like->st_gid);
    if (fchmod(fd, like->st_mode & 07777) != 0)
        return err_sys(err, ERR_FAILED, "set the mode of %s", new_name);
    *out_fd = take_fd(&fd);
    return 0;
}

int guard_put_new_file(int dir_fd, const char *name, int fd, struct err *err)
{
    auto_free char *new_name = xasprintf(GUARD_NEW_PREFIX "%s", name);

    if (fs_fsync(fd, new_name, err) < 0)
        return -1;
    if (renameat(dir_fd, new_name, dir_fd, name) != 0)
        return err_sys(err, ERR_FAILED, "put %s in place", name);
    return fs_fsync(dir_fd, "the append-only directory", err);
}

static char *kept_name(const char *what, unsigned n)
{
    return n == 1 ? xasprintf(GUARD_KEPT_PREFIX "%s", what)
                  : xasprintf(GUARD_KEPT_PREFIX "%s.%u", what, n);
}

static int fail_to_keep(const char *what, struct err *err)
{
    return err_sys(err, ERR_FAILED, "keep a copy of %s", what);
}

/* The new file of that name becomes a kept one. */
static int keep_new_file(int dir_fd, const char *what, int fd, char **out_kept, struct err *err)
{
    auto_free char *new_name = xasprintf(GUARD_NEW_PREFIX "%s", what);

    if (fs_fsync(fd, new_name, err) < 0)
        return -1;
    for (unsigned n = 1; n <= NAMES_MAX; n++) {
        auto_free char *kept = kept_name(what, n);

        if (stage_rename_new(dir_fd, new_name, dir_fd, kept) == 0) {
            *out_kept = TAKE_PTR(kept);
            return fs_fsync(dir_fd, "the append-only directory", err);
        }
        if (errno != EEXIST)
            break;
    }
    return fail_to_keep(what, err);
}

static int open_to_keep(int dir_fd, const char *name, struct stat *st, int *out_fd, struct err *err)
{
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fstat(fd, st) != 0)
        return fail_to_keep(name, err);
    *out_fd = take_fd(&fd);
    return 0;
}

static int keep_copy(int dir_fd, const char *name, const char *what, uint64_t from, char **out_kept,
                     struct err *err)
{
    auto_close int fd = -1;
    auto_close int new_fd = -1;
    struct stat st;

    if (open_to_keep(dir_fd, name, &st, &fd, err) < 0 ||
        guard_new_file(dir_fd, what, &st, &new_fd, err) < 0 ||
        guard_copy(fd, new_fd, from, (uint64_t)st.st_size, name, err) < 0)
        return -1;
    return keep_new_file(dir_fd, what, new_fd, out_kept, err);
}

int guard_keep_tail(int dir_fd, const char *name, uint64_t from, char **out_kept, struct err *err)
{
    auto_free char *what = xasprintf("%s.from-%llu", name, (unsigned long long)from);

    return keep_copy(dir_fd, name, what, from, out_kept, err);
}

int guard_keep_file(int dir_fd, const char *name, char **out_kept, struct err *err)
{
    for (unsigned n = 1; n <= NAMES_MAX; n++) {
        auto_free char *kept = kept_name(name, n);

        if (linkat(dir_fd, name, dir_fd, kept, 0) == 0) {
            *out_kept = TAKE_PTR(kept);
            return fs_fsync(dir_fd, "the append-only directory", err);
        }
        if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
            return keep_copy(dir_fd, name, name, 0, out_kept, err); /* no links there */
        if (errno != EEXIST)
            break;
    }
    return fail_to_keep(name, err);
}

/* Of a link, the time when it was made a kept one, not when the bytes were written. */
static bool is_older(int dir_fd, const char *name, int64_t before_ms)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 < before_ms;
}

void guard_forget_kept(int dir_fd, const char *appenddirname, int64_t before_ms)
{
    auto_fs_list struct fs_list entries = {0};
    auto_close int aof_fd = -1;
    struct err ignored;

    if (fs_open_dir(dir_fd, appenddirname, &aof_fd, &ignored) < 0 ||
        fs_list_dir(aof_fd, ".", &entries, &ignored) < 0)
        return;
    for (size_t i = 0; i < entries.count; i++)
        if (strncmp(entries.names[i], GUARD_KEPT_PREFIX, strlen(GUARD_KEPT_PREFIX)) == 0 &&
            is_older(aof_fd, entries.names[i], before_ms))
            (void)unlinkat(aof_fd, entries.names[i], 0); /* the next backup tries again */
}
