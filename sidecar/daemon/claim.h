/*
 * Two supervisors of one volume would both back it up. The directory's flock is for jobs, which
 * come and go while a supervisor stays; so supervisors show themselves by a second kind of lock on
 * the same directory, a shared byte-range lock (fcntl(2), open file description locks), and each
 * looks for another's. Nothing is written to the volume (INVARIANT 10).
 */
#ifndef DAEMON_CLAIM_H
#define DAEMON_CLAIM_H

#include <stdbool.h>

#include "base/err.h"

/* Claims the directory for as long as dir_fd stays open. ERR_BUSY when another process has claimed
 * it (of two at the same instant both may be refused). Where the file system knows no such locks
 * (NFS) it is success without a claim, and *out_is_claimed says so. label names it in messages. */
int claim_directory(int dir_fd, const char *label, bool *out_is_claimed, struct err *err);

#endif
