/*
 * Into one file, as the server's loader reads it: an RDB from its header to its checksum, commands
 * from the first to the last. The pages stay in the cache: the server reads them next.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backup/guard_job.h"
#include "base/cancel.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/aof_mend.h"
#include "redis/aof_scan.h"
#include "redis/rdb_compat.h"
#include "redis/rdb_walk.h"

#define READ_BYTES ((size_t)256 << 10) /* stays in the CPU's own cache */
#define SEEN_MAX 64
#define CHECKSUM_BYTES 8

static bool is_seen(const struct guard_seen *seen, const struct stat *st)
{
    return seen->dev == st->st_dev && seen->ino == st->st_ino && seen->size == st->st_size &&
           memcmp(&seen->changed, &st->st_mtim, sizeof(seen->changed)) == 0;
}

static struct guard_seen *add_seen(struct guard_job *job, const struct guard_seen *seen)
{
    if (job->seen_count == SEEN_MAX)
        job->seen_count = 0; /* they are read again, then */
    job->seen = xreallocarray(job->seen, job->seen_count + 1, sizeof(*job->seen));
    job->seen[job->seen_count] = *seen;
    return &job->seen[job->seen_count++];
}

/* The checksum of [0, end) with the trailer that is the last of it: 0 when it is right. */
static int checksum(int fd, uint64_t end, const char *label, uint64_t *out, struct err *err)
{
    auto_free uint8_t *block = xmalloc(READ_BYTES);

    *out = 0;
    for (uint64_t at = 0; at < end;) {
        size_t len = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;

        if (cancel_check(err) < 0 || fs_pread_all(fd, block, len, at, label, err) < 0)
            return -1;
        *out = crc64(*out, block, len);
        at += len;
    }
    return 0;
}

/* One pass for both: most RDBs end where their file does. */
static int walk_rdb(int fd, uint64_t size, const char *label, struct rdb_walk *walk, uint64_t *crc,
                    struct err *err)
{
    auto_free uint8_t *block = xmalloc(READ_BYTES);

    *crc = 0;
    for (uint64_t at = 0; at < size;) {
        size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;

        if (cancel_check(err) < 0 || fs_pread_all(fd, block, len, at, label, err) < 0)
            return -1;
        *crc = crc64(*crc, block, len);
        rdb_walk_feed(walk, block, len);
        at += len;
    }
    return 0;
}

static void doom(struct guard_seen *seen, const char *why)
{
    seen->rdb = GUARD_RDB_CORRUPT;
    (void)snprintf(seen->why, sizeof(seen->why), "%s", why);
}

/* What could not be walked may still end as an RDB does, with a checksum that is right. */
static int judge_unwalked(int fd, const char *path, uint64_t crc, struct guard_seen *seen,
                          struct err *err)
{
    struct rdb_ends ends;
    struct err failed = {0};

    seen->rdb = GUARD_RDB_OPAQUE;
    if (rdb_probe_fd(fd, path, &ends, &failed) != 0) {
        if (failed.kind == ERR_CORRUPT)
            return 0; /* commands may follow it: there is no telling */
        *err = failed;
        return -1;
    }
    if (ends.head.magic == RDB_MAGIC_OPAQUE)
        return 0;
    seen->rdb = GUARD_RDB_WHOLE;
    if (ends.tail.crc != 0 && crc != 0)
        doom(seen, "its checksum does not match its bytes");
    return 0;
}

static int judge_walked(int fd, const char *path, const struct rdb_walk_result *walked,
                        uint64_t crc, struct guard_seen *seen, struct err *err)
{
    if (walked->walked == RDB_NOT_WALKED)
        return judge_unwalked(fd, path, crc, seen, err);
    if (walked->walked == RDB_WALK_CORRUPT) {
        doom(seen, walked->why);
        return 0;
    }
    uint8_t trailer[CHECKSUM_BYTES];
    static const uint8_t none[CHECKSUM_BYTES] = {0}; /* saved with rdbchecksum no */
    seen->end = walked->size;
    if (fs_pread_all(fd, trailer, CHECKSUM_BYTES, seen->end - CHECKSUM_BYTES, path, err) < 0)
        return -1;
    if (seen->end < (uint64_t)seen->size && checksum(fd, seen->end, path, &crc, err) < 0)
        return -1;
    if (crc != 0 && memcmp(trailer, none, CHECKSUM_BYTES) != 0)
        doom(seen, "its checksum does not match its bytes");
    return 0;
}

