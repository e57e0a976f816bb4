/*
 * Building: everything goes below an open descriptor of the staging directory, owned as it will be.
 * The switch is in stage_clear.c and stage_switch.c.
 *
 *     killed while building         -> .partial is there; the next run starts over
 *     killed after the commit       -> .replace or .ready is there; the next run finishes
 */
#include "backup/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/stage_names.h"
#include "base/fs.h"
#include "base/mem.h"
#include "stream/sink_file.h"

#define COPY_BYTES ((size_t)1 << 20)
#define NOTE_MAX 4096

struct stage {
    int dir_fd;   /* of the data directory, borrowed */
    int stage_fd; /* of the staging directory */
    struct stage_owner owner;
    char *aside; /* where what is replaced goes */
    bool committed;
};

int stage_is_there(int dir_fd, const char *name, bool *out, struct err *err)
{
    struct stat st;

    *out = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*out && errno != ENOENT)
        return err_sys(err, ERR_FAILED, "look at %s", name);
    return 0;
}

bool stage_is_own_name(const char *path)
{
    static const char *const names[] = {STAGE_PARTIAL_NAME, STAGE_REPLACE_NAME, STAGE_READY_NAME,
                                        STAGE_NOTE_NAME};
    size_t len = strcspn(path, "/");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && strncmp(path, names[i], len) == 0)
            return true;
    return false;
}

int stage_find(int dir_fd, enum stage_found *out, struct err *err)
{
    bool partial = false;
    bool replace = false;
    bool ready = false;

    if (stage_is_there(dir_fd, STAGE_PARTIAL_NAME, &partial, err) != 0 ||
        stage_is_there(dir_fd, STAGE_REPLACE_NAME, &replace, err) != 0 ||
        stage_is_there(dir_fd, STAGE_READY_NAME, &ready, err) != 0)
        return -1;
    *out = replace || ready ? STAGE_COMMITTED : partial ? STAGE_PARTIAL : STAGE_NONE;
    return 0;
}

int stage_discard(int dir_fd, struct err *err)
{
    if (fs_remove_tree(dir_fd, STAGE_PARTIAL_NAME, err) != 0)
        return err_wrap(err, "throw away an unfinished restore");
    return 0;
}

static int give(const struct stage *stage, int fd, const char *label, struct err *err)
{
    if (fchown(fd, stage->owner.uid, stage->owner.gid) != 0)
        return err_sys(err, ERR_FAILED, "give %s to user %u, group %u", label,
                       (unsigned)stage->owner.uid, (unsigned)stage->owner.gid);
    return 0;
}

int stage_new(int dir_fd, const struct stage_owner *owner, struct stage **out, struct err *err)
{
    auto_stage struct stage *stage = NULL;
    bool is_there = false;

    /* looked for first: on a read-only file system there is nothing to remove, and an error */
    if (stage_is_there(dir_fd, STAGE_PARTIAL_NAME, &is_there, err) != 0 ||
        (is_there && stage_discard(dir_fd, err) != 0))
        return -1;
    if (mkdirat(dir_fd, STAGE_PARTIAL_NAME, 0700) != 0)
        return err_sys(err, ERR_FAILED, "create %s in the data directory", STAGE_PARTIAL_NAME);

    stage = xcalloc(1, sizeof(*stage));
    stage->dir_fd = dir_fd;
    stage->stage_fd = -1;
    stage->owner = *owner;
    stage->aside = stage_aside_name();
    if (fs_open_dir(dir_fd, STAGE_PARTIAL_NAME, &stage->stage_fd, err) != 0 ||
        give(stage, stage->stage_fd, "what is restored", err) != 0)
        return -1;
    *out = TAKE_PTR(stage);
    return 0;
}

