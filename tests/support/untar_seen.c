/* Asserts what untar.h promises to every handler: a safe name, and *out NULL to begin with. */
#include "support/untar_seen.h"

#include <assert.h>

#include "base/mem.h"
#include "support/memory_source.h"

int untar_seen_on_entry(void *context, const struct untar_entry *entry, struct sink **out,
                        struct err *err)
{
    struct untar_seen *seen = context;
    size_t i = seen->count++;

    assert(*out == NULL);
    assert(untar_name_is_safe(entry->name));
    if (seen->count == seen->fail_entry)
        return err_set(err, ERR_HOLDS_DATA, "the handler said no to %s", entry->name);
    if (i >= UNTAR_SEEN_MAX)
        return 0;
    seen->members[i].name = xstrdup(entry->name);
    seen->members[i].entry = *entry;
    seen->members[i].entry.name = seen->members[i].name;
    if (!entry->is_dir && !seen->pass_over) {
        seen->members[i].has_sink = true;
        memory_sink_init(&seen->members[i].sink, i == 0 ? seen->fail_sink : 0);
        *out = memory_sink_open(&seen->members[i].sink);
    }
    return 0;
}

void untar_seen_release(struct untar_seen *seen)
{
    for (size_t i = 0; i < seen->count && i < UNTAR_SEEN_MAX; i++) {
        free(seen->members[i].name);
        if (seen->members[i].has_sink) {
            assert(seen->members[i].sink.freed);
            memory_sink_release(&seen->members[i].sink);
        }
    }
}

int untar_seen_read(const void *tar, size_t len, size_t chunk, struct untar_seen *seen,
                    struct err *err)
{
    struct memory_source state = {.data = tar, .len = len, .chunk = chunk};
    struct untar_handler handler = {.entry = untar_seen_on_entry, .context = seen};
    auto_source struct source *source = memory_source_open(&state);

    return untar(source, &handler, err);
}
