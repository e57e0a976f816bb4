/*
 * A directory as a store. An object is a file; it is written under a temporary name beside its
 * final one, fsynced, renamed, and the directory fsynced, so that after a crash it is there whole
 * or not at all. Symbolic links below the root are not followed. The root itself is never created:
 * a repository that is not mounted must not look like an empty one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/store_dir.h"

static struct store_dir *dir_of(struct store *store)
{
    return (struct store_dir *)store;
}

/* INVARIANT (fails closed): a missing file says that there is no such object only while the root is
 * still where it was. */
static enum err_kind kind_of(const struct store_dir *dir, int code)
{
    struct stat root;

    switch (code) {
    case ENOENT:
        return fstat(dir->root_fd, &root) == 0 && root.st_nlink > 0 ? ERR_NOT_FOUND : ERR_STORE;
    case EACCES:
    case EPERM:
    case EROFS:
    case EIO:
    case ESTALE:
    case ENOTCONN:
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
        return ERR_STORE;
    default:
        return ERR_FAILED;
    }
}

int store_dir_fail(const struct store_dir *dir, const char *doing, const char *key, struct err *err)
{
    int code = errno;
    enum err_kind kind = kind_of(dir, code);

    errno = code;
    return err_sys(err, kind, "%s %.300s/%.300s", doing, dir->path, key);
}

/* Does this errno of a read say that the disk cannot give these bytes back? The last four are what
 * file systems and the block layer say of a checksum that is wrong and a medium that is worn. */
static bool is_damage(int code)
{
    return code == EIO || code == EBADMSG || code == EUCLEAN || code == EILSEQ || code == ENODATA;
}

int store_dir_fsync(int fd)
{
    struct err why;

    if (fs_fsync(fd, "a directory", &why) == 0)
        return 0;
    errno = why.code;
    return -1;
}

/* One step down; errno when it fails. */
static int open_step(int parent_fd, const char *name, bool create)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT || !create)
        return fd;
    if (mkdirat(parent_fd, name, STORE_DIR_MODE) != 0 && errno != EEXIST)
        return -1;
    if (store_dir_fsync(parent_fd) != 0)
        return -1;
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int store_dir_open_below(const struct store_dir *dir, const char *path, size_t len, bool create)
{
    auto_free char *copy = xstrndup(path, len);
    auto_close int fd = openat(dir->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *rest = copy;

    for (char *name; fd >= 0 && (name = strsep(&rest, "/")) != NULL;) {
        auto_close int parent_fd = take_fd(&fd);

        if (name[0] == '\0') { /* the root itself, or the '/' at the end */
            fd = take_fd(&parent_fd);
            continue;
        }
        fd = open_step(parent_fd, name, create);
    }
    return take_fd(&fd);
}

size_t store_dir_parent_len(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash != NULL ? (size_t)(slash - key) : 0;
}

const char *store_dir_last_name(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash != NULL ? slash + 1 : key;
}

void store_dir_remove_empty_parents(const struct store_dir *dir, const char *key)
{
    for (size_t len = store_dir_parent_len(key); len > 0;) {
        auto_free char *path = xstrndup(key, len);
        auto_close int fd = store_dir_open_below(dir, path, store_dir_parent_len(path), false);

        if (fd < 0 || unlinkat(fd, store_dir_last_name(path), AT_REMOVEDIR) != 0)
            return;
        len = store_dir_parent_len(path);
    }
}

static int op_put_small(struct store *store, const char *key, const void *data, size_t len,
                        struct err *err)
{
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    int rc = store_dir_put(store, key, len, &parts, &sink, err);

    if (rc == 0)
        rc = sink_write(sink, data, len, err);
    if (rc == 0)
        rc = sink_finish(sink, err);
    sink_free(sink);
    object_parts_release(&parts);
    return rc;
}

/* Opens an object for reading; its size with it. */
static int open_object(const struct store_dir *dir, const char *key, int *out_fd,
                       uint64_t *out_size, struct err *err)
{
    auto_close int parent_fd = -1;
    auto_close int fd = -1;
    struct stat st;

    if (store_check_key(key, err) != 0)
        return -1;
    parent_fd = store_dir_open_below(dir, key, store_dir_parent_len(key), false);
    if (parent_fd >= 0)
        fd = openat(parent_fd, store_dir_last_name(key),
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)store_dir_fail(dir, "read", key, err);
        if (parent_fd >= 0 && is_damage(err->code))
            err->kind = ERR_CORRUPT;
        return -1;
    }
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_STORE, "read %.300s/%.300s: not a regular file", dir->path, key);
    *out_size = (uint64_t)st.st_size;
    *out_fd = take_fd(&fd);
    return 0;
}

