/*
 * A store in memory, with faults by countdown and a log of what was asked. What it holds outlives
 * store_free, so that a test can look, change bytes, and hand the same store out again.
 *
 * A sweep: for (n = 1;; n++) { fake_store_arm(&fake, n, FAKE_FAILS); run(); if (!fake.fired) break;
 * check(); }
 */
#ifndef SUPPORT_FAKE_STORE_H
#define SUPPORT_FAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"

enum fake_fault {
    FAKE_FAILS,       /* ERR_STORE, and nothing was done */
    FAKE_ANSWER_LOST, /* ERR_STORE, but what changes the store was done */
    FAKE_GONE,        /* this operation and every later one: ERR_STORE, and nothing is done */
    FAKE_LOST_GONE,   /* the answer to this one is lost, and every later one fails */
    FAKE_LOST_LATER,  /* the same, but the next one still works */
};

struct fake_object {
    char *key;
    struct buf bytes;
    unsigned version; /* no two contents that the store ever held have the same: the tag */
    int64_t modified_ms;
};

struct fake_store {
    struct store store; /* give &fake.store to what is tested */
    uint64_t part_bytes;
    struct fake_object *objects; /* in byte order of their keys */
    size_t count;
    unsigned last_version;
    int64_t now_ms;    /* by its own clock, which stands still: when objects are put. 0 at first */
    size_t unfinished; /* what puts have left that never came to their end, all of it old */
    const char *unfinished_key; /* that they were for; NULL: one of ours */
    bool knows_no_uploads;      /* sweep does not know them */
    bool knows_no_conditions;   /* put_small_if is ERR_STORE, and nothing was done */
    struct buf log;             /* a line "<operation> <key>" each, in order */
    unsigned operations;        /* counted since fake_store_arm */
    unsigned fired;             /* faults since then */
    unsigned open_uploads;      /* sinks that were neither finished nor freed */
    unsigned open_sources;
    unsigned freed; /* how often store_free was called */
    /* Called at the start of every operation; may change the store. NULL: none. */
    void (*hook)(struct fake_store *fake, const char *operation, const char *key);

    unsigned countdown; /* private */
    enum fake_fault fault;
};

/* Operations that count, and their names in the log: put_small, put, write, finish, get_small,
 * get_small_tagged, put_small_if, get, next, list, head, remove, sweep. */
void fake_store_init(struct fake_store *fake, uint64_t part_bytes);
void fake_store_release(struct fake_store *fake);

/* The countdown-th operation from now (1: the next) fails; 0: none does. Counts and log start over.
 */
void fake_store_arm(struct fake_store *fake, unsigned countdown, enum fake_fault fault);
/* How often an operation of that name is in the log. */
size_t fake_store_asked(const struct fake_store *fake, const char *operation);

/* Puts an object, or another content under its key. */
void fake_store_set(struct fake_store *fake, const char *key, const void *data, size_t len);
/* NULL when there is none. Borrowed until an object is put or removed; its bytes may be changed. */
struct buf *fake_store_find(const struct fake_store *fake, const char *key);
/* The one object whose key ends in tail; aborts when there is none, or several. */
struct buf *fake_store_only(const struct fake_store *fake, const char *tail);
/* How many keys end in tail. */
size_t fake_store_count(const struct fake_store *fake, const char *tail);
void fake_store_drop(struct fake_store *fake, const char *key);

#endif
