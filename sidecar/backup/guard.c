/*
 * Lock, look, mend the first thing that can be mended, look again: until nothing can be mended. A
 * fix changes what the others are (a run of NULs that is gone uncovers the torn transaction behind
 * it), so none is done from what was seen before another. What has been read and not changed since
 * is not read again.
 */
#include "backup/guard.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backup/guard_job.h"
#include "base/mem.h"

#define FIXES_MAX 64

void guard_result_release(struct guard_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        guard_finding_release(&result->findings[i]);
    free(result->findings);
    *result = (struct guard_result){0};
}

static int check_server(const struct guard_options *options, struct err *err)
{
    if (options->check_server == NULL || options->check_server(options->context, err) == 0)
        return 0;
    return err_wrap(err, "guard %s", options->dir);
}

static struct guard_finding *first_fixable(const struct guard_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        if (result->findings[i].mend != GUARD_MEND_NONE)
            return &result->findings[i];
    return NULL;
}

static void say(const struct guard_options *options, const struct guard_finding *finding)
{
    auto_free char *text =
        xasprintf("mended %s in %s: %s", finding->id, finding->file, finding->fix);

    if (options->on_event != NULL)
        options->on_event(options->context, text);
}

/* What was mended must not be found again. */
static int check_gone(const struct guard_result *mended, const struct guard_result *found,
                      struct err *err)
{
    for (size_t i = 0; i < mended->count; i++)
        for (size_t k = 0; k < found->count; k++) {
            const struct guard_finding *one = &mended->findings[i];
            const struct guard_finding *other = &found->findings[k];

            if (one->id == other->id && one->offset == other->offset &&
                strcmp(one->file, other->file) == 0)
                return err_set(err, ERR_FAILED, "%s in %s is there again after it was mended",
                               one->id, one->file);
        }
    return 0;
}

static void take_finding(struct guard_result *to, struct guard_finding *finding)
{
    to->findings = xreallocarray(to->findings, to->count + 1, sizeof(*to->findings));
    to->findings[to->count++] = *finding;
    *finding = (struct guard_finding){.id = ""};
}

/* What `kept` names lies in the append-only directory. */
static void place_kept(const struct guard_job *job, struct guard_finding *finding)
{
    if (finding->kept == NULL || finding->mend == GUARD_MEND_RESTORE)
        return;
    auto_free char *name = finding->kept;
    finding->kept = xasprintf("%s/%s", job->names.appenddirname, name);
}

/* *out_done: there was nothing to mend. */
static int mend_one(struct guard_job *job, struct guard_result *mended, bool *out_done,
                    struct err *err)
{
    struct guard_finding *finding = first_fixable(job->result);

    *out_done = finding == NULL;
    if (*out_done)
        return 0;
    if (mended->count == FIXES_MAX)
        return err_set(err, ERR_FAILED, "%d things were mended, and %s is still to be", FIXES_MAX,
                       finding->id);
    if (check_server(job->options, err) < 0)
        return -1;
    if (guard_mend(job, finding, err) < 0)
        return err_wrap(err, "mend %s in %s", finding->id, finding->file);
    place_kept(job, finding);
    finding->fixed = true;
    say(job->options, finding);
    take_finding(mended, finding);
    return 0;
}

static int look_and_mend(struct guard_job *job, struct guard_result *mended, struct err *err)
{
    bool done = false;

    while (!done) {
        guard_result_release(job->result);
        if (guard_look(job, err) < 0 || check_gone(mended, job->result, err) < 0)
            return -1;
        if (!job->options->fix)
            return 0;
        if (mend_one(job, mended, &done, err) < 0)
            return -1;
    }
    return 0;
}

/* Behind those that were mended, all that were found and are not. */
static void join(struct guard_result *mended, struct guard_result *found)
{
    mended->appendonly = found->appendonly;
    for (size_t i = 0; i < found->count; i++)
        if (found->findings[i].file != NULL)
            take_finding(mended, &found->findings[i]);
    guard_result_release(found);
}

static int open_dir(const struct guard_options *options, int *out_fd, struct err *err)
{
    if (fs_open_dir(AT_FDCWD, options->dir, out_fd, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            (void)err_advise(err, VOLUME_MISSING_HINT);
        err->kind = ERR_FAILED; /* a missing directory is no missing backup */
        return err_wrap(err, "guard %s (data-dir)", options->dir);
    }
    return options->beside_server ? 0 : fs_lock(*out_fd, options->dir, err);
}

int guard(const struct guard_options *options, struct guard_result *out, struct err *err)
{
    struct guard_result mended = {0};
    struct guard_result found = {0};
    struct guard_job job = {
        .options = options,
        .result = &found,
        .names = volume_names_of(&options->names),
    };
    auto_free char *manifest_name = xasprintf("%s.manifest", job.names.appendfilename);
    auto_close int dir_fd = -1;
    int64_t began_ms = clock_mono_ms(options->clock);
    int rc = open_dir(options, &dir_fd, err);

    job.manifest_name = manifest_name;
    job.dir_fd = dir_fd;
    assert(!options->beside_server || !options->fix);
    if (rc == 0 && !options->beside_server)
        rc = check_server(options, err);
    if (rc == 0)
        rc = look_and_mend(&job, &mended, err);
    join(&mended, &found);
    free(job.seen);
    mended.took_ms = clock_mono_ms(options->clock) - began_ms;
    *out = mended;
    return rc;
}

int guard_judge(const struct guard_result *result, const char *dir, struct err *err)
{
    const struct guard_finding *worst = NULL;
    unsigned count = 0;

    for (size_t i = 0; i < result->count; i++) {
        const struct guard_finding *finding = &result->findings[i];

        if (!finding->loses || finding->fixed)
            continue;
        if (worst == NULL || (worst->fixable && !finding->fixable))
            worst = finding;
        count++;
    }
    if (worst == NULL)
        return 0;
    auto_free char *more = count > 1 ? xasprintf(" (and %u more)", count - 1) : xstrdup("");
    auto_free char *when =
        worst->when != NULL
            ? xasprintf(", with %s; the setting appendonly says which it is", worst->when)
            : xstrdup("");
    (void)err_set(err, ERR_CORRUPT,
                  "%s: a server that starts now would lose data: %s: %s in %s%s%s. "
                  "HINT: %s%s",
                  dir, worst->why, worst->id, worst->file, when, more,
                  worst->fixable ? "redkeep guard --fix: " : "", worst->fix);
    return err_as(err, PROBLEM_WOULD_LOSE);
}
