/*
 * Being asked to stop (SIGINT, SIGTERM) as a question that long work asks, not as a handler: the
 * two signals stay blocked in every thread, and a pending one is the answer yes. So a cancelled job
 * returns through its ordinary error path, which aborts uploads and removes what it staged.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdbool.h>

#include "base/err.h"

/* Blocks SIGINT and SIGTERM; call before any thread is started. */
void cancel_init(void);
/* Has one of them arrived? Costs one system call. A job that asks is one that does not hang, and
 * its supervisor is told so (report_alive). */
bool cancel_requested(void);
/* -1 with ERR_FAILED "interrupted" when cancel_requested, else 0. */
int cancel_check(struct err *err);

#endif
