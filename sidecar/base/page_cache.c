/* mincore(2) tells what is cached, posix_fadvise(2) drops it again; both by whole pages. */
#include "base/page_cache.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"

#define WINDOW_BYTES ((size_t)1 << 20)
#define PAGES_MAX \
    (WINDOW_BYTES / 4096 + 1) /* in the smallest pages, and one for the misalignment */

struct window { /* whole pages around what is read */
    int fd;
    uint64_t offset;
    size_t len;
    size_t page;
};

/* Which pages are in the cache now; false when that cannot be told. */
static bool look(const struct window *window, uint8_t pages[PAGES_MAX])
{
    void *map = mmap(NULL, window->len, PROT_READ, MAP_SHARED, window->fd, (off_t)window->offset);
    if (map == MAP_FAILED)
        return false;

    bool known = mincore(map, window->len, pages) == 0;
    (void)munmap(map, window->len); /* unmapping what was mapped does not fail */
    return known;
}

static void drop(const struct window *window, const uint8_t pages[PAGES_MAX])
{
    size_t count = (window->len + window->page - 1) / window->page;

    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && (pages[end] & 1) == 0)
            end++;
        if (end > i)
            (void)posix_fadvise(window->fd, (off_t)(window->offset + i * window->page),
                                (off_t)((end - i) * window->page),
                                POSIX_FADV_DONTNEED); /* advice; nothing depends on it */
        i = end + 1;
    }
}

static int read_window(int fd, uint8_t *out, size_t len, uint64_t offset, const char *label,
                       struct err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (size_t)(offset % page);
    struct window window = {.fd = fd, .offset = offset - before, .len = before + len, .page = page};
    uint8_t pages[PAGES_MAX];
    bool known = look(&window, pages);

    if (fs_pread_all(fd, out, len, offset, label, err) != 0)
        return -1;
    if (known)
        drop(&window, pages);
    return 0;
}

int page_cache_read(int fd, void *out, size_t len, uint64_t offset, const char *label,
                    struct err *err)
{
    uint8_t *at = out;

    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* advice, as above */
    while (len > 0) {
        size_t step = len < WINDOW_BYTES ? len : WINDOW_BYTES;

        if (read_window(fd, at, step, offset, label, err) != 0)
            return -1;
        at += step;
        offset += step;
        len -= step;
    }
    return 0;
}
