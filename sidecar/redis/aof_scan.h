/*
 * Finds the command boundaries of an append-only file in RESP (an incr file, or a base written with
 * aof-use-rdb-preamble no): `*N\r\n$len\r\n...`, with `#...` annotation lines between commands. It
 * is fed bytes in any slicing and allocates nothing; payloads are skipped, not looked at, but for
 * the names that open and close a transaction. An RDB preamble is not its concern.
 *
 * A run of NUL bytes where a command must begin is the hole that a full disk leaves: it is counted
 * and skipped, since the commands behind it are whole; but no server loads a file that has one.
 */
#ifndef REDIS_AOF_SCAN_H
#define REDIS_AOF_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define AOF_SCAN_NONE UINT64_MAX

struct aof_scan {
    uint64_t offset;   /* bytes taken so far, counted from where the scan began */
    uint64_t safe_end; /* end of the last whole command or annotation outside MULTI */
    uint64_t commands; /* whole commands, MULTI and EXEC too, inside and outside transactions */
    int64_t last_ts;   /* seconds of the last #TS annotation at or before safe_end; -1 */

    bool in_multi;
    uint64_t multi_offset; /* where the open MULTI begins; AOF_SCAN_NONE */
    uint64_t nested_multi; /* MULTIs inside a MULTI: a torn one was written over after a restart */

    uint64_t nul_offset; /* where the first hole begins; AOF_SCAN_NONE */
    uint64_t nul_bytes;  /* of all holes together */

    uint64_t bad_offset; /* of the line that cannot be; AOF_SCAN_NONE. Feeding stops there */
    const char *bad_why; /* static text; NULL */

    /* private: where we are inside a command */
    int state;
    int64_t args_left;
    bool single_arg;       /* a command of one word: it may be MULTI or EXEC */
    uint64_t payload_left; /* with its CRLF */
    uint64_t item_offset;  /* of the line being read */
    uint64_t command_offset;
    int64_t pending_ts;
    uint32_t line_len; /* bytes of a line that came in pieces */
    uint32_t held;     /* those of them, or of a word, that are in hold */
    char hold[64];
};

void aof_scan_init(struct aof_scan *scan);
/* Takes len bytes. Returns true while the bytes make sense, false once bad_why is set. */
bool aof_scan_feed(struct aof_scan *scan, const void *data, size_t len);
/* All bytes taken end exactly at a command boundary outside MULTI, without a hole at the end. */
bool aof_scan_at_boundary(const struct aof_scan *scan);

/* Scans bytes [0, length) of fd into *out (initialised here). Malformed bytes are no failure: see
 * bad_why. ERR_CORRUPT when the file is shorter, ERR_FAILED when it cannot be read, or
 * it is cancelled. */
int aof_scan_fd(int fd, uint64_t length, const char *label, struct aof_scan *out, struct err *err);

#endif
