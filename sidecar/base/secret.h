/*
 * Text that must never be seen: passwords, keys, tokens. A type of its own, so that it cannot be
 * passed to a log or an error by accident; wiped when released; kept out of core files.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>

#include "base/cleanup.h"

struct secret {
    char *text; /* NUL-terminated; NULL = not set */
    size_t len;
};

/* Copies len bytes (text need not be terminated), releasing what was there before. The memory is
 * marked MADV_DONTDUMP. */
void secret_set(struct secret *secret, const char *text, size_t len);
void secret_copy(struct secret *to, const struct secret *from);
/* Wipes and frees; the struct is as zero-initialised afterwards. */
void secret_release(struct secret *secret);

static inline void cleanup_secret(struct secret *secret)
{
    secret_release(secret);
}
#define auto_secret auto_with(cleanup_secret)

#endif
