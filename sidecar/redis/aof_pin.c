/*
 * How the server rewrites (redis: aof.c): a new incr file and a manifest that lists it come first,
 * from then on the old incr is complete; when the new base is ready, a manifest without the old
 * files comes, and only then they are unlinked. So a set whose files could all be opened is
 * complete, whatever the manifest says by then; and when one could not, there is a newer manifest.
 */
#include "redis/aof_pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "redis/aof_scan.h"

#define TRIES_MAX 50
#define TRY_PAUSE_MS 20
#define NAME_LABEL_MAX 1664

/* A set being pinned. */
struct pinning {
    const struct aof_pin_options *options;
    struct aof_pin pin;
};

static void label_of(const struct pinning *pinning, const char *name, char out[NAME_LABEL_MAX])
{
    (void)snprintf(out, NAME_LABEL_MAX, "%.512s/%s", pinning->options->dir, name);
}

static int read_manifest(const struct pinning *pinning, struct aof_manifest *out, struct err *err)
{
    auto_buf struct buf text;
    char label[NAME_LABEL_MAX];

    buf_init(&text, AOF_MANIFEST_MAX);
    label_of(pinning, pinning->pin.manifest_name, label);
    if (fs_read_file(pinning->options->dir_fd, pinning->pin.manifest_name, &text, err) < 0)
        return err_wrap(err, "%s", pinning->options->dir);
    return aof_manifest_parse(buf_text(&text), text.len, label, out, err);
}

