/*
 * What of a file lies in the page cache, and the two ends of that: all of it, or none.
 *
 * usage: pagecache count FILE | warm FILE [BYTES] | drop FILE     prints the bytes cached
 * afterwards
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/parse.h"

enum { READ_BYTES = 1 << 20 };

static int warm(int fd, uint64_t bytes)
{
    auto_free uint8_t *buffer = xmalloc(READ_BYTES);
    uint64_t at = 0;

    while (at < bytes) {
        size_t wanted = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;
        ssize_t got = pread(fd, buffer, wanted, (off_t)at);

        if (got <= 0)
            return (int)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* Only clean pages can be dropped, so the file is written out first. */
static int drop(int fd)
{
    if (fdatasync(fd) != 0)
        return -1;
    return posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 ? 0 : -1;
}

static int count(int fd, uint64_t size, uint64_t *out)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size_t)(size + page - 1) / page;
    auto_free unsigned char *resident = xcalloc(pages + 1, 1);

    *out = 0;
    if (size == 0)
        return 0;
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -1;
    int result = mincore(map, (size_t)size, resident);
    for (size_t i = 0; i < pages; i++)
        *out += resident[i] & 1 ? page : 0;
    (void)munmap(map, (size_t)size);
    return result;
}

int main(int argc, char **argv)
{
    const char *verb = argc >= 3 ? argv[1] : "";
    bool known =
        strcmp(verb, "count") == 0 || strcmp(verb, "warm") == 0 || strcmp(verb, "drop") == 0;
    uint64_t bytes = UINT64_MAX, cached = 0;
    struct stat status;
    struct err err;

    if (!known || argc > 4 || (argc == 4 && parse_size(argv[3], &bytes, &err) != 0)) {
        (void)fputs("usage: pagecache count|warm|drop FILE [BYTES to warm]\n", stderr);
        return 2;
    }
    auto_close int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    /* read-ahead would warm more than was asked for */
    if (fd < 0 || fstat(fd, &status) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0 ||
        (verb[0] == 'w' && warm(fd, bytes) != 0) || (verb[0] == 'd' && drop(fd) != 0) ||
        count(fd, (uint64_t)status.st_size, &cached) != 0) {
        perror(argv[2]);
        return 1;
    }
    printf("%llu\n", (unsigned long long)cached);
    return 0;
}
