/*
 * Growable bytes with a ceiling: see buf.h. The memory doubles, so that appending costs constant
 * time on average, and always holds one byte more than the content for the NUL.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 64

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max = max_bytes};
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Makes room for extra more bytes and the NUL. */
static int reserve(struct buf *buf, size_t extra, struct err *err)
{
    if (extra > buf->max - buf->len)
        return err_set(err, ERR_FAILED, "more than %zu bytes, the limit here", buf->max);

    size_t need = buf->len + extra;

    assert(need < SIZE_MAX);
    if (need < buf->cap)
        return 0;

    size_t cap = buf->cap ? buf->cap : FIRST_CAP;

    while (cap <= need)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    if (cap > buf->max && buf->max < SIZE_MAX)
        cap = buf->max + 1;
    buf->data = xrealloc(buf->data, cap);
    buf->cap = cap;
    return 0;
}

int buf_append(struct buf *buf, const void *data, size_t len, struct err *err)
{
    if (reserve(buf, len, err))
        return -1;

    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return 0;
}

int buf_printf(struct buf *buf, struct err *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);

    if (len < 0)
        return err_set(err, ERR_FAILED, "cannot format a text: %s", format);
    if (reserve(buf, (size_t)len, err))
        return -1;

    va_start(args, format);
    (void)vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
    return 0;
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

char *buf_take(struct buf *buf)
{
    char *text = buf->data ? (char *)buf->data : xstrdup("");

    buf_init(buf, buf->max);
    return text;
}
