/*
 * The bucket as it was (store_options.is_past). What reads an object looks first for the version of
 * it that was there; a request more for each, and nothing to remember. What would change anything
 * is a mistake of ours.
 */
#include <stdlib.h>

#include "base/parse.h"
#include "store/s3_versions.h"
#include "store/store_s3.h"

static int refuse_change(const struct s3 *s3, const char *key, struct err *err)
{
    char time[32];

    format_rfc3339_ms(s3->as_of_ms, time, sizeof(time));
    return err_set(err, ERR_FAILED,
                   "change %.250s: the repository was opened as it was at %s, only to be read", key,
                   time);
}

static int past_put_small(struct store *store, const char *key, const void *data, size_t len,
                          struct err *err)
{
    (void)data;
    (void)len;
    return refuse_change(s3_of(store), key, err);
}

static int past_put(struct store *store, const char *key, uint64_t max_bytes,
                    struct object_parts *parts, struct sink **out, struct err *err)
{
    (void)max_bytes;
    (void)parts;
    (void)out;
    return refuse_change(s3_of(store), key, err);
}

/* A tag is there to change what it is of. */
static int past_get_small_tagged(struct store *store, const char *key, struct buf *out,
                                 char **out_tag, struct err *err)
{
    (void)out;
    (void)out_tag;
    return refuse_change(s3_of(store), key, err);
}

static int past_put_small_if(struct store *store, const struct store_put_if *put, char **out_tag,
                             struct err *err)
{
    (void)out_tag;
    return refuse_change(s3_of(store), put->key, err);
}

static int past_remove(struct store *store, const char *key, struct err *err)
{
    return refuse_change(s3_of(store), key, err);
}

static int past_sweep(struct store *store, const struct store_sweep *sweep, struct store_swept *out,
                      struct err *err)
{
    (void)out;
    return refuse_change(s3_of(store), sweep->prefix, err);
}

static int past_get_small(struct store *store, const char *key, struct buf *out, struct err *err)
{
    struct s3_version version;

    if (s3_versions_find(s3_of(store), key, &version, err) != 0)
        return -1;
    const struct s3_object object = {.key = key, .version = version.id};
    int rc = s3_get_small(s3_of(store), &object, out, NULL, err);
    free(version.id);
    return rc;
}

static int past_get(struct store *store, const struct store_get_request *request,
                    struct source **out, struct err *err)
{
    struct s3_version version;

    if (store_check_get(request, err) != 0 ||
        s3_versions_find(s3_of(store), request->key, &version, err) != 0)
        return -1;
    int rc = s3_get_new(s3_of(store), request, version.id, out, err);
    free(version.id);
    return rc;
}

static int past_head(struct store *store, const char *key, uint64_t *out_size, struct err *err)
{
    struct s3_version version;

    if (s3_versions_find(s3_of(store), key, &version, err) != 0)
        return -1;
    *out_size = version.size;
    free(version.id);
    return 0;
}

static int past_list(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                     void *context, struct err *err)
{
    return s3_versions_list(s3_of(store), prefix, delimiter, each, context, err);
}

const struct store_ops store_s3_past_ops = {
    .put_small = past_put_small,
    .put = past_put,
    .get_small = past_get_small,
    .get_small_tagged = past_get_small_tagged,
    .put_small_if = past_put_small_if,
    .get = past_get,
    .list = past_list,
    .head = past_head,
    .remove = past_remove,
    .sweep = past_sweep,
    .free = store_s3_free,
};
