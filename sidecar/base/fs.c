/*
 * Files and directories that last: see fs.h. What changes a directory is followed by an fsync of
 * that directory; without it, the new name may be gone after a power loss though the file's own
 * bytes are on the disk.
 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define READ_BYTES 65536
#define LIST_MAX ((size_t)1 << 22) /* names of one directory, held in memory */
#define MAX_DEPTH 64               /* each level holds a descriptor; our own trees are four deep */
#define REMOVE_TRIES 3

static void close_entries(DIR *entries)
{
    if (entries)
        (void)closedir(entries); /* only read from */
}

DEFINE_CLEANUP(cleanup_dir, DIR *, close_entries);
#define auto_dir auto_with(cleanup_dir)

int fs_read_file(int dir_fd, const char *path, struct buf *out, struct err *err)
{
    auto_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "cannot open %s", path);

    auto_free uint8_t *chunk = xmalloc(READ_BYTES);
    size_t len_before = out->len;

    for (;;) {
        ssize_t n = read(fd, chunk, READ_BYTES);

        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            (void)err_sys(err, ERR_FAILED, "cannot read %s", path);
        else if (!buf_append(out, chunk, (size_t)n, err))
            continue;
        else
            (void)err_wrap(err, "cannot read %s", path);

        out->len = len_before; /* untouched on failure */
        if (out->data)
            out->data[len_before] = '\0';
        return -1;
    }
}

int fs_write_all(int fd, const void *data, size_t len, const char *label, struct err *err)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_FAILED, "cannot write %s", label);
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int fs_pread_all(int fd, void *out, size_t len, uint64_t offset, const char *label, struct err *err)
{
    uint8_t *at = out;
    uint64_t end = offset + len;

    while (len > 0) {
        ssize_t n = pread(fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_FAILED, "cannot read %s at byte %" PRIu64, label, offset);
        if (n == 0)
            return err_set(err, ERR_CORRUPT,
                           "%s is too short: it ends at byte %" PRIu64 ", wanted up to %" PRIu64,
                           label, offset, end);
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int fs_fsync(int fd, const char *label, struct err *err)
{
    struct stat info;

    for (;;) {
        if (fsync(fd) == 0)
            return 0;
        if (errno != EINTR)
            break;
    }
    int code = errno;

    /* some network file systems cannot sync a directory and say so: nothing more can be done there
     */
    if (code == EINVAL && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
        return 0;
    errno = code;
    return err_sys(err, ERR_FAILED, "cannot fsync %s", label);
}

void fs_list_release(struct fs_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct fs_list){0};
}

static void add_name(struct fs_list *list, const char *name)
{
    if ((list->count & (list->count - 1)) == 0) /* 0, 1, 2, 4, ...: it is full */
        list->names =
            xreallocarray(list->names, list->count > 0 ? 2 * list->count : 1, sizeof(*list->names));
    list->names[list->count++] = xstrdup(name);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int fs_list_dir(int dir_fd, const char *path, struct fs_list *out, struct err *err)
{
    auto_fs_list struct fs_list list = {0};
    auto_close int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_dir DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!entries)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED,
                       "cannot open directory %s", path);
    (void)take_fd(&fd); /* closedir closes it */
    for (;;) {
        errno = 0;
        entry = readdir(entries);
        if (entry == NULL)
            break;
        if (is_dots(entry->d_name))
            continue;
        if (list.count == LIST_MAX)
            return err_set(err, ERR_FAILED, "directory %s has more than %zu entries", path,
                           LIST_MAX);
        add_name(&list, entry->d_name);
    }
    if (errno != 0) /* a listing cut short must not pass for a whole one */
        return err_sys(err, ERR_FAILED, "cannot read directory %s", path);
    *out = list;
    list = (struct fs_list){0};
    return 0;
}

static int remove_any(int dir_fd, const char *name, int depth, struct err *err);

/* Removes what is in the directory. */
static int remove_content(int dir_fd, const char *name, int depth, struct err *err)
{
    auto_fs_list struct fs_list list = {0};
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(err, ERR_FAILED, "cannot open directory %s", name);
    if (fs_list_dir(fd, ".", &list, err))
        return err_wrap(err, "cannot remove %s", name);
    for (size_t i = 0; i < list.count; i++)
        if (remove_any(fd, list.names[i], depth + 1, err))
            return -1;
    return 0;
}

static int remove_any(int dir_fd, const char *name, int depth, struct err *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM) /* POSIX says EPERM for a directory, Linux EISDIR */
        return err_sys(err, ERR_FAILED, "cannot remove %s", name);
    if (depth >= MAX_DEPTH)
        return err_set(err, ERR_FAILED, "cannot remove %s: more than %d directories deep", name,
                       MAX_DEPTH);

    /* some file systems skip entries when others go away while they are read: then once more */
    for (int tries = 0; tries < REMOVE_TRIES; tries++) {
        if (remove_content(dir_fd, name, depth, err))
            return -1;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            break;
    }
    return err_sys(err, ERR_FAILED, "cannot remove directory %s", name);
}

int fs_remove_tree(int dir_fd, const char *name, struct err *err)
{
    return remove_any(dir_fd, name, 0, err);
}

int fs_free_bytes(int fd, uint64_t *out, struct err *err)
{
    struct statvfs info;

    if (fstatvfs(fd, &info))
        return err_sys(err, ERR_FAILED, "cannot ask for the free space of a file system");
    *out = (uint64_t)info.f_bavail * info.f_frsize;
    return 0;
}

int fs_open_dir(int dir_fd, const char *path, int *out_fd, struct err *err)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED,
                       "cannot open directory %s", path);
    *out_fd = fd;
    return 0;
}

/* flock(2): NFS wants a descriptor open for writing, which a directory never has; other network
 * file systems have no locks at all. */
static bool has_no_locks(int dir_fd, int code)
{
    return code == ENOLCK || code == EOPNOTSUPP || code == ENOSYS ||
           (code == EBADF && fcntl(dir_fd, F_GETFD) >= 0);
}

int fs_try_lock(int dir_fd, const char *label, bool *out_is_locked, struct err *err)
{
    bool is_locked = true;

    while (is_locked && flock(dir_fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            return err_set(
                err, ERR_BUSY,
                "cannot lock %s: another redkeep works on it. HINT: wait until it has ended",
                label);
        if (has_no_locks(dir_fd, errno))
            is_locked = false;
        else if (errno != EINTR)
            return err_sys(err, ERR_FAILED, "cannot lock %s", label);
    }
    *out_is_locked = is_locked;
    return 0;
}

int fs_lock(int dir_fd, const char *label, struct err *err)
{
    bool is_locked;

    return fs_try_lock(dir_fd, label, &is_locked, err);
}

void fs_random(void *out, size_t len)
{
    uint8_t *at = out;

    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            (void)fputs("redkeep: the kernel gives no random bytes\n", stderr); /* aborts anyway */
            abort();
        }
        at += n;
        len -= (size_t)n;
    }
}
