/*
 * Text that must never be seen: see secret.h. Each secret has pages of its own, straight from the
 * kernel: MADV_DONTDUMP works on whole pages, and a neighbour on the heap must stay in core files.
 */
#include "base/secret.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t mapped_bytes(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (len + 1 + page - 1) / page * page;
}

static char *map_pages(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED) {
        (void)fputs("redkeep: out of memory\n", stderr); /* about to abort anyway */
        abort();
    }
    (void)madvise(pages, bytes, MADV_DONTDUMP); /* an old kernel without it: only dumps differ */
    return pages;
}

void secret_set(struct secret *secret, const char *text, size_t len)
{
    char *copy = map_pages(mapped_bytes(len));

    if (len > 0)
        memcpy(copy, text, len); /* before the release: text may be the old content */
    secret_release(secret);
    secret->text = copy;
    secret->len = len;
}

void secret_copy(struct secret *to, const struct secret *from)
{
    if (from->text)
        secret_set(to, from->text, from->len);
    else
        secret_release(to);
}

void secret_release(struct secret *secret)
{
    if (secret->text) {
        size_t bytes = mapped_bytes(secret->len);

        explicit_bzero(secret->text, bytes);
        (void)munmap(secret->text, bytes); /* cannot fail on a mapping of our own */
    }
    *secret = (struct secret){0};
}
