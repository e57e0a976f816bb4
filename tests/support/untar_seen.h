/*
 * A handler for untar that remembers what it was told and collects the bytes of the files.
 */
#ifndef SUPPORT_UNTAR_SEEN_H
#define SUPPORT_UNTAR_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "stream/untar.h"
#include "support/memory_sink.h"

#define UNTAR_SEEN_MAX 16

struct untar_seen {     /* zero-initialised: take everything */
    bool pass_over;     /* take no bytes */
    size_t fail_entry;  /* the handler fails with ERR_HOLDS_DATA at this member, from 1 on */
    unsigned fail_sink; /* the first member's sink fails at this call, from 1 on */
    /* From here on the handler's to write. */
    size_t count; /* of all members; the first UNTAR_SEEN_MAX are kept */
    struct {
        char *name; /* NULL: the handler failed here */
        struct untar_entry entry;
        struct memory_sink sink;
        bool has_sink;
    } members[UNTAR_SEEN_MAX];
};

/* Asserts that every sink was freed. */
void untar_seen_release(struct untar_seen *seen);
/* The handler's function; its context is the struct untar_seen. */
int untar_seen_on_entry(void *context, const struct untar_entry *entry, struct sink **out,
                        struct err *err);
/* Reads tar, in chunks of a size (0: at once), with that handler. */
int untar_seen_read(const void *tar, size_t len, size_t chunk, struct untar_seen *seen,
                    struct err *err);

static inline void cleanup_untar_seen(struct untar_seen *seen)
{
    untar_seen_release(seen);
}
#define auto_untar_seen auto_with(cleanup_untar_seen)

#endif
