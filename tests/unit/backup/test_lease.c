/*
 * Taking a lease, keeping it by a thread, giving it back.
 */
#include "backup/lease.h"

#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/lease_record.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/leaks.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY "leases/set.json"

static const char foreign[] =
    "{\"owner\":\"x\",\"instance\":\"pod-9\",\"term_seconds\":60,\"free\":false}";

static struct fake_store fake;
static struct fake_clock clock;
static struct leaks held;
static struct buf events;
static char warning[2048];
static enum problem warned;
static _Atomic unsigned warnings;
static _Atomic unsigned writes; /* that the thread has begun */

static void note_event(void *context, const char *text)
{
    struct err err = {0};

    (void)context;
    ck_assert_int_eq(buf_printf(&events, &err, "%s\n", text), 0);
}

static void note_warning(void *context, enum problem problem, const char *text)
{
    (void)context;
    warned = problem;
    (void)snprintf(warning, sizeof(warning), "%s", text);
    atomic_fetch_add(&warnings, 1);
}

static void count_puts(struct fake_store *store, const char *operation, const char *key)
{
    (void)store;
    (void)key;
    if (strcmp(operation, "put_small_if") == 0)
        atomic_fetch_add(&writes, 1);
}

static void begin(void)
{
    cancel_init();
    held = leaks_count();
    fake_store_init(&fake, 1000);
    fake_clock_init(&clock, 1795222800000);
    buf_init(&events, 1 << 20);
    fake.hook = count_puts;
    warnings = 0;
    writes = 0;
}

static void end(void)
{
    fake_store_release(&fake);
    buf_release(&events);
    ck_assert(leaks_none(&held));
}

static struct lease_options options_of(const struct clock *with)
{
    return (struct lease_options){
        .name = "set",
        .instance = "pod-0",
        .term_ms = 60000,
        .wait_max_ms = 600000,
        .clock = with,
        .on_event = note_event,
        .on_warning = note_warning,
    };
}

static struct lease *take(void)
{
    const struct lease_options options = options_of(&clock.clock);
    struct lease *lease = NULL;
    struct err err = {0};

    ck_assert_msg(lease_take(&fake.store, &options, &lease, &err) == 0, "%s", err.msg);
    ck_assert_ptr_nonnull(lease);
    return lease;
}

static struct lease_record stored(void)
{
    const struct buf *text = fake_store_find(&fake, KEY);
    struct lease_record record = {0};
    struct err err = {0};

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(lease_record_parse(buf_text(text), text->len, &record, &err) == 0, "%s", err.msg);
    return record;
}

/* Lets virtual time run until the thread has come so far. */
static void run_clock_until(const _Atomic unsigned *count, unsigned wanted)
{
    for (unsigned i = 0; atomic_load(count) < wanted; i++) {
        ck_assert_uint_lt(i, 30000); /* five minutes: never */
        fake_clock_advance(&clock, 1000);
        clock_sleep_ms(clock_system(), 10);
    }
}

START_TEST(it_is_taken_and_given_back)
{
    for (int i = 0; i < 3; i++) { /* none yet, then one that is free */
        struct lease *lease = take();

        ck_assert_uint_eq(clock.sleeps, 0);
        lease_free(lease);
        ck_assert(stored().is_free);
        ck_assert_str_eq(stored().instance, "pod-0");
        ck_assert_int_eq(stored().taken_ms, clock.wall_ms / 1000 * 1000);
    }
    ck_assert_uint_eq(fake.freed, 3);
    ck_assert_uint_eq(events.len, 0);
    ck_assert_uint_eq(warnings, 0);
    lease_free(NULL);
}
END_TEST

