/*
 * What a process holds, to compare before and after: threads and open descriptors.
 */
#ifndef SUPPORT_LEAKS_H
#define SUPPORT_LEAKS_H

#include <stdbool.h>
#include <stddef.h>

struct leaks {
    size_t threads;
    size_t fds;
};

/* What this process holds now. */
struct leaks leaks_count(void);
/* Does it hold just as much as before? A joined thread may be seen by the kernel for a moment
 * longer, so this looks again, for up to ten seconds, before it says no (and tells stderr why). */
bool leaks_none(const struct leaks *before);

#endif
