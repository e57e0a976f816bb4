/*
 * The put sink of a directory store: see store_dir.c for how an object becomes visible. Parts are
 * only hashed here; they are in the manifest, so that a copy of the directory in a bucket, and a
 * ranged read of either, can be proven.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/store_dir.h"

#define TEMP_PREFIX ".redkeep-"
#define TEMP_SUFFIX ".tmp"

enum { TEMP_NAME_SIZE = 48, BUFFER_BYTES = 256 * 1024, OPEN_ATTEMPTS = 5 };

bool store_dir_is_temp(const char *name)
{
    size_t len = strlen(name);

    return strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0 && len > strlen(TEMP_SUFFIX) &&
           strcmp(name + len - strlen(TEMP_SUFFIX), TEMP_SUFFIX) == 0;
}

struct dir_sink {
    struct sink base;
    struct store_dir *dir;
    char *key;
    int parent_fd;
    int fd;
    char temp[TEMP_NAME_SIZE];
    bool is_stored;
    struct object_parts *parts;
    uint64_t part_len; /* of the part that is being hashed */
    struct sha256 *sha;
    size_t buffered;
    uint8_t *buffer;
};

static struct dir_sink *self(struct sink *sink)
{
    return (struct dir_sink *)sink;
}

static void hash_parts(struct dir_sink *put, const uint8_t *data, size_t len)
{
    while (len > 0) {
        uint64_t room = put->parts->part_bytes - put->part_len;
        size_t n = len < room ? len : (size_t)room;
        uint8_t digest[SHA256_BYTES];

        sha256_update(put->sha, data, n);
        put->part_len += n;
        data += n;
        len -= n;
        if (put->part_len < put->parts->part_bytes)
            return;
        sha256_finish(put->sha, digest);
        object_parts_push(put->parts, digest);
        put->part_len = 0;
    }
}

static int flush(struct dir_sink *put, struct err *err)
{
    size_t len = put->buffered;

    put->buffered = 0;
    if (len > 0 && fs_write_all(put->fd, put->buffer, len, put->key, err) != 0)
        return err_wrap(err, "store in %.300s", put->dir->path);
    /* the disk works while we do, so that the fsync at the end finds little left; if it cannot, the
     * fsync says so */
    (void)sync_file_range(put->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return 0;
}

static int dir_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct dir_sink *put = self(sink);
    const uint8_t *from = data;

    hash_parts(put, from, len);
    while (len > 0) {
        size_t room = BUFFER_BYTES - put->buffered;
        size_t n = len < room ? len : room;

        memcpy(put->buffer + put->buffered, from, n);
        put->buffered += n;
        from += n;
        len -= n;
        if (put->buffered == BUFFER_BYTES && flush(put, err) != 0)
            return -1;
    }
    return 0;
}

static int publish(struct dir_sink *put, struct err *err)
{
    const char *name = store_dir_last_name(put->key);

    if (fs_fsync(put->fd, put->key, err) != 0)
        return err_wrap(err, "store in %.300s", put->dir->path);
    if (renameat(put->parent_fd, put->temp, put->parent_fd, name) != 0)
        return store_dir_fail(put->dir, "store", put->key, err);
    if (store_dir_fsync(put->parent_fd) != 0) {
        (void)store_dir_fail(put->dir, "store", put->key, err);
        (void)unlinkat(put->parent_fd, name, 0); /* what failed must not be there */
        return -1;
    }
    put->is_stored = true;
    return 0;
}

static int dir_finish(struct sink *sink, struct err *err)
{
    struct dir_sink *put = self(sink);

    if (flush(put, err) != 0 || publish(put, err) != 0)
        return -1;
    if (put->part_len > 0) {
        uint8_t digest[SHA256_BYTES];

        sha256_finish(put->sha, digest);
        object_parts_push(put->parts, digest);
    }
    put->parts->size = sink->bytes;
    return 0;
}

static void dir_sink_free(struct sink *sink)
{
    struct dir_sink *put = self(sink);

    if (put->fd >= 0) {
        (void)close(put->fd);
        if (!put->is_stored)
            (void)unlinkat(put->parent_fd, put->temp, 0);
    }
    if (put->parent_fd >= 0)
        (void)close(put->parent_fd);
    if (!put->is_stored)
        store_dir_remove_empty_parents(put->dir, put->key);
    sha256_free(put->sha);
    free(put->buffer);
    free(put->key);
    free(put);
}

/* Another process may remove the directory while it is empty, between its making and ours of the
 * file in it: then once more. */
static int open_temp(struct dir_sink *put, struct err *err)
{
    uint64_t random;

    for (int attempt = 1;; attempt++) {
        fs_random(&random, sizeof(random));
        (void)snprintf(put->temp, sizeof(put->temp), TEMP_PREFIX "%016llx" TEMP_SUFFIX,
                       (unsigned long long)random);
        put->parent_fd =
            store_dir_open_below(put->dir, put->key, store_dir_parent_len(put->key), true);
        if (put->parent_fd >= 0)
            put->fd = openat(put->parent_fd, put->temp,
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, STORE_FILE_MODE);
        if (put->fd >= 0)
            return 0;
        if (errno == ENOENT && attempt < OPEN_ATTEMPTS) {
            cleanup_close(&put->parent_fd);
            put->parent_fd = -1;
            continue;
        }
        (void)store_dir_fail(put->dir, "store", put->key, err);
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_FAILED; /* not said of the object */
        return -1;
    }
}

int store_dir_put_parent(const struct sink *sink)
{
    return ((const struct dir_sink *)sink)->parent_fd;
}

int store_dir_put(struct store *store, const char *key, uint64_t max_bytes,
                  struct object_parts *parts, struct sink **out, struct err *err)
{
    static const struct sink_ops ops = {
        .write = dir_write, .finish = dir_finish, .free = dir_sink_free};
    struct dir_sink *put;

    if (store_check_put(key, max_bytes, err) != 0)
        return -1;

    put = xcalloc(1, sizeof(*put));
    put->base.ops = &ops;
    put->dir = (struct store_dir *)store;
    put->key = xstrdup(key);
    put->parent_fd = -1;
    put->fd = -1;
    put->sha = sha256_new();
    put->buffer = xmalloc(BUFFER_BYTES);
    put->parts = parts;
    *parts = (struct object_parts){.part_bytes = store_choose_part_bytes(0, max_bytes)};
    if (open_temp(put, err) != 0) {
        dir_sink_free(&put->base);
        return -1;
    }
    *out = &put->base;
    return 0;
}
