#include "daemon/space.h"

#include <sys/statvfs.h>

#define EVERY_MS 10000

void space_look(struct space *space, int dir_fd, int64_t now_ms)
{
    struct statvfs volume;

    if (now_ms < space->due_ms)
        return;
    *space = (struct space){.due_ms = now_ms + EVERY_MS, .free_bytes = -1, .total_bytes = -1};
    if (fstatvfs(dir_fd, &volume) != 0)
        return;
    space->free_bytes = (int64_t)(volume.f_bavail * volume.f_frsize);
    space->total_bytes = (int64_t)(volume.f_blocks * volume.f_frsize);
}
