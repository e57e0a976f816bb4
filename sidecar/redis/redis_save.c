/*
 * The happy path: INFO (nobody else is saving), BGSAVE with INFO in one write, INFO four times a
 * second until the child is gone, and then the file: another one than before, `ctime` not before
 * the request, an EOF opcode.
 *
 * What goes wrong on the way: another child is running (wait: its data is older than the request);
 * the fork fails (its bare -ERR); the child dies (status err: the server may refuse writes now, so
 * never try again); the save is dropped by FLUSHALL or BGSAVE CANCEL (status ok, no new file: try
 * again); the server restarts; the file appears in a directory that is not the one we look at. A
 * server that cannot answer for a while is asked again: its save goes on without us.
 */
#include "redis/redis_save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "redis/redis_watch.h"

#define POLL_MS_DEFAULT 250
#define POLL_MS_FIRST 20
#define ATTEMPTS_MAX 3
#define REFUSALS_MAX 5    /* of BGSAVE, while no child is to be seen */
#define IDLE_POLLS_MAX 40 /* for a scheduled save to begin */
#define LABEL_MAX 512
/* The child takes its ctime from time(), which lags behind the clock of INFO by up to a tick of the
 * kernel: at the turn of a second it still says the old one. */
#define COARSE_CLOCK_USEC 20000

/* What tells one dump file from another. */
struct file_id {
    bool exists;
    dev_t dev;
    ino_t ino;
    struct timespec mtime;
    struct timespec ctime;
};

struct save {
    struct redis *redis;
    struct redis_watch watch;
    const struct redis_save_options *options;
    int64_t began_ms;   /* monotonic */
    int64_t asked_usec; /* the server's clock at the request */
    int64_t last_save_time_s;
    struct file_id before;
    char file_label[LABEL_MAX];
    int percent;
    int64_t poll_ms; /* the next pause: small datasets are saved in no time */
};

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static struct file_id file_id_of(const struct stat *st)
{
    return (struct file_id){true, st->st_dev, st->st_ino, st->st_mtim, st->st_ctim};
}

static bool is_same_file(const struct file_id *a, const struct file_id *b)
{
    return a->exists == b->exists && a->dev == b->dev && a->ino == b->ino &&
           same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}

/* Between two looks: sleeps, longer each time, unless it is time to give up. */
static int pause_poll(struct save *save, struct err *err)
{
    const struct redis_save_options *options = save->options;
    int64_t longest_ms = options->poll_ms > 0 ? options->poll_ms : POLL_MS_DEFAULT;
    int64_t spent_ms = clock_mono_ms(options->clock) - save->began_ms;

    if (cancel_check(err) < 0)
        return -1;
    if (options->timeout_ms > 0 && spent_ms >= options->timeout_ms) {
        (void)err_set(err, ERR_SERVER,
                      "%s: the save was not done within %lld s. HINT: it may still finish; is "
                      "another save or AOF rewrite running all the time, or the disk slow?",
                      redis_label(save->redis), (long long)(options->timeout_ms / 1000));
        return err_as(err, PROBLEM_SAVE_BUSY);
    }
    save->poll_ms = save->poll_ms < longest_ms ? save->poll_ms : longest_ms;
    clock_sleep_ms(options->clock, save->poll_ms);
    save->poll_ms *= 2;
    return 0;
}

static void report_progress(struct save *save, const struct redis_server_info *info)
{
    int percent = 0;

    if (save->options->on_progress == NULL)
        return;
    if (info->save_keys_total > 0 && info->save_keys_processed > 0)
        percent = (int)((double)info->save_keys_processed * 100 / (double)info->save_keys_total);
    percent = percent > 100 ? 100 : percent;
    if (percent == save->percent)
        return;
    save->percent = percent;
    save->options->on_progress(save->options->context, percent);
}

/* The dump that is there now is from before. */
static int remember_file(struct save *save, struct err *err)
{
    struct stat st;

    if (fstatat(save->options->data_dir_fd, save->options->dbfilename, &st, 0) == 0)
        save->before = file_id_of(&st);
    else if (errno == ENOENT)
        save->before = (struct file_id){0};
    else
        return err_sys(err, ERR_FAILED, "%s: cannot be looked at", save->file_label);
    return 0;
}

