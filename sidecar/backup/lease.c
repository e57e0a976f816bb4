/*
 * Waiting for a lease, and the thread that renews it. What is done when is decided in
 * lease_claim.c. The claim belongs to the thread while there is one, else to the caller.
 */
#include "backup/lease.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backup/lease_claim.h"
#include "base/cancel.h"
#include "base/cond.h"
#include "base/mem.h"

enum {
    LOOK_AROUND_MS = 200, /* for a signal, and for the end */
    EVENT_EVERY_MS = 30 * 1000,
    GIVE_BACK_STEPS = 6, /* renewals whose answers were lost are found out, and done with */
};

struct lease {
    struct lease_claim claim;
    struct store *store;
    char *name;
    char *key;
    struct lease_options options; /* name and instance are not to be used */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_ending; /* under the lock */
};

/* Takes text. */
static void warn(const struct lease *lease, enum problem problem, char *text)
{
    if (lease->options.on_warning != NULL)
        lease->options.on_warning(lease->options.context, problem, text);
    free(text);
}

static void warn_lost(const struct lease *lease)
{
    const struct lease_record *seen = &lease->claim.seen;
    bool is_known = seen->owner[0] != '\0';

    warn(lease, PROBLEM_LOCKED,
         xasprintf("the lease \"%s\" was %s%s: it was not renewed in time. This backup goes on, "
                   "but another of this server set may run beside it",
                   lease->name, is_known ? "taken over by " : "removed or overwritten",
                   is_known ? seen->instance : ""));
}

/* ---- the thread ---- */

static bool is_held(const struct lease_claim *claim)
{
    return claim->phase == LEASE_HOLDS || claim->phase == LEASE_CHECKS;
}

static void *keep(void *context)
{
    struct lease *lease = context;
    struct err later; /* what failed is tried again: somebody who takes it over is what matters */

    (void)pthread_mutex_lock(&lease->lock);
    while (!lease->is_ending && is_held(&lease->claim)) {
        int64_t left_ms = lease->claim.due_ms - clock_mono_ms(lease->options.clock);

        if (left_ms > 0) {
            cond_wait_ms(&lease->wake, &lease->lock,
                         left_ms < LOOK_AROUND_MS ? left_ms : LOOK_AROUND_MS);
            continue;
        }
        (void)pthread_mutex_unlock(&lease->lock);
        (void)lease_claim_step(&lease->claim, &later);
        (void)pthread_mutex_lock(&lease->lock);
    }
    (void)pthread_mutex_unlock(&lease->lock);
    if (lease->claim.phase == LEASE_LOST)
        warn_lost(lease);
    return NULL;
}

static void start_thread(struct lease *lease)
{
    lease->has_thread = pthread_create(&lease->thread, NULL, keep, lease) == 0;
    if (!lease->has_thread)
        warn(lease, PROBLEM_FAILED,
             xasprintf("no thread to renew the lease \"%s\" with: others will take it over",
                       lease->name));
}

static void end_thread(struct lease *lease)
{
    if (!lease->has_thread)
        return;
    (void)pthread_mutex_lock(&lease->lock);
    lease->is_ending = true;
    (void)pthread_cond_signal(&lease->wake);
    (void)pthread_mutex_unlock(&lease->lock);
    (void)pthread_join(lease->thread, NULL);
}

/* ---- waiting ---- */

static void tell_waiting(const struct lease *lease, int64_t waited_ms)
{
    const struct lease_record *seen = &lease->claim.seen;
    auto_free char *text = xasprintf(
        "waiting for the lease \"%s\", which %s holds (%lld s so far)", lease->name,
        seen->owner[0] != '\0' ? seen->instance : "somebody unknown", (long long)waited_ms / 1000);

    if (lease->options.on_event != NULL)
        lease->options.on_event(lease->options.context, text);
}

static int wait_for_it(struct lease *lease, struct err *err)
{
    const struct clock *clock = lease->options.clock;
    struct lease_claim *claim = &lease->claim;
    int64_t began_ms = clock_mono_ms(clock);
    int64_t tell_at_ms = began_ms;

    while (!is_held(claim)) {
        int64_t now_ms = clock_mono_ms(clock);
        int64_t left_ms = claim->due_ms - now_ms;

        if (cancel_check(err) != 0)
            return -1;
        if (left_ms <= 0) {
            if (lease_claim_step(claim, err) != 0)
                return -1;
            continue;
        }
        if (now_ms - began_ms >= lease->options.wait_max_ms)
            return err_set(err, ERR_BUSY,
                           "wait for the lease \"%s\": %s has held it for %lld s. HINT: another "
                           "backup of this server set is running",
                           lease->name, claim->seen.instance,
                           (long long)(now_ms - began_ms) / 1000);
        if (now_ms >= tell_at_ms) {
            tell_waiting(lease, now_ms - began_ms);
            tell_at_ms = now_ms + EVENT_EVERY_MS;
        }
        clock_sleep_ms(clock, left_ms < LOOK_AROUND_MS ? left_ms : LOOK_AROUND_MS);
    }
    return 0;
}

static struct lease *new_lease(struct store *store, const struct lease_options *options)
{
    struct lease *lease = xcalloc(1, sizeof(*lease));

    lease->store = store;
    lease->options = *options;
    lease->name = xstrdup(options->name);
    lease->key = xasprintf("leases/%s.json", options->name);
    (void)pthread_mutex_init(&lease->lock, NULL);
    cond_init(&lease->wake);
    lease_claim_init(&lease->claim, &(struct lease_claim_options){
                                        .store = store,
                                        .clock = options->clock,
                                        .key = lease->key,
                                        .instance = options->instance,
                                        .term_ms = options->term_ms,
                                    });
    return lease;
}

int lease_take(struct store *store, const struct lease_options *options, struct lease **out,
               struct err *err)
{
    auto_lease struct lease *lease = new_lease(store, options);
    struct err why;

    if (wait_for_it(lease, &why) == 0) {
        start_thread(lease);
    } else if (why.kind == ERR_BUSY || cancel_requested()) {
        *err = why;
        return -1;
    } else {
        warn(lease, err_problem(&why),
             xasprintf("without the lease \"%s\" another backup of this server set may run beside "
                       "this one: %s",
                       lease->name, why.msg));
    }
    *out = TAKE_PTR(lease);
    return 0;
}

/* Best effort: one that is not given back runs out. */
static void give_back(struct lease_claim *claim)
{
    struct err ignored;
    int steps = 0;

    claim->wants_end = true;
    while (is_held(claim) && steps++ < GIVE_BACK_STEPS)
        if (lease_claim_step(claim, &ignored) != 0)
            return;
}

void lease_free(struct lease *lease)
{
    if (lease == NULL)
        return;
    end_thread(lease);
    give_back(&lease->claim);
    lease_claim_release(&lease->claim);
    store_free(lease->store);
    (void)pthread_cond_destroy(&lease->wake);
    (void)pthread_mutex_destroy(&lease->lock);
    free(lease->key);
    free(lease->name);
    free(lease);
}
