/*
 * The append-only set as a whole: is there a manifest, does a server take it, and what does it do
 * when there is none?
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backup/guard_job.h"
#include "base/mem.h"

/* ---- without a manifest ---- */

static int find_lone_dump(struct guard_job *job, bool has_entries, struct err *err)
{
    struct guard_dump dump = {0};
    struct guard_trap trap = {.id = "dump-without-aof",
                              .when = GUARD_YES,
                              .loses = true,
                              .file = job->names.dbfilename,
                              .offset = -1};

    if (guard_look_at_dump(job, &dump, err) < 0)
        return -1;
    if (!dump.is_there || dump.is_empty)
        return 0;
    trap.mend =
        dump.is_whole && !has_entries && !dump.is_link ? GUARD_MEND_LAY_BASE : GUARD_MEND_NONE;
    trap.fix = dump.is_link     ? GUARD_NO_LINK
               : !dump.is_whole ? "what the dump holds could not be proven; " GUARD_RESTORE
               : has_entries ? "empty the append-only directory, and run redkeep guard --fix again"
                             : "an append-only set is made whose base is the dump";
    (void)guard_add(job, &trap,
                    "there is no append-only set, so the server starts empty without reading the "
                    "dump, and its next save overwrites it");
    return 0;
}

static int look_without_manifest(const struct guard_set *set, struct err *err)
{
    struct guard_job *job = set->job;
    auto_aof_manifest struct aof_manifest there = {0};
    auto_fs_list struct fs_list entries = {0};
    bool has_old = false;

    if (guard_has_old_file(job, &has_old, err) < 0)
        return -1;
    if (set->fd >= 0 &&
        (guard_list_by_name(set, &there, err) < 0 || fs_list_dir(set->fd, ".", &entries, err) < 0))
        return -1;
    if (guard_holds_data(set, &there))
        return guard_find_manifest(
            set, "aof-without-manifest",
            has_old ? "there is no manifest: the server takes the file of before "
                      "7.0 for its base, and appends to a file that is there"
                    : "there is no manifest: the server starts empty, overwrites "
                      "the base, and appends to an incr file that is there",
            err);
    if (has_old)
        return guard_judge_old_file(job, false, err);
    return find_lone_dump(job, entries.count > 0, err);
}

/* ---- with a manifest ---- */

/* The base is another name of a dump that has been replaced since. */
static int judge_mirror(const struct guard_set *set, const char *text, struct err *err)
{
    struct guard_job *job = set->job;
    bool is_ours = strncmp(text, VOLUME_MIRROR_LINE, strlen(VOLUME_MIRROR_LINE)) == 0;
    struct guard_dump dump = {0};
    struct stat base;
    struct stat st;

    if (set->list.count != 1 || set->list.files[0].type != AOF_BASE ||
        fstatat(set->fd, set->list.files[0].name, &base, 0) != 0 ||
        fstatat(job->dir_fd, job->names.dbfilename, &st, 0) != 0 || base.st_ino == st.st_ino ||
        st.st_mtime < base.st_mtime)
        return 0;
    if (guard_look_at_dump(job, &dump, err) < 0)
        return -1;
    auto_free char *path = guard_path_of(job, set->list.files[0].name);
    bool fixable = is_ours && dump.is_whole && !dump.is_link;
    struct guard_trap trap = {
        .id = "stale-base",
        .when = GUARD_YES,
        .loses = is_ours,
        .file = path,
        .offset = -1,
        .mend = fixable ? GUARD_MEND_LINK_BASE : GUARD_MEND_NONE,
        .fix = is_ours && dump.is_link ? GUARD_NO_LINK
               : is_ours
                   ? "the base becomes the newer dump"
                   : "if the dump is what should be loaded, remove the append-only directory and "
                     "run redkeep guard --fix",
    };
    (void)guard_add(job, &trap,
                    "no server has run on this set yet, and the dump is newer than its base: the "
                    "server loads the older data");
    return 0;
}

