/*
 * Contenders for a lease side by side, in every order of their steps, with steps that fail and
 * holders that stand still. Time is virtual: it moves on when nobody has anything to do.
 */
#include "backup/lease_claim.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY "leases/set.json"

enum { TERM_MS = 60000, WORK_MS = 150000, CROWD_MAX = 3, STEPS_MAX = 2000, REQUEST_MS = 700 };

struct contender {
    struct lease_claim claim;
    int64_t held_ms; /* when it began to; 0: it did not */
    bool stays;      /* does not give it back by itself */
    unsigned turns;  /* how often it has held */
};

static struct fake_store fake;
static struct fake_clock clock;
static struct contender crowd[CROWD_MAX];
static size_t crowd_size;

static void meet(size_t count)
{
    fake_store_init(&fake, 1000);
    fake_clock_init(&clock, 1795222800000);
    crowd_size = count;
    for (size_t i = 0; i < count; i++) {
        auto_free char *name = xasprintf("pod-%zu", i);

        crowd[i] = (struct contender){0};
        lease_claim_init(&crowd[i].claim, &(struct lease_claim_options){.store = &fake.store,
                                                                        .clock = &clock.clock,
                                                                        .key = KEY,
                                                                        .instance = name,
                                                                        .term_ms = TERM_MS});
    }
}

static void part(void)
{
    for (size_t i = 0; i < crowd_size; i++)
        lease_claim_release(&crowd[i].claim);
    fake_store_release(&fake);
}

static bool is_over(const struct contender *one)
{
    return one->claim.phase == LEASE_GIVEN || one->claim.phase == LEASE_LOST;
}

static bool holds(const struct contender *one)
{
    return one->claim.phase == LEASE_HOLDS || one->claim.phase == LEASE_CHECKS;
}

static int64_t due(const struct contender *one)
{
    if (!one->stays && holds(one) && one->held_ms + WORK_MS < one->claim.due_ms)
        return one->held_ms + WORK_MS;
    return one->claim.due_ms;
}

/* One step of it: its request takes a while. Returns what the step did. */
static int step(struct contender *one)
{
    struct err err = {0};
    int rc;

    if (!one->stays && one->held_ms != 0 && clock.mono_ms >= one->held_ms + WORK_MS)
        one->claim.wants_end = true;
    rc = lease_claim_step(&one->claim, &err);
    fake_clock_advance(&clock, REQUEST_MS);
    if (holds(one) && one->held_ms == 0) {
        one->held_ms = clock.mono_ms;
        one->turns++;
    }
    return rc;
}

/* One that is done and only does not know yet that it has given it back does not count. */
static size_t count_holders(void)
{
    size_t count = 0;

    for (size_t i = 0; i < crowd_size; i++)
        count += holds(&crowd[i]) && !crowd[i].claim.wants_end ? 1 : 0;
    return count;
}

/* Picks among those whose step is due; time moves on when there is none. NULL: all are done. */
static struct contender *pick(uint64_t *choices)
{
    struct contender *ready[CROWD_MAX];
    size_t count = 0;
    struct contender *next = NULL;

    for (size_t i = 0; i < crowd_size; i++) {
        if (is_over(&crowd[i]))
            continue;
        if (next == NULL || due(&crowd[i]) < due(next))
            next = &crowd[i];
        if (due(&crowd[i]) <= clock.mono_ms)
            ready[count++] = &crowd[i];
    }
    if (count == 0 && next != NULL) {
        fake_clock_advance(&clock, due(next) - clock.mono_ms);
        return next;
    }
    if (count == 0)
        return NULL;
    next = ready[*choices % count];
    *choices /= count;
    return next;
}

/* Until all have come to an end; never two that hold. Returns the steps that it took. */
static unsigned run(uint64_t choices)
{
    unsigned steps = 0;

    for (struct contender *one; (one = pick(&choices)) != NULL; steps++) {
        ck_assert_uint_lt(steps, STEPS_MAX);
        (void)step(one);
        ck_assert_uint_le(count_holders(), 1);
    }
    return steps;
}

static void expect_free(void)
{
    const struct buf *text = fake_store_find(&fake, KEY);
    struct lease_record record = {0};
    struct err err = {0};

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(lease_record_parse(buf_text(text), text->len, &record, &err) == 0, "%s", err.msg);
    ck_assert(record.is_free);
}

