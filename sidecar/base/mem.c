/*
 * Allocation that aborts when memory is exhausted: see mem.h. Asking for nothing gives a pointer
 * that may be freed, never NULL.
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *xcheck(void *p)
{
    if (!p) {
        (void)fputs("redkeep: out of memory\n", stderr); /* about to abort anyway */
        abort();
    }
    return p;
}

void *xmalloc(size_t bytes)
{
    return xcheck(malloc(bytes ? bytes : 1));
}

void *xcalloc(size_t count, size_t bytes)
{
    if (count == 0 || bytes == 0)
        return xcheck(calloc(1, 1));
    return xcheck(calloc(count, bytes));
}

void *xrealloc(void *p, size_t bytes)
{
    return xcheck(realloc(p, bytes ? bytes : 1));
}

void *xreallocarray(void *p, size_t count, size_t bytes)
{
    if (count == 0 || bytes == 0)
        return xrealloc(p, 0);
    return xcheck(reallocarray(p, count, bytes));
}

char *xstrdup(const char *text)
{
    return xcheck(strdup(text));
}

char *xstrndup(const char *text, size_t max)
{
    return xcheck(strndup(text, max));
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);

    return xcheck(len < 0 ? NULL : text);
}
