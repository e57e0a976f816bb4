/*
 * The happy path: lock, look at the volume, list, choose, check version and room, stage, look at
 * the volume again, switch.
 *
 *     a server runs on it        refused, before anything is written, even with force
 *     volume holds data          refused, or success with if_empty; the store is not asked
 *     what the repository says   see restore_choose.c
 *     killed                     see stage.h
 */
#include "backup/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "backup/restore_job.h"
#include "backup/stage.h"
#include "backup/volume.h"
#include "base/fs.h"
#include "base/mem.h"

void restore_result_release(struct restore_result *result)
{
    for (size_t i = 0; i < result->file_count; i++)
        free(result->files[i]);
    for (size_t i = 0; i < result->skipped_count; i++) {
        free(result->skipped[i].id);
        free(result->skipped[i].why);
    }
    free(result->files);
    free(result->skipped);
    free(result->id);
    free(result->aside);
    free(result->other_instances);
    *result = (struct restore_result){0};
}

static int sync_parent(int dir_fd, const char *label, struct err *err)
{
    auto_close int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "look at the directory of %s", label);
    return fs_fsync(fd, label, err);
}

/* Heap. */
static char *parent_of(const char *path)
{
    auto_free char *copy = xstrdup(path);

    return xstrdup(dirname(copy));
}

/* Of an errno: why the directory cannot be made. A parent that is not there may be a volume that is
 * not mounted, so it is named, not made: the first on the way. */
static int fail_to_make(const char *dir, struct err *err)
{
    auto_free char *parent = parent_of(dir);
    auto_free char *above = xstrdup(parent);
    auto_free char *missing = NULL;

    (void)err_sys(err, ERR_FAILED, "create the target directory %s", dir);
    while (err->code == ENOENT && strcmp(above, ".") != 0 && access(above, F_OK) != 0 &&
           errno == ENOENT) {
        free(missing);
        missing = TAKE_PTR(above);
        above = parent_of(missing);
    }
    if (missing == NULL)
        return -1;
    return err_set(err, ERR_FAILED,
                   "create the target directory %s: %s is not there, and only the last directory "
                   "of it is made. HINT: mount what belongs there, or make it: mkdir -p %s",
                   dir, missing, parent);
}

/* A dry run makes no directory: one that is not there yet is as empty as can be, and has the room
 * of the one that it would be made in. */
static int open_parent(const struct restore_options *options, int *out_fd, struct err *err)
{
    auto_free char *parent = parent_of(options->dir);

    if (fs_open_dir(AT_FDCWD, parent, out_fd, err) != 0) {
        errno = err->code;
        if (errno == ENOENT)
            return fail_to_make(options->dir, err);
        err->kind = ERR_FAILED;
        return err_wrap(err, "restore into %s", options->dir);
    }
    return 0;
}

/* Makes the target where it is to be made and not there yet. */
static int make_target(const struct restore_options *options, bool *out_made, struct err *err)
{
    *out_made = options->create && !options->dry_run && mkdir(options->dir, 0755) == 0;
    if (options->create && !options->dry_run && !*out_made && errno != EEXIST)
        return fail_to_make(options->dir, err);
    if (*out_made && options->has_owner && chown(options->dir, options->uid, options->gid) != 0)
        return err_sys(err, ERR_FAILED, "give %s to user %u, group %u", options->dir,
                       (unsigned)options->uid, (unsigned)options->gid);
    return 0;
}

static int open_target(const struct restore_options *options, bool made, int *out_fd,
                       struct err *err)
{
    bool is_locked = false;

