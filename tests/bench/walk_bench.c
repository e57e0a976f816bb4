/*
 * What verify does with an RDB once its bytes are there: its CRC64 and the walk of its structure,
 * in one pass over a file. Prints as JSON what was found. A file that is not walked, or whose
 * checksum does not fit, is a failure.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "redis/rdb_walk.h"

enum { BLOCK = 256 << 10 }; /* stays in the cache from the one to the other */

int main(int argc, char **argv)
{
    struct rdb_walk_result result;
    uint64_t crc = 0;
    ssize_t got = 0;

    if (argc != 2) {
        (void)fputs("usage: walk_bench FILE\n", stderr);
        return 2;
    }
    auto_close int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    auto_free uint8_t *block = xmalloc(BLOCK);
    auto_rdb_walk struct rdb_walk *walk = rdb_walk_new(false);
    while ((got = read(fd, block, BLOCK)) > 0) {
        crc = crc64(crc, block, (size_t)got);
        rdb_walk_feed(walk, block, (size_t)got);
    }
    rdb_walk_end(walk, &result);
    if (got < 0 || result.walked != RDB_WALKED || crc != 0) {
        (void)fprintf(stderr, "walk_bench: %s: %s, CRC64 %016" PRIx64 "\n", argv[1], result.why,
                      crc);
        return 1;
    }
    printf("{\"keys\":%" PRIu64 ",\"databases\":%zu}\n", result.keys, result.db_count);
    return 0;
}
