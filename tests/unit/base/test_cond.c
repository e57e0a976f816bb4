#include "base/cond.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>

#define LONG_MS 3600000

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool waits;
    bool woken;
};

static void shared_init(struct shared *shared)
{
    *shared = (struct shared){0};
    ck_assert_int_eq(pthread_mutex_init(&shared->lock, NULL), 0);
    cond_init(&shared->cond);
}

static void shared_release(struct shared *shared)
{
    ck_assert_int_eq(pthread_cond_destroy(&shared->cond), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&shared->lock), 0);
}

static void *wake(void *context)
{
    struct shared *shared = context;

    (void)pthread_mutex_lock(&shared->lock);
    ck_assert(shared->waits); /* the waiter let go of the lock only by waiting */
    shared->woken = true;
    (void)pthread_cond_signal(&shared->cond);
    (void)pthread_mutex_unlock(&shared->lock);
    return NULL;
}

/* Hangs, and so fails by its timeout, when the wait does not end by itself. */
START_TEST(a_wait_that_nobody_ends_ends_by_itself)
{
    static const int64_t times[] = {0, 1, 20, -1};
    struct shared shared;

    shared_init(&shared);
    (void)pthread_mutex_lock(&shared.lock);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        cond_wait_ms(&shared.cond, &shared.lock, times[i]);
        ck_assert_int_eq(pthread_mutex_trylock(&shared.lock), EBUSY); /* held again */
    }
    (void)pthread_mutex_unlock(&shared.lock);
    shared_release(&shared);
}
END_TEST

/* Hangs when the lock is not let go of while waiting, or when the signal is not seen. */
START_TEST(a_wait_ends_when_it_is_woken)
{
    struct shared shared;
    pthread_t thread;

    shared_init(&shared);
    (void)pthread_mutex_lock(&shared.lock);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake, &shared), 0);
    shared.waits = true;
    while (!shared.woken)
        cond_wait_ms(&shared.cond, &shared.lock, LONG_MS);
    ck_assert_int_eq(pthread_mutex_trylock(&shared.lock), EBUSY); /* held again */
    (void)pthread_mutex_unlock(&shared.lock);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    shared_release(&shared);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cond");
    TCase *tcase = tcase_create("cond");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, a_wait_that_nobody_ends_ends_by_itself);
    tcase_add_test(tcase, a_wait_ends_when_it_is_woken);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
