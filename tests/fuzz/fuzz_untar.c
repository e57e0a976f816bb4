/*
 * Tar archives from foreign hands. The first byte says in what chunks the rest comes. Nothing but
 * safe names may reach the handler, and a file that is finished has its size.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/untar.h"
#include "support/memory_source.h"

#define BYTES_MAX ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counter {
    struct sink base;
    uint64_t wanted;
    uint8_t last;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static int counter_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct counter *counter = (struct counter *)(void *)sink;

    if (sink->bytes > BYTES_MAX)
        return err_set(err, ERR_FAILED, "more than a fuzzer has time for");
    if (len > 0)
        counter->last = ((const uint8_t *)data)[len - 1]; /* a sanitizer sees a pointer gone bad */
    return 0;
}

static int counter_finish(struct sink *sink, struct err *err)
{
    (void)err;
    must(sink->bytes == ((struct counter *)(void *)sink)->wanted);
    return 0;
}

static void counter_free(struct sink *sink)
{
    free(sink);
}

static const struct sink_ops counter_ops = {
    .write = counter_write, .finish = counter_finish, .free = counter_free};

static int on_entry(void *context, const struct untar_entry *entry, struct sink **out,
                    struct err *err)
{
    size_t *count = context;

    (void)err;
    must(untar_name_is_safe(entry->name));
    must((entry->mode & ~(mode_t)0777) == 0);
    must(!entry->is_dir || entry->size == 0);
    if (++*count % 4 == 0) /* some are passed over */
        return 0;
    struct counter *counter = calloc(1, sizeof(*counter));
    must(counter != NULL);
    counter->base.ops = &counter_ops;
    counter->wanted = entry->size;
    *out = &counter->base;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;

    size_t count = 0;
    struct memory_source state = {
        .data = data + 1, .len = size - 1, .chunk = (size_t)data[0] * data[0]};
    struct untar_handler handler = {.entry = on_entry, .context = &count};
    auto_source struct source *source = memory_source_open(&state);
    struct err err = {0};

    if (untar(source, &handler, &err) == 0)
        must(state.given == state.len); /* read to its end */
    else
        must(err.kind == ERR_CORRUPT || err.kind == ERR_FAILED);
    return 0;
}
