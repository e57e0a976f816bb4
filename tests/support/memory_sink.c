/* Asserts the contract of sink.h on its callers: nothing after finish, nothing after a failure but
 * free, and free only once. */
#include "support/memory_sink.h"

#include <assert.h>

#include "base/mem.h"

#define BYTES_MAX ((size_t)1 << 30)

struct sink_to_memory {
    struct sink base;
    struct memory_sink *state;
};

static struct memory_sink *state_of(struct sink *sink)
{
    return ((struct sink_to_memory *)(void *)sink)->state;
}

static int count_down(struct memory_sink *state, const char *call, struct err *err)
{
    assert(!state->fired && !state->finished && !state->freed);
    if (++state->calls != state->fail_at)
        return 0;
    state->fired = true;
    return err_set(err, ERR_STORE, "memory sink: %s number %u failed", call, state->calls);
}

static int memory_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct memory_sink *state = state_of(sink);

    if (count_down(state, "write", err) != 0)
        return -1;
    return buf_append(&state->bytes, data, len, err);
}

static int memory_finish(struct sink *sink, struct err *err)
{
    struct memory_sink *state = state_of(sink);

    if (count_down(state, "finish", err) != 0)
        return -1;
    state->finished = true;
    return 0;
}

static void memory_free(struct sink *sink)
{
    assert(!state_of(sink)->freed);
    state_of(sink)->freed = true;
    free(sink);
}

static const struct sink_ops memory_ops = {
    .write = memory_write, .finish = memory_finish, .free = memory_free};

void memory_sink_init(struct memory_sink *state, unsigned fail_at)
{
    *state = (struct memory_sink){.fail_at = fail_at};
    buf_init(&state->bytes, BYTES_MAX);
}

void memory_sink_release(struct memory_sink *state)
{
    buf_release(&state->bytes);
}

struct sink *memory_sink_open(struct memory_sink *state)
{
    struct sink_to_memory *sink = xcalloc(1, sizeof(*sink));

    sink->base.ops = &memory_ops;
    sink->state = state;
    return &sink->base;
}
