/*
 * Some questions cannot be given a time limit from within: a name that is looked up, a chain of
 * requests with their retries. So a child asks them, which can be ended from without.
 */
#ifndef HOST_APART_H
#define HOST_APART_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"

/* Runs in the child, or here: it may wait, allocate and connect, and writes nowhere but to *answer.
 */
typedef void apart_fn(void *context, struct buf *answer);

/* Appends what question has answered to *answer (its ceiling applies). False, and *answer as it
 * was, when it did not within timeout_ms, or when somebody asked to stop; the child is dead then.
 * Where there is no child to be had it is asked here, without a time limit: that it could not be
 * asked would be no answer. Call it before any thread is started. */
bool apart_ask(apart_fn *question, void *context, const struct clock *clock, int timeout_ms,
               struct buf *answer);

#endif