/* What the world is like before the request. */
static int begin(struct save *save, struct err *err)
{
    const struct redis_save_options *options = save->options;
    auto_redis_info struct redis_server_info info = {0};

    (void)snprintf(save->file_label, sizeof(save->file_label), "%s/%s", options->data_dir,
                   options->dbfilename);
    save->began_ms = clock_mono_ms(options->clock);
    save->percent = -1;
    save->poll_ms = POLL_MS_FIRST;
    int looked = 0;
    while (looked == 0) {
        looked = redis_watch_look(&save->watch, &info, err);
        if (looked < 0 || (looked == 0 && pause_poll(save, err) < 0))
            return -1;
    }
    if (info.loading == 1 || info.async_loading == 1) {
        (void)err_set(err, ERR_SERVER,
                      "%s: the server is still loading its data. HINT: wait until it is ready",
                      redis_label(save->redis));
        return err_as(err, PROBLEM_SERVER_LOADING);
    }
    if (info.run_id[0] == '\0' || info.server_time_usec < 0)
        return err_set(err, ERR_SERVER,
                       "%s: INFO tells no run_id or server_time_usec, so no save can be proven",
                       redis_label(save->redis));
    memcpy(save->watch.run_id, info.run_id, sizeof(save->watch.run_id));
    save->asked_usec = info.server_time_usec;
    return remember_file(save, err);
}

/* Waits until no child runs; *waited when there was one. */
static int wait_idle(struct save *save, struct redis_server_info *out, bool *waited,
                     struct err *err)
{
    *waited = false;
    for (;;) {
        int looked = redis_watch_look(&save->watch, out, err);

        if (looked < 0)
            return -1;
        if (looked == 1 && !redis_info_has_child(out))
            return 0;
        *waited = true; /* or there was one while the server could not be asked */
        if (pause_poll(save, err) < 0)
            return -1;
    }
}

/* INVARIANT (a backup is proven before it counts): 1 when the dump on the volume is another file
 * than before, and its child began at or after not_before_s by the server's clock. 0 when it is
 * not. A file of unknown format cannot tell its time: it counts when `trusted`, that is when the
 * server has just reported success for our own save. */
static int take_file(const struct save *save, int64_t not_before_s, bool trusted,
                     struct redis_saved *out, struct err *err)
{
    auto_close int fd = -1;
    struct rdb_ends rdb = {0};
    struct file_id id = {0};
    struct stat st;

    fd = openat(save->options->data_dir_fd, save->options->dbfilename,
                O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be opened", save->file_label);
    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be looked at", save->file_label);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FAILED, "%s: is not a regular file", save->file_label);
    id = file_id_of(&st);
    if (is_same_file(&id, &save->before))
        return 0;

    if (rdb_probe_fd(fd, save->file_label, &rdb, err) < 0)
        return err->kind == ERR_CORRUPT ? err_as(err, PROBLEM_RDB_CORRUPT) : -1;
    if (rdb.head.ctime_s < 0 ? !trusted : rdb.head.ctime_s < not_before_s)
        return 0;
    out->fd = take_fd(&fd);
    out->rdb = rdb;
    return 1;
}

/* Does the file hold what INFO showed at the fork? A FLUSHALL drops our save and, with save points
 * configured, puts an empty dump of its own in place. */
static bool is_flushed(const struct redis_saved *out)
{
    return rdb_is_empty(&out->rdb.head) && redis_info_keys(&out->at_fork) > 0;
}

/* The hint in front of a database's keys is their exact number at the fork. */
static bool matches_fork(const struct redis_saved *out)
{
    const struct rdb_head *head = &out->rdb.head;

    if (head->first_db < 0 || head->first_db_keys < 0)
        return true; /* nothing to compare */
    for (size_t i = 0; i < out->at_fork.keyspace_count; i++)
        if (out->at_fork.keyspace[i].db == (uint64_t)head->first_db)
            return out->at_fork.keyspace[i].keys == (uint64_t)head->first_db_keys;
    return false;
}

/* One BGSAVE. 1 accepted: out->at_fork is set; 0 refused for now; -1 it will not do. */
static int ask_for_save(struct save *save, struct redis_saved *out, int *refusals, struct err *err)
{
    auto_buf struct buf reply;
    auto_buf struct buf text;
    enum redis_bgsave_answer answer = REDIS_BGSAVE_BUSY;

    buf_init(&reply, REDIS_INFO_MAX);
    buf_init(&text, REDIS_INFO_MAX);
    /* whether it saves now, the next look tells */
    if (redis_bgsave(save->redis, &answer, &reply, &text, err) < 0)
        return redis_watch_forgive(&save->watch, err);
    out->forked_ms = clock_wall_ms(save->options->clock);
    redis_info_release(&out->at_fork);
    redis_info_parse(buf_text(&text), text.len, &out->at_fork);

    if (answer == REDIS_BGSAVE_ACCEPTED)
        return 1;
    if (answer == REDIS_BGSAVE_FORK_FAILED) {
        (void)err_set(err, ERR_SERVER,
                      "%s: BGSAVE: the server could not fork (it said only \"%s\"). HINT: it "
                      "lacks memory or processes: set vm.overcommit_memory=1 on the host, raise "
                      "the memory limit, and look at the server's log",
                      redis_label(save->redis), buf_text(&reply));
        return err_as(err, PROBLEM_FORK_FAILED);
    }
    if (!redis_info_has_child(&out->at_fork) && ++*refusals > REFUSALS_MAX)
        return err_set(err, ERR_SERVER, "%s: BGSAVE: refused %d times: the server said \"%.300s\"",
                       redis_label(save->redis), *refusals, buf_text(&reply));
    return 0;
}

/* Follows the accepted save until its child is gone, or another one has taken its place; *info is
 * the last look. A save that was only scheduled is first waited for. */
static int wait_done(struct save *save, int64_t saves_before, struct redis_saved *out,
                     struct redis_server_info *info, struct err *err)
{
    bool started = out->at_fork.rdb_bgsave_in_progress == 1;
    int64_t number = started ? out->at_fork.rdb_saves : saves_before + 1;
    int idle_polls = 0;

