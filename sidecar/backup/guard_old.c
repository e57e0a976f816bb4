/*
 * The append-only file of a server before 7.0: one, at the top of the data directory. Without a set
 * it is what a newer server takes for its base, and beside one it is not looked at (redis: aof.c,
 * aofLoadManifestFromDisk, aofUpgradePrepare).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backup/guard_job.h"
#include "base/mem.h"

/* An old file of 0 bytes is taken for the base like any other, as a server before 7.0 leaves it
 * that was told to append beside a dump. */
static int judge_empty(struct guard_job *job, bool is_listed, struct err *err)
{
    struct guard_dump dump = {0};

    if (guard_look_at_dump(job, &dump, err) < 0)
        return -1;
    if (!dump.is_there || dump.is_empty)
        return 0;
    bool fixable = !is_listed && dump.is_whole && !dump.is_link;
    struct guard_trap trap = {
        .id = "empty-aof-beside-dump",
        .when = GUARD_YES,
        .loses = true,
        .file = job->names.appendfilename,
        .offset = -1,
        .mend = fixable ? GUARD_MEND_REMOVE : GUARD_MEND_NONE,
        .fix = fixable        ? "it is removed, and the dump becomes the base of a set"
               : is_listed    ? "remove it and the append-only directory, and run redkeep guard "
                                "--fix again"
               : dump.is_link ? GUARD_NO_LINK
                              : "what the dump holds could not be proven; " GUARD_RESTORE,
    };
    (void)guard_add(job, &trap,
                    "an append-only file of 0 bytes, of a server before 7.0, is what the server "
                    "takes for its base, and there is a dump with data: the server starts empty, "
                    "and its next save overwrites the dump");
    return 0;
}

bool guard_old_file_has_bytes(const struct guard_job *job)
{
    struct stat st;

    return fstatat(job->dir_fd, job->names.appendfilename, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           st.st_size > 0;
}

int guard_find_ignored_old_file(struct guard_job *job, struct err *err)
{
    const char *name = job->names.appendfilename;
    char ignored[VOLUME_WHAT_MAX];
    bool holds = true;

    if (volume_entry_holds_data(job->dir_fd, job->names.appenddirname, &job->names, &holds, ignored,
                                err) < 0)
        return -1;
    bool loses = !holds && guard_old_file_has_bytes(job);
    struct guard_trap trap = {
        .id = "old-aof-ignored",
        .when = GUARD_YES,
        .loses = loses,
        .file = name,
        .offset = -1,
        .fix = loses ? "if it is what should be loaded, move away the append-only directory; else "
                       "move it away"
                     : "move it away when it is not missed",
    };
    (void)guard_add(job, &trap,
                    loses ? "an append-only file of a server before 7.0, beside a set of a newer "
                            "one that is empty: the server does not read it, and starts empty"
                          : "an append-only file of a server before 7.0, beside a set of a newer "
                            "one: the server does not read it");
    return 0;
}

static int judge_bytes(struct guard_job *job, struct err *err)
{
    const char *name = job->names.appendfilename;
    auto_close int fd = openat(job->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    enum guard_content content = GUARD_COMMANDS;
    const struct guard_seen *seen = NULL;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_sys(err, ERR_FAILED, "open %s", name);
    if (guard_look_at_head(fd, name, &content, err) < 0)
        return -1;
    if (content == GUARD_RDB && guard_read_rdb(job, fd, name, &seen, err) < 0)
        return -1;
    if (seen != NULL && (!guard_judge_rdb(job, seen, "corrupt-base", GUARD_YES, name) ||
                         seen->rdb == GUARD_RDB_OPAQUE))
        return 0;
    size_t before = job->result->count;
    int rc = guard_judge_commands(job, fd, name, seen != NULL ? seen->end : 0, true, err);
    for (size_t i = before; i < job->result->count; i++) {
        struct guard_finding *finding = &job->result->findings[i];

        /* what is taken out of it could only be kept at the top, where nothing of ours may be */
        finding->mend = GUARD_MEND_NONE;
        finding->fixable = false;
        free(finding->fix);
        finding->fix = xstrdup("mend it with redis-check-aof --fix, on a copy; or " GUARD_RESTORE);
    }
    return rc;
}

int guard_has_old_file(const struct guard_job *job, bool *out, struct err *err)
{
    struct stat st;

    *out = fstatat(job->dir_fd, job->names.appendfilename, &st, 0) == 0;
    if (!*out && errno != ENOENT)
        return err_sys(err, ERR_FAILED, "look at %s", job->names.appendfilename);
    *out = *out && S_ISREG(st.st_mode);
    return 0;
}

int guard_judge_old_file(struct guard_job *job, bool is_listed, struct err *err)
{
    return guard_old_file_has_bytes(job) ? judge_bytes(job, err) : judge_empty(job, is_listed, err);
}
