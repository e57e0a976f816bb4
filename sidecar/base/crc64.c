/*
 * CRC-64 as in crc64.h, in two ways with one result: slice-by-8 tables, and folding by carry-less
 * multiply. A message is a polynomial over GF(2), its CRC the rest of message * x^64 modulo P. All
 * values here are bit-reflected: in a 64-bit word bit 63 - i is the coefficient of x^i, so that
 * multiplying by x is a shift to the right.
 *
 * Folding (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel
 * 2009) keeps a message's rest as 8 x 128 bits and moves each block over 1024 bits at a time. Its
 * constants are powers of x modulo P, worked out here at first use, not copied.
 */
#include "base/crc64.h"

#include <endian.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_CLMUL 1
#else
#define HAVE_CLMUL 0
#endif

#define POLY 0x95ac9329ac4bc9b5u /* 0xad93d23594c935a9 reflected */
#define ONE (1ull << 63)         /* the polynomial 1 */
#define POWERS 67                /* 2^3 bits a byte, byte counts below 2^64 */

#define LANES 8
#define LANE_BYTES 16
#define STRIDE (LANES * LANE_BYTES)

/* Multiplying with these moves the first and the second half of a lane over some distance. */
struct fold {
    uint64_t first;
    uint64_t second;
};

/* Constant once set_up() ran. */
static struct {
    uint64_t slice[8][256];
    uint64_t x_to_2_to[POWERS]; /* x^(2^i) mod P */
    struct fold by_stride;
    struct fold by_lane;
    bool has_clmul;
} tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static uint64_t times_x(uint64_t a)
{
    return (a >> 1) ^ (a & 1 ? POLY : 0);
}

/* a * b mod P */
static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (; a != 0; a <<= 1) {
        if (a & ONE)
            product ^= b;
        b = times_x(b);
    }
    return product;
}

static uint64_t x_to(unsigned exponent)
{
    uint64_t power = ONE;

    while (exponent-- > 0)
        power = times_x(power);
    return power;
}

/* A lane is first * x^64 + second. The product of two reflected words comes out of the multiplier
 * times x, which is why the exponents are one less than the distance. */
static struct fold fold_over(unsigned bits)
{
    return (struct fold){.first = x_to(bits + 64 - 1), .second = x_to(bits - 1)};
}

static void set_up(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t rest = byte;

        for (int bit = 0; bit < 8; bit++)
            rest = times_x(rest);
        tables.slice[0][byte] = rest;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        for (int i = 1; i < 8; i++) {
            uint64_t rest = tables.slice[i - 1][byte];

            tables.slice[i][byte] = tables.slice[0][rest & 0xff] ^ (rest >> 8);
        }
    }

    tables.x_to_2_to[0] = x_to(1);
    for (int i = 1; i < POWERS; i++)
        tables.x_to_2_to[i] = multiply(tables.x_to_2_to[i - 1], tables.x_to_2_to[i - 1]);

    tables.by_stride = fold_over(8 * STRIDE);
    tables.by_lane = fold_over(8 * LANE_BYTES);
#if HAVE_CLMUL
    tables.has_clmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

static void need_tables(void)
{
    (void)pthread_once(&tables_once, set_up); /* fails only for an invalid control */
}

static uint64_t by_table(uint64_t crc, const uint8_t *at, size_t len)
{
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, at, sizeof(word));
        crc ^= le64toh(word);
        crc = tables.slice[7][crc & 0xff] ^ tables.slice[6][crc >> 8 & 0xff] ^
              tables.slice[5][crc >> 16 & 0xff] ^ tables.slice[4][crc >> 24 & 0xff] ^
              tables.slice[3][crc >> 32 & 0xff] ^ tables.slice[2][crc >> 40 & 0xff] ^
              tables.slice[1][crc >> 48 & 0xff] ^ tables.slice[0][crc >> 56];
    }
    for (; len > 0; at++, len--)
        crc = tables.slice[0][(crc ^ *at) & 0xff] ^ (crc >> 8);
    return crc;
}

#if HAVE_CLMUL
#define PREFETCH_BYTES 4096
#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* lane moved over the distance of k, plus what stands there. */
CLMUL static inline __m128i fold(__m128i lane, __m128i k, __m128i there)
{
    __m128i first = _mm_clmulepi64_si128(lane, k, 0x00);
    __m128i second = _mm_clmulepi64_si128(lane, k, 0x11);

    return _mm_xor_si128(_mm_xor_si128(first, second), there);
}

CLMUL static inline __m128i constant(struct fold k)
{
    return _mm_set_epi64x((long long)k.second, (long long)k.first);
}

/* A page ahead, where the processor's own prefetch does not go; one stride is two lines. Beyond the
 * end of the data it does nothing. */
static inline void prefetch(const uint8_t *at)
{
    uintptr_t ahead = (uintptr_t)at + PREFETCH_BYTES;

    for (uintptr_t line = 0; line < STRIDE; line += 64)
        _mm_prefetch((const char *)(ahead + line), _MM_HINT_T0);
}

/* len is at least STRIDE. */
CLMUL static uint64_t by_clmul(uint64_t crc, const uint8_t *at, size_t len)
{
    __m128i k = constant(tables.by_stride);
    __m128i lane[LANES];

    for (int i = 0; i < LANES; i++)
        lane[i] = load(at + i * LANE_BYTES);
    lane[0] = _mm_xor_si128(lane[0], _mm_set_epi64x(0, (long long)crc));
    at += STRIDE;
    len -= STRIDE;

    for (; len >= STRIDE; at += STRIDE, len -= STRIDE) {
        prefetch(at);
        for (int i = 0; i < LANES; i++)
            lane[i] = fold(lane[i], k, load(at + i * LANE_BYTES));
    }

    k = constant(tables.by_lane);
    for (int i = 1; i < LANES; i++)
        lane[i] = fold(lane[i - 1], k, lane[i]);

    __m128i rest = lane[LANES - 1];

    for (; len >= LANE_BYTES; at += LANE_BYTES, len -= LANE_BYTES)
        rest = fold(rest, k, load(at));

    uint8_t bytes[LANE_BYTES];

    _mm_storeu_si128((__m128i *)(void *)bytes, rest);
    return by_table(by_table(0, bytes, sizeof(bytes)), at, len);
}
#endif

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
    need_tables();
#if HAVE_CLMUL
    if (tables.has_clmul && len >= STRIDE)
        return by_clmul(crc, data, len);
#endif
    return by_table(crc, data, len);
}

uint64_t crc64_table(uint64_t crc, const void *data, size_t len)
{
    need_tables();
    return by_table(crc, data, len);
}

uint64_t crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b)
{
    need_tables();
    /* crc_a * x^(8 * len_b): A stands len_b bytes further to the front of A followed by B */
    for (int i = 3; len_b != 0; i++, len_b >>= 1) {
        if (len_b & 1)
            crc_a = multiply(crc_a, tables.x_to_2_to[i]);
    }
    return crc_a ^ crc_b;
}
