/*
 * Growable bytes with a ceiling given at init: what a peer sends can never grow past it. The bytes
 * are always followed by a NUL that is not counted, so that text can be used in place.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct buf {
    uint8_t *data; /* NULL while nothing was ever appended */
    size_t len;
    size_t cap;
    size_t max;
};

/* An empty buffer that may grow to max_bytes. Allocates nothing. */
void buf_init(struct buf *buf, size_t max_bytes);
void buf_release(struct buf *buf);
/* len becomes 0; the memory is kept. */
void buf_clear(struct buf *buf);

/* Fail with ERR_FAILED, the buffer unchanged, when the ceiling would be passed. */
int buf_append(struct buf *buf, const void *data, size_t len, struct err *err);
int buf_printf(struct buf *buf, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The content as text, "" when empty. Borrowed until the next call on buf. */
const char *buf_text(const struct buf *buf);
/* The content as a heap string that the caller frees; the buffer becomes empty. Never NULL. */
char *buf_take(struct buf *buf);

static inline void cleanup_buf(struct buf *buf)
{
    buf_release(buf);
}
#define auto_buf auto_with(cleanup_buf)

#endif
