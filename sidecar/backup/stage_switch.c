/*
 * From the commit on: every step can be repeated, so a run that was killed here is finished by the
 * next one.
 *
 *     .replace: see stage_clear.c. Then: rename to .ready.
 *     .ready:   each of our entries is renamed to its place, the append-only directory first, since
 *               a server with appendonly yes that finds none starts empty. When none is left: it
 *               becomes .partial, so that a run killed while it removes the rest leaves rubbish.
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

int stage_sync_dirs(int stage_fd, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};

    if (fs_list_dir(stage_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++) {
        struct stat st;
        auto_close int fd = -1;

        if (fstatat(stage_fd, entries.names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            return err_sys(err, ERR_FAILED, "look at %s", entries.names[i]);
        if (!S_ISDIR(st.st_mode))
            continue;
        if (fs_open_dir(stage_fd, entries.names[i], &fd, err) != 0 || stage_sync_dirs(fd, err) != 0)
            return -1;
    }
    return fs_fsync(stage_fd, "the staging directory", err);
}

int stage_list(int stage_fd, char **out, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    auto_free char *text = xstrdup("");

    if (fs_list_dir(stage_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++) {
        char *longer = xasprintf("%s%s\n", text, entries.names[i]);
        free(text);
        text = longer;
    }
    *out = TAKE_PTR(text);
    return 0;
}

static bool is_line_of(const char *line, const char *text)
{
    size_t len = strlen(line);

    for (const char *at = text; *at != '\0';) {
        size_t end = strcspn(at, "\n");
        if (end == len && strncmp(at, line, len) == 0)
            return true;
        at += end + (at[end] == '\n' ? 1 : 0);
    }
    return false;
}

int stage_is_overtaken(int dir_fd, const struct volume_names *names, const char *ours, bool *out,
                       struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    auto_close int stage_fd = -1;
    char what[VOLUME_WHAT_MAX];

    *out = false;
    if (fs_open_dir(dir_fd, STAGE_READY_NAME, &stage_fd, err) != 0 ||
        fs_list_dir(dir_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count && !*out; i++) {
        const char *entry = entries.names[i];
        bool holds = false;

        if (volume_entry_holds_data(dir_fd, entry, names, &holds, what, err) != 0)
            return -1;
        if (!holds)
            continue;
        *out = !is_line_of(entry, ours);
        /* while ours is staged, what stands in its place is somebody else's */
        if (!*out && volume_entry_holds_data(stage_fd, entry, names, out, what, err) != 0)
            return -1;
    }
    return 0;
}

/* Puts the append-only directory where one without data stands. */
static int exchange(int stage_fd, const char *entry, int dir_fd, struct err *err)
{
    if (renameat2(stage_fd, entry, dir_fd, entry, RENAME_EXCHANGE) == 0)
        return 0; /* the old one goes with the staging directory */
    if (errno != EINVAL && errno != ENOSYS)
        return err_sys(err, ERR_FAILED, "put %s in place", entry);
    /* file systems without exchange (NFS) */
    if (fs_remove_tree(dir_fd, entry, err) != 0)
        return -1;
    if (stage_rename_new(stage_fd, entry, dir_fd, entry) != 0)
        return err_sys(err, ERR_FAILED, "put %s in place", entry);
    return 0;
}

