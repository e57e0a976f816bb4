/* Asserts the contract of source.h on its callers: no call after the end or after a failure. */
#include "support/memory_source.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

struct source_of_memory {
    struct source base;
    struct memory_source *state;
    uint8_t *chunk;
    bool ended;
};

static struct source_of_memory *self(struct source *source)
{
    return (struct source_of_memory *)(void *)source;
}

static int memory_next(struct source *source, const uint8_t **out, size_t *out_len, struct err *err)
{
    struct source_of_memory *memory = self(source);
    struct memory_source *state = memory->state;
    size_t left = state->len - state->given;
    size_t len = state->chunk == 0 || left < state->chunk ? left : state->chunk;

    assert(!state->fired && !state->freed && !memory->ended);
    free(TAKE_PTR(memory->chunk));
    if (++state->calls == state->fail_at) {
        state->fired = true;
        return err_set(err, ERR_STORE, "memory source: call number %u failed", state->calls);
    }
    if (len > 0) {
        memory->chunk = xmalloc(len);
        memcpy(memory->chunk, state->data + state->given, len);
    }
    state->given += len;
    memory->ended = len == 0;
    *out = memory->chunk;
    *out_len = len;
    return 0;
}

static void memory_free(struct source *source)
{
    struct source_of_memory *memory = self(source);

    assert(!memory->state->freed);
    memory->state->freed = true;
    free(memory->chunk);
    free(memory);
}

static const struct source_ops memory_ops = {.next = memory_next, .free = memory_free};

struct source *memory_source_open(struct memory_source *state)
{
    struct source_of_memory *memory = xcalloc(1, sizeof(*memory));

    memory->base.ops = &memory_ops;
    memory->state = state;
    return &memory->base;
}