/* 1 opened, 0 not there. */
static int open_file(struct pinning *pinning, const struct aof_file *file, struct err *err)
{
    auto_close int fd = openat(pinning->options->dir_fd, file->name,
                               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    char label[NAME_LABEL_MAX];
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return 0;
    label_of(pinning, file->name, label);
    if (fd < 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be opened", label);
    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be looked at", label);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, "%s: is not a regular file", label);

    struct aof_pin *pin = &pinning->pin;
    pin->files = xreallocarray(pin->files, pin->count + 1, sizeof(*pin->files));
    pin->files[pin->count++] = (struct aof_pin_file){
        .name = xstrdup(file->name),
        .seq = file->seq,
        .type = file->type,
        .fd = take_fd(&fd),
        .content = AOF_CONTENT_COMMANDS,
    };
    return 1;
}

/* The files of one kind, in the manifest's order. 0 when one is missing; it is named in *missing.
 */
static int open_kind(struct pinning *pinning, const struct aof_manifest *manifest,
                     enum aof_type type, char missing[AOF_LINE_MAX], struct err *err)
{
    for (size_t i = 0; i < manifest->count; i++) {
        if (manifest->files[i].type != type)
            continue;
        int opened = open_file(pinning, &manifest->files[i], err);
        if (opened == 0)
            (void)snprintf(missing, AOF_LINE_MAX, "%s", manifest->files[i].name);
        if (opened <= 0)
            return opened;
    }
    return 1;
}

static void drop_files(struct aof_pin *pin)
{
    for (size_t i = 0; i < pin->count; i++) {
        (void)close(pin->files[i].fd); /* only read from */
        free(pin->files[i].name);
    }
    free(pin->files);
    pin->files = NULL;
    pin->count = 0;
}

/* 1 all open, 0 one is gone. */
static int open_set(struct pinning *pinning, char missing[AOF_LINE_MAX], struct err *err)
{
    auto_aof_manifest struct aof_manifest manifest = {0};

    drop_files(&pinning->pin);
    if (read_manifest(pinning, &manifest, err) < 0)
        return -1;
    int opened = open_kind(pinning, &manifest, AOF_BASE, missing, err);
    if (opened == 1)
        opened = open_kind(pinning, &manifest, AOF_INCR, missing, err);
    return opened;
}

static int open_until_whole(struct pinning *pinning, struct err *err)
{
    char missing[AOF_LINE_MAX] = "";

    for (int i = 0; i < TRIES_MAX; i++) {
        int opened = open_set(pinning, missing, err);

        if (opened < 0)
            return -1;
        if (opened == 1 && pinning->pin.count == 0) {
            (void)err_set(err, ERR_NOT_FOUND, "%s: the AOF manifest lists no files",
                          pinning->options->dir);
            return err_as(err, PROBLEM_AOF_CORRUPT);
        }
        if (opened == 1)
            return 0;
        clock_sleep_ms(pinning->options->clock, TRY_PAUSE_MS);
    }
    return err_set(err, ERR_CORRUPT,
                   "%s: the AOF manifest lists %.300s, which is not there: the server will not "
                   "start with it. HINT: run BGREWRITEAOF while it still runs",
                   pinning->options->dir, missing);
}

/* The lengths in the opposite order of writing: the last file first. What it holds up to there came
 * after everything in the files before it. */
static int take_lengths(struct pinning *pinning, struct err *err)
{
    struct aof_pin *pin = &pinning->pin;
    struct stat st;

    for (size_t i = pin->count; i > 0; i--) {
        if (fstat(pin->files[i - 1].fd, &st) < 0)
            return err_sys(err, ERR_FAILED, "%s/%s: cannot be looked at", pinning->options->dir,
                           pin->files[i - 1].name);
        pin->files[i - 1].length = (uint64_t)st.st_size;
    }
    return 0;
}

#define REWRITE_HINT "HINT: run BGREWRITEAOF while it still runs"

/* The last bytes of commands; an RDB ends so once in 65536 times. */
static int ends_with_line(const struct aof_pin_file *file, const char *label, bool *out,
                          struct err *err)
{
    char last[2];

    if (fs_pread_all(file->fd, last, sizeof(last), file->length - sizeof(last), label, err) < 0)
        return -1;
    *out = memcmp(last, "\r\n", sizeof(last)) == 0;
    return 0;
}

/* INVARIANT (proven before it counts): what begins as an RDB must end as one, or as commands do. */
static int look_at_rdb(struct aof_pin_file *file, const char *label, struct err *err)
{
    struct err failed = {0};
    bool has_tail = false;

    file->content = AOF_CONTENT_RDB;
    if (rdb_probe_fd(file->fd, label, &file->rdb, &failed) == 0)
        return 0;
    if (failed.kind == ERR_CORRUPT && file->length > RDB_SIZE_MIN &&
        ends_with_line(file, label, &has_tail, err) < 0)
        return -1;
    if (has_tail) {
        file->content = AOF_CONTENT_RDB_AND_COMMANDS;
        return 0;
    }
    if (failed.kind != ERR_CORRUPT) {
        *err = failed;
        return -1;
    }
    return err_set(err, ERR_CORRUPT, "%s: the server could not load it again. " REWRITE_HINT,
                   failed.msg);
}

/* A server takes a base that does not begin as an RDB for commands. */
static int look_at_base(struct aof_pin_file *file, const char *label, struct err *err)
{
    uint8_t first[9] = "";
    size_t len = file->length < sizeof(first) ? (size_t)file->length : sizeof(first);

    if (len == 0)
        return 0;
    if (fs_pread_all(file->fd, first, len, 0, label, err) < 0)
        return -1;
    if (first[0] == '*' || first[0] == '#' || first[0] == '\0')
        return 0;
    enum rdb_probe probe = rdb_probe_head(first, len, &file->rdb.head);
    if (probe != RDB_PROBE_OK || file->rdb.head.magic != RDB_MAGIC_OPAQUE)
        return look_at_rdb(file, label, err);
    file->content = AOF_CONTENT_UNKNOWN;
    return 0;
}

static int judge_scan(const struct aof_scan *scan, const char *label, bool last, struct err *err)
{
    if (scan->bad_why != NULL)
        return err_set(err, ERR_CORRUPT,
                       "%s: at byte %llu: %s: the server could not load it again. " REWRITE_HINT,
                       label, (unsigned long long)scan->bad_offset, scan->bad_why);
    if (scan->nul_offset < scan->safe_end)
        return err_set(
            err, ERR_CORRUPT,
            "%s: at byte %llu: a hole of NUL bytes, as a full disk leaves it: the server "
            "could not load it again. " REWRITE_HINT,
            label, (unsigned long long)scan->nul_offset);
    if (!last && !aof_scan_at_boundary(scan))
        return err_set(err, ERR_CORRUPT,
                       "%s: is cut off at byte %llu, but is not the last file: the server could "
                       "not load it again. " REWRITE_HINT,
                       label, (unsigned long long)scan->safe_end);
    return 0;
}

/* A server whose disk is full takes back what it wrote last, perhaps between our fstat and now:
 * then the file is that much shorter. */
static int scan_file(struct aof_pin_file *file, const char *label, struct aof_scan *out,
                     struct err *err)
{
    struct err failed = {0};
    struct stat st;

    for (int i = 0; i < TRIES_MAX; i++) {
        if (aof_scan_fd(file->fd, file->length, label, out, &failed) == 0)
            return 0;
        if (fstat(file->fd, &st) < 0 || (uint64_t)st.st_size >= file->length)
            break;
        file->length = (uint64_t)st.st_size;
    }
    *err = failed;
    return -1;
}

/* INVARIANT (segments end on a command boundary, outside MULTI): for the last file that is where
 * its length is cut; in the others it is what the server left, or they are broken. */
static int check_file(struct pinning *pinning, size_t index, struct err *err)
{
    struct aof_pin_file *file = &pinning->pin.files[index];
    bool last = index + 1 == pinning->pin.count;
    struct aof_scan scan;
    char label[NAME_LABEL_MAX];

    label_of(pinning, file->name, label);
    if (file->type == AOF_BASE && look_at_base(file, label, err) < 0)
        return -1;
    if (file->content != AOF_CONTENT_COMMANDS)
        return 0;
    if (scan_file(file, label, &scan, err) < 0)
        return -1;
    if (judge_scan(&scan, label, last, err) < 0)
        return -1;
    file->length = scan.safe_end;
    if (scan.last_ts >= 0)
        pinning->pin.last_ts = scan.last_ts;
    return 0;
}

static int write_manifest(struct pinning *pinning, struct err *err)
{
    struct aof_pin *pin = &pinning->pin;
    auto_buf struct buf text;

    buf_init(&text, AOF_MANIFEST_MAX);
    for (size_t i = 0; i < pin->count; i++) {
        struct aof_file row = {pin->files[i].name, pin->files[i].seq, pin->files[i].type};

        if (aof_manifest_format(&row, 1, &text, err) < 0)
            return -1;
    }
    pin->manifest_len = text.len;
    pin->manifest = buf_take(&text);
    return 0;
}

static int pin_set(struct pinning *pinning, struct err *err)
{
    if (open_until_whole(pinning, err) < 0 || take_lengths(pinning, err) < 0)
        return -1;
    for (size_t i = 0; i < pinning->pin.count; i++)
        if (check_file(pinning, i, err) < 0)
            return -1;
    return write_manifest(pinning, err);
}

int aof_pin_open(const struct aof_pin_options *options, struct aof_pin *out, struct err *err)
{
    struct pinning pinning = {.options = options, .pin = {.last_ts = -1}};

    pinning.pin.manifest_name = xasprintf("%s.manifest", options->appendfilename);
    if (pin_set(&pinning, err) < 0) {
        aof_pin_release(&pinning.pin);
        return err->kind == ERR_CORRUPT ? err_as(err, PROBLEM_AOF_CORRUPT) : -1;
    }
    *out = pinning.pin;
    return 0;
}

void aof_pin_release(struct aof_pin *pin)
{
    drop_files(pin);
    free(pin->manifest);
    free(pin->manifest_name);
    *pin = (struct aof_pin){0};
}