/* Where a file system has no locks, another restore may have thrown ours away and begun its own. */
static int check_is_ours(const struct stage *stage, struct err *err)
{
    struct stat ours;
    struct stat found = {0};

    if (fstat(stage->stage_fd, &ours) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", STAGE_PARTIAL_NAME);
    if (fstatat(stage->dir_fd, STAGE_PARTIAL_NAME, &found, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno != ENOENT)
        return err_sys(err, ERR_FAILED, "look at %s", STAGE_PARTIAL_NAME);
    if (ours.st_dev == found.st_dev && ours.st_ino == found.st_ino)
        return 0;
    return err_set(err, ERR_BUSY,
                   "another redkeep restores into the same directory, and its file system has no "
                   "locks. HINT: run one at a time");
}

void stage_free(struct stage *stage)
{
    struct err ignored;

    if (stage == NULL)
        return;
    /* what cannot be removed now, the next run throws away */
    if (!stage->committed && (stage->stage_fd < 0 || check_is_ours(stage, &ignored) == 0))
        (void)fs_remove_tree(stage->dir_fd, STAGE_PARTIAL_NAME, &ignored);
    cleanup_close(&stage->stage_fd);
    free(stage->aside);
    free(stage);
}

int stage_add_dir(struct stage *stage, const char *name, mode_t mode, struct err *err)
{
    auto_close int fd = -1;

    if (mkdirat(stage->stage_fd, name, 0700) != 0) {
        if (errno == EEXIST)
            return 0;
        return err_sys(err, ERR_FAILED, "create %s/%s", STAGE_PARTIAL_NAME, name);
    }
    if (fs_open_dir(stage->stage_fd, name, &fd, err) != 0 || give(stage, fd, name, err) != 0)
        return -1;
    if (fchmod(fd, mode) != 0)
        return err_sys(err, ERR_FAILED, "set the mode of %s", name);
    return 0;
}

static int create_file(const struct stage *stage, const char *path, mode_t mode, int *out_fd,
                       struct err *err)
{
    auto_close int fd =
        openat(stage->stage_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "create %s/%s", STAGE_PARTIAL_NAME, path);
    if (give(stage, fd, path, err) != 0)
        return -1;
    if (fchmod(fd, mode) != 0)
        return err_sys(err, ERR_FAILED, "set the mode of %s", path);
    *out_fd = take_fd(&fd);
    return 0;
}

int stage_add_file(struct stage *stage, const char *path, mode_t mode, struct sink **out,
                   struct err *err)
{
    int fd = -1;

    if (create_file(stage, path, mode, &fd, err) != 0)
        return -1;
    *out = sink_file_new(fd, path);
    return 0;
}

int stage_note(struct stage *stage, const char *id, const struct volume_names *names,
               struct err *err)
{
    auto_free char *entries = NULL;

    if (stage_list(stage->stage_fd, &entries, err) != 0)
        return -1;
    auto_free char *text =
        xasprintf("%s\n%s\n%s\n%s\n%s\n%s", id, names->dbfilename, names->appendfilename,
                  names->appenddirname, stage->aside, entries);
    return stage_add_bytes(stage, STAGE_NOTE_NAME, 0600, text, err);
}

int stage_add_bytes(struct stage *stage, const char *path, mode_t mode, const char *text,
                    struct err *err)
{
    auto_sink struct sink *out = NULL;

    if (stage_add_file(stage, path, mode, &out, err) != 0 ||
        sink_write(out, text, strlen(text), err) != 0)
        return -1;
    return sink_finish(out, err);
}

static int copy_file(struct stage *stage, const char *from, const char *path, struct err *err)
{
    auto_close int fd = openat(stage->stage_fd, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    auto_free uint8_t *block = xmalloc(COPY_BYTES);
    auto_sink struct sink *out = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "copy %s", from);
    if (stage_add_file(stage, path, st.st_mode & 07777, &out, err) != 0)
        return -1;
    while ((n = read(fd, block, COPY_BYTES)) > 0)
        if (sink_write(out, block, (size_t)n, err) != 0)
            return -1;
    if (n < 0)
        return err_sys(err, ERR_FAILED, "copy %s", from);
    return sink_finish(out, err);
}

static bool is_no_links(int code)
{
    return code == EPERM || code == EOPNOTSUPP || code == ENOSYS || code == EMLINK;
}

int stage_links_work(struct stage *stage, bool *out, struct err *err)
{
    auto_close int fd = openat(stage->stage_fd, STAGE_NOTE_NAME,
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "create %s/%s", STAGE_PARTIAL_NAME, STAGE_NOTE_NAME);
    *out = linkat(stage->stage_fd, STAGE_NOTE_NAME, stage->stage_fd, "link", 0) == 0;
    if (!*out && !is_no_links(errno))
        return err_sys(err, ERR_FAILED, "link a file in %s", STAGE_PARTIAL_NAME);
    if ((*out && unlinkat(stage->stage_fd, "link", 0) != 0) ||
        unlinkat(stage->stage_fd, STAGE_NOTE_NAME, 0) != 0)
        return err_sys(err, ERR_FAILED, "remove a file of %s", STAGE_PARTIAL_NAME);
    return 0;
}

int stage_add_link(struct stage *stage, const char *from, const char *path, struct err *err)
{
    if (linkat(stage->stage_fd, from, stage->stage_fd, path, 0) == 0)
        return 0;
    if (!is_no_links(errno))
        return err_sys(err, ERR_FAILED, "link %s to %s", from, path);
    return copy_file(stage, from, path, err);
}

int stage_commit(struct stage *stage, const struct volume_names *names, bool replace,
                 char **out_aside, struct err *err)
{
    const char *committed = replace ? STAGE_REPLACE_NAME : STAGE_READY_NAME;
    char overtaken[VOLUME_WHAT_MAX];

    if (stage_sync_dirs(stage->stage_fd, err) != 0 ||
        stage_check_way(stage->dir_fd, stage->stage_fd, names, replace, err) != 0 ||
        check_is_ours(stage, err) != 0)
        return -1;
    if (renameat(stage->dir_fd, STAGE_PARTIAL_NAME, stage->dir_fd, committed) != 0)
        return err_sys(err, ERR_FAILED, "commit the restore");
    stage->committed = true;
    if (fs_fsync(stage->dir_fd, "the data directory", err) != 0)
        return -1;
    if (stage_switch(stage->dir_fd, names, &stage->aside, overtaken, err) != 0)
        return -1;
    *out_aside = TAKE_PTR(stage->aside);
    if (*overtaken != '\0')
        return err_set(err, ERR_HOLDS_DATA,
                       "a server has written %.300s while the restore was put in place, and that "
                       "was kept. HINT: stop the server, and restore with --force what it was to "
                       "be",
                       overtaken);
    return 0;
}

int stage_put(struct stage *stage, const char *entry, struct err *err)
{
    if (stage_sync_dirs(stage->stage_fd, err) != 0 || check_is_ours(stage, err) != 0)
        return -1;
    if (renameat(stage->stage_fd, entry, stage->dir_fd, entry) != 0)
        return err_sys(err, ERR_FAILED, "put %s in place", entry);
    return fs_fsync(stage->dir_fd, "the data directory", err);
}

/* The next line of *text, which moves behind it; "" when there is none. */
static const char *next_line(char **text)
{
    char *line = *text;
    char *end = line + strcspn(line, "\n");

    *text = *end == '\n' ? end + 1 : end;
    *end = '\0';
    return line;
}

static int read_note(int dir_fd, bool replace, struct buf *out, struct err *err)
{
    const char *path =
        replace ? STAGE_REPLACE_NAME "/" STAGE_NOTE_NAME : STAGE_READY_NAME "/" STAGE_NOTE_NAME;

    if (fs_read_file(dir_fd, path, out, err) == 0)
        return 0;
    err->kind = ERR_FAILED; /* a missing note is no missing backup */
    return err_wrap(err, "finish an interrupted restore");
}

/* What the note of a committed restore says. */
struct note {
    char *text; /* heap; the rest points into it */
    const char *id;
    struct volume_names names;
    const char *aside;
    const char *entries; /* as stage_list gave them */
};

static void cleanup_note(struct note *note)
{
    free(note->text);
}

static int open_note(int dir_fd, bool replace, struct note *out, struct err *err)
{
    auto_buf struct buf note = {0};

    buf_init(&note, NOTE_MAX);
    if (read_note(dir_fd, replace, &note, err) != 0)
        return -1;
    out->text = buf_take(&note);
    char *at = out->text;
    out->id = next_line(&at);
    out->names.dbfilename = next_line(&at);
    out->names.appendfilename = next_line(&at);
    out->names.appenddirname = next_line(&at);
    out->aside = next_line(&at);
    out->entries = at;
    if (*at == '\0')
        return err_set(err, ERR_FAILED, "finish an interrupted restore: its note is cut off");
    return 0;
}

/* INVARIANT (a restore never touches a volume that holds data): a server may have been started
 * since, and beside what it wrote, ours would be loaded in its stead one day. */
static int open_committed(int dir_fd, struct note *out, bool *out_overtaken, struct err *err)
{
    bool replace = false;

    *out_overtaken = false;
    if (stage_is_there(dir_fd, STAGE_REPLACE_NAME, &replace, err) != 0 ||
        open_note(dir_fd, replace, out, err) != 0)
        return -1;
    return replace ? 0 : stage_is_overtaken(dir_fd, &out->names, out->entries, out_overtaken, err);
}

int stage_committed_id(int dir_fd, char **out, struct err *err)
{
    auto_with(cleanup_note) struct note note = {0};
    bool is_overtaken = false;

    if (open_committed(dir_fd, &note, &is_overtaken, err) != 0)
        return -1;
    *out = is_overtaken ? NULL : xstrdup(note.id);
    return 0;
}

int stage_resume(int dir_fd, char **out_id, char **out_aside, struct err *err)
{
    auto_with(cleanup_note) struct note note = {0};
    bool is_overtaken = false;
    char overtaken[VOLUME_WHAT_MAX];

    *out_id = NULL;
    *out_aside = NULL;
    if (open_committed(dir_fd, &note, &is_overtaken, err) != 0)
        return -1;
    if (is_overtaken)
        return stage_drop(dir_fd, err);
    auto_free char *aside = xstrdup(note.aside);
    if (stage_switch(dir_fd, &note.names, &aside, overtaken, err) != 0)
        return -1;
    *out_aside = TAKE_PTR(aside);
    if (*overtaken == '\0')
        *out_id = xstrdup(note.id);
    return 0;
}
