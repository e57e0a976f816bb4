/*
 * How the server turns them on (redis: aof.c): aof_enabled:1 at once; with a child of another kind
 * running, aof_rewrite_scheduled:1 until that one is gone, and again after a rewrite that failed;
 * then aof_rewrite_in_progress:1, with the new increment as temp-<appendfilename>.incr. When the
 * child is done, the thread that also answers INFO renames the base, the increment, and writes the
 * manifest. So while a rewrite is under way, and the temporary name is gone, one more INFO sees to
 * it that the manifest is there. An ordinary rewrite has no such name, and is not waited for.
 */
#include "redis/aof_ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/mem.h"

#define POLL_MS 100
#define PUT_OFF_MAX_MS 60000 /* of a rewrite, while no child is to be seen */

struct waiting {
    struct redis_watch *watch;
    const struct aof_ready_options *options;
    int64_t began_ms;
    int64_t put_off_ms; /* since when; -1 */
    bool told;
};

static int has_temporary(const struct aof_ready_options *options, bool *out, struct err *err)
{
    auto_free char *path =
        xasprintf("%s/temp-%s.incr", options->appenddirname, options->appendfilename);
    struct stat st;

    *out = fstatat(options->data_dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*out && errno != ENOENT && errno != ENOTDIR)
        return err_sys(err, ERR_FAILED, "look for %s", path);
    return 0;
}

/* 1 the files are what INFO says, 0 not yet. */
static int is_ready(struct waiting *waiting, struct redis_server_info *info, struct err *err)
{
    bool temporary = false;

    int looked = redis_watch_look(waiting->watch, info, err);
    if (looked != 1)
        return looked;
    if (info->loading == 1 || info->async_loading == 1)
        return 0;
    if (info->aof_enabled != 1)
        return 1;
    if (info->aof_rewrite_scheduled == 1)
        return 0;
    if (info->aof_rewrite_in_progress != 1)
        return 1;
    if (has_temporary(waiting->options, &temporary, err) < 0)
        return -1;
    if (temporary)
        return 0;
    looked = redis_watch_look(waiting->watch, info, err);
    if (looked != 1)
        return looked;
    return info->aof_enabled == 1 && info->aof_rewrite_scheduled != 1;
}

static int check_limits(struct waiting *waiting, const struct redis_server_info *info,
                        struct err *err)
{
    int64_t now_ms = clock_mono_ms(waiting->watch->clock);
    int64_t timeout_ms = waiting->options->timeout_ms;
    bool put_off = info->aof_rewrite_scheduled == 1 && !redis_info_has_child(info);

    if (!put_off)
        waiting->put_off_ms = -1;
    else if (waiting->put_off_ms < 0)
        waiting->put_off_ms = now_ms;
    if (put_off && now_ms - waiting->put_off_ms >= PUT_OFF_MAX_MS) {
        (void)err_set(err, ERR_SERVER,
                      "%s: the server puts off the rewrite of its append-only files, and those on "
                      "the disk may be old. HINT: its log says why the last one failed",
                      redis_label(waiting->watch->redis));
        return err_as(err, PROBLEM_AOF_REWRITE_ERR);
    }
    if (timeout_ms > 0 && now_ms - waiting->began_ms >= timeout_ms) {
        (void)err_set(err, ERR_SERVER,
                      "%s: the server did not get its append-only files ready within %lld s. HINT: "
                      "they are complete when aof_rewrite_in_progress is 0 in INFO; save-timeout "
                      "is how long redkeep waits",
                      redis_label(waiting->watch->redis), (long long)(timeout_ms / 1000));
        return err_as(err, PROBLEM_SAVE_BUSY);
    }
    return cancel_check(err);
}

int aof_ready_wait(struct redis_watch *watch, const struct aof_ready_options *options,
                   struct redis_server_info *out, struct err *err)
{
    struct waiting waiting = {.watch = watch,
                              .options = options,
                              .began_ms = clock_mono_ms(watch->clock),
                              .put_off_ms = -1};

    for (;;) {
        int ready = is_ready(&waiting, out, err);

        if (ready != 0)
            return ready == 1 ? 0 : -1;
        if (check_limits(&waiting, out, err) < 0)
            return -1;
        if (!waiting.told && options->on_wait != NULL)
            options->on_wait(options->context);
        waiting.told = true;
        clock_sleep_ms(watch->clock, POLL_MS);
    }
}