/* INVARIANT (a corrupt backup costs one step back): what the disk has lost is said of this object;
 * an older one may still be whole. */
static int read_object(const struct store_dir *dir, int fd, const struct store_get_request *what,
                       void *out, struct err *err)
{
    if (fs_pread_all(fd, out, (size_t)what->size, what->offset, what->key, err) == 0)
        return 0;
    if (err->kind == ERR_FAILED)
        err->kind = is_damage(err->code) ? ERR_CORRUPT : ERR_STORE;
    return err_wrap(err, "read from %.300s", dir->path);
}

static int op_get_small(struct store *store, const char *key, struct buf *out, struct err *err)
{
    auto_close int fd = -1;
    auto_free void *data = NULL;
    uint64_t size = 0;

    if (open_object(dir_of(store), key, &fd, &size, err) != 0)
        return -1;
    if (size > out->max - out->len)
        return err_set(err, ERR_CORRUPT,
                       "read %.300s/%.300s: its %llu bytes are more than the %zu it may have",
                       dir_of(store)->path, key, (unsigned long long)size, out->max - out->len);
    data = xmalloc((size_t)size + 1);
    if (read_object(dir_of(store), fd, &(struct store_get_request){.key = key, .size = size}, data,
                    err) != 0)
        return -1;
    return buf_append(out, data, (size_t)size, err);
}

struct dir_source {
    struct source base;
    struct store_dir *dir;
    char *key;
    int fd;
    uint64_t offset;
    uint64_t left;
    uint64_t chunk_bytes;
    uint8_t *chunk;
};

static int dir_next(struct source *source, const uint8_t **out, size_t *out_len, struct err *err)
{
    struct dir_source *get = (struct dir_source *)source;
    size_t len = (size_t)(get->left < get->chunk_bytes ? get->left : get->chunk_bytes);

    if (len > 0 && read_object(get->dir, get->fd,
                               &(struct store_get_request){
                                   .key = get->key, .offset = get->offset, .size = len},
                               get->chunk, err) != 0)
        return -1;
    get->offset += len;
    get->left -= len;
    if (get->left > 0) /* advice only; a kernel that refuses it reads just the same */
        (void)posix_fadvise(get->fd, (off_t)get->offset, (off_t)get->chunk_bytes,
                            POSIX_FADV_WILLNEED);
    *out = get->chunk;
    *out_len = len;
    return 0;
}

static void dir_source_free(struct source *source)
{
    struct dir_source *get = (struct dir_source *)source;

    (void)close(get->fd);
    (void)munmap(get->chunk, (size_t)get->chunk_bytes);
    free(get->key);
    free(get);
}

static int op_get(struct store *store, const struct store_get_request *request, struct source **out,
                  struct err *err)
{
    static const struct source_ops ops = {.next = dir_next, .free = dir_source_free};
    struct store_dir *dir = dir_of(store);
    uint64_t chunk_bytes =
        request->chunk_bytes < request->size ? request->chunk_bytes : request->size;
    auto_close int fd = -1;
    uint64_t size = 0;
    auto_free struct dir_source *get = NULL;

    if (store_check_get(request, err) != 0 || open_object(dir, request->key, &fd, &size, err) != 0)
        return -1;
    if (request->offset > size || request->size > size - request->offset)
        return err_set(err, ERR_CORRUPT,
                       "read %.300s/%.300s: it has %llu bytes, fewer than it should", dir->path,
                       request->key, (unsigned long long)size);

