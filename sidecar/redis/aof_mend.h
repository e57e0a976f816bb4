/*
 * What has to be left out of an append-only file so that a server loads every command in it that
 * the server before had applied:
 *
 *     a run of NULs                where a command must begin: the hole that a full disk leaves
 *     a torn transaction           a MULTI that a restart cut off before its EXEC, with commands
 *                                  written behind it since: the next restart would take them for a
 *                                  part of it, and drop them with it
 *     the tail                     the command, or the transaction, that was being written last
 *
 * Where a torn transaction ends is known by the SELECT that a server writes before its first
 * command after a start: it selects the database that is selected already, which no server does
 * otherwise. Where that SELECT names another database, it cannot be told from one that belongs to
 * the transaction: then the file is in doubt, and nothing of it should be left out.
 */
#ifndef REDIS_AOF_MEND_H
#define REDIS_AOF_MEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

enum aof_drop_what {
    AOF_DROP_NULS,
    AOF_DROP_TORN,
};

struct aof_drop { /* bytes [from, to) */
    uint64_t from;
    uint64_t to;
    enum aof_drop_what what;
};

#define AOF_DROPS_MAX 4096
#define AOF_MEND_NONE UINT64_MAX

struct aof_mend {
    struct aof_drop *drops; /* ascending, apart from one another, all before keep_end */
    size_t count;
    uint64_t keep_end;  /* what is behind it is the tail: no whole command, or none outside MULTI */
    uint64_t whole_end; /* of the last whole command, be it in a MULTI */
    uint64_t doubt_from; /* where a MULTI begins that may hold more than its own: the rest then says
                            nothing; AOF_MEND_NONE */
    uint64_t bad_from;   /* bytes that are no command, with others behind them; AOF_MEND_NONE */
};

/* Reads bytes [from, length) of fd: commands from the first to the last. Several passes over parts
 * of it are made; it is meant for files that aof_scan has found something in. ERR_CORRUPT when the
 * file is shorter, or has more than AOF_DROPS_MAX such places. The caller releases *out; on failure
 * there is nothing to release. */
int aof_mend_find(int fd, uint64_t from, uint64_t length, const char *label, struct aof_mend *out,
                  struct err *err);
void aof_mend_release(struct aof_mend *mend);

static inline void cleanup_aof_mend(struct aof_mend *mend)
{
    aof_mend_release(mend);
}
#define auto_aof_mend auto_with(cleanup_aof_mend)

#endif
