/*
 * Tar archives written byte by byte, so that they can be what no honest tool would write.
 */
#ifndef SUPPORT_TAR_MAKER_H
#define SUPPORT_TAR_MAKER_H

#include <stddef.h>

#include "base/buf.h"

struct tar_member {
    const char *name;   /* at most 100 bytes */
    char type;          /* ustar's; 0: '0', a regular file */
    const char *target; /* of a link */
    const char *data;
    size_t len;
    const char *says; /* the size in the header, in octal; NULL: len */
};

/* Appends a member with a ustar header and its bytes, padded. */
void tar_add(struct buf *tar, const struct tar_member *member);
/* Appends a pax header with one record for the member that follows. */
void tar_add_pax(struct buf *tar, const char *key, const char *value);
/* Appends the end mark. */
void tar_end(struct buf *tar);

#endif