static int read_head(int fd, const char *path, uint64_t size, struct rdb_head *out, struct err *err)
{
    auto_free uint8_t *head = xmalloc(RDB_HEAD_MAX);
    size_t len = size < RDB_HEAD_MAX ? (size_t)size : RDB_HEAD_MAX;

    if (fs_pread_all(fd, head, len, 0, path, err) < 0)
        return -1;
    (void)rdb_probe_head(head, len, out); /* filled in every case; the walk judges */
    return 0;
}

int guard_read_rdb(struct guard_job *job, int fd, const char *path, const struct guard_seen **out,
                   struct err *err)
{
    auto_rdb_walk struct rdb_walk *walk = rdb_walk_new(true);
    struct rdb_walk_result walked = {0};
    struct stat st;
    uint64_t crc = 0;

    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", path);
    for (size_t i = 0; i < job->seen_count; i++)
        if (is_seen(&job->seen[i], &st)) {
            *out = &job->seen[i];
            return 0;
        }
    struct guard_seen seen = {.dev = st.st_dev,
                              .ino = st.st_ino,
                              .size = st.st_size,
                              .changed = st.st_mtim,
                              .rdb = GUARD_RDB_WHOLE,
                              .end = (uint64_t)st.st_size};
    if (read_head(fd, path, seen.end, &seen.head, err) < 0 ||
        walk_rdb(fd, seen.end, path, walk, &crc, err) < 0)
        return -1;
    rdb_walk_end(walk, &walked);
    if (judge_walked(fd, path, &walked, crc, &seen, err) < 0)
        return -1;
    *out = add_seen(job, &seen);
    return 0;
}

bool guard_judge_rdb(struct guard_job *job, const struct guard_seen *seen, const char *id,
                     const char *when, const char *path)
{
    struct guard_trap trap = {.id = id,
                              .when = when,
                              .loses = true,
                              .file = path,
                              .offset = -1,
                              .fix = "nothing can be mended without losing keys: " GUARD_RESTORE};
    const struct guard_options *options = job->options;
    char why[RDB_LOAD_WHY_MAX];

    if (seen->rdb == GUARD_RDB_CORRUPT) {
        (void)guard_add(job, &trap, "the RDB is not whole (%s): the server exits with 1",
                        seen->why);
        return false;
    }
    if (seen->rdb == GUARD_RDB_OPAQUE || options->target == NULL ||
        rdb_can_load(options->target, seen->head.magic, seen->head.version, why) != RDB_LOAD_NO)
        return true;
    trap.id = "version-too-new";
    trap.fix = "start a server of the version that wrote it, or a newer one";
    (void)guard_add(job, &trap, "%s (%s): it exits with 1", why, options->target_from);
    return false;
}

static int scan_commands(int fd, uint64_t from, uint64_t size, const char *label,
                         struct aof_scan *out, struct err *err)
{
    auto_free char *block = xmalloc(READ_BYTES);

    aof_scan_init(out);
    for (uint64_t at = from; at < size;) {
        size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;

        if (cancel_check(err) < 0 || fs_pread_all(fd, block, len, at, label, err) < 0)
            return -1;
        if (!aof_scan_feed(out, block, len))
            break;
        at += len;
    }
    return 0;
}

/* A file of commands that something was found in. */
struct broken {
    struct guard_job *job;
    const char *path;
    uint64_t size;
    const struct aof_scan *scan; /* counted from where the commands begin */
    const struct aof_mend *mend;
};

static void find_bad_bytes(const struct broken *file, uint64_t offset)
{
    char behind[32];

    format_size(file->size - offset, behind, sizeof(behind));
    (void)guard_add(
        file->job,
        &(struct guard_trap){.id = "bad-aof-bytes",
                             .when = GUARD_YES,
                             .loses = true,
                             .file = file->path,
                             .offset = (int64_t)offset,
                             .fix = "nothing can be mended without losing commands: " GUARD_RESTORE
                                    "; redis-check-aof --fix would throw away "
                                    "everything from there on"},
        "no command begins there, and %s follow: the server exits with 1 (bad file "
        "format)",
        behind);
}

static void find_doubt(const struct broken *file)
{
    (void)guard_add(
        file->job,
        &(struct guard_trap){.id = "commands-behind-torn-transaction",
                             .when = GUARD_YES,
                             .loses = true,
                             .file = file->path,
                             .offset = (int64_t)file->mend->doubt_from,
                             .fix = "copy the file away and look at it: where the commands behind "
                                    "the torn transaction begin cannot be told for certain"},
        "a MULTI without its EXEC, and behind it perhaps commands of a server that was started "
        "since: the next start would drop them with it");
}

