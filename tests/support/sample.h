/*
 * Bytes to move about: the same for the same seed, half of them compressible.
 */
#ifndef SUPPORT_SAMPLE_H
#define SUPPORT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* len bytes (never NULL, also for 0); the caller frees them. */
uint8_t *sample_bytes(uint64_t seed, size_t len);

#endif
