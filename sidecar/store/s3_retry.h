/*
 * What to do with the outcome of one attempt: the one place where retries are decided. Pure: the
 * outcome, what was tried before, the policy and a random number go in, a decision comes out.
 */
#ifndef STORE_S3_RETRY_H
#define STORE_S3_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/s3_answer.h"

struct s3_outcome {
    enum s3_fault fault; /* HTTP_ANSWERED: status and code say the rest */
    long status;
    const char *code;       /* of the S3 error document; "" when there was none */
    int64_t retry_after_ms; /* -1 = the server did not say */
    int64_t skew_ms;        /* the server's Date less the time that was signed; 0 = not known */
};

struct s3_retry_policy {
    unsigned max_attempts;
    unsigned max_unreachable; /* attempts when the host is unknown or refuses connections */
    unsigned max_timeouts;    /* attempts when it takes a connection and then says nothing */
    int64_t base_ms;
    int64_t cap_ms;
    int64_t retry_after_cap_ms;
};

struct s3_retry_state {
    unsigned attempts; /* made so far, the one that is judged included */
    bool clock_corrected;
    bool keys_renewed;
};

enum s3_verdict {
    S3_DONE,        /* success */
    S3_RETRY,       /* the same again, after delay_ms */
    S3_RETRY_CLOCK, /* correct the clock by the server's Date, then again at once */
    S3_RETRY_KEYS,  /* renew the credentials, then again at once */
    S3_GIVE_UP,
};

struct s3_decision {
    enum s3_verdict verdict;
    int64_t delay_ms;
};

/* For work in progress, and for the first question of all, when a person waits for the answer. */
struct s3_retry_policy s3_retry_patient(void);
struct s3_retry_policy s3_retry_quick(void);

/* random: any number; the delay is uniform between 0 and min(cap, base * 2^(attempts - 1)). */
struct s3_decision s3_retry_decide(const struct s3_outcome *outcome,
                                   const struct s3_retry_state *state,
                                   const struct s3_retry_policy *policy, uint32_t random);

#endif
