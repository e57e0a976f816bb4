/*
 * The directory as a whole: what an interrupted restore has left, what the server loads with either
 * setting of appendonly, and what lies there besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backup/guard_job.h"
#include "backup/stage.h"
#include "base/mem.h"
#include "redis/temp_file.h"

#define UNKNOWN_MAX 20            /* entries of the directory that are told of */
#define TEMP_AGE_S ((int64_t)600) /* a save that is still written is younger */
#define WHY_MAX 1024

struct guard_finding *guard_add(struct guard_job *job, const struct guard_trap *trap,
                                const char *format, ...)
{
    struct guard_result *result = job->result;
    char why[WHY_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args); /* too long is cut */
    va_end(args);
    result->findings =
        xreallocarray(result->findings, result->count + 1, sizeof(*result->findings));
    struct guard_finding *finding = &result->findings[result->count++];
    *finding = (struct guard_finding){
        .id = trap->id,
        .when = job->with_yes && job->with_no ? trap->when : NULL,
        .file = xstrdup(trap->file),
        .offset = trap->offset,
        .loses = trap->loses,
        .fixable = trap->mend != GUARD_MEND_NONE,
        .why = xstrdup(why),
        .fix = xstrdup(trap->fix),
        .mend = trap->mend,
    };
    return finding;
}

void guard_finding_release(struct guard_finding *finding)
{
    free(finding->file);
    free(finding->why);
    free(finding->fix);
    free(finding->kept);
    free(finding->text);
}

