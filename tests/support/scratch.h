/*
 * A directory of a test's own, on the disk that holds the build (not on a tmpfs, where page cache
 * and fsync mean nothing), and other people's tools run in it.
 */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct scratch {
    char *path; /* absolute */
    int fd;
};

/* Makes a new empty directory beside the running binary. */
void scratch_init(struct scratch *scratch);
/* Removes it with everything in it. */
void scratch_release(struct scratch *scratch);

/* Writes a new file there. */
void scratch_write(const struct scratch *scratch, const char *name, const void *data, size_t len);
/* The same, and opens it for reading and writing; the caller closes it. */
int scratch_file(const struct scratch *scratch, const char *name, const void *data, size_t len);
/* Appends a file's content to out. */
void scratch_read(const struct scratch *scratch, const char *name, struct buf *out);
/* Runs a command by the shell, in the C locale and in that directory, and appends what it prints
 * (stderr included) to out. Returns its exit status. */
int scratch_run(const struct scratch *scratch, struct buf *out, const char *command);

#endif
