/* The digests are those that signed the upload, so a stored bit that flipped is found here, before
 * anything is decompressed. */
#include "stream/source_proven.h"

#include <string.h>

#include "base/mem.h"

struct source_proven {
    struct source base;
    struct source *inner;
    const uint8_t (*sha256)[SHA256_BYTES];
    size_t count;
    size_t next;
};

static struct source_proven *self(struct source *source)
{
    return (struct source_proven *)(void *)source;
}

static int proven_next(struct source *source, const uint8_t **out, size_t *out_len, struct err *err)
{
    struct source_proven *proven = self(source);
    uint8_t digest[SHA256_BYTES];
    const uint8_t *data = NULL;
    size_t len = 0;

    if (source_next(proven->inner, &data, &len, err) != 0)
        return -1;
    if (len == 0 && proven->next != proven->count)
        return err_set(err, ERR_CORRUPT, "it ends after part %zu of %zu", proven->next,
                       proven->count);
    if (len > 0) {
        if (proven->next == proven->count)
            return err_set(err, ERR_CORRUPT, "it goes on after its %zu parts", proven->count);
        sha256_of(data, len, digest);
        if (memcmp(digest, proven->sha256[proven->next], SHA256_BYTES) != 0)
            return err_set(err, ERR_CORRUPT, "part %zu of %zu does not match its SHA-256",
                           proven->next + 1, proven->count);
        proven->next++;
    }
    *out = data;
    *out_len = len;
    return 0;
}

static void proven_free(struct source *source)
{
    source_free(self(source)->inner);
    free(source);
}

static const struct source_ops proven_ops = {.next = proven_next, .free = proven_free};

struct source *source_proven_new(struct source *inner, const uint8_t (*sha256)[SHA256_BYTES],
                                 size_t count)
{
    struct source_proven *proven = xcalloc(1, sizeof(*proven));

    proven->base.ops = &proven_ops;
    proven->inner = inner;
    proven->sha256 = sha256;
    proven->count = count;
    return &proven->base;
}
