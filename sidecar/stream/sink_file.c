/* sync_file_range starts writeback behind the writer without waiting for it; it promises nothing,
 * the fsync at the end does. */
#include "stream/sink_file.h"

#include <fcntl.h>

#include "base/fs.h"
#include "base/mem.h"

#define WRITEBACK_BYTES ((uint64_t)8 << 20)

struct sink_file {
    struct sink base;
    int fd;
    char *label;
    uint64_t written;
    uint64_t started; /* writeback was asked for up to here */
};

static struct sink_file *self(struct sink *sink)
{
    return (struct sink_file *)(void *)sink;
}

static int file_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct sink_file *file = self(sink);

    if (fs_write_all(file->fd, data, len, file->label, err) != 0)
        return -1;
    file->written += len;
    if (file->written - file->started >= WRITEBACK_BYTES) {
        /* a hint; file systems that cannot do it lose nothing but time */
        (void)sync_file_range(file->fd, (off_t)file->started,
                              (off_t)(file->written - file->started), SYNC_FILE_RANGE_WRITE);
        file->started = file->written;
    }
    return 0;
}

static int file_finish(struct sink *sink, struct err *err)
{
    return fs_fsync(self(sink)->fd, self(sink)->label, err);
}

static void file_free(struct sink *sink)
{
    struct sink_file *file = self(sink);

    cleanup_close(&file->fd);
    free(file->label);
    free(file);
}

static const struct sink_ops file_ops = {
    .write = file_write, .finish = file_finish, .free = file_free};

struct sink *sink_file_new(int fd, const char *label)
{
    struct sink_file *file = xcalloc(1, sizeof(*file));

    file->base.ops = &file_ops;
    file->fd = fd;
    file->label = xstrdup(label);
    return &file->base;
}
