/*
 * Allocation that aborts with a message when memory is exhausted: redkeep survives a SIGKILL at
 * any instant, so dying here adds no new state. Release with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *xmalloc(size_t bytes);
void *xcalloc(size_t count, size_t bytes); /* zeroed */
void *xrealloc(void *p, size_t bytes);
void *xreallocarray(void *p, size_t count, size_t bytes);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t max);
/* p itself; dies when it is NULL. For what other libraries allocate. */
void *xcheck(void *p);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
