/* The digests are those that signed the upload, so a stored bit that flipped is found here, before
 * anything is decompressed. */
#include "stream/source_proven.h"

#include <string.h>

#include "base/crc64.h"
#include "base/mem.h"

struct source_proven {
    struct source base;
    struct source *inner;
    struct source_proof proof;
    size_t next;
};

static struct source_proven *self(struct source *source)
{
    return (struct source_proven *)(void *)source;
}

int source_proof_check(const struct source_proof *proof, size_t i, const uint8_t *data, size_t len,
                       struct err *err)
{
    uint8_t digest[SHA256_BYTES];

    if (proof->crc64 != NULL && crc64(0, data, len) != proof->crc64[i])
        return err_set(err, ERR_CORRUPT, "part %zu of %zu does not match its CRC64", i + 1,
                       proof->count);
    if (proof->sha256 == NULL)
        return 0;
    sha256_of(data, len, digest);
    if (memcmp(digest, proof->sha256[i], SHA256_BYTES) != 0)
        return err_set(err, ERR_CORRUPT, "part %zu of %zu does not match its SHA-256", i + 1,
                       proof->count);
    return 0;
}

static int proven_next(struct source *source, const uint8_t **out, size_t *out_len, struct err *err)
{
    struct source_proven *proven = self(source);
    size_t count = proven->proof.count;
    const uint8_t *data = NULL;
    size_t len = 0;

    if (source_next(proven->inner, &data, &len, err) != 0)
        return -1;
    if (len == 0 && proven->next != count)
        return err_set(err, ERR_CORRUPT, "it ends after part %zu of %zu", proven->next, count);
    if (len > 0) {
        if (proven->next == count)
            return err_set(err, ERR_CORRUPT, "it goes on after its %zu parts", count);
        if (source_proof_check(&proven->proof, proven->next, data, len, err) != 0)
            return -1;
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

struct source *source_proven_new(struct source *inner, const struct source_proof *proof)
{
    struct source_proven *proven = xcalloc(1, sizeof(*proven));

    proven->base.ops = &proven_ops;
    proven->inner = inner;
    proven->proof = *proof;
    return &proven->base;
}
