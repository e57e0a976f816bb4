/*
 * SHA-256 and HMAC-SHA-256 by OpenSSL's libcrypto, and hex. Cannot fail: libcrypto refusing SHA-256
 * is a broken installation and aborts.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SHA256_BYTES 32
#define SHA256_HEX_SIZE 65 /* with the NUL */

struct sha256; /* a running digest; one thread at a time */

struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *data, size_t len);
/* The digest; the object starts over, empty. */
void sha256_finish(struct sha256 *sha, uint8_t out[SHA256_BYTES]);

void sha256_of(const void *data, size_t len, uint8_t out[SHA256_BYTES]);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[SHA256_BYTES]);

/* Lower-case hex and a NUL: out holds 2 * len + 1 bytes. */
void hex_encode(const uint8_t *data, size_t len, char *out);
/* text must be exactly 2 * len hex digits; else ERR_CORRUPT. */
int hex_decode(const char *text, uint8_t *out, size_t len, struct err *err);

#endif
