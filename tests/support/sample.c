/* Runs of 64 noisy bytes (xorshift64*) and 64 bytes of text in turn. */
#include "support/sample.h"

#include "base/mem.h"

#define RUN 64

uint8_t *sample_bytes(uint64_t seed, size_t len)
{
    static const char text[] =
        "user:1000 {\"name\": \"a common name\", \"visits\": 17, \"tags\": []}\n";
    uint8_t *bytes = xmalloc(len + 1);
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < len; i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes[i] = i / RUN % 2 == 0 ? (uint8_t)(state * 0x2545f4914f6cdd1du >> 56)
                                    : (uint8_t)text[i % (sizeof(text) - 1)];
    }
    return bytes;
}
