/*
 * Whoever asks a file system that is dead or frozen (NFS without its server, a disk that is gone)
 * waits in the kernel for as long as that lasts, and cannot even be killed. So somebody else asks
 * first.
 */
#ifndef HOST_PATH_ANSWERS_H
#define HOST_PATH_ANSWERS_H

#include <stdbool.h>

#include "base/clock.h"

/* Does the file system of path answer within timeout_ms: its names, its space and, with
 * with_write, an fsync of a file that has no name? Also one that answers with an error does. A
 * child asks; one that hangs gets SIGKILL and is left to the kernel. Call it before any thread is
 * started.
 */
bool path_answers(const char *path, bool with_write, const struct clock *clock, int timeout_ms);

#endif
