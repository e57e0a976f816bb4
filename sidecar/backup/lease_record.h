/*
 * What a lease object says: whose it is, and whether it was given back. Pure. FORMAT.md has the
 * fields.
 */
#ifndef BACKUP_LEASE_RECORD_H
#define BACKUP_LEASE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LEASE_OWNER_SIZE 33    /* of our own: 32 hex digits and a NUL */
#define LEASE_RECORD_MAX 65536 /* bytes that are read */
#define LEASE_TERM_MAX_S 600   /* a longer one is not waited for */

struct lease_record {
    char owner[LEASE_OWNER_SIZE]; /* random: one for each lease that is taken */
    char instance[256];           /* for people; cut where it is longer */
    int64_t taken_ms;             /* wall time, for people */
    int64_t term_ms;
    uint64_t renewals; /* so that no two contents are the same */
    bool is_free;
};

/* The caller frees. Whole seconds of the term, rounded up. */
char *lease_record_format(const struct lease_record *record);
/* ERR_CORRUPT for what is none; *out is untouched then. */
int lease_record_parse(const char *text, size_t len, struct lease_record *out, struct err *err);

#endif