    out->is_exact = started;
    save->poll_ms = POLL_MS_FIRST;
    if (started)
        report_progress(save, &out->at_fork);
    for (;;) {
        if (pause_poll(save, err) < 0)
            return -1;
        int looked = redis_watch_look(&save->watch, info, err);
        if (looked < 0)
            return -1;
        if (looked == 0)
            continue;
        if (!started && info->rdb_saves >= number)
            started = true;
        if (started && (info->rdb_bgsave_in_progress != 1 || info->rdb_saves > number))
            return 0;
        if (started)
            report_progress(save, info);
        else if (!redis_info_has_child(info) && ++idle_polls > IDLE_POLLS_MAX)
            return 0; /* it will not come: the caller finds no file and asks again */
    }
}

/* Where the server itself says that it saves; "" when it may not be asked. */
static void describe_place(const struct save *save, char *out, size_t out_size)
{
    auto_free char *dir = NULL;
    auto_free char *name = NULL;
    enum redis_config_answer answer = REDIS_CONFIG_UNKNOWN;
    struct err ignored = {0};

    out[0] = '\0';
    if (redis_config_get(save->redis, "dir", &answer, &dir, &ignored) < 0 ||
        redis_config_get(save->redis, "dbfilename", &answer, &name, &ignored) < 0)
        return;
    if (dir != NULL && name != NULL)
        (void)snprintf(out, out_size, " The server says that it saves to %.200s/%.100s.", dir,
                       name);
}

static int fail_unseen(const struct save *save, const char *what, struct err *err)
{
    char place[384];

    describe_place(save, place, sizeof(place));
    (void)err_set(err, ERR_SERVER,
                  "%s: the server says that it saved, but %s %s. HINT: data-dir and the "
                  "dbfilename must name the server's own directory and file, as redkeep sees "
                  "them.%s",
                  redis_label(save->redis), save->file_label, what, place);
    return err_as(err, PROBLEM_DATA_DIR);
}

/* Why there is no new file: -1 with the reason, 0 when another attempt makes sense. */
static int judge_failure(const struct save *save, const struct redis_server_info *info,
                         int attempts, struct err *err)
{
    char place[384];

    if (info->rdb_last_bgsave_ok == 0) {
        (void)err_set(err, ERR_SERVER,
                      "%s: the server's save failed. HINT: its log says why: no space or no "
                      "permission in its directory, or its child was killed (out of memory). Until "
                      "a save succeeds, it may refuse writes (MISCONF)",
                      redis_label(save->redis));
        return err_as(err, PROBLEM_BGSAVE_ERR);
    }
    /* FLUSHALL and BGSAVE CANCEL leave the time alone; a save that ended moves it */
    if (info->rdb_last_save_time_s > save->last_save_time_s)
        return fail_unseen(save, save->before.exists ? "is unchanged" : "is not there", err);
    if (attempts < ATTEMPTS_MAX)
        return 0;
    describe_place(save, place, sizeof(place));
    (void)err_set(err, ERR_SERVER,
                  "%s: %d saves, and no new %s, though the server names no error. HINT: data-dir "
                  "and the dbfilename must name the server's own directory and file, as redkeep "
                  "sees them.%s Or something runs FLUSHALL, or BGSAVE CANCEL, while it saves",
                  redis_label(save->redis), attempts, save->file_label, place);
    return err_as(err, PROBLEM_DATA_DIR);
}

/* 1 saved; 0 no file came of it, but another attempt makes sense. */
static int save_once(struct save *save, int64_t saves_before, struct redis_saved *out,
                     struct err *err)
{
    auto_redis_info struct redis_server_info info = {0};