START_TEST(in_every_order_all_hold_it_and_never_two_at_once)
{
    for (size_t count = 2; count <= CROWD_MAX; count++)
        for (uint64_t choices = 0; choices < 2187;
             choices++) { /* 3^7: it is the start that counts */
            meet(count);
            (void)run(choices);
            for (size_t i = 0; i < count; i++) {
                ck_assert_int_eq(crowd[i].claim.phase, LEASE_GIVEN);
                ck_assert_uint_eq(crowd[i].turns, 1);
            }
            expect_free();
            part();
        }
}
END_TEST

static const enum fake_fault faults[] = {FAKE_FAILS, FAKE_ANSWER_LOST};

START_TEST(a_request_that_fails_or_whose_answer_is_lost_costs_nobody_the_lease)
{
    for (size_t f = 0; f < COUNT(faults); f++)
        for (uint64_t choices = 0; choices < 4; choices++)
            for (unsigned n = 1;; n++) {
                unsigned fired;

                meet(2);
                fake_store_arm(&fake, n, faults[f]);
                (void)run(choices);
                for (size_t i = 0; i < 2; i++) {
                    ck_assert(crowd[i].claim.wants_end);
                    ck_assert_uint_eq(crowd[i].turns, 1);
                }
                expect_free();
                fired = fake.fired;
                part();
                if (fired == 0)
                    break;
            }
}
END_TEST

/* Steps it alone until its phase is that. */
static void bring(struct contender *one, enum lease_phase phase)
{
    for (unsigned steps = 0; one->claim.phase != phase; steps++) {
        ck_assert_uint_lt(steps, STEPS_MAX);
        if (due(one) > clock.mono_ms)
            fake_clock_advance(&clock, due(one) - clock.mono_ms);
        (void)step(one);
    }
}

START_TEST(one_that_stands_still_is_taken_over_after_its_term_and_finds_out)
{
    for (int64_t still_ms = 0; still_ms < 3 * TERM_MS; still_ms += 3500) {
        auto_free char *before = NULL;
        int64_t began_ms;

        meet(2);
        bring(&crowd[0], LEASE_HOLDS);
        crowd[0].stays = true;
        began_ms = clock.mono_ms;
        fake_clock_advance(&clock, still_ms);
        crowd[1].claim.due_ms = began_ms;
        if (still_ms < TERM_MS / 2) { /* renews in time: the other never gets it */
            (void)step(&crowd[0]);
            ck_assert_int_eq(crowd[0].claim.phase, LEASE_HOLDS);
        } else {
            bring(&crowd[1], LEASE_HOLDS);
            ck_assert_int_gt(clock.mono_ms - began_ms, TERM_MS);
            before = xstrdup(buf_text(fake_store_find(&fake, KEY)));
            while (!is_over(&crowd[0]))
                (void)step(&crowd[0]);
            ck_assert_int_eq(crowd[0].claim.phase, LEASE_LOST);
            ck_assert_str_eq(crowd[0].claim.seen.instance, "pod-1");
            ck_assert_str_eq(buf_text(fake_store_find(&fake, KEY)), before);
            (void)step(&crowd[1]);
            ck_assert_int_eq(crowd[1].claim.phase, LEASE_HOLDS);
        }
        part();
    }
}
END_TEST

START_TEST(one_that_renews_is_never_taken_over)
{
    int64_t until_ms;

    meet(3);
    bring(&crowd[0], LEASE_HOLDS);
    crowd[0].stays = true;
    until_ms = clock.mono_ms + (int64_t)40 * TERM_MS;
    for (uint64_t choices = 12345; clock.mono_ms < until_ms; choices = choices * 3 + 1) {
        (void)step(pick(&choices));
        ck_assert_int_eq(crowd[0].claim.phase, LEASE_HOLDS);
    }
    ck_assert_uint_eq(crowd[1].turns + crowd[2].turns, 0);
    part();
}
END_TEST

