/*
 * Listing a directory store, or what is in it and no listing shows. Keys come in byte order, which
 * is not the order of the names: "a-b" is before "a/x" since '-' is before '/', so directories are
 * sorted with the '/' that follows them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/store_dir.h"

enum { MAX_DEPTH = 64 };

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a listing shows of a name, a directory's with the '/' behind it; heap, NULL for nothing. */
static char *shown(int dir_fd, const char *name, bool is_for_temps)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return NULL; /* removed since, which is as good as never seen */
    if (S_ISDIR(st.st_mode))
        return store_dir_is_temp(name) ? NULL : xasprintf("%s/", name);
    return S_ISREG(st.st_mode) && store_dir_is_temp(name) == is_for_temps ? xstrdup(name) : NULL;
}

static int read_names(int dir_fd, bool is_for_temps, struct fs_list *out, struct err *err)
{
    size_t kept = 0;

    if (fs_list_dir(dir_fd, ".", out, err) != 0)
        return -1;
    for (size_t i = 0; i < out->count; i++) {
        auto_free char *name = out->names[i];

        out->names[kept] = shown(dir_fd, name, is_for_temps);
        kept += out->names[kept] != NULL ? 1 : 0;
    }
    out->count = kept;
    if (kept > 0)
        qsort(out->names, kept, sizeof(*out->names), by_bytes);
    return 0;
}

struct listing {
    const struct store_dir *dir;
    bool is_folded;
    bool is_for_temps; /* files that are no objects yet, instead of those that are */
    store_list_fn *each;
    void *context;
    unsigned depth;
};

static int list_below(struct listing *listing, int dir_fd, const char *prefix, struct err *err);

/* errno of what key is. INVARIANT (fails closed): what was removed while we looked is as good as
 * never seen, as long as the repository itself is there; so a listing never ends as "not found",
 * which would mean that there is no backup. */
static int pass_over_or_fail(const struct store_dir *dir, const char *key, struct err *err)
{
    struct err why;

    (void)store_dir_fail(dir, "list", key, &why);
    if (why.kind == ERR_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

static int give_file(struct listing *listing, int dir_fd, const char *name, const char *key,
                     struct err *err)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return pass_over_or_fail(listing->dir, key, err);
    return listing->each(
        listing->context,
        &(struct store_entry){
            .key = key,
            .size = (uint64_t)st.st_size,
            .modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        },
        err);
}

static int stop_at_first(void *context, const struct store_entry *entry, struct err *err)
{
    bool *found = context;

    (void)entry;
    *found = true;
    return err_set(err, ERR_FAILED, "found");
}

/* A directory without an object below it is none, as in a bucket. */
static int give_folded(struct listing *listing, int dir_fd, const char *key, struct err *err)
{
    bool found = false;
    struct listing probe = {
        .dir = listing->dir, .each = stop_at_first, .context = &found, .depth = listing->depth};

    if (list_below(&probe, dir_fd, key, err) != 0 && !found)
        return -1;
    return found ? listing->each(listing->context, &(struct store_entry){.key = key}, err) : 0;
}

static int list_directory(struct listing *listing, int parent_fd, const char *name, const char *key,
                          struct err *err)
{
    auto_free char *plain = xstrndup(name, strlen(name) - 1);
    auto_close int fd = openat(parent_fd, plain, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc;

    if (fd < 0 && listing->is_for_temps && errno == EACCES)
        return 0; /* nothing that we were writing is in there */
    if (fd < 0)
        return pass_over_or_fail(listing->dir, key, err);
    if (listing->depth == MAX_DEPTH)
        return err_set(err, ERR_STORE, "list %.300s/%.300s: nested too deep", listing->dir->path,
                       key);
    listing->depth++;
    rc =
        listing->is_folded ? give_folded(listing, fd, key, err) : list_below(listing, fd, key, err);
    listing->depth--;
    return rc;
}

static int list_below(struct listing *listing, int dir_fd, const char *prefix, struct err *err)
{
    auto_fs_list struct fs_list names = {0};
    struct err why;

    if (read_names(dir_fd, listing->is_for_temps, &names, &why) != 0) {
        errno = why.code;
        if (why.code != 0)
            return pass_over_or_fail(listing->dir, prefix, err);
        *err = why; /* more of them than can be held */
        return err_wrap(err, "list %.300s/%.300s", listing->dir->path, prefix);
    }
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.names[i];
        auto_free char *key = xasprintf("%s%s", prefix, name);
        int rc = name[strlen(name) - 1] == '/' ? list_directory(listing, dir_fd, name, key, err)
                                               : give_file(listing, dir_fd, name, key, err);

        if (rc != 0)
            return -1;
    }
    return 0;
}

static int list_from(struct listing *listing, const char *prefix, struct err *err)
{
    const struct store_dir *dir = listing->dir;
    size_t len = strlen(prefix);
    auto_free char *path = xstrndup(prefix, len > 0 ? len - 1 : 0);
    auto_close int fd = -1;
    struct stat root;

    if (len > 0 && store_check_key(path, err) != 0)
        return -1;
    fd = store_dir_open_below(dir, path, strlen(path), false);
    if (fd < 0 || fstat(dir->root_fd, &root) != 0 || root.st_nlink == 0) {
        if (fd >= 0)
            errno = ENOENT; /* a root that was removed can still be read, and is empty */
        return pass_over_or_fail(dir, path, err);
    }
    return list_below(listing, fd, prefix, err);
}

int store_dir_list(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                   void *context, struct err *err)
{
    struct listing listing = {.dir = (const struct store_dir *)store,
                              .is_folded = delimiter != '\0',
                              .each = each,
                              .context = context};

    return list_from(&listing, prefix, err);
}

struct sweeping {
    struct store *store;
    const struct store_sweep *sweep;
    struct store_swept *out;
};

/* Whoever still writes it has written to it just now. */
static int sweep_one(void *context, const struct store_entry *entry, struct err *err)
{
    struct sweeping *sweeping = context;

    if (entry->modified_ms > sweeping->sweep->before_ms)
        return 0;
    if (cancel_check(err) != 0 ||
        (sweeping->sweep->confirm && store_remove(sweeping->store, entry->key, err) != 0))
        return -1;
    sweeping->out->count++;
    return 0;
}

int store_dir_sweep(struct store *store, const struct store_sweep *sweep, struct store_swept *out,
                    struct err *err)
{
    struct sweeping sweeping = {.store = store, .sweep = sweep, .out = out};
    struct listing listing = {.dir = (const struct store_dir *)store,
                              .is_for_temps = true,
                              .each = sweep_one,
                              .context = &sweeping};

    return list_from(&listing, sweep->prefix, err);
}
