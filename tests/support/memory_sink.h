/*
 * A sink into memory, with a countdown to a fault. What became of it stays behind in a struct that
 * the test owns, so that it can be asked after the sink is gone.
 */
#ifndef SUPPORT_MEMORY_SINK_H
#define SUPPORT_MEMORY_SINK_H

#include <stdbool.h>

#include "base/buf.h"
#include "stream/sink.h"

struct memory_sink {
    unsigned fail_at; /* this call of write or finish, from 1 on, fails with ERR_STORE; 0: none */
    /* From here on the sink's to write. */
    struct buf bytes;
    unsigned calls; /* of write and finish */
    bool fired;     /* the fault was */
    bool finished;  /* with success */
    bool freed;
};

/* fail_at as above. */
void memory_sink_init(struct memory_sink *state, unsigned fail_at);
void memory_sink_release(struct memory_sink *state);
/* A sink that writes into state, which must outlive it. */
struct sink *memory_sink_open(struct memory_sink *state);

static inline void cleanup_memory_sink(struct memory_sink *state)
{
    memory_sink_release(state);
}
#define auto_memory_sink auto_with(cleanup_memory_sink)

#endif
