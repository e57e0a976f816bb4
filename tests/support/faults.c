/*
 * Faults by countdown: see faults.h. The linker sends a call of `write` to __wrap_write when it got
 * --wrap=write, and makes __real_write the real one. Without that flag __real_write does not
 * exist: hence weak.
 */
#include "support/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    _Atomic bool armed;
    _Atomic bool sticky;
    _Atomic unsigned countdown;
    _Atomic int errno_value;
    _Atomic unsigned calls;
    _Atomic unsigned fired;
    _Atomic bool short_writes;
    _Atomic bool short_reads;
} faults;

static void arm(unsigned countdown, int errno_value, bool sticky)
{
    faults.armed = false;
    faults.sticky = sticky;
    faults.countdown = countdown;
    faults.errno_value = errno_value;
    faults.calls = 0;
    faults.fired = 0;
    faults.armed = true;
}

void faults_arm(unsigned countdown, int errno_value)
{
    arm(countdown, errno_value, false);
}

void faults_arm_sticky(unsigned countdown, int errno_value)
{
    arm(countdown, errno_value, true);
}

void faults_disarm(void)
{
    faults.armed = false;
    faults.short_writes = false;
    faults.short_reads = false;
}

unsigned faults_fired(void)
{
    return faults.fired;
}

unsigned faults_calls(void)
{
    return faults.calls;
}

void faults_short_writes(bool on)
{
    faults.short_writes = on;
}

void faults_short_reads(bool on)
{
    faults.short_reads = on;
}

/* Counts a call. True when it shall fail; errno is then set. */
static bool fails(void)
{
    if (!faults.armed)
        return false;

    unsigned call = atomic_fetch_add(&faults.calls, 1) + 1;
    unsigned countdown = faults.countdown;

    if (countdown == 0 || call < countdown || (call > countdown && !faults.sticky))
        return false;
    atomic_fetch_add(&faults.fired, 1);
    errno = faults.errno_value;
    return true;
}

static size_t written_part(size_t len)
{
    return faults.short_writes ? (len + 1) / 2 : len;
}

static size_t read_part(size_t len)
{
    return faults.short_reads ? (len + 1) / 2 : len;
}

/* Declares the real call, if the test wraps it, and our own, whose only user is the linker. */
#define WRAPPED(name)                                            \
    extern __typeof__(name) __real_##name __attribute__((weak)); \
    extern __typeof__(name) __wrap_##name

WRAPPED(write);
WRAPPED(pwrite);
WRAPPED(read);
WRAPPED(pread);
WRAPPED(fsync);
WRAPPED(fdatasync);
WRAPPED(rename);
WRAPPED(renameat);
WRAPPED(renameat2);
WRAPPED(openat);
WRAPPED(mkdirat);
WRAPPED(unlinkat);
WRAPPED(linkat);
WRAPPED(ftruncate);
WRAPPED(fchmod);
WRAPPED(fchown);
WRAPPED(close);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    return fails() ? -1 : __real_write(fd, data, written_part(len));
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return fails() ? -1 : __real_pwrite(fd, data, written_part(len), offset);
}

ssize_t __wrap_read(int fd, void *out, size_t len)
{
    return fails() ? -1 : __real_read(fd, out, read_part(len));
}

ssize_t __wrap_pread(int fd, void *out, size_t len, off_t offset)
{
    return fails() ? -1 : __real_pread(fd, out, read_part(len), offset);
}

int __wrap_fsync(int fd)
{
    return fails() ? -1 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    return fails() ? -1 : __real_fdatasync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return fails() ? -1 : __real_rename(from, to);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return fails() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return fails() ? -1 : __real_renameat2(from_fd, from, to_fd, to, flags);
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return fails() ? -1 : __real_openat(dir_fd, path, flags, mode);
}

int __wrap_mkdirat(int dir_fd, const char *path, mode_t mode)
{
    return fails() ? -1 : __real_mkdirat(dir_fd, path, mode);
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
    return fails() ? -1 : __real_unlinkat(dir_fd, path, flags);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return fails() ? -1 : __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_ftruncate(int fd, off_t len)
{
    return fails() ? -1 : __real_ftruncate(fd, len);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return fails() ? -1 : __real_fchmod(fd, mode);
}

int __wrap_fchown(int fd, uid_t owner, gid_t group)
{
    return fails() ? -1 : __real_fchown(fd, owner, group);
}

int __wrap_close(int fd)
{
    int result = __real_close(fd);

    return fails() ? -1 : result;
}
