/*
 * .replace: each entry of the data directory that holds data, or stands where one of ours is to go,
 * is an old one: it is moved aside.
 *
 *     cannot be moved, holds no data (a mounted ACL file)   it stays, ours of that name is dropped
 *     cannot be moved, holds data                           all that was moved is put back, and the
 *                                                           restore is uncommitted
 *     not even that                                         the next run tries again
 *
 * What can be known before the commit is refused before it: a mount in the way, a directory that
 * its owner keeps to itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/stage.h"
#include "backup/stage_names.h"
#include "base/fs.h"
#include "base/mem.h"

char *stage_aside_name(void)
{
    uint32_t tail = 0;

    fs_random(&tail, sizeof(tail));
    return xasprintf(VOLUME_ASIDE_PREFIX "%06x", tail & 0xffffffU);
}

int stage_rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
    bool stands = false;
    struct err ignored;

    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* file systems that cannot do both at once (NFS) */
    if (stage_is_there(to_fd, to, &stands, &ignored) != 0)
        return -1;
    if (stands) {
        errno = EEXIST;
        return -1;
    }
    return renameat(from_fd, from, to_fd, to);
}

/* A file system of its own, or a part of one, is mounted there. */
static bool is_mount(int dir_fd, const char *entry)
{
    struct statx entry_st;
    struct stat dir_st;
    struct stat st;

    if (statx(dir_fd, entry, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &entry_st) == 0 &&
        (entry_st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
        return (entry_st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return fstat(dir_fd, &dir_st) == 0 && fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev != dir_st.st_dev;
}

/* Could this entry be renamed into another directory? */
static int check_movable(int dir_fd, const char *entry, struct err *err)
{
    struct stat st;

    if (is_mount(dir_fd, entry))
        return err_set(err, ERR_FAILED,
                       "%.200s cannot be replaced: a volume of its own is mounted there. HINT: "
                       "mount one volume for the whole data directory, or move its content away "
                       "by hand; nothing was changed",
                       entry);
    if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
        faccessat(dir_fd, entry, W_OK | X_OK, AT_EACCESS) != 0)
        return err_sys(err, ERR_FAILED, "%.200s cannot be replaced", entry);
    return 0;
}

int stage_check_way(int dir_fd, int stage_fd, const struct volume_names *names, bool replace,
                    struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    char what[VOLUME_WHAT_MAX];

    if (fs_list_dir(dir_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++) {
        const char *entry = entries.names[i];
        bool moves = false;

        if (strcmp(entry, names->appenddirname) == 0 &&
            stage_is_there(stage_fd, entry, &moves, err) != 0)
            return -1;
        if (!moves && replace &&
            volume_entry_holds_data(dir_fd, entry, names, &moves, what, err) != 0)
            return -1;
        if (moves && check_movable(dir_fd, entry, err) != 0)
            return -1;
    }
    return 0;
}

/* Moves entry into *aside, which becomes another directory when that has one of this name already:
 * nothing is ever moved over something else. */
static int move_aside(int dir_fd, const char *entry, char **aside, struct err *err)
{
    auto_free char *to = xasprintf("%s/%s", *aside, entry);
    bool is_taken = false;

    if (stage_is_there(dir_fd, to, &is_taken, err) != 0)
        return -1;
    if (is_taken) {
        free(*aside);
        *aside = stage_aside_name();
        free(to);
        to = xasprintf("%s/%s", *aside, entry);
    }
    if (mkdirat(dir_fd, *aside, 0700) != 0 && errno != EEXIST)
        return err_sys(err, ERR_FAILED, "create a directory for what is replaced");
    if (renameat(dir_fd, entry, dir_fd, to) != 0)
        return err_sys(err, ERR_FAILED, "move %s aside", entry);
    return 0;
}

/* The moves are on the disk before the way counts as clear. */
static int sync_aside(int dir_fd, const char *aside, struct err *err)
{
    auto_close int fd = -1;
    bool is_there = false;

    if (stage_is_there(dir_fd, aside, &is_there, err) != 0 ||
        (is_there && (fs_open_dir(dir_fd, aside, &fd, err) != 0 || fs_fsync(fd, aside, err) != 0)))
        return -1;
    return fs_fsync(dir_fd, "the data directory", err);
}

/* What stands meanwhile under one of the names stays, and the old one stays aside. */
static int put_back(int dir_fd, const char *aside, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    auto_close int aside_fd = -1;

    if (fs_open_dir(dir_fd, aside, &aside_fd, err) != 0)
        return err->kind == ERR_NOT_FOUND ? 0 : -1;
    if (fs_list_dir(aside_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++)
        if (stage_rename_new(aside_fd, entries.names[i], dir_fd, entries.names[i]) != 0 &&
            errno != EEXIST)
            return err_sys(err, ERR_FAILED, "put %s back", entries.names[i]);
    (void)unlinkat(dir_fd, aside, AT_REMOVEDIR); /* what stays in it keeps it */
    return fs_fsync(dir_fd, "the data directory", err);
}

/* Undoes the commit; *err says why. Always fails. */
static int give_up(int dir_fd, const char *aside, struct err *err)
{
    struct err ignored;
    bool is_left = false;

    if (put_back(dir_fd, aside, &ignored) != 0 ||
        renameat(dir_fd, STAGE_REPLACE_NAME, dir_fd, STAGE_PARTIAL_NAME) != 0)
        return err_wrap(err,
                        "the restore is half done, and what was there is in %s; the next one "
                        "finishes it",
                        aside);
    (void)stage_discard(dir_fd, &ignored); /* what cannot be removed, the next run throws away */
    (void)fs_fsync(dir_fd, "the data directory", &ignored); /* else the next run does it again */
    if (stage_is_there(dir_fd, aside, &is_left, &ignored) == 0 && is_left)
        return err_wrap(err, "what was there is in %s, or where it was", aside);
    return err_wrap(err, "all is as it was");
}

static bool may_stay(int code)
{
    return code == EBUSY || code == EACCES || code == EPERM;
}

static int clear_entry(int dir_fd, const char *entry, int stage_fd,
                       const struct volume_names *names, char **aside, struct err *err)
{
    char what[VOLUME_WHAT_MAX];
    bool holds = false;
    bool is_in_the_way = false;

    if (strcmp(entry, STAGE_NOTE_NAME) == 0)
        return 0; /* ours of that name is not switched in */
    if (volume_entry_holds_data(dir_fd, entry, names, &holds, what, err) != 0 ||
        stage_is_there(stage_fd, entry, &is_in_the_way, err) != 0)
        return -1;
    if (!holds && !is_in_the_way)
        return 0;
    if (move_aside(dir_fd, entry, aside, err) == 0)
        return 0;
    /* an ACL file mounted by an orchestrator, say */
    if (!holds && strcmp(entry, names->appenddirname) != 0 && may_stay(err->code))
        return 0;
    return give_up(dir_fd, *aside, err);
}

int stage_clear_the_way(int dir_fd, const struct volume_names *names, char **aside, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    auto_close int stage_fd = -1;

    if (fs_open_dir(dir_fd, STAGE_REPLACE_NAME, &stage_fd, err) != 0 ||
        fs_list_dir(dir_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++)
        if (clear_entry(dir_fd, entries.names[i], stage_fd, names, aside, err) != 0)
            return -1;
    if (sync_aside(dir_fd, *aside, err) != 0)
        return -1;
    if (renameat(dir_fd, STAGE_REPLACE_NAME, dir_fd, STAGE_READY_NAME) != 0)
        return err_sys(err, ERR_FAILED, "go on with the restore");
    return fs_fsync(dir_fd, "the data directory", err);
}
