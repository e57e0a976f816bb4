/*
 * Condition variables whose waits end after a while, so that the waiter can look around: draw a
 * progress bar, see a signal.
 */
#ifndef BASE_COND_H
#define BASE_COND_H

#include <pthread.h>
#include <stdint.h>

/* A condition variable for cond_wait_ms (it waits by the monotonic clock). Destroy it with
 * pthread_cond_destroy. */
void cond_init(pthread_cond_t *cond);
/* Waits until woken, or for about ms milliseconds; lock is held before and after. */
void cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);

#endif