    out->attempts++;
    if (wait_done(save, saves_before, out, &info, err) < 0)
        return -1;
    int64_t not_before_s = (save->asked_usec - COARSE_CLOCK_USEC) / 1000000;
    int taken = take_file(save, not_before_s, info.rdb_last_bgsave_ok == 1, out, err);
    if (taken < 0)
        return -1;
    if (taken == 0)
        return judge_failure(save, &info, out->attempts, err);

    out->cow_bytes = info.rdb_last_cow_bytes;
    if (!is_flushed(out)) {
        bool fits = matches_fork(out);
        out->is_strange = out->is_exact && !fits && info.rdb_saves == out->at_fork.rdb_saves;
        out->is_exact = out->is_exact && fits;
        return 1;
    }
    (void)close(out->fd); /* only read from */
    out->fd = -1;
    if (out->attempts < ATTEMPTS_MAX)
        return 0;
    return err_set(err, ERR_SERVER,
                   "%s: the data was flushed during each of %d saves. HINT: something runs "
                   "FLUSHALL again and again",
                   redis_label(save->redis), out->attempts);
}

/* What another's save left while we waited: 1 taken, 0 not. Whoever made it, a save that began
 * after the request is as good as ours; but one of the same second may have begun before it. */
static int take_of_others(const struct save *save, struct redis_server_info *info,
                          struct redis_saved *out, struct err *err)
{
    int taken = take_file(save, save->asked_usec / 1000000 + 1, false, out, err);

    if (taken != 1)
        return taken;
    redis_info_release(&out->at_fork);
    out->at_fork = *info;
    *info = (struct redis_server_info){0};
    out->forked_ms = out->rdb.head.ctime_s * 1000;
    out->cow_bytes = out->at_fork.rdb_last_cow_bytes;
    out->is_exact = false;
    return 1;
}

/* One round: waits for others, asks, follows. 1 saved, 0 another round makes sense. */
static int try_to_save(struct save *save, int *refusals, struct redis_saved *out, struct err *err)
{
    auto_redis_info struct redis_server_info idle = {0};
    bool waited = false;

    if (wait_idle(save, &idle, &waited, err) < 0)
        return -1;
    int taken = waited ? take_of_others(save, &idle, out, err) : 0;
    if (taken != 0)
        return taken;
    /* no child runs: the file that is there now is the last one that is too old */
    if (remember_file(save, err) < 0)
        return -1;
    save->last_save_time_s = idle.rdb_last_save_time_s;
    int accepted = ask_for_save(save, out, refusals, err);
    return accepted == 1 ? save_once(save, idle.rdb_saves, out, err) : accepted;
}

static int save_until_proven(struct save *save, struct redis_saved *out, struct err *err)
{
    int refusals = 0;

    for (;;) {
        int saved = try_to_save(save, &refusals, out, err);

        if (saved != 0)
            return saved == 1 ? 0 : -1;
        if (pause_poll(save, err) < 0)
            return -1;
    }
}

int redis_save_proven(struct redis *redis, const struct redis_save_options *options,
                      struct redis_saved *out, struct err *err)
{
    struct save save = {
        .redis = redis, .watch = {.redis = redis, .clock = options->clock}, .options = options};
    auto_redis_saved struct redis_saved saved = {.fd = -1, .cow_bytes = -1};

    saved.asked_ms = clock_wall_ms(options->clock);
    if (begin(&save, err) < 0 || save_until_proven(&save, &saved, err) < 0)
        return -1;
    saved.done_ms = clock_wall_ms(options->clock);

    *out = saved;
    saved = (struct redis_saved)REDIS_SAVED_INIT;
    return 0;
}

void redis_saved_release(struct redis_saved *saved)
{
    if (saved->fd >= 0)
        (void)close(saved->fd); /* only read from */
    saved->fd = -1;
    redis_info_release(&saved->at_fork);
}