/* Are both a directory? They are there. */
static int are_dirs(int a_fd, int b_fd, const char *name, bool *out, struct err *err)
{
    struct stat a;
    struct stat b;

    if (fstatat(a_fd, name, &a, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(b_fd, name, &b, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", name);
    *out = S_ISDIR(a.st_mode) && S_ISDIR(b.st_mode);
    return 0;
}

static int merge(int stage_fd, const char *entry, int dir_fd, struct err *err);

/* What stands stays: an ACL file, nodes.conf. Of a directory, that is what is in it. */
static int put_beside(int stage_fd, const char *entry, int dir_fd, struct err *err)
{
    bool dirs = false;

    if (are_dirs(stage_fd, dir_fd, entry, &dirs, err) != 0)
        return -1;
    return dirs ? merge(stage_fd, entry, dir_fd, err) : 0;
}

/* Puts into a directory that stands what it does not have yet. */
static int merge(int stage_fd, const char *entry, int dir_fd, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    auto_close int from_fd = -1;
    auto_close int to_fd = -1;

    if (fs_open_dir(stage_fd, entry, &from_fd, err) != 0 ||
        fs_open_dir(dir_fd, entry, &to_fd, err) != 0 ||
        fs_list_dir(from_fd, ".", &entries, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++) {
        const char *name = entries.names[i];
        bool stands = false;

        if (stage_is_there(to_fd, name, &stands, err) != 0)
            return -1;
        if (stands && put_beside(from_fd, name, to_fd, err) != 0)
            return -1;
        if (!stands && stage_rename_new(from_fd, name, to_fd, name) != 0)
            return err_sys(err, ERR_FAILED, "put %s/%s in place", entry, name);
    }
    return fs_fsync(to_fd, entry, err);
}

/* Something stands where an entry of ours is to go. */
static int meet(int stage_fd, const char *entry, int dir_fd, const struct volume_names *names,
                char overtaken[VOLUME_WHAT_MAX], struct err *err)
{
    char what[VOLUME_WHAT_MAX];
    bool is_aof = strcmp(entry, names->appenddirname) == 0;
    bool stands = false;
    bool holds = false;

    if ((is_aof && volume_entry_holds_data(dir_fd, entry, names, &stands, what, err) != 0) ||
        volume_entry_holds_data(stage_fd, entry, names, &holds, what, err) != 0)
        return -1;
    if (is_aof && !stands)
        return exchange(stage_fd, entry, dir_fd, err);
    if (holds) /* else it is no data, or what ours was exchanged for by a run that was killed */
        (void)snprintf(overtaken, VOLUME_WHAT_MAX, "%.300s", entry);
    return holds || is_aof ? 0 : put_beside(stage_fd, entry, dir_fd, err);
}

/* overtaken: see stage_switch. */
static int put_in_place(int stage_fd, const char *entry, int dir_fd,
                        const struct volume_names *names, char overtaken[VOLUME_WHAT_MAX],
                        struct err *err)
{
    bool is_staged = false;

    if (stage_is_there(stage_fd, entry, &is_staged, err) != 0)
        return -1;
    if (!is_staged || stage_rename_new(stage_fd, entry, dir_fd, entry) == 0)
        return 0;
    if (errno != EEXIST)
        return err_sys(err, ERR_FAILED, "put %s in place", entry);
    return meet(stage_fd, entry, dir_fd, names, overtaken, err);
}

static int put_all_in_place(int stage_fd, int dir_fd, const struct volume_names *names,
                            char overtaken[VOLUME_WHAT_MAX], struct err *err)
{
    auto_fs_list struct fs_list entries = {0};

    if (fs_list_dir(stage_fd, ".", &entries, err) != 0 ||
        put_in_place(stage_fd, names->appenddirname, dir_fd, names, overtaken, err) != 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++)
        if (strcmp(entries.names[i], names->appenddirname) != 0 &&
            strcmp(entries.names[i], STAGE_NOTE_NAME) != 0 &&
            put_in_place(stage_fd, entries.names[i], dir_fd, names, overtaken, err) != 0)
            return -1;
    return fs_fsync(dir_fd, "the data directory", err);
}

int stage_drop(int dir_fd, struct err *err)
{
    struct err ignored;

    if (stage_discard(dir_fd, err) != 0)
        return -1;
    if (renameat(dir_fd, STAGE_READY_NAME, dir_fd, STAGE_PARTIAL_NAME) != 0)
        return err_sys(err, ERR_FAILED, "finish the restore");
    /* INVARIANT (a restore is all or nothing): here it is done; what is left is rubbish, and a run
     * that cannot remove it leaves that to the next one */
    (void)stage_discard(dir_fd, &ignored);
    return fs_fsync(dir_fd, "the data directory", err);
}

static int switch_in(int dir_fd, const struct volume_names *names, char overtaken[VOLUME_WHAT_MAX],
                     struct err *err)
{
    auto_close int stage_fd = -1;

    if (fs_open_dir(dir_fd, STAGE_READY_NAME, &stage_fd, err) != 0 ||
        put_all_in_place(stage_fd, dir_fd, names, overtaken, err) != 0)
        return -1;
    return stage_drop(dir_fd, err);
}

int stage_switch(int dir_fd, const struct volume_names *names, char **aside,
                 char out_overtaken[VOLUME_WHAT_MAX], struct err *err)
{
    bool replace = false;
    bool is_used = false;

    *out_overtaken = '\0';
    if (stage_is_there(dir_fd, STAGE_REPLACE_NAME, &replace, err) != 0 ||
        (replace && stage_clear_the_way(dir_fd, names, aside, err) != 0) ||
        stage_is_there(dir_fd, *aside, &is_used, err) != 0)
        return -1;
    if (switch_in(dir_fd, names, out_overtaken, err) != 0)
        return err_wrap(err,
                        "the restore is whole, but not all in place%s%s; the next one finishes it",
                        is_used ? ", and what was there is in " : "", is_used ? *aside : "");
    if (!is_used)
        free(TAKE_PTR(*aside));
    return 0;
}
