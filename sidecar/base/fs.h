/*
 * Files and directories, with the fsyncs that make them last. All descriptors are O_CLOEXEC.
 * Errors are ERR_FAILED with errno as code unless said otherwise.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

/* Appends the whole file to *out (its ceiling applies), or nothing when it fails. ERR_NOT_FOUND
 * when there is no such file. */
int fs_read_file(int dir_fd, const char *path, struct buf *out, struct err *err);
/* Writes all of data, whatever the number of write(2) calls. label names the target in errors. */
int fs_write_all(int fd, const void *data, size_t len, const char *label, struct err *err);
/* Reads exactly len bytes at offset; a shorter file is ERR_CORRUPT. */
int fs_pread_all(int fd, void *out, size_t len, uint64_t offset, const char *label,
                 struct err *err);
int fs_fsync(int fd, const char *label, struct err *err);

struct fs_list {
    char **names; /* in no order; neither "." nor ".." */
    size_t count;
};

/* All names in a directory (path ".": dir_fd's own); a listing that was cut short is a failure.
 * ERR_NOT_FOUND when it is not there. The caller releases *out; on failure there is nothing to
 * release. */
int fs_list_dir(int dir_fd, const char *path, struct fs_list *out, struct err *err);
void fs_list_release(struct fs_list *list);
/* Removes name below dir_fd with everything in it, at most 64 directories deep; links are removed,
 * not followed. Not there is success. */
int fs_remove_tree(int dir_fd, const char *name, struct err *err);
/* Bytes that this process may still write to the file system of fd. */
int fs_free_bytes(int fd, uint64_t *out, struct err *err);
/* Opens a directory. ERR_NOT_FOUND when it is not there, ERR_FAILED when it is something else. */
int fs_open_dir(int dir_fd, const char *path, int *out_fd, struct err *err);
/* Takes the exclusive flock of an open directory without waiting; held until every copy of the
 * descriptor is closed. ERR_BUSY when another process holds it. label names it in the message. A
 * file system that cannot lock a directory (NFS) is success without a lock: backups there are worth
 * more than the exclusion. */
int fs_lock(int dir_fd, const char *label, struct err *err);
/* The same, and says whether there is a lock. */
int fs_try_lock(int dir_fd, const char *label, bool *out_is_locked, struct err *err);
/* Fills out with len random bytes from the kernel; cannot fail (aborts when getrandom does). */
void fs_random(void *out, size_t len);

static inline void cleanup_fs_list(struct fs_list *list)
{
    fs_list_release(list);
}
#define auto_fs_list auto_with(cleanup_fs_list)

#endif
