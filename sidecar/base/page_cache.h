/*
 * Reading files that somebody else works with, without a trace in the page cache: the server comes
 * first, and its own pages are not to be pushed out by ours.
 */
#ifndef BASE_PAGE_CACHE_H
#define BASE_PAGE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* fs_pread_all whose pages are dropped again when they were not cached before; those that were
 * stay. The kernel's own readahead is turned off for fd, since it would bring pages in before it
 * can be seen whether they were there. Where the cache cannot be looked at, it is an ordinary read.
 */
int page_cache_read(int fd, void *out, size_t len, uint64_t offset, const char *label,
                    struct err *err);

#endif
