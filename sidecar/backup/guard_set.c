/*
 * The files of the append-only set, in the order in which a server loads them (redis: aof.c,
 * loadAppendOnlyFiles), and what their names alone tell when the manifest does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backup/guard_job.h"
#include "base/mem.h"
#include "base/parse.h"

#define FILES_MAX 4096 /* whose names are those of append-only files */

/* ---- names ---- */

char *guard_path_of(const struct guard_job *job, const char *name)
{
    return xasprintf("%s/%s", job->names.appenddirname, name);
}

/* ---- names ---- */

/* "<appendfilename>.<seq>.base.rdb", ".base.aof", ".incr.aof". */
static bool parse_name(const struct guard_job *job, const char *name, struct aof_file *out)
{
    size_t len = strlen(job->names.appendfilename);
    struct err ignored;

    if (strncmp(name, job->names.appendfilename, len) != 0 || name[len] != '.')
        return false;
    const char *digits = name + len + 1;
    const char *kind = strchr(digits, '.');
    if (kind == NULL || kind - digits > 18)
        return false;
    auto_free char *seq = xstrndup(digits, (size_t)(kind - digits));
    if (parse_u64(seq, &out->seq, &ignored) < 0 || out->seq == 0)
        return false;
    if (strcmp(kind, ".base.rdb") == 0 || strcmp(kind, ".base.aof") == 0)
        out->type = AOF_BASE;
    else if (strcmp(kind, ".incr.aof") == 0)
        out->type = AOF_INCR;
    else
        return false;
    return true;
}

static int compare_files(const void *a, const void *b)
{
    const struct aof_file *one = a;
    const struct aof_file *other = b;

    if (one->type != other->type)
        return one->type == AOF_BASE ? -1 : 1;
    return one->seq < other->seq ? -1 : one->seq > other->seq ? 1 : 0;
}

int guard_list_by_name(const struct guard_set *set, struct aof_manifest *out, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    auto_aof_manifest struct aof_manifest found = {0};

    if (fs_list_dir(set->fd, ".", &entries, err) < 0)
        return -1;
    for (size_t i = 0; i < entries.count && found.count < FILES_MAX; i++) {
        struct aof_file file = {0};

        if (!parse_name(set->job, entries.names[i], &file))
            continue;
        file.name = xstrdup(entries.names[i]);
        found.files = xreallocarray(found.files, found.count + 1, sizeof(*found.files));
        found.files[found.count++] = file;
    }
    if (found.count > 1)
        qsort(found.files, found.count, sizeof(*found.files), compare_files);
    *out = found;
    memset(&found, 0, sizeof(found)); /* given away */
    return 0;
}

static bool is_listed(const struct aof_manifest *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->files[i].name, name) == 0)
            return true;
    return false;
}

/* ---- the files ---- */

int guard_look_at_head(int fd, const char *path, enum guard_content *out, struct err *err)
{
    uint8_t first[9] = {0};
    struct rdb_head head;
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", path);
    size_t len = st.st_size < 9 ? (size_t)st.st_size : 9;
    if (fs_pread_all(fd, first, len, 0, path, err) < 0)
        return -1;
    if (len == 0 || first[0] == '*' || first[0] == '#' || first[0] == '\0')
        *out = GUARD_COMMANDS;
    else if (rdb_probe_head(first, len, &head) == RDB_PROBE_OK && head.magic == RDB_MAGIC_OPAQUE)
        *out = GUARD_UNKNOWN;
    else
        *out = GUARD_RDB;
    return 0;
}

static int judge_file(const struct guard_set *set, const struct aof_file *file, int fd,
                      bool is_last, struct err *err)
{
    auto_free char *path = guard_path_of(set->job, file->name);
    const struct guard_seen *seen = NULL;
    enum guard_content content = GUARD_COMMANDS;
    uint64_t from = 0;

    if (guard_look_at_head(fd, path, &content, err) < 0)
        return -1;
    if (content == GUARD_UNKNOWN && file->type == AOF_BASE)
        return 0; /* of a newer server, perhaps */
    if (content == GUARD_RDB) {
        if (guard_read_rdb(set->job, fd, path, &seen, err) < 0)
            return -1;
        from = seen->end;
        if (!guard_judge_rdb(set->job, seen, "corrupt-base", GUARD_YES, path) ||
            seen->rdb == GUARD_RDB_OPAQUE)
            return 0;
    }
    return guard_judge_commands(set->job, fd, path, from, is_last, err);
}