START_TEST(a_lease_that_was_removed_or_overwritten_is_lost)
{
    static const char *const others[] = {NULL, "", "not JSON", "{}"};

    for (size_t i = 0; i < COUNT(others); i++) {
        meet(1);
        bring(&crowd[0], LEASE_HOLDS);
        if (others[i] == NULL)
            fake_store_drop(&fake, KEY);
        else
            fake_store_set(&fake, KEY, others[i], strlen(others[i]));
        bring(&crowd[0], LEASE_LOST);
        ck_assert_str_eq(crowd[0].claim.seen.owner, "");
        part();
    }
}
END_TEST

START_TEST(what_is_no_lease_is_waited_for_and_replaced)
{
    static const char *const others[] = {"", "not JSON",
                                         "{\"owner\":\"x\",\"term_seconds\":0,\"free\":false}"};

    for (size_t i = 0; i < COUNT(others); i++) {
        int64_t began_ms;

        meet(1);
        fake_store_set(&fake, KEY, others[i], strlen(others[i]));
        began_ms = clock.mono_ms;
        bring(&crowd[0], LEASE_HOLDS);
        ck_assert_int_gt(clock.mono_ms - began_ms, TERM_MS);
        ck_assert_int_lt(clock.mono_ms - began_ms, TERM_MS + 2 * LEASE_POLL_MS);
        part();
    }
}
END_TEST

START_TEST(the_holders_term_counts_not_ones_own)
{
    static const struct {
        const char *text;
        int64_t at_least_ms, at_most_ms;
    } rows[] = {
        {"{\"owner\":\"x\",\"term_seconds\":2,\"free\":false}", 2000, 2000 + LEASE_POLL_MS},
        {"{\"owner\":\"x\",\"term_seconds\":300,\"free\":false}", 300000,
         300000 + 2 * LEASE_POLL_MS},
        {"{\"owner\":\"x\",\"term_seconds\":99999999999,\"free\":false}", 600000,
         600000 + 2 * LEASE_POLL_MS},
        {"{\"owner\":\"x\",\"term_seconds\":300,\"free\":true}", 0, LEASE_POLL_MS},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t took_ms;

        meet(1);
        fake_store_set(&fake, KEY, rows[i].text, strlen(rows[i].text));
        took_ms = clock.mono_ms;
        bring(&crowd[0], LEASE_HOLDS);
        took_ms = clock.mono_ms - took_ms;
        ck_assert_msg(took_ms >= rows[i].at_least_ms && took_ms <= rows[i].at_most_ms,
                      "row %zu: %lld ms", i, (long long)took_ms);
        part();
    }
}
END_TEST

static void renew_behind_its_back(struct fake_store *store, const char *operation, const char *key)
{
    static const char renewed[] = "{\"owner\":\"x\",\"term_seconds\":2,\"free\":false}";

    if (strcmp(operation, "put_small_if") != 0)
        return;
    store->hook = NULL;
    fake_store_set(store, key, renewed, strlen(renewed));
}

START_TEST(a_renewal_in_the_last_moment_counts)
{
    static const char stale[] = "{\"owner\":\"x\",\"term_seconds\":2,\"free\":false, \"n\":1}";
    int64_t began_ms;

    meet(1);
    fake_store_set(&fake, KEY, stale, strlen(stale));
    fake.hook = renew_behind_its_back;
    began_ms = clock.mono_ms;
    bring(&crowd[0], LEASE_HOLDS);
    ck_assert_int_gt(clock.mono_ms - began_ms, 4000);
    ck_assert_uint_eq(fake_store_asked(&fake, "put_small_if"), 2);
    part();
}
END_TEST

static Suite *lease_claim_suite(void)
{
    Suite *suite = suite_create("lease_claim");
    TCase *tc = tcase_create("claim");

    tcase_add_test(tc, in_every_order_all_hold_it_and_never_two_at_once);
    tcase_add_test(tc, a_request_that_fails_or_whose_answer_is_lost_costs_nobody_the_lease);
    tcase_add_test(tc, one_that_stands_still_is_taken_over_after_its_term_and_finds_out);
    tcase_add_test(tc, one_that_renews_is_never_taken_over);
    tcase_add_test(tc, a_lease_that_was_removed_or_overwritten_is_lost);
    tcase_add_test(tc, what_is_no_lease_is_waited_for_and_replaced);
    tcase_add_test(tc, the_holders_term_counts_not_ones_own);
    tcase_add_test(tc, a_renewal_in_the_last_moment_counts);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(lease_claim_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