static const struct aof_file *file_of(const struct aof_manifest *list, enum aof_type type)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->files[i].type == type)
            return &list->files[i];
    return NULL;
}

/* A server that starts without a set writes the base and then makes the incr; one that is told to
 * append while it runs (CONFIG SET appendonly yes) makes the incr, and a child then writes the
 * base. So an empty set of the second kind is what that server held, and a dump beside it is older.
 */
static bool is_of_a_start(const struct guard_set *set)
{
    const struct aof_file *base = file_of(&set->list, AOF_BASE);
    const struct aof_file *incr = file_of(&set->list, AOF_INCR);
    struct stat of_base;
    struct stat of_incr;

    if (base == NULL || incr == NULL || fstatat(set->fd, base->name, &of_base, 0) != 0 ||
        fstatat(set->fd, incr->name, &of_incr, 0) != 0)
        return true;
    return of_incr.st_mtim.tv_sec > of_base.st_mtim.tv_sec ||
           (of_incr.st_mtim.tv_sec == of_base.st_mtim.tv_sec &&
            of_incr.st_mtim.tv_nsec >= of_base.st_mtim.tv_nsec);
}

/* What a server wrote that has started without reading the dump: the next one does the same. */
static int judge_first_start(const struct guard_set *set, struct err *err)
{
    struct guard_job *job = set->job;
    const struct aof_file *base = file_of(&set->list, AOF_BASE);
    struct guard_dump dump = {0};
    char ignored[VOLUME_WHAT_MAX];
    bool holds = true;

    if (volume_entry_holds_data(job->dir_fd, job->names.appenddirname, &job->names, &holds, ignored,
                                err) < 0)
        return -1;
    if (holds)
        return 0;
    if (guard_look_at_dump(job, &dump, err) < 0)
        return -1;
    if (!dump.is_there || dump.is_empty)
        return 0;
    if (!is_of_a_start(set)) {
        (void)guard_add(job,
                        &(struct guard_trap){
                            .id = "empty-aof-beside-dump",
                            .when = GUARD_YES,
                            .file = job->names.appenddirname,
                            .offset = -1,
                            .fix = "if the dump is what should be loaded, remove the append-only "
                                   "directory and run redkeep guard --fix"},
                        "the append-only set is empty, by its times what a server wrote that held "
                        "nothing when it was told to append, and there is a dump with data: the "
                        "server starts empty");
        return 0;
    }
    bool has_old = guard_old_file_has_bytes(job);
    bool fixable = dump.is_whole && !dump.is_link && base != NULL && !has_old;
    auto_free char *path = base != NULL ? guard_path_of(job, base->name) : NULL;
    struct guard_trap trap = {
        .id = "empty-aof-beside-dump",
        .when = GUARD_YES,
        .loses = true,
        .file = path != NULL ? path : job->names.appenddirname,
        .offset = -1,
        .mend = fixable ? GUARD_MEND_FIRST_START : GUARD_MEND_NONE,
        .fix = fixable ? "the dump becomes the base"
               : has_old
                   ? "there is an append-only file of a server before 7.0, too: move away the "
                     "append-only directory, and that one is loaded"
               : dump.is_link   ? GUARD_NO_LINK
               : !dump.is_whole ? "what the dump holds could not be proven; " GUARD_RESTORE
                                : "remove the append-only directory, and run redkeep guard --fix "
                                  "again",
    };
    (void)guard_add(job, &trap,
                    "the append-only set is what a server writes that starts empty, and there is a "
                    "dump with data: the server starts empty again, and its next save overwrites "
                    "the dump");
    return 0;
}

