/*
 * Captured stderr: see capture.h. The descriptor itself is exchanged, so that write(2) is seen too.
 */
#include "support/capture.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void capture_begin(struct capture *capture)
{
    (void)fflush(stderr);
    capture->file_fd = memfd_create("stderr", MFD_CLOEXEC);
    capture->saved_fd = dup(STDERR_FILENO);
    assert(capture->file_fd >= 0 && capture->saved_fd >= 0);
    /* two writes at once to such a file would else go to the same place */
    assert(fcntl(capture->file_fd, F_SETFL, O_APPEND) == 0);
    assert(dup2(capture->file_fd, STDERR_FILENO) == STDERR_FILENO);
}

char *capture_end(struct capture *capture)
{
    (void)fflush(stderr);

    off_t len = lseek(capture->file_fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);

    assert(text);
    assert(pread(capture->file_fd, text, (size_t)len, 0) == len);
    assert(dup2(capture->saved_fd, STDERR_FILENO) == STDERR_FILENO);
    (void)close(capture->saved_fd); /* copies only */
    (void)close(capture->file_fd);
    return text;
}
