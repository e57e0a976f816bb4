/*
 * Bytes in motion, pulled: chunks in order until the end. An implementation may fetch ahead, in
 * parallel, within a bound it was given.
 */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct source;

struct source_ops {
    int (*next)(struct source *source, const uint8_t **out, size_t *out_len, struct err *err);
    void (*free)(struct source *source);
};

struct source { /* the first member of every implementation */
    const struct source_ops *ops;
};

/* The next chunk, borrowed until the next call; *out_len 0 is the end. */
static inline int source_next(struct source *source, const uint8_t **out, size_t *out_len,
                              struct err *err)
{
    return source->ops->next(source, out, out_len, err);
}

static inline void source_free(struct source *source)
{
    if (source != NULL)
        source->ops->free(source);
}

DEFINE_CLEANUP(cleanup_source, struct source *, source_free);
#define auto_source auto_with(cleanup_source)

#endif
