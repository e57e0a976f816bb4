/*
 * Puts on a condition in a directory store. The tag of an object is the SHA-256 of its bytes. Who
 * looks and puts holds the flock of the object's directory meanwhile, which the unfinished file in
 * it keeps from being removed and made anew: so all who race hold the same lock. Plain puts and
 * removals do not ask for it: objects that are changed on conditions are changed in no other way.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/store_dir.h"

enum { LOCK_WAIT_MS = 10 * 1000, LOCK_PAUSE_MS = 10, OBJECT_MAX = 16 * 1024 * 1024 };

static char *tag_of(const void *data, size_t len)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    sha256_of(data, len, digest);
    hex_encode(digest, sizeof(digest), hex);
    return xstrdup(hex);
}

int store_dir_get_small_tagged(struct store *store, const char *key, struct buf *out,
                               char **out_tag, struct err *err)
{
    size_t from = out->len;

    if (store_get_small(store, key, out, err) != 0)
        return -1;
    *out_tag = tag_of(out->len > from ? (const char *)out->data + from : "", out->len - from);
    return 0;
}

/* It is held for the time of a few system calls and fsyncs. */
static int wait_for_lock(const struct store_dir *dir, int fd, const char *key, struct err *err)
{
    int64_t until_ms = clock_mono_ms(dir->clock) + LOCK_WAIT_MS;
    bool is_locked = false;
    struct err why;

    while (fs_try_lock(fd, dir->path, &is_locked, &why) != 0) {
        if (why.kind == ERR_BUSY && clock_mono_ms(dir->clock) < until_ms) {
            clock_sleep_ms(dir->clock, LOCK_PAUSE_MS);
            continue;
        }
        *err = why;
        err->kind = ERR_STORE;
        return err_wrap(err, "store %.300s/%.300s on a condition", dir->path, key);
    }
    if (!is_locked)
        return err_set(err, ERR_STORE,
                       "store %.300s/%.300s on a condition: this file system cannot lock a "
                       "directory",
                       dir->path, key);
    return 0;
}

/* ERR_BUSY when what is there is not what the condition says. */
static int check_condition(struct store *store, const struct store_put_if *put, struct err *err)
{
    auto_buf struct buf bytes;
    auto_free char *tag = NULL;
    struct err why;

    buf_init(&bytes, OBJECT_MAX);
    if (store_dir_get_small_tagged(store, put->key, &bytes, &tag, &why) != 0 &&
        why.kind != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    if (tag == NULL ? put->tag == NULL : put->tag != NULL && strcmp(tag, put->tag) == 0)
        return 0;
    return err_set(err, ERR_BUSY, "store %.300s/%.300s: %s", ((struct store_dir *)store)->path,
                   put->key,
                   tag == NULL        ? "it was removed meanwhile"
                   : put->tag == NULL ? "it is there already"
                                      : "it was changed meanwhile");
}

int store_dir_put_small_if(struct store *store, const struct store_put_if *put, char **out_tag,
                           struct err *err)
{
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    int rc = store_dir_put(store, put->key, put->len, &parts, &sink, err);

    if (rc == 0)
        rc = sink_write(sink, put->data, put->len, err);
    if (rc == 0)
        rc = wait_for_lock((struct store_dir *)store, store_dir_put_parent(sink), put->key, err);
    if (rc == 0)
        rc = check_condition(store, put, err);
    if (rc == 0)
        rc = sink_finish(sink, err);
    if (rc == 0)
        *out_tag = tag_of(put->data, put->len);
    sink_free(sink); /* and with it the lock */
    object_parts_release(&parts);
    return rc;
}