START_TEST(the_thread_renews_it)
{
    struct lease *lease = take();

    run_clock_until(&writes, 6);
    lease_free(lease);
    ck_assert(stored().is_free);
    ck_assert_uint_ge(stored().renewals, 5);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

static void take_away(struct fake_store *store, const char *operation, const char *key)
{
    if (strcmp(operation, "put_small_if") == 0 && atomic_fetch_add(&writes, 1) == 2)
        fake_store_set(store, key, foreign, strlen(foreign));
}

START_TEST(a_lease_that_is_lost_is_told_and_left_alone)
{
    struct lease *lease;

    fake.hook = take_away;
    lease = take();
    run_clock_until(&warnings, 1);
    lease_free(lease);
    ck_assert_msg(strstr(warning, "\"set\" was taken over by pod-9") != NULL, "%s", warning);
    ck_assert_uint_eq(warnings, 1);
    ck_assert_int_eq(warned, PROBLEM_LOCKED);
    ck_assert_uint_eq(writes, 3);
    ck_assert_str_eq(buf_text(fake_store_find(&fake, KEY)), foreign);
}
END_TEST

static void give_back_at_20(struct fake_store *store, const char *operation, const char *key)
{
    static const char free_again[] = "{\"owner\":\"x\",\"term_seconds\":60,\"free\":true}";
    static const char renewed[] = "{\"owner\":\"x\",\"instance\":\"pod-9\",\"term_seconds\":60,"
                                  "\"renewals\":1,\"free\":false}";

    if (strcmp(operation, "get_small_tagged") != 0)
        return;
    if (store->operations >= 20)
        fake_store_set(store, key, free_again, strlen(free_again));
    else
        fake_store_set(store, key, renewed, strlen(renewed)); /* another tag is what counts */
}

START_TEST(it_waits_for_a_holder_that_renews)
{
    struct lease *lease;

    fake_store_set(&fake, KEY, foreign, strlen(foreign));
    fake.hook = give_back_at_20;
    lease = take();
    ck_assert_int_ge(clock.slept_ms, 18 * 3000);
    ck_assert_ptr_nonnull(
        strstr(buf_text(&events), "waiting for the lease \"set\", which pod-9 holds"));
    fake.hook = NULL;
    lease_free(lease);
    ck_assert(stored().is_free);
}
END_TEST

START_TEST(what_a_holder_left_behind_is_taken_over_after_its_term)
{
    struct lease *lease;

    fake_store_set(&fake, KEY, foreign, strlen(foreign));
    lease = take();
    ck_assert_int_ge(clock.slept_ms, 60000);
    ck_assert_int_le(clock.slept_ms, 70000);
    lease_free(lease);
    ck_assert(stored().is_free);
}
END_TEST

static void renew_always(struct fake_store *store, const char *operation, const char *key)
{
    if (strcmp(operation, "get_small_tagged") == 0)
        fake_store_set(store, key, foreign, strlen(foreign));
}

START_TEST(one_that_cannot_be_had_in_time_is_busy)
{
    const struct lease_options options = options_of(&clock.clock);
    struct lease *lease = NULL;
    struct err err = {0};

    fake.hook = renew_always;
    ck_assert_int_eq(lease_take(&fake.store, &options, &lease, &err), -1);
    ck_assert_msg(err.kind == ERR_BUSY && strstr(err.msg, "pod-9") != NULL &&
                      strstr(err.msg, "HINT") != NULL,
                  "%s", err.msg);
    ck_assert_ptr_null(lease);
    ck_assert_uint_eq(fake.freed, 1);
    ck_assert_int_ge(clock.slept_ms, 600000);
    ck_assert_int_le(clock.slept_ms, 610000);
}
END_TEST

static void stop_at_4(struct fake_store *store, const char *operation, const char *key)
{
    (void)operation;
    (void)key;
    if (store->operations == 4)
        ck_assert_int_eq(raise(SIGTERM), 0);
}

START_TEST(a_signal_ends_the_waiting)
{
    const struct lease_options options = options_of(&clock.clock);
    struct lease *lease = NULL;
    struct err err = {0};

    fake_store_set(&fake, KEY, foreign, strlen(foreign));
    fake.hook = stop_at_4;
    ck_assert_int_eq(lease_take(&fake.store, &options, &lease, &err), -1);
    ck_assert_msg(err.kind == ERR_FAILED && strstr(err.msg, "interrupted") != NULL, "%s", err.msg);
    ck_assert_uint_eq(fake.freed, 1);
    ck_assert_str_eq(buf_text(fake_store_find(&fake, KEY)), foreign);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(a_store_without_conditions_is_a_warning)
{
    struct lease *lease;

    fake.knows_no_conditions = true;
    lease = take();
    ck_assert_msg(strstr(warning, "without the lease \"set\"") != NULL &&
                      strstr(warning, "HTTP 501") != NULL,
                  "%s", warning);
    lease_free(lease);
    ck_assert_uint_eq(fake.freed, 1);
    ck_assert_ptr_null(fake_store_find(&fake, KEY));
    ck_assert_uint_eq(warnings, 1);
    ck_assert_int_eq(warned, PROBLEM_STORE_UNREACHABLE);
}
END_TEST

START_TEST(whatever_request_fails_a_backup_is_not_kept_from_its_work)
{
    static const enum fake_fault faults[] = {FAKE_FAILS, FAKE_ANSWER_LOST, FAKE_GONE,
                                             FAKE_LOST_GONE};

    for (size_t f = 0; f < COUNT(faults); f++)
        for (unsigned n = 1;; n++) {
            unsigned freed = fake.freed;

            fake_store_drop(&fake, KEY);
            atomic_store(&warnings, 0);
            fake_store_arm(&fake, n, faults[f]);
            lease_free(take());
            ck_assert_uint_eq(fake.freed, freed + 1);
            ck_assert_uint_le(warnings, 1);
            if (fake.fired == 0) {
                ck_assert(stored().is_free);
                break;
            }
        }
}
END_TEST

START_TEST(it_is_given_back_by_a_process_that_was_asked_to_stop)
{
    auto_free char *root = tmpdir_new();
    auto_free char *url = xasprintf("file://%s", root);
    const struct lease_options options = options_of(clock_system());
    const struct store_options where = {.url = url, .clock = clock_system()};
    struct store *store = NULL;
    struct store *look = NULL;
    struct lease *lease = NULL;
    auto_buf struct buf text;
    struct lease_record record = {0};
    struct err err = {0};

    buf_init(&text, 10000);
    ck_assert_int_eq(store_open(&where, &store, &err), 0);
    ck_assert_int_eq(store_open(&where, &look, &err), 0);
    ck_assert_int_eq(lease_take(store, &options, &lease, &err), 0);
    ck_assert_int_eq(raise(SIGTERM), 0);
    lease_free(lease);
    ck_assert_msg(store_get_small(look, KEY, &text, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(lease_record_parse(buf_text(&text), text.len, &record, &err), 0);
    ck_assert(record.is_free);
    store_free(look);
    tmpdir_remove(TAKE_PTR(root));
}
END_TEST

static Suite *lease_suite(void)
{
    Suite *suite = suite_create("lease");
    TCase *tc = tcase_create("lease");

    tcase_add_checked_fixture(tc, begin, end);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_is_taken_and_given_back);
    tcase_add_test(tc, the_thread_renews_it);
    tcase_add_test(tc, a_lease_that_is_lost_is_told_and_left_alone);
    tcase_add_test(tc, it_waits_for_a_holder_that_renews);
    tcase_add_test(tc, what_a_holder_left_behind_is_taken_over_after_its_term);
    tcase_add_test(tc, one_that_cannot_be_had_in_time_is_busy);
    tcase_add_test(tc, a_signal_ends_the_waiting);
    tcase_add_test(tc, a_store_without_conditions_is_a_warning);
    tcase_add_test(tc, whatever_request_fails_a_backup_is_not_kept_from_its_work);
    tcase_add_test(tc, it_is_given_back_by_a_process_that_was_asked_to_stop);
    suite_add_tcase(suite, tc);

    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(lease_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
