/*
 * CRC64 of the head of a file in memory, by the way that this CPU takes and by tables (slice-by-8,
 * as Redis does), in turn. Timed by the thread's CPU clock; prints the medians as JSON.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/mem.h"

enum { BYTES_MAX = 256 << 20, RUNS = 5 };

typedef uint64_t crc_fn(uint64_t crc, const void *data, size_t len);

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
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

int main(int argc, char **argv)
{
    static crc_fn *const ways[] = {crc64, crc64_table};
    double times[2][RUNS];
    uint64_t results[2] = {0};

    if (argc != 2) {
        (void)fputs("usage: crc_bench FILE\n", stderr);
        return 2;
    }
    auto_free uint8_t *data = xmalloc(BYTES_MAX);
    size_t len = read_head(argv[1], data, BYTES_MAX);
    if (len == 0) {
        perror(argv[1]);
        return 1;
    }
    for (size_t run = 0; run < RUNS; run++) {
        for (size_t i = 0; i < 2; i++) {
            double from = cpu_s();

            results[i] = ways[i](0, data, len);
            times[i][run] = cpu_s() - from;
        }
    }
    if (results[0] != results[1]) {
        (void)fprintf(stderr, "crc_bench: the two ways differ\n");
        return 1;
    }
    printf("{\"bytes\":%zu,\"crc64\":\"%016" PRIx64 "\",\"fast_mb_s\":%.0f,\"table_mb_s\":%.0f}\n",
           len, results[0], (double)len / 1e6 / median(times[0], RUNS),
           (double)len / 1e6 / median(times[1], RUNS));
    return 0;
}
