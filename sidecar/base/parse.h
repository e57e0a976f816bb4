/*
 * Strict text-to-value conversions and their inverses; pure. The whole text must be consumed: no
 * blanks, no sign where none belongs, no overflow. Nobody else calls strtol and friends.
 * All return 0, or -1 with ERR_CONFIG and a message that quotes the text (at most 64 bytes of it).
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Decimal digits only. */
int parse_u64(const char *text, uint64_t *out, struct err *err);
/* yes/no, true/false, on/off, 1/0 in any case. */
int parse_bool(const char *text, bool *out, struct err *err);
/* A whole number of bytes with an optional unit as redis.conf has them, in any case: b; k, m, g, t
 * are powers of 1000; kb, mb, gb, tb and KiB, MiB, GiB, TiB are powers of 1024 ("5MB" is 5mb is
 * 5MiB: redis.conf's meaning wins over SI's). */
int parse_size(const char *text, uint64_t *out_bytes, struct err *err);
/* "250ms", "15s", "5m", "2h", "7d", "2w", and sums of them in falling order: "1h30m". A bare number
 * is refused, except "0". */
int parse_duration(const char *text, int64_t *out_ms, struct err *err);
/* RFC 3339: "2026-11-20T17:30:00Z", a numeric offset, a fraction of a second (cut to ms), a blank
 * or lower-case t for the T. Milliseconds since 1970, UTC; a leap second (23:59:60 UTC) is folded
 * into the next second. The moments of the years 1970 to 9999. */
int parse_rfc3339(const char *text, int64_t *out_ms, struct err *err);

/* "2026-11-20T17:30:00Z" (no fraction); out holds at least 32 bytes. */
void format_rfc3339(int64_t time_ms, char *out, size_t out_size);
/* "2026-11-20T17:30:00.042Z"; out holds at least 32 bytes. */
void format_rfc3339_ms(int64_t time_ms, char *out, size_t out_size);
/* "1.3 GB", "640 kB", "17 B": for people, powers of 1000; out holds at least 16 bytes. */
void format_size(uint64_t bytes, char *out, size_t out_size);
/* "3d 04h", "1h 02m", "3m 20s", "42 s", "4.2 s", "350 ms", cut, not rounded: for people; out holds
 * at least 16 bytes. A negative one is "unknown". */
void format_duration(int64_t ms, char *out, size_t out_size);

#endif