    get = xcalloc(1, sizeof(*get));
    if (store_map_buffer(chunk_bytes, request->key, &get->chunk, err) != 0)
        return -1;
    get->base.ops = &ops;
    get->dir = dir;
    get->key = xstrdup(request->key);
    get->offset = request->offset;
    get->left = request->size;
    get->chunk_bytes = chunk_bytes;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    get->fd = take_fd(&fd);
    *out = &TAKE_PTR(get)->base;
    return 0;
}

static int op_head(struct store *store, const char *key, uint64_t *out_size, struct err *err)
{
    auto_close int fd = -1;

    return open_object(dir_of(store), key, &fd, out_size, err);
}

static int op_remove(struct store *store, const char *key, struct err *err)
{
    struct store_dir *dir = dir_of(store);
    auto_close int parent_fd = -1;

    if (store_check_key(key, err) != 0)
        return -1;
    parent_fd = store_dir_open_below(dir, key, store_dir_parent_len(key), false);
    if (parent_fd < 0 || unlinkat(parent_fd, store_dir_last_name(key), 0) != 0) {
        struct err why;

        (void)store_dir_fail(dir, "remove", key, &why);
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    if (store_dir_fsync(parent_fd) != 0)
        return store_dir_fail(dir, "remove", key, err);
    store_dir_remove_empty_parents(dir, key);
    return 0;
}

static void op_free(struct store *store)
{
    struct store_dir *dir = dir_of(store);

    if (dir->root_fd >= 0)
        (void)close(dir->root_fd);
    free(dir->path);
    free(dir);
}

/* The save that fills the repository costs the server a fork: it is not begun for a directory that
 * refuses what comes of it. Which one has to take it: the deepest on the way that is there. */
static int check_writable(const struct store_dir *dir, const char *key, struct err *err)
{
    auto_free char *path = xstrdup(key);

    if (store_check_key(key, err) != 0)
        return -1;
    for (;;) {
        auto_close int fd = store_dir_open_below(dir, path, strlen(path), false);

        if (fd < 0 && errno == ENOENT && path[0] != '\0') {
            path[store_dir_parent_len(path)] = '\0';
            continue;
        }
        if (fd >= 0 && (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
                        (errno != EACCES && errno != EROFS))) /* an old seccomp says EPERM to all */
            return 0;
        return store_dir_fail(dir, "write to", path, err);
    }
}

int store_dir_open(const struct store_options *options, const char *place, struct store **out,
                   struct err *err)
{
    static const struct store_ops ops = {
        .put_small = op_put_small,
        .put = store_dir_put,
        .get_small = op_get_small,
        .get_small_tagged = store_dir_get_small_tagged,
        .put_small_if = store_dir_put_small_if,
        .get = op_get,
        .list = store_dir_list,
        .head = op_head,
        .remove = op_remove,
        .sweep = store_dir_sweep,
        .free = op_free,
    };
    struct store_dir *dir;
    auto_store struct store *owner = NULL;
    int fd;

    if (place[0] != '/')
        return err_set(err, ERR_CONFIG,
                       "repository file://%.300s: not an absolute path. HINT: it looks like "
                       "file:///path",
                       place);
    fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        bool is_missing = errno == ENOENT;

        (void)err_sys(err, ERR_STORE,
                      "open the repository %.300s (it must be an existing directory)", place);
        return is_missing ? err_advise(err, "mount the volume that has it; a new one is made with "
                                            "mkdir, and is to belong to who runs redkeep")
                          : -1;
    }

    dir = xcalloc(1, sizeof(*dir));
    dir->base.ops = &ops;
    dir->path = xstrdup(place);
    for (size_t n = strlen(place); n > 1 && place[n - 1] == '/'; n--)
        dir->path[n - 1] = '\0';
    dir->root_fd = fd;
    dir->clock = options->clock;
    owner = &dir->base;
    if (options->writes_below != NULL && check_writable(dir, options->writes_below, err) != 0)
        return -1;
    *out = TAKE_PTR(owner);
    return 0;
}