    if (fs_open_dir(AT_FDCWD, options->dir, out_fd, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            (void)err_advise(err, VOLUME_MISSING_HINT);
        err->kind = ERR_FAILED; /* a missing directory is no missing backup */
        return err_wrap(err, "restore into %s (data-dir, or --target)", options->dir);
    }
    if (made && sync_parent(*out_fd, options->dir, err) != 0)
        return -1;
    if (fs_try_lock(*out_fd, options->dir, &is_locked, err) != 0)
        return -1;
    if (!is_locked)
        restore_warn(
            options, PROBLEM_FAILED,
            "the file system of %s has no locks: nothing keeps a second restore away while "
            "this one runs",
            options->dir);
    return 0;
}

/* An earlier run was killed behind its commit: all that is missing are renames. */
static int finish(const struct restore_job *job, struct err *err)
{
    const struct restore_options *options = job->options;
    struct restore_result *result = job->result;

    restore_tell(options, "finishing a restore that was interrupted after it was complete");
    if (stage_resume(job->dir_fd, &result->id, &result->aside, err) != 0)
        return -1;
    if (result->id == NULL) {
        restore_warn(options, PROBLEM_HOLDS_DATA,
                     "dropped an interrupted restore: a server has written data of its own into %s "
                     "meanwhile; what had been put in place before stays beside it",
                     options->dir);
        return 0;
    }
    result->restored = true;
    result->reason = "restored";
    return 0;
}

/* What was finished is not what is asked for now. */
static int finished_another(const struct restore_job *job, struct err *err)
{
    struct restore_result *result = job->result;
    auto_free char *id = TAKE_PTR(result->id);

    result->restored = false;
    result->reason = "volume-holds-data";
    return err_set(err, ERR_HOLDS_DATA,
                   "restore into %s: %s the interrupted restore of %s, which is not the one that "
                   "was asked for. HINT: --force restores that one, and moves this aside",
                   job->options->dir, job->options->dry_run ? "it would finish" : "finished", id);
}

/* What resume would do, in a dry run. */
static int foresee(const struct restore_job *job, bool *out_done, struct err *err)
{
    const struct restore_options *options = job->options;
    struct restore_result *result = job->result;

    if (stage_committed_id(job->dir_fd, &result->id, err) != 0)
        return -1;
    *out_done = result->id != NULL;
    if (result->id == NULL) {
        restore_tell(options,
                     "an interrupted restore is to be dropped: a server has written data of its "
                     "own into %s meanwhile",
                     options->dir);
        return 0;
    }
    restore_tell(options, "a restore was interrupted after it was complete: the next one finishes "
                          "it");
    if (!restore_is_candidate(options, result->id))
        return finished_another(job, err);
    result->reason = "dry-run";
    return 0;
}

/* *out_done: that was all. */
static int resume(const struct restore_job *job, bool *out_done, struct err *err)
{
    const struct restore_options *options = job->options;
    struct restore_result *result = job->result;

    *out_done = true;
    if (restore_check_server(job, err) != 0)
        return -1;
    if (options->dry_run && !options->force)
        return foresee(job, out_done, err);
    if (!options->dry_run && finish(job, err) != 0)
        return -1;
    if (result->restored && !options->force)
        return restore_is_candidate(options, result->id) ? 0 : finished_another(job, err);
    *out_done = false; /* what is asked for now is still to be done */
    result->restored = false;
    result->reason = NULL;
    free(TAKE_PTR(result->id));
    return 0;
}

/* Rubbish of a run that was killed. Who needs the room it takes tries again, and says so. */
static void discard(const struct restore_job *job)
{
    struct err ignored;

    if (restore_check_server(job, &ignored) == 0)
        (void)stage_discard(job->dir_fd, &ignored);
}

static int restore_locked(const struct restore_job *job, struct err *err)
{
    const struct volume_names names = volume_names_of(&job->options->names);
    enum stage_found found = STAGE_NONE;
    bool is_done = false;
    bool go_on = false;

    if (stage_find(job->dir_fd, &found, err) != 0 ||
        (found == STAGE_COMMITTED && resume(job, &is_done, err) != 0))
        return -1;
    if (is_done)
        return 0;
    if (found == STAGE_PARTIAL && !job->options->dry_run)
        discard(job);
    if (restore_check_volume(job, &names, &go_on, err) != 0)
        return -1;
    return go_on ? restore_from_store(job, err) : 0;
}

int restore(const struct restore_options *options, struct restore_result *out, struct err *err)
{
    struct restore_result result = {.restored_to_ms = -1};
    int64_t began_ms = clock_mono_ms(options->clock);
    auto_close int dir_fd = -1;
    struct restore_options imagined = *options;
    struct restore_job job = {.options = &imagined, .result = &result};
    int rc = catalog_check_instance(options->instance, err);

    if (rc == 0 && options->dry_run && options->create && access(options->dir, F_OK) != 0) {
        imagined.force = true; /* what the parent holds is in nobody's way */
        rc = open_parent(options, &dir_fd, err);
    } else if (rc == 0) {
        rc = make_target(options, &job.made_dir, err);
        if (rc == 0)
            rc = open_target(options, job.made_dir, &dir_fd, err);
    }
    job.dir_fd = dir_fd;
    if (rc == 0)
        rc = restore_locked(&job, err);
    if (job.made_dir && !result.restored) /* stays when there is anything in it */
        (void)rmdir(options->dir);
    result.took_ms = clock_mono_ms(options->clock) - began_ms;
    *out = result;
    return rc;
}