static void find_missing(const struct guard_set *set, const struct aof_file *file, const char *what)
{
    auto_free char *path = guard_path_of(set->job, file->name);

    (void)guard_add(set->job,
                    &(struct guard_trap){.id = "missing-aof-file",
                                         .when = GUARD_YES,
                                         .loses = true,
                                         .file = path,
                                         .offset = -1,
                                         .fix = "put it back where it was; else " GUARD_RESTORE},
                    "the manifest lists it, and %s: the server exits with 1", what);
}

/* *out_fd -1: found to be missing. */
static int open_file(const struct guard_set *set, const struct aof_file *file, int *out_fd,
                     struct err *err)
{
    auto_close int fd = openat(set->fd, file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    *out_fd = -1;
    if (fd < 0 && errno == ENOENT) {
        find_missing(set, file, "it is not there");
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "open %s/%s", set->job->names.appenddirname, file->name);
    if (!S_ISREG(st.st_mode)) {
        find_missing(set, file, "it is no file");
        return 0;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice; nothing depends on it */
    *out_fd = take_fd(&fd);
    return 0;
}

/* A file behind which only files of 0 bytes are listed is the last one: nothing follows its end. */
static bool is_last(const struct guard_set *set, const struct aof_file *file)
{
    struct stat st;

    for (size_t i = 0; i < set->list.count; i++) {
        const struct aof_file *other = &set->list.files[i];

        if (other->type == AOF_INCR && (file->type == AOF_BASE || other->seq > file->seq) &&
            (fstatat(set->fd, other->name, &st, 0) != 0 || st.st_size > 0))
            return false;
    }
    return true;
}

int guard_judge_listed(const struct guard_set *set, struct err *err)
{
    for (size_t i = 0; i < set->list.count; i++) {
        const struct aof_file *file = &set->list.files[i];
        auto_close int fd = -1;

        if (file->type == AOF_HISTORY)
            continue; /* the server removes those, missing ones too */
        if (open_file(set, file, &fd, err) < 0 ||
            (fd >= 0 && judge_file(set, file, fd, is_last(set, file), err) < 0))
            return -1;
    }
    return 0;
}

/* Files with such names that the manifest does not list: of a rewrite that never ended, as a rule;
 * an incr that is newer than all that are listed was written under a newer manifest. */
int guard_judge_unlisted(const struct guard_set *set, struct err *err)
{
    auto_aof_manifest struct aof_manifest there = {0};
    uint64_t newest = 0;
    struct stat st;

    if (guard_list_by_name(set, &there, err) < 0)
        return -1;
    for (size_t i = 0; i < set->list.count; i++)
        if (set->list.files[i].type == AOF_INCR && set->list.files[i].seq > newest)
            newest = set->list.files[i].seq;
    for (size_t i = 0; i < there.count; i++) {
        const struct aof_file *file = &there.files[i];

        if (is_listed(&set->list, file->name) || fstatat(set->fd, file->name, &st, 0) != 0 ||
            st.st_size == 0)
            continue;
        auto_free char *path = guard_path_of(set->job, file->name);
        bool loses = file->type == AOF_INCR && file->seq > newest;
        struct guard_trap trap = {
            .id = "unlisted-aof-file",
            .when = GUARD_YES,
            .loses = loses,
            .file = path,
            .offset = -1,
            .fix = loses ? "if it belongs to this set, add its line to the manifest; if not, move "
                           "it away"
                         : "move it away when it is not missed: it only takes room",
        };
        (void)guard_add(set->job, &trap,
                        loses ? "it is newer than every file that the manifest lists, and the "
                                "manifest does not list it: the server does not load its commands"
                              : "the manifest does not list it: the server neither loads nor "
                                "removes it");
    }
    return 0;
}

/* ---- a manifest that has to be made anew ---- */

/* Can a manifest be made from the names alone? Returns why not, NULL when it can. One base, and
 * incrs without a gap; of several, the first was written to after the base was, so that it is no
 * old one which the base holds already. */
static const char *check_names(const struct guard_set *set, const struct aof_manifest *there)
{
    struct stat base;
    struct stat incr;

    if (guard_old_file_has_bytes(set->job))
        return "there is an append-only file of a server before 7.0, too";
    if (there->count == 0 || there->files[0].type != AOF_BASE)
        return "there is no base file";
    if (there->count > 1 && there->files[1].type == AOF_BASE)
        return "there are several base files";
    for (size_t i = 2; i < there->count; i++)
        if (there->files[i].seq != there->files[i - 1].seq + 1)
            return "an incr file is missing between two others";
    if (there->count > 1 && there->files[1].seq < there->files[0].seq)
        return "an incr file is older than the base";
    if (there->count > 2 && (fstatat(set->fd, there->files[0].name, &base, 0) != 0 ||
                             fstatat(set->fd, there->files[1].name, &incr, 0) != 0 ||
                             incr.st_mtim.tv_sec < base.st_mtim.tv_sec))
        return "the first incr file may be one that the base holds already";
    return NULL;
}

/* All that the files would lose under such a manifest, but for a tail that can be cut. Looked at by
 * a guard of its own, so that nothing of it is a finding of this one. */
static int is_whole(const struct guard_set *set, const struct aof_manifest *there, bool *out,
                    struct err *err)
{
    struct guard_result result = {0};
    struct guard_job job = *set->job;
    struct guard_set other = {.job = &job, .fd = set->fd, .list = *there};

    job.result = &result;
    int rc = guard_judge_listed(&other, err);
    set->job->seen = job.seen;
    set->job->seen_count = job.seen_count;
    *out = true;
    for (size_t i = 0; i < result.count; i++)
        *out = *out && (!result.findings[i].loses || result.findings[i].mend != GUARD_MEND_NONE);
    guard_result_release(&result);
    return rc;
}

static int format_list(const struct aof_manifest *list, char **out, struct err *err)
{
    auto_buf struct buf text = {0};

    buf_init(&text, AOF_MANIFEST_MAX);
    if (aof_manifest_format(list->files, list->count, &text, err) < 0)
        return -1;
    *out = buf_take(&text);
    return 0;
}

int guard_find_manifest(const struct guard_set *set, const char *id, const char *why,
                        struct err *err)
{
    auto_aof_manifest struct aof_manifest there = {0};
    auto_free char *path = guard_path_of(set->job, set->job->manifest_name);
    struct guard_trap trap = {.id = id, .when = GUARD_YES, .loses = true, .offset = -1};
    bool whole = false;

    if (guard_list_by_name(set, &there, err) < 0)
        return -1;
    const char *doubt = check_names(set, &there);
    if (doubt == NULL && is_whole(set, &there, &whole, err) < 0)
        return -1;
    if (doubt == NULL && !whole)
        doubt = "not all of the files are whole";
    trap.file = path;
    trap.mend = doubt == NULL ? GUARD_MEND_MANIFEST : GUARD_MEND_NONE;
    trap.fix = doubt == NULL
                   ? "a manifest is made from the names of the files, which leave no doubt"
                   : GUARD_RESTORE "; or put the right manifest there by hand";
    struct guard_finding *finding = guard_add(
        set->job, &trap, "%s%s%s", why, doubt == NULL ? "" : "; ", doubt == NULL ? "" : doubt);
    return doubt == NULL ? format_list(&there, &finding->text, err) : 0;
}

bool guard_holds_data(const struct guard_set *set, const struct aof_manifest *there)
{
    for (size_t i = 0; i < there->count; i++) {
        auto_close int fd = openat(set->fd, there->files[i].name, O_RDONLY | O_CLOEXEC);
        struct stat st;
        struct rdb_ends rdb;
        struct err ignored;

        if (fd < 0 || fstat(fd, &st) != 0)
            return true;
        if (st.st_size > 0 && (rdb_probe_fd(fd, there->files[i].name, &rdb, &ignored) != 0 ||
                               !rdb_is_empty(&rdb.head) || rdb.head.has_functions))
            return true;
    }
    return false;
}
