/* The pending set of the process is the only state, so there is no flag and no handler. */
#include "base/cancel.h"

#include <pthread.h>
#include <signal.h>

#include "base/report.h"

void cancel_init(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* fails only for a wrong first argument */
}

bool cancel_requested(void)
{
    sigset_t set;

    report_alive();
    return sigpending(&set) == 0 &&
           (sigismember(&set, SIGINT) == 1 || sigismember(&set, SIGTERM) == 1);
}

int cancel_check(struct err *err)
{
    if (!cancel_requested())
        return 0;
    (void)err_set(err, ERR_FAILED, "interrupted by a signal");
    return err_as(err, PROBLEM_INTERRUPTED);
}
