/*
 * What all stores share: choosing one by its URL, the rule for keys, the size of parts.
 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "base/mem.h"

#define MIB ((uint64_t)1024 * 1024)

enum { MAX_PARTS = 9500, MIN_PART_MIB = 5, CONNECT_TIMEOUT_MS = 10 * 1000, STALL_S = 30 };

void object_parts_release(struct object_parts *parts)
{
    free(parts->sha256);
    *parts = (struct object_parts){0};
}

void object_parts_push(struct object_parts *parts, const uint8_t sha256[SHA256_BYTES])
{
    if ((parts->count & (parts->count + 1)) == 0) /* room doubles at 0, 1, 3, 7 ... */
        parts->sha256 = xreallocarray(parts->sha256, parts->count * 2 + 1, sizeof(*parts->sha256));
    memcpy(parts->sha256[parts->count++], sha256, SHA256_BYTES);
}

uint64_t store_choose_part_bytes(uint64_t wanted, uint64_t max_bytes)
{
    uint64_t needed = max_bytes / MAX_PARTS + 1;
    uint64_t part_bytes = wanted > MIN_PART_MIB * MIB ? wanted : MIN_PART_MIB * MIB;

    needed = (needed + MIB - 1) / MIB * MIB;
    if (needed > part_bytes)
        part_bytes = needed;
    return part_bytes < STORE_PART_BYTES_MAX ? part_bytes : STORE_PART_BYTES_MAX;
}

static bool is_dots(const char *segment, size_t len)
{
    return (len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.');
}

int store_check_key(const char *key, struct err *err)
{
    for (const char *segment = key;;) {
        size_t len = strcspn(segment, "/");

        if (len == 0 || is_dots(segment, len))
            return err_set(err, ERR_FAILED,
                           "key \"%.*s\": it has an empty, \".\" or \"..\" part, which no object "
                           "of a repository has",
                           200, key);
        if (segment[len] == '\0')
            return 0;
        segment += len + 1;
    }
}

int store_check_put(const char *key, uint64_t max_bytes, struct err *err)
{
    if (max_bytes > STORE_OBJECT_BYTES_MAX)
        return err_set(err, ERR_CONFIG,
                       "store %.250s: up to %llu bytes; an object has at most 5 TiB", key,
                       (unsigned long long)max_bytes);
    return store_check_key(key, err);
}

/* The numbers may come from a manifest, and what they say is allocated. */
int store_check_get(const struct store_get_request *request, struct err *err)
{
    if (request->size == 0 || request->chunk_bytes == 0)
        return err_set(err, ERR_FAILED, "read %.250s: a range or chunk of no size", request->key);
    if (request->size > STORE_PART_BYTES_MAX && request->chunk_bytes > STORE_PART_BYTES_MAX)
        return err_set(err, ERR_CORRUPT,
                       "read %.250s: in parts of %llu bytes; none that was stored has more than "
                       "%llu",
                       request->key, (unsigned long long)request->chunk_bytes,
                       (unsigned long long)STORE_PART_BYTES_MAX);
    return store_check_key(request->key, err);
}

int store_map_buffer(uint64_t bytes, const char *key, uint8_t **out, struct err *err)
{
    void *data =
        mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED)
        return err_sys(err, ERR_FAILED, "take %llu bytes of memory for a part of %.250s",
                       (unsigned long long)bytes, key);
    *out = data;
    return 0;
}

static const char *environment_get(void *context, const char *name)
{
    const char *value = getenv(name);

    (void)context;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static uint32_t kernel_random(void *context)
{
    uint32_t number;

    (void)context;
    fs_random(&number, sizeof(number));
    return number;
}

int store_open(const struct store_options *options, struct store **out, struct err *err)
{
    static const struct store_s3_tuning tuning = {
        .env = {.get = environment_get},
        .random = kernel_random,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .stall_s = STALL_S,
    };

    if (options->lock.days > 0 && strncmp(options->url, "s3://", 5) != 0)
        return err_set(
            err, ERR_CONFIG,
            "s3-object-lock-days: only the objects of an s3:// repository can be locked");
    if (options->is_past && strncmp(options->url, "s3://", 5) != 0)
        return err_set(err, ERR_CONFIG,
                       "repository %.*s...: it keeps no versions, so it cannot be read as it was. "
                       "HINT: only an s3:// repository in a bucket with versioning can",
                       (int)strcspn(options->url, ":/@"), options->url);
    if (strncmp(options->url, "file://", 7) == 0)
        return store_dir_open(options, options->url + 7, out, err);
    if (strncmp(options->url, "s3://", 5) == 0)
        return store_s3_open(options, &tuning, options->url + 5, out, err);
    return err_set(err, ERR_CONFIG,
                   "repository %.*s...: not a kind we know. HINT: it looks like file:///path or "
                   "s3://bucket/prefix",
                   (int)strcspn(options->url, ":/@"), options->url);
}
