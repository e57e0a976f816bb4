/*
 * SHA-256, HMAC-SHA-256 and hex: see hash.h. libcrypto picks the fastest code for the CPU itself.
 */
#include "base/hash.h"

#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NO_DIGIT 16

struct sha256 {
    EVP_MD_CTX *context;
};

static void must(int ok)
{
    if (ok != 1) {
        (void)fputs("redkeep: libcrypto refuses SHA-256\n", stderr); /* about to abort anyway */
        abort();
    }
}

struct sha256 *sha256_new(void)
{
    struct sha256 *sha = xcalloc(1, sizeof(*sha));

    sha->context = EVP_MD_CTX_new();
    must(sha->context ? 1 : 0);
    must(EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL));
    return sha;
}

void sha256_free(struct sha256 *sha)
{
    if (!sha)
        return;
    EVP_MD_CTX_free(sha->context);
    free(sha);
}

void sha256_update(struct sha256 *sha, const void *data, size_t len)
{
    must(EVP_DigestUpdate(sha->context, data, len));
}

void sha256_finish(struct sha256 *sha, uint8_t out[SHA256_BYTES])
{
    must(EVP_DigestFinal_ex(sha->context, out, NULL));
    must(EVP_DigestInit_ex(sha->context, NULL, NULL));
}

void sha256_of(const void *data, size_t len, uint8_t out[SHA256_BYTES])
{
    must(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL));
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[SHA256_BYTES])
{
    assert(key_len <= INT_MAX);
    /* to HMAC() a NULL key means "the last one" */
    must(HMAC(EVP_sha256(), key ? key : "", (int)key_len, data, len, out, NULL) ? 1 : 0);
}

void hex_encode(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
}

/* NO_DIGIT when c is no hex digit. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return NO_DIGIT;
}

int hex_decode(const char *text, uint8_t *out, size_t len, struct err *err)
{
    /* checked whole before the first byte is written: out is untouched on failure */
    for (size_t i = 0; i < 2 * len; i++) {
        if (digit_value(text[i]) == NO_DIGIT)
            return err_set(err, ERR_CORRUPT, "\"%.64s\" is not %zu hex digits", text, 2 * len);
    }
    if (text[2 * len] != '\0')
        return err_set(err, ERR_CORRUPT, "\"%.64s\" is longer than %zu hex digits", text, 2 * len);

    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
    return 0;
}
