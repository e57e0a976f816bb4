/*
 * INVARIANT (never two holders that both renew): every write is conditional on the tag of the one
 * before, so the object's history is one chain. A holder writes in every third of its term; who
 * takes over has seen one tag for longer than a whole one, by one clock: counted from after it saw
 * it first to before it saw it last.
 */
#include "backup/lease_claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"

enum { RENEWALS_PER_TERM = 3, RETRIES_PER_TERM = 12, OWNER_BYTES = (LEASE_OWNER_SIZE - 1) / 2 };

void lease_claim_init(struct lease_claim *claim, const struct lease_claim_options *options)
{
    uint8_t owner[OWNER_BYTES];

    *claim = (struct lease_claim){
        .store = options->store,
        .clock = options->clock,
        .key = options->key,
        .phase = LEASE_LOOKS,
        .due_ms = clock_mono_ms(options->clock),
        .mine = {.term_ms = options->term_ms},
    };
    fs_random(owner, sizeof(owner));
    hex_encode(owner, sizeof(owner), claim->mine.owner);
    (void)snprintf(claim->mine.instance, sizeof(claim->mine.instance), "%s", options->instance);
}

void lease_claim_release(struct lease_claim *claim)
{
    free(TAKE_PTR(claim->tag));
}

static int64_t now_ms(const struct lease_claim *claim)
{
    return clock_mono_ms(claim->clock);
}

static void go(struct lease_claim *claim, enum lease_phase phase, int64_t due_ms)
{
    claim->phase = phase;
    claim->due_ms = due_ms;
}

static void keep_tag(struct lease_claim *claim, char *tag)
{
    free(claim->tag);
    claim->tag = tag;
}

/* Pods that wait for the same holder do not ask in the same moment. */
static int64_t jittered(int64_t ms)
{
    uint32_t random;

    fs_random(&random, sizeof(random));
    return ms - ms / 4 + (int64_t)(random % (uint64_t)(ms / 2 + 1));
}

/* What is there now: *out_tag NULL when there is nothing; a record without an owner when it is
 * nothing of ours. */
static int look(const struct lease_claim *claim, struct lease_record *out, char **out_tag,
                struct err *err)
{
    auto_buf struct buf text;
    struct err why;

    buf_init(&text, LEASE_RECORD_MAX);
    *out = (struct lease_record){.instance = "?", .term_ms = claim->mine.term_ms};
    *out_tag = NULL;
    if (store_get_small_tagged(claim->store, claim->key, &text, out_tag, &why) != 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    /* what cannot be read is waited for like a holder that is silent */
    (void)lease_record_parse(buf_text(&text), text.len, out, &why);
    return 0;
}

static bool is_mine(const struct lease_claim *claim, const struct lease_record *record)
{
    return strcmp(record->owner, claim->mine.owner) == 0;
}

static int step_look(struct lease_claim *claim, struct err *err)
{
    int64_t before_ms = now_ms(claim);
    struct lease_record record;
    auto_free char *tag = NULL;
    bool is_same;
    bool is_stale;

    claim->due_ms = before_ms + jittered(LEASE_POLL_MS);
    if (look(claim, &record, &tag, err) != 0)
        return -1;
    is_same = tag != NULL && claim->tag != NULL && strcmp(tag, claim->tag) == 0;
    is_stale = is_same && before_ms - claim->seen_ms > record.term_ms;
    keep_tag(claim, TAKE_PTR(tag));
    claim->seen = record;
    if (is_mine(claim, &record)) { /* taken, though it looked as if that had failed */
        claim->mine = record;
        go(claim, LEASE_HOLDS, now_ms(claim));
    } else if (claim->tag == NULL || record.is_free || is_stale) {
        go(claim, LEASE_TAKES, now_ms(claim));
    } else {
        if (!is_same)
            claim->seen_ms = now_ms(claim);
        if (claim->due_ms > claim->seen_ms + record.term_ms)
            claim->due_ms = claim->seen_ms + record.term_ms + 1;
    }
    return 0;
}

static int write_mine(struct lease_claim *claim, const struct lease_record *record, struct err *err)
{
    auto_free char *text = lease_record_format(record);
    const struct store_put_if put = {
        .key = claim->key,
        .data = text,
        .len = strlen(text),
        .tag = claim->tag,
        .even_if_stopped = claim->phase == LEASE_HOLDS,
    };
    char *tag = NULL;

    if (store_put_small_if(claim->store, &put, &tag, err) != 0)
        return -1;
    keep_tag(claim, tag);
    claim->mine = *record;
    return 0;
}

static int step_take(struct lease_claim *claim, struct err *err)
{
    int64_t before_ms = now_ms(claim);
    struct lease_record record = claim->mine;
    struct err why;

    record.taken_ms = clock_wall_ms(claim->clock);
    if (write_mine(claim, &record, &why) == 0) {
        go(claim, LEASE_HOLDS, before_ms + record.term_ms / RENEWALS_PER_TERM);
        return 0;
    }
    go(claim, LEASE_LOOKS, now_ms(claim));
    if (why.kind == ERR_BUSY)
        return 0;
    *err = why;
    return -1;
}

static int step_hold(struct lease_claim *claim, struct err *err)
{
    int64_t before_ms = now_ms(claim);
    struct lease_record record = claim->mine;
    struct err why;

    record.renewals++;
    record.is_free = claim->wants_end;
    if (write_mine(claim, &record, &why) == 0) {
        go(claim, record.is_free ? LEASE_GIVEN : LEASE_HOLDS,
           before_ms + record.term_ms / RENEWALS_PER_TERM);
        return 0;
    }
    if (why.kind == ERR_BUSY) {
        go(claim, LEASE_CHECKS, now_ms(claim));
        return 0;
    }
    claim->due_ms = now_ms(claim) + record.term_ms / RETRIES_PER_TERM;
    *err = why;
    return -1;
}

static int step_check(struct lease_claim *claim, struct err *err)
{
    struct lease_record record;
    auto_free char *tag = NULL;

    claim->due_ms = now_ms(claim) + claim->mine.term_ms / RETRIES_PER_TERM;
    if (look(claim, &record, &tag, err) != 0)
        return -1;
    if (tag == NULL || !is_mine(claim, &record)) {
        claim->seen = record;
        go(claim, LEASE_LOST, now_ms(claim));
        return 0;
    }
    keep_tag(claim, TAKE_PTR(tag));
    claim->mine = record;
    go(claim, record.is_free ? LEASE_GIVEN : LEASE_HOLDS, now_ms(claim));
    return 0;
}

int lease_claim_step(struct lease_claim *claim, struct err *err)
{
    switch (claim->phase) {
    case LEASE_LOOKS:
        return step_look(claim, err);
    case LEASE_TAKES:
        return step_take(claim, err);
    case LEASE_HOLDS:
        return step_hold(claim, err);
    case LEASE_CHECKS:
        return step_check(claim, err);
    case LEASE_LOST:
    case LEASE_GIVEN:
        break;
    }
    return 0;
}
