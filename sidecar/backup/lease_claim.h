/*
 * One contender for a lease as a machine of small steps: each is one request to the store, made
 * when it is due. It never sleeps and starts no thread, so that a test can run many side by side in
 * every order. Internal to lease.c.
 *
 *   LOOKS -> TAKES -> HOLDS -> HOLDS ... -> GIVEN        somebody else's renewal or take-over:
 *     ^        |        ^ |                              LOOKS stays, or goes back from TAKES;
 *     +--------+        | v                              HOLDS finds out in CHECKS
 *                     CHECKS -> LOST
 */
#ifndef BACKUP_LEASE_CLAIM_H
#define BACKUP_LEASE_CLAIM_H

#include "backup/lease_record.h"
#include "base/clock.h"
#include "store/store.h"

#define LEASE_POLL_MS 5000

enum lease_phase {
    LEASE_LOOKS,  /* who has it? */
    LEASE_TAKES,  /* it was seen free, gone, or not renewed for its term */
    LEASE_HOLDS,  /* renews it */
    LEASE_CHECKS, /* a renewal was refused: by one of ours whose answer was lost? */
    LEASE_LOST,   /* the end: somebody else has it */
    LEASE_GIVEN,  /* the end */
};

struct lease_claim {
    struct store *store; /* borrowed, as all here */
    const struct clock *clock;
    const char *key;
    enum lease_phase phase;
    int64_t due_ms; /* of the next step, by the monotonic clock */
    bool wants_end; /* HOLDS gives back instead of renewing; it is due at once */
    struct lease_record mine;
    struct lease_record seen; /* of another, in LOOKS, TAKES and LOST; no owner: not readable */
    int64_t seen_ms;          /* since when it is as it was seen */
    char *tag;                /* of what was seen, or written by us; NULL: there is none */
};

struct lease_claim_options {
    struct store *store;
    const struct clock *clock;
    const char *key;
    const char *instance; /* copied */
    int64_t term_ms;
};

void lease_claim_init(struct lease_claim *claim, const struct lease_claim_options *options);
void lease_claim_release(struct lease_claim *claim);
/* One request, whether it is due or not; not after an end. -1: it failed, and the next step, due in
 * a while, tries again. */
int lease_claim_step(struct lease_claim *claim, struct err *err);

#endif