static void find_drops(const struct broken *file)
{
    uint64_t bytes[] = {0, 0};
    uint64_t from[] = {0, 0};
    char text[32];

    for (size_t i = file->mend->count; i-- > 0;) {
        const struct aof_drop *drop = &file->mend->drops[i];
        bytes[drop->what] += drop->to - drop->from;
        from[drop->what] = drop->from;
    }
    struct guard_trap trap = {
        .when = GUARD_YES, .loses = true, .mend = GUARD_MEND_DROP, .file = file->path};
    if (bytes[AOF_DROP_NULS] > 0) {
        trap.id = "nul-run";
        trap.offset = (int64_t)from[AOF_DROP_NULS];
        trap.fix = "the NULs are left out, every command stays";
        format_size(bytes[AOF_DROP_NULS], text, sizeof(text));
        (void)guard_add(file->job, &trap,
                        "%s of NUL bytes, as a full disk leaves them: the server exits with 1 (bad "
                        "file format), and redis-check-aof --fix throws away what follows them",
                        text);
    }
    if (bytes[AOF_DROP_TORN] > 0) {
        trap.id = "commands-behind-torn-transaction";
        trap.offset = (int64_t)from[AOF_DROP_TORN];
        trap.fix = "the torn transaction, which no server has applied, is left out";
        (void)guard_add(file->job, &trap,
                        "a MULTI without its EXEC, and behind it commands of a server that was "
                        "started since: the next start drops them with it, or applies half a "
                        "transaction");
    }
}

/* Behind keep_end there is no whole command, or none outside of the open MULTI. */
static void find_tail(const struct broken *file, bool is_last)
{
    const struct aof_mend *mend = file->mend;
    bool in_multi = mend->whole_end > mend->keep_end;
    bool has_nuls = file->scan->bad_why != NULL || (file->scan->nul_bytes > 0 && mend->count == 0);
    uint64_t bytes = file->size - mend->keep_end;
    struct guard_trap trap = {.when = GUARD_YES,
                              .file = file->path,
                              .offset = (int64_t)mend->keep_end,
                              .mend = GUARD_MEND_CUT,
                              .fix =
                                  "the file ends there, at its last whole command or transaction"};

    if (!is_last) {
        trap.id = "truncated-middle-file";
        trap.loses = true;
        trap.mend = GUARD_MEND_NONE;
        trap.fix =
            "what is missing between this file and the next cannot be mended: " GUARD_RESTORE;
        (void)guard_add(file->job, &trap,
                        "it is cut off inside a command or transaction, and is not the last file: "
                        "the server exits with 1 but cuts it, and its second start loads the rest "
                        "with a gap");
    } else if (has_nuls) {
        trap.id = "nul-tail";
        trap.loses = true;
        (void)guard_add(file->job, &trap,
                        "its last %" PRIu64 " bytes are an unfinished command and NULs, as a power "
                        "loss leaves them: the server exits with 1 (bad file format)",
                        bytes);
    } else if (in_multi && mend->whole_end < file->size) {
        trap.id = "torn-transaction";
        trap.loses = true;
        (void)guard_add(file->job, &trap,
                        "it is cut off inside a transaction: the server loads it and leaves the "
                        "MULTI open, so that its second start drops everything written since the "
                        "first");
    } else {
        trap.id = "torn-tail";
        (void)guard_add(file->job, &trap,
                        "it ends inside a %s: the server cuts off %" PRIu64 " bytes (with "
                        "aof-load-truncated no it exits with 1)",
                        in_multi ? "transaction" : "command", bytes);
    }
}

static bool is_clean(const struct aof_scan *scan)
{
    return aof_scan_at_boundary(scan) && scan->nul_bytes == 0 && scan->nested_multi == 0;
}

int guard_judge_commands(struct guard_job *job, int fd, const char *path, uint64_t from,
                         bool is_last, struct err *err)
{
    auto_aof_mend struct aof_mend mend = {0};
    struct aof_scan scan;
    struct stat st;
    struct err failed = {0};

    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", path);
    uint64_t size = (uint64_t)st.st_size;
    if (scan_commands(fd, from, size, path, &scan, err) < 0)
        return -1;
    if (is_clean(&scan))
        return 0;
    struct broken file = {.job = job, .path = path, .size = size, .scan = &scan, .mend = &mend};
    if (aof_mend_find(fd, from, size, path, &mend, &failed) < 0) {
        if (failed.kind != ERR_CORRUPT) {
            *err = failed;
            return -1;
        }
        find_bad_bytes(&file, from + scan.safe_end);
        return 0;
    }
    if (mend.bad_from != AOF_MEND_NONE) {
        find_bad_bytes(&file, mend.bad_from);
    } else if (mend.doubt_from != AOF_MEND_NONE) {
        find_doubt(&file);
    } else {
        find_drops(&file);
        if (mend.keep_end < size)
            find_tail(&file, is_last);
    }
    return 0;
}
