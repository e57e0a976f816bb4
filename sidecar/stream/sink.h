/*
 * Bytes in motion, pushed: write any number of times, then finish (flush, commit), then free. A
 * sink that is freed unfinished discards what it got: the partial upload is aborted, the temporary
 * file removed. So an early return with an auto-cleaned head is the whole error path.
 */
#ifndef STREAM_SINK_H
#define STREAM_SINK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct sink;

struct sink_ops {
    int (*write)(struct sink *sink, const void *data, size_t len, struct err *err);
    int (*finish)(struct sink *sink, struct err *err);
    void (*free)(struct sink *sink);
};

struct sink { /* the first member of every implementation */
    const struct sink_ops *ops;
    uint64_t bytes; /* written so far */
    bool finished;
};

/* After a failed write or finish only sink_free may follow. */
static inline int sink_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    assert(!sink->finished);
    sink->bytes += len;
    return sink->ops->write(sink, data, len, err);
}

static inline int sink_finish(struct sink *sink, struct err *err)
{
    assert(!sink->finished);
    sink->finished = true;
    return sink->ops->finish(sink, err);
}

static inline void sink_free(struct sink *sink)
{
    if (sink != NULL)
        sink->ops->free(sink);
}

DEFINE_CLEANUP(cleanup_sink, struct sink *, sink_free);
#define auto_sink auto_with(cleanup_sink)

#endif
