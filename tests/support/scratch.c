/* Everything here must work for a test to mean anything, so failing is an assert. */
#include "support/scratch.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/mem.h"

void scratch_init(struct scratch *scratch)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    assert(len > 0);
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    assert(slash != NULL);
    *slash = '\0';
    scratch->path = xasprintf("%s/scratch-XXXXXX", self);
    const char *made = mkdtemp(scratch->path);
    assert(made != NULL);
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(scratch->fd >= 0);
}

void scratch_release(struct scratch *scratch)
{
    struct err err = {0};
    int removed = fs_remove_tree(AT_FDCWD, scratch->path, &err);

    if (removed != 0)
        (void)fprintf(stderr, "remove %s: %s\n", scratch->path, err.msg);
    assert(removed == 0);
    (void)close(scratch->fd); /* it was only read */
    free(scratch->path);
}

int scratch_file(const struct scratch *scratch, const char *name, const void *data, size_t len)
{
    struct err err = {0};
    int fd = openat(scratch->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert(fd >= 0);
    int written = fs_write_all(fd, data, len, name, &err);
    assert(written == 0);
    return fd;
}

void scratch_write(const struct scratch *scratch, const char *name, const void *data, size_t len)
{
    (void)close(scratch_file(scratch, name, data, len)); /* the next to open it sees the bytes */
}

void scratch_read(const struct scratch *scratch, const char *name, struct buf *out)
{
    struct err err = {0};
    int rc = fs_read_file(scratch->fd, name, out, &err);

    if (rc != 0)
        (void)fprintf(stderr, "%s\n", err.msg);
    assert(rc == 0);
}

int scratch_run(const struct scratch *scratch, struct buf *out, const char *command)
{
    struct err err = {0};
    char chunk[4096];
    size_t len;
    auto_free char *line =
        xasprintf("cd '%s' && export LC_ALL=C && { %s; } 2>&1", scratch->path, command);
    FILE *pipe = popen(line, "re");

    assert(pipe != NULL);
    while ((len = fread(chunk, 1, sizeof(chunk), pipe)) > 0) {
        int appended = buf_append(out, chunk, len, &err);
        assert(appended == 0);
    }
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
