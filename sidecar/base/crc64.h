/*
 * The CRC-64 that Redis puts at the end of an RDB file: poly 0xad93d23594c935a9 (Jones), reflected
 * in and out, start 0, no final xor; crc64 of "123456789" is 0xe9c6d914c4b8d9ca. A whole RDB
 * including its little-endian trailer has CRC 0. Carry-less multiply where the CPU has it, tables
 * elsewhere, the same results.
 */
#ifndef BASE_CRC64_H
#define BASE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc (0 at the start) over len bytes. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);
/* The same by tables (slice-by-8), whatever the CPU: for comparison in tests and benchmarks. */
uint64_t crc64_table(uint64_t crc, const void *data, size_t len);
/* The CRC of A followed by B, from the CRC of each (both from 0) and the length of B. */
uint64_t crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b);

#endif