static int find_no_newline(const struct guard_set *set, const char *text, struct err *err)
{
    auto_free char *path = guard_path_of(set->job, set->job->manifest_name);
    struct guard_trap trap = {.id = "manifest-without-newline",
                              .when = GUARD_YES,
                              .loses = true,
                              .file = path,
                              .offset = (int64_t)strlen(text),
                              .mend = GUARD_MEND_MANIFEST,
                              .fix = "the newline is added"};
    struct guard_finding *finding = guard_add(
        set->job, &trap, "its last line has no newline at its end: the server exits with 1");

    (void)err;
    finding->text = xasprintf("%s\n", text);
    return 0;
}

/* *out_usable: it was parsed, be it with a newline added. */
static int parse_manifest(struct guard_set *set, const struct buf *text, bool *out_usable,
                          struct err *err)
{
    const char *name = set->job->manifest_name;
    struct err why = {0};
    struct err ignored;

    *out_usable = true;
    if (aof_manifest_parse(buf_text(text), text->len, name, &set->list, &why) == 0)
        return 0;
    if (why.kind != ERR_CORRUPT) {
        *err = why;
        return -1;
    }
    auto_free char *more = xasprintf("%s\n", buf_text(text));
    if (text->len > 0 && strlen(more) == text->len + 1 && more[text->len - 1] != '\n' &&
        aof_manifest_parse(more, text->len + 1, name, &set->list, &ignored) == 0)
        return find_no_newline(set, buf_text(text), err);
    *out_usable = false;
    auto_free char *sentence = xasprintf("%s: the server exits with 1", why.msg);
    return guard_find_manifest(set, "manifest-malformed", sentence, err);
}

/* The upgrade of a server from before 7.0 was interrupted: the next one goes on with it. */
static bool is_upgrading(const struct guard_set *set)
{
    struct stat st;

    return set->list.count == 1 && set->list.files[0].type == AOF_BASE &&
           strcmp(set->list.files[0].name, set->job->names.appendfilename) == 0 &&
           fstatat(set->fd, set->list.files[0].name, &st, 0) != 0;
}

static int look_with_manifest(struct guard_set *set, const struct buf *text, struct err *err)
{
    struct guard_job *job = set->job;
    bool usable = false;
    bool has_old = false;

    if (parse_manifest(set, text, &usable, err) < 0 || guard_has_old_file(job, &has_old, err) < 0)
        return -1;
    if (!usable)
        return 0;
    if (set->list.count == 0)
        return look_without_manifest(set, err);
    if (has_old && is_upgrading(set))
        return guard_judge_old_file(job, true, err);
    if (guard_judge_listed(set, err) < 0 || guard_judge_unlisted(set, err) < 0 ||
        (has_old && guard_find_ignored_old_file(job, err) < 0) || judge_first_start(set, err) < 0)
        return -1;
    return judge_mirror(set, buf_text(text), err);
}

static int open_dir(struct guard_job *job, int *out_fd, bool *out_is_other, struct err *err)
{
    struct stat st;

    *out_is_other = false;
    if (fs_open_dir(job->dir_fd, job->names.appenddirname, out_fd, err) == 0 ||
        err->kind == ERR_NOT_FOUND)
        return 0;
    *out_is_other =
        fstatat(job->dir_fd, job->names.appenddirname, &st, 0) == 0 && !S_ISDIR(st.st_mode);
    return *out_is_other ? 0 : -1;
}

int guard_look_at_aof(struct guard_job *job, struct err *err)
{
    auto_close int fd = -1;
    auto_buf struct buf text = {0};
    struct guard_set set = {.job = job, .fd = -1};
    struct err missing = {0};
    bool is_other = false;
    int rc;

    buf_init(&text, AOF_MANIFEST_MAX);
    if (open_dir(job, &fd, &is_other, err) < 0)
        return -1;
    set.fd = fd;
    if (is_other) {
        (void)guard_add(job,
                        &(struct guard_trap){.id = "no-aof-directory",
                                             .when = GUARD_YES,
                                             .loses = true,
                                             .file = job->names.appenddirname,
                                             .offset = -1,
                                             .fix = "move it away, and run redkeep guard again"},
                        "it is no directory: the server exits with 1");
        return 0;
    }
    if (fd < 0)
        return look_without_manifest(&set, err);
    if (fs_read_file(fd, job->manifest_name, &text, &missing) == 0) {
        rc = look_with_manifest(&set, &text, err);
    } else if (missing.kind == ERR_NOT_FOUND) {
        rc = look_without_manifest(&set, err);
    } else {
        *err = missing;
        rc = -1;
    }
    aof_manifest_release(&set.list);
    return rc;
}

