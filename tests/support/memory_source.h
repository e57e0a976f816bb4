/*
 * A source of given bytes in chunks of a given size, with a countdown to a fault. Every chunk is an
 * allocation of its own that dies at the next call, so that a sanitizer sees who holds on to it.
 */
#ifndef SUPPORT_MEMORY_SOURCE_H
#define SUPPORT_MEMORY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/source.h"

struct memory_source {
    const uint8_t *data;
    size_t len;
    size_t chunk;     /* bytes a call gives; 0: all at once */
    unsigned fail_at; /* this call, from 1 on, fails with ERR_STORE; 0: none */
    /* From here on the source's to write. */
    size_t given;
    unsigned calls;
    bool fired; /* the fault was */
    bool freed;
};

/* A source that reads from state, which must outlive it. */
struct source *memory_source_open(struct memory_source *state);

#endif
