/*
 * What the checks judge of the data directory: statvfs, the names at its top, the file system's
 * kind from mountinfo, and how long an fsync takes there. See check_read.h.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "host/check_read.h"
#include "host/mounts.h"
#include "redis/temp_file.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define FSYNC_BYTES 4096
#define FSYNC_SAMPLES 5
/* Clocks here count milliseconds: a sample is as many fsyncs as fill this time, but at most so many
 * that a fast disk is not kept busy; and a slow one gets no further sample after the limit. */
#define SAMPLE_MS 10
#define SAMPLE_FSYNCS 16
#define SAMPLES_LIMIT_MS 2000

struct check_reading {
    char *path;
    char *file_system;
    struct fs_list entries;  /* with a NULL behind the last */
    struct fs_list leftover; /* names of entries, with a NULL behind the last */
};

static bool is_old(int dir_fd, const char *name, int64_t now_ms)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_mtim.tv_sec < (now_ms - DAY_MS) / 1000;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void append(struct fs_list *list, char *name)
{
    list->names = xreallocarray(list->names, list->count + 1, sizeof(*list->names));
    list->names[list->count++] = name;
}

static void read_names(struct check_facts *facts, int dir_fd, struct check_reading *reading)
{
    struct err ignored; /* not known is an answer here */
    struct fs_list *all = &reading->entries;

    if (fs_list_dir(dir_fd, ".", all, &ignored) != 0)
        return;
    if (all->count > 0)
        qsort(all->names, all->count, sizeof(*all->names), compare_names);
    for (size_t i = 0; i < all->count; i++) {
        if (temp_file_is_name(all->names[i]) && is_old(dir_fd, all->names[i], facts->now_ms))
            append(&reading->leftover, all->names[i]);
    }
    append(all, NULL);
    append(&reading->leftover, NULL);
    facts->volume.entries = (const char *const *)all->names;
    facts->volume.old_temp_files = (const char *const *)reading->leftover.names;
}

static int64_t bytes_of(uint64_t blocks, uint64_t size)
{
    uint64_t bytes = 0;

    if (__builtin_mul_overflow(blocks, size, &bytes) || bytes > INT64_MAX)
        return INT64_MAX;
    return (int64_t)bytes;
}

static void read_space(struct check_volume *volume, int dir_fd)
{
    struct statvfs space;
    struct stat st;

    if (fstatvfs(dir_fd, &space) == 0) {
        volume->total_bytes = bytes_of(space.f_blocks, space.f_frsize);
        volume->free_bytes = bytes_of(space.f_bavail, space.f_frsize);
        volume->total_inodes = bytes_of(space.f_files, 1);
        volume->free_inodes = bytes_of(space.f_favail, 1);
        volume->is_read_only = (space.f_flag & ST_RDONLY) != 0;
    }
    if (fstat(dir_fd, &st) == 0) {
        volume->owner_uid = (int64_t)st.st_uid;
        volume->owner_gid = (int64_t)st.st_gid;
        volume->mode = (int64_t)(st.st_mode & 07777);
    }
}

/* The kind of the mount that holds path, or is path: the one with the longest name, of those the
 * last, which lies on top. */
static char *find_kind(int root_fd, const char *path, bool *out_is_mount)
{
    auto_free char *text = check_read_text(root_fd, "proc/self/mountinfo", MOUNTS_MAX_BYTES);
    auto_free char *full = realpath(path, NULL);
    const char *kind = NULL;
    size_t longest = 0;
    struct mount_line mount;

    if (full == NULL)
        return NULL;
    for (char *rest = text; rest != NULL && mounts_next(&rest, &mount);) {
        size_t len = strlen(mount.point);

        if (len >= longest && mounts_is_below(full, mount.point)) {
            kind = mount.kind;
            longest = len;
            *out_is_mount = strcmp(full, mount.point) == 0;
        }
    }
    return kind == NULL ? NULL : xstrdup(kind);
}

/* Microseconds an fsync took, on the average of some; -1 when it cannot be done. */
static int64_t sample(int fd, const struct clock *clock)
{
    static const char block[FSYNC_BYTES];
    int64_t begin_ms = clock_mono_ms(clock);
    int64_t taken_ms = 0;
    int64_t count = 0;

    while (count < SAMPLE_FSYNCS && taken_ms < SAMPLE_MS) {
        if (pwrite(fd, block, sizeof(block), (off_t)count * FSYNC_BYTES) != FSYNC_BYTES ||
            fsync(fd) != 0)
            return -1;
        count++;
        taken_ms = clock_mono_ms(clock) - begin_ms;
    }
    return taken_ms * 1000 / count;
}

static int compare_times(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

/* The median of a few samples. */
static int64_t measure(int dir_fd, const struct clock *clock)
{
    auto_close int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int64_t samples[FSYNC_SAMPLES];
    int64_t begin_ms = clock_mono_ms(clock);
    size_t count = 0;

    if (fd < 0)
        return -1;
    while (count < FSYNC_SAMPLES &&
           (count == 0 || clock_mono_ms(clock) - begin_ms < SAMPLES_LIMIT_MS)) {
        samples[count] = sample(fd, clock);
        if (samples[count++] < 0)
            return -1;
    }
    qsort(samples, count, sizeof(samples[0]), compare_times);
    return samples[count / 2];
}

void check_read_volume(struct check_facts *facts, const char *path, const struct clock *clock,
                       bool measure_fsync, struct check_reading **out)
{
    struct check_volume *volume = &facts->volume;
    int inside = volume->repository_is_inside;

    *out = NULL;
    *volume = (struct check_volume){.total_bytes = -1,
                                    .free_bytes = -1,
                                    .total_inodes = -1,
                                    .free_inodes = -1,
                                    .is_read_only = -1,
                                    .owner_uid = -1,
                                    .owner_gid = -1,
                                    .mode = -1,
                                    .fsync_us = -1,
                                    .repository_is_inside = inside};
    auto_close int dir_fd = path == NULL ? -1 : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return;
    struct check_reading *reading = xcalloc(1, sizeof(*reading));
    *out = reading;
    reading->path = xstrdup(path);
    reading->file_system = find_kind(facts->root_fd, path, &volume->is_mount);
    volume->path = reading->path;
    volume->file_system = reading->file_system;
    read_space(volume, dir_fd);
    read_names(facts, dir_fd, reading);
    if (measure_fsync && volume->is_read_only == 0)
        volume->fsync_us = measure(dir_fd, clock);
}

void check_reading_free(struct check_reading *reading)
{
    if (reading == NULL)
        return;
    free(reading->leftover.names); /* the names are the entries' */
    fs_list_release(&reading->entries);
    free(reading->file_system);
    free(reading->path);
    free(reading);
}