int guard_look_at_dump(struct guard_job *job, struct guard_dump *out, struct err *err)
{
    const char *name = job->names.dbfilename;
    const struct guard_seen *seen = NULL;
    auto_close int fd = openat(job->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct guard_dump dump = {0};
    struct stat plain;

    if (fd < 0 && errno == ENOENT) {
        if (fstatat(job->dir_fd, name, &plain, AT_SYMLINK_NOFOLLOW) == 0)
            return err_set(err, ERR_FAILED,
                           "%s is a symbolic link to a file that is not there: the server would "
                           "start empty. HINT: mount what it leads to, or remove it",
                           name);
        *out = dump;
        return 0;
    }
    if (fd < 0 || fstat(fd, &dump.st) != 0 ||
        fstatat(job->dir_fd, name, &plain, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(err, ERR_FAILED, "open %s", name);
    dump.is_link = S_ISLNK(plain.st_mode);
    if (!S_ISREG(dump.st.st_mode))
        return err_set(err, ERR_FAILED,
                       "%s is no file. HINT: move it away; a server cannot load it", name);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice; nothing depends on it */
    if (guard_read_rdb(job, fd, name, &seen, err) < 0)
        return -1;
    dump.is_there = true;
    dump.is_whole = seen->rdb == GUARD_RDB_WHOLE;
    dump.is_empty = dump.is_whole && rdb_is_empty(&seen->head) && !seen->head.has_functions &&
                    !seen->head.has_module_aux;
    *out = dump;
    return 0;
}

/* What a server with appendonly no loads. */
static int look_with_no(struct guard_job *job, struct err *err)
{
    const char *name = job->names.dbfilename;
    struct guard_dump dump = {0};
    const struct guard_seen *seen = NULL;

    if (guard_look_at_dump(job, &dump, err) < 0)
        return -1;
    if (dump.is_there) {
        auto_close int fd = openat(job->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
            return err_sys(err, ERR_FAILED, "open %s", name);
        if (guard_read_rdb(job, fd, name, &seen, err) < 0)
            return -1;
        (void)guard_judge_rdb(job, seen, "corrupt-dump", GUARD_NO, name);
    }
    /* judged both ways, a set that no server has run on is for the other one */
    return job->with_yes ? 0 : guard_look_at_ignored_aof(job, &dump, err);
}

static int look_at_restore(struct guard_job *job, bool *out_go_on, struct err *err)
{
    enum stage_found found = STAGE_NONE;
    auto_free char *id = NULL;

    *out_go_on = true;
    if (stage_find(job->dir_fd, &found, err) < 0)
        return -1;
    if (found == STAGE_NONE)
        return 0;
    struct guard_trap trap = {.id = "unfinished-restore", .offset = -1, .mend = GUARD_MEND_RESTORE};
    if (found == STAGE_PARTIAL) {
        trap.file = ".redkeep-restore.partial";
        trap.fix = "it is thrown away: it is no data";
        (void)guard_add(job, &trap,
                        "a restore was interrupted before it was complete: the server "
                        "does not see it, it only takes room");
        return 0;
    }
    if (stage_committed_id(job->dir_fd, &id, err) < 0)
        return -1;
    *out_go_on = false; /* the rest is judged once it is in its place */
    trap.file = ".redkeep-restore.ready";
    trap.loses = true;
    trap.fix = id != NULL ? "it is finished, without a download"
                          : "it is thrown away: a server has written data of its own since";
    (void)guard_add(job, &trap,
                    "a restore%s%s was interrupted while it was put in place: the "
                    "server would start with a part of it",
                    id != NULL ? " of " : "", id != NULL ? id : "");
    return 0;
}

/* ---- what lies there besides ---- */

static bool begins(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

static bool ends(const char *text, const char *tail)
{
    size_t len = strlen(text);

    return len >= strlen(tail) && strcmp(text + len - strlen(tail), tail) == 0;
}

/* When data was last written: what is older was given up by whoever wrote it. */
static int64_t newest_data(const struct guard_job *job)
{
    auto_free char *manifest = xasprintf("%s/%s", job->names.appenddirname, job->manifest_name);
    const char *names[] = {job->names.dbfilename, manifest, job->names.appendfilename};
    int64_t newest = 0;
    struct stat st;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (fstatat(job->dir_fd, names[i], &st, 0) == 0 && st.st_mtime > newest)
            newest = st.st_mtime;
    return newest;
}

static void find_temp(struct guard_job *job, const char *name, const struct stat *st)
{
    int64_t now_s = clock_wall_ms(job->options->clock) / 1000;
    bool old = st->st_mtime < newest_data(job) && st->st_mtime < now_s - TEMP_AGE_S;

    (void)guard_add(
        job,
        &(struct guard_trap){.id = "leftover-temp-file",
                             .file = name,
                             .offset = -1,
                             .mend = old ? GUARD_MEND_REMOVE : GUARD_MEND_NONE,
                             .fix = old ? "it is removed" : "it stays: it is newer than the data"},
        "a server died while it saved: no server loads it or removes it, it only takes "
        "room");
}

static bool is_known(const struct guard_job *job, const char *name)
{
    return ends(name, ".rdb") || strcmp(name, "appendonlydir") == 0 || stage_is_own_name(name) ||
           strcmp(name, job->names.appendfilename) == 0;
}

static int look_at_entries(struct guard_job *job, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    unsigned unknown = 0;

    if (fs_list_dir(job->dir_fd, ".", &entries, err) < 0)
        return -1;
    for (size_t i = 0; i < entries.count; i++) {
        const char *name = entries.names[i];
        struct stat st;

        if (fstatat(job->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* it has gone meanwhile */
        if (temp_file_is_name(name) && S_ISREG(st.st_mode) &&
            strcmp(name, job->names.dbfilename) != 0)
            find_temp(job, name, &st);
        else if (!is_known(job, name) && unknown++ < UNKNOWN_MAX)
            (void)guard_add(job,
                            &(struct guard_trap){.id = "unknown-entry",
                                                 .file = name,
                                                 .offset = -1,
                                                 .fix = "nothing needs to be done when the files "
                                                        "belong to the server's user already"},
                            "the official Redis image does not correct the owners of a directory "
                            "that holds it");
    }
    return 0;
}

/* What a fix was writing when it was killed. */
static int look_at_new_files(struct guard_job *job, struct err *err)
{
    auto_fs_list struct fs_list entries = {0};
    struct err missing = {0};

    if (fs_list_dir(job->dir_fd, job->names.appenddirname, &entries, &missing) < 0) {
        if (missing.kind == ERR_NOT_FOUND || missing.code == ENOTDIR)
            return 0;
        *err = missing;
        return -1;
    }
    for (size_t i = 0; i < entries.count; i++) {
        if (!begins(entries.names[i], GUARD_NEW_PREFIX))
            continue;
        auto_free char *path = xasprintf("%s/%s", job->names.appenddirname, entries.names[i]);
        (void)guard_add(job,
                        &(struct guard_trap){.id = "leftover-temp-file",
                                             .file = path,
                                             .offset = -1,
                                             .mend = GUARD_MEND_REMOVE,
                                             .fix = "it is removed"},
                        "a fix of redkeep was interrupted: it only takes room");
    }
    return 0;
}

/* With auto, a set that a server has written to says how it runs. Else both are looked at: a lone
 * dump is the data of one, and a trap for the other. */
static void decide(struct guard_job *job)
{
    enum restore_appendonly said = job->options->appendonly;

    job->with_yes = said != RESTORE_APPENDONLY_NO;
    job->with_no = said == RESTORE_APPENDONLY_NO ||
                   (said == RESTORE_APPENDONLY_AUTO && !guard_has_run_appending(job));
    if (said == RESTORE_APPENDONLY_AUTO && job->with_no &&
        faccessat(job->dir_fd, job->names.dbfilename, F_OK, 0) != 0)
        job->with_no = false; /* nothing there that it would load */
    job->result->appendonly = !job->with_no ? "yes" : job->with_yes ? "auto" : "no";
}

int guard_look(struct guard_job *job, struct err *err)
{
    bool go_on = false;

    decide(job);
    if (look_at_restore(job, &go_on, err) < 0)
        return -1;
    if (!go_on)
        return 0;
    if ((job->with_yes && guard_look_at_aof(job, err) < 0) ||
        (job->with_no && look_with_no(job, err) < 0))
        return -1;
    return look_at_new_files(job, err) < 0 || look_at_entries(job, err) < 0 ? -1 : 0;
}
