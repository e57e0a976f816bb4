/* Only MemAvailable of /proc/meminfo (proc(5)): a sidecar's own cgroup limit says nothing of the
 * server's, and taking it for the server's would refuse backups that fit. */
#include "backup/memory_room.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/parse.h"

int64_t memory_room(void)
{
    auto_buf struct buf text = {0};
    struct err ignored; /* not known is an answer here */
    char digits[24] = "";
    uint64_t kib = 0;

    buf_init(&text, 65536);
    if (fs_read_file(AT_FDCWD, "/proc/meminfo", &text, &ignored) != 0)
        return -1;
    const char *at = strstr(buf_text(&text), "MemAvailable:");
    if (at == NULL)
        return -1;
    at += strcspn(at, "0123456789");
    size_t len = strspn(at, "0123456789");
    if (len == 0 || len >= sizeof(digits))
        return -1;
    memcpy(digits, at, len);
    digits[len] = '\0';
    if (parse_u64(digits, &kib, &ignored) != 0 || kib > (uint64_t)INT64_MAX / 1024)
        return -1;
    return (int64_t)(kib * 1024);
}
