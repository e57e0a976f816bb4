/*
 * The first and the last bytes of an RDB file: format, AUX fields, key count hints, end marker. It
 * decodes no values and computes no checksum. The pure functions take bytes; rdb_probe_fd reads
 * them from a file. A file that begins with neither REDIS nor VALKEY is "opaque", not corrupt:
 * newer servers may wrap an RDB into something else (an envelope for compression is planned).
 */
#ifndef REDIS_RDB_PROBE_H
#define REDIS_RDB_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum rdb_magic {
    RDB_MAGIC_REDIS,
    RDB_MAGIC_VALKEY,
    RDB_MAGIC_OPAQUE,
};

struct rdb_head {
    enum rdb_magic magic;
    int version;             /* 10 for REDIS0010, 80 for VALKEY080; -1 unknown */
    char server_version[32]; /* AUX redis-ver or valkey-ver; "" */
    bool server_is_valkey;   /* it was valkey-ver (whose header may still say REDIS0011) */
    int64_t ctime_s;         /* the child's clock when the save began; -1 */
    int64_t used_mem;        /* bytes; -1 */
    char repl_id[48];        /* "" */
    int64_t repl_offset;     /* -1 */
    int64_t repl_stream_db;  /* -1 */
    int aof_base;            /* 0, 1, -1 not said */
    bool aux_complete;       /* everything above is known */
    bool has_functions;      /* a FUNCTION2 follows the AUX fields */
    bool has_module_aux;     /* so does a module's AUX */
    uint64_t body_offset;  /* of the first opcode behind AUX, module AUX and functions; 0 unknown */
    int body_opcode;       /* that opcode: 254 SELECTDB, 255 EOF, ...; -1 unknown */
    int64_t first_db;      /* the database selected there; -1 */
    int64_t first_db_keys; /* RESIZEDB's hint for it; -1 */
    int64_t first_db_expires; /* -1 */
};

enum rdb_probe {
    RDB_PROBE_OK,        /* *out is complete */
    RDB_PROBE_NEED_MORE, /* the bytes end too early; *out holds what is known so far */
    RDB_PROBE_MALFORMED, /* no server writes this */
};

#define RDB_HEAD_MAX 65536 /* rdb_probe_fd looks at no more than this */
#define RDB_TAIL_BYTES 9
#define RDB_SIZE_MIN 18 /* magic and version, EOF opcode, checksum */

/* *out is filled in every case. An opaque file is RDB_PROBE_OK as soon as the magic is excluded. */
enum rdb_probe rdb_probe_head(const uint8_t *data, size_t len, struct rdb_head *out);

struct rdb_tail {
    bool has_eof; /* the EOF opcode stands where it must */
    uint64_t crc; /* 0: saved with rdbchecksum no, nothing to compare */
};

void rdb_probe_tail(const uint8_t last9[RDB_TAIL_BYTES], struct rdb_tail *out);

struct rdb_ends {
    struct rdb_head head;
    struct rdb_tail tail;
    uint64_t size; /* of the file when it was read */
};

/* Reads both ends of the file. ERR_CORRUPT when it is too short, malformed, or a REDIS/VALKEY file
 * without the EOF opcode (cut off). label names the file in messages. The file offset of fd does
 * not move. */
int rdb_probe_fd(int fd, const char *label, struct rdb_ends *out, struct err *err);

/* The file holds no key (it may hold functions). False when that is not known. */
bool rdb_is_empty(const struct rdb_head *head);

#endif
