/*
 * Append-only files that are mended: what is kept is whole, and every whole command that is not
 * left out is in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "redis/aof_mend.h"
#include "redis/aof_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_kept(const uint8_t *data, size_t size, const struct aof_mend *mend)
{
    struct aof_scan scan;
    uint64_t at = 0;

    aof_scan_init(&scan);
    check(mend->keep_end <= size);
    for (size_t i = 0; i < mend->count; i++) {
        const struct aof_drop *drop = &mend->drops[i];

        check(at <= drop->from && drop->from < drop->to && drop->to <= mend->keep_end);
        (void)aof_scan_feed(&scan, data + at, (size_t)(drop->from - at));
        at = drop->to;
    }
    (void)aof_scan_feed(&scan, data + at, (size_t)(mend->keep_end - at));
    if (mend->doubt_from != AOF_MEND_NONE)
        return; /* nothing of it is to be left out */
    check(aof_scan_at_boundary(&scan));
    check(scan.nul_offset == AOF_SCAN_NONE);
    check(scan.nested_multi == 0);
}

/* The scan and the walk see the same file. */
static void check_agree(const uint8_t *data, size_t size, const struct aof_mend *mend)
{
    struct aof_scan scan;

    aof_scan_init(&scan);
    (void)aof_scan_feed(&scan, data, size);
    if (mend->count == 0 && mend->doubt_from == AOF_MEND_NONE)
        check(mend->keep_end == scan.safe_end);
    if (mend->bad_from != AOF_MEND_NONE)
        check(!aof_scan_at_boundary(&scan));
    if (aof_scan_at_boundary(&scan) && scan.nul_bytes == 0)
        check(mend->keep_end == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct aof_mend mend = {0};
    struct err err;

    if (fd < 0)
        fd = memfd_create("aof", MFD_CLOEXEC);
    check(fd >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    check(fs_write_all(fd, data, size, "f", &err) == 0);
    if (aof_mend_find(fd, 0, size, "f", &mend, &err) != 0) {
        check(err.kind == ERR_CORRUPT);
        return 0;
    }
    check_kept(data, size, &mend);
    check_agree(data, size, &mend);
    aof_mend_release(&mend);
    return 0;
}
