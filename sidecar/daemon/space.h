/* How much room there is on the volume, looked at now and then. */
#ifndef DAEMON_SPACE_H
#define DAEMON_SPACE_H

#include <stdint.h>

struct space { /* zero-initialised: not looked at yet */
    int64_t due_ms;
    int64_t free_bytes; /* for those who are not root; -1: unknown */
    int64_t total_bytes;
};

/* Asks the file system of dir_fd, every ten seconds of now_ms (monotonic), and may wait for it for
 * ever: a disk that is dead does not answer. */
void space_look(struct space *space, int dir_fd, int64_t now_ms);

#endif