bool guard_has_run_appending(const struct guard_job *job)
{
    auto_close int fd = -1;
    auto_buf struct buf text = {0};
    auto_aof_manifest struct aof_manifest list = {0};
    struct err ignored;

    buf_init(&text, AOF_MANIFEST_MAX);
    if (fs_open_dir(job->dir_fd, job->names.appenddirname, &fd, &ignored) < 0)
        return false;
    if (fs_read_file(fd, job->manifest_name, &text, &ignored) < 0)
        return ignored.kind != ERR_NOT_FOUND;
    if (aof_manifest_parse(buf_text(&text), text.len, job->manifest_name, &list, &ignored) < 0)
        return true;
    for (size_t i = 0; i < list.count; i++)
        if (list.files[i].type == AOF_INCR)
            return true;
    return false;
}

/* The newest time at which a listed file was written; 0: none. */
static int64_t written_at(const struct guard_set *set)
{
    int64_t newest = 0;
    struct stat st;

    for (size_t i = 0; i < set->list.count; i++)
        if (fstatat(set->fd, set->list.files[i].name, &st, 0) == 0 && st.st_size > 0 &&
            st.st_mtime > newest)
            newest = st.st_mtime;
    return newest;
}

static void release_set(struct guard_set *set)
{
    aof_manifest_release(&set->list);
}

/* Is the base still the dump? Of a copy, where there are no links, its size tells: its time is
 * later than that of the dump. */
static bool mirrors(const struct guard_set *set, const struct buf *text,
                    const struct guard_dump *dump)
{
    struct stat base;

    return dump->is_there && set->list.count == 1 &&
           strncmp(buf_text(text), VOLUME_MIRROR_LINE, strlen(VOLUME_MIRROR_LINE)) == 0 &&
           fstatat(set->fd, set->list.files[0].name, &base, 0) == 0 &&
           base.st_size == dump->st.st_size;
}

int guard_look_at_ignored_aof(struct guard_job *job, const struct guard_dump *dump, struct err *err)
{
    auto_close int fd = -1;
    auto_buf struct buf text = {0};
    auto_with(release_set) struct guard_set set = {.job = job, .fd = -1};
    bool usable = false;

    buf_init(&text, AOF_MANIFEST_MAX);
    /* what cannot be looked at, this server does not look at either */
    if (fs_open_dir(job->dir_fd, job->names.appenddirname, &fd, err) < 0 ||
        fs_read_file(fd, job->manifest_name, &text, err) < 0)
        return 0;
    set.fd = fd;
    /* but the manifest, which every server reads */
    if (parse_manifest(&set, &text, &usable, err) < 0)
        return -1;
    if (!usable || !guard_holds_data(&set, &set.list) || mirrors(&set, &text, dump) ||
        (dump->is_there && written_at(&set) <= dump->st.st_mtime))
        return 0;
    auto_free char *path = guard_path_of(job, job->manifest_name);
    (void)guard_add(
        job,
        &(struct guard_trap){.id = "aof-ignored",
                             .when = GUARD_NO,
                             .loses = true,
                             .file = path,
                             .offset = -1,
                             .fix = "start the server with appendonly yes; once it has loaded, "
                                    "CONFIG SET appendonly no, and BGSAVE"},
        dump->is_there ? "the append-only files are newer than the dump, and are not read: the "
                         "server loads the older data"
                       : "there are append-only files and no dump: the server starts empty");
    return 0;
}
