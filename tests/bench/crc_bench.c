/*
 * CRC64 of the head of a file in memory, by the way that this CPU takes and by tables (slice-by-8,
 * as Redis does), in turn over the same bytes. Timed by the thread's CPU clock. Prints the best of
 * many runs as JSON: from RAM the fast way waits for memory alone, which a virtual machine shares
 * with its neighbours, and they only ever make it slower.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/mem.h"

enum { BYTES_MAX = 256 << 20, BLOCK = 1 << 20, RUNS = 15 };

typedef uint64_t crc_fn(uint64_t crc, const void *data, size_t len);

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t read_head(const char *path, uint8_t *out, size_t size)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    while (fd >= 0 && len < size) {
        ssize_t got = read(fd, out + len, size - len);

        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return len;
}

/* MB/s over the data, from RAM or, with cached, its first block as often as makes the same length.
 */
static double speed(crc_fn *crc, const uint8_t *data, size_t len, bool cached, uint64_t *out)
{
    double from = cpu_s();

    *out = 0;
    if (cached) {
        for (size_t at = 0; at + BLOCK <= len; at += BLOCK)
            *out = crc(*out, data, BLOCK);
    } else {
        *out = crc(0, data, len);
    }
    return (double)len / 1e6 / (cpu_s() - from);
}

/* The best of both ways; -1 when their results differ. */
static int compare_ways(const uint8_t *data, size_t len, bool cached, double *fast, double *table)
{
    uint64_t by_cpu, by_table;

    *fast = *table = 0;
    for (size_t run = 0; run < RUNS; run++) {
        double speeds[] = {speed(crc64, data, len, cached, &by_cpu),
                           speed(crc64_table, data, len, cached, &by_table)};

        if (by_cpu != by_table)
            return -1;
        *fast = speeds[0] > *fast ? speeds[0] : *fast;
        *table = speeds[1] > *table ? speeds[1] : *table;
    }
    return 0;
}

int main(int argc, char **argv)
{
    double ram[2], cache[2];

    if (argc != 2) {
        (void)fputs("usage: crc_bench FILE\n", stderr);
        return 2;
    }
    auto_free uint8_t *data = xmalloc(BYTES_MAX);
    size_t len = read_head(argv[1], data, BYTES_MAX);
    if (len < BLOCK) {
        (void)fprintf(stderr, "crc_bench: %s: less than a block to read\n", argv[1]);
        return 1;
    }
    if (compare_ways(data, len, false, &ram[0], &ram[1]) != 0 ||
        compare_ways(data, len, true, &cache[0], &cache[1]) != 0) {
        (void)fputs("crc_bench: the two ways differ\n", stderr);
        return 1;
    }
    printf("{\"bytes\":%zu,\"runs\":%d,\"ram\":%.0f,\"ram_table\":%.0f,\"cache\":%.0f,"
           "\"cache_table\":%.0f}\n",
           len, RUNS, ram[0], ram[1], cache[0], cache[1]);
    return 0;
}
