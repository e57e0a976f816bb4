/*
 * Transient: the server is overloaded or broken for a moment, or the bytes did not make it. Final:
 * the server understood and refused. Two refusals can be mended first, once each: a skewed clock
 * (a HEAD has no error document, so a 403 with a Date far from ours counts) and an expired token.
 */
#include "store/s3_retry.h"

#include <stddef.h>
#include <string.h>

enum { SKEW_SUSPECT_MS = 4 * 60 * 1000 };

struct s3_retry_policy s3_retry_patient(void)
{
    return (struct s3_retry_policy){
        .max_attempts = 10,
        .max_unreachable = 10,
        .max_timeouts = 10,
        .base_ms = 100,
        .cap_ms = 20 * 1000,
        .retry_after_cap_ms = 60 * 1000,
    };
}

struct s3_retry_policy s3_retry_quick(void)
{
    struct s3_retry_policy policy = s3_retry_patient();

    policy.max_attempts = 5;
    policy.max_unreachable = 3;
    policy.max_timeouts = 2;
    policy.base_ms = 500;
    policy.cap_ms = 4 * 1000;
    policy.retry_after_cap_ms = 10 * 1000;
    return policy;
}

static bool is_one_of(const char *code, const char *const *codes)
{
    for (; *codes != NULL; codes++)
        if (strcmp(code, *codes) == 0)
            return true;
    return false;
}

static bool is_transient_answer(const struct s3_outcome *outcome)
{
    /* the digests: a bit was flipped on the way, what was signed is still here to be sent again */
    static const char *const codes[] = {
        "RequestTimeout",   "SlowDown",  "InternalError",       "ServiceUnavailable",
        "Throttling",       "BadDigest", "ThrottlingException", "XAmzContentSHA256Mismatch",
        "OperationAborted", NULL,
    };

    switch (outcome->status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return true;
    default:
        return is_one_of(outcome->code, codes);
    }
}

static bool is_skewed(const struct s3_outcome *outcome)
{
    bool far = outcome->skew_ms > SKEW_SUSPECT_MS || outcome->skew_ms < -SKEW_SUSPECT_MS;

    if (outcome->status != 403 && outcome->status != 400)
        return false;
    if (strcmp(outcome->code, "RequestTimeTooSkewed") == 0)
        return outcome->skew_ms != 0;
    return outcome->status == 403 && outcome->code[0] == '\0' && far;
}

static bool has_stale_keys(const struct s3_outcome *outcome)
{
    static const char *const codes[] = {"ExpiredToken", "ExpiredTokenException",
                                        "TokenRefreshRequired", "InvalidToken", NULL};

    return is_one_of(outcome->code, codes);
}

static struct s3_decision retry_or_give_up(const struct s3_outcome *outcome, unsigned attempts,
                                           const struct s3_retry_policy *policy, uint32_t random)
{
    bool unreachable = outcome->fault == HTTP_UNRESOLVED || outcome->fault == HTTP_REFUSED;
    unsigned max = unreachable                      ? policy->max_unreachable
                   : outcome->fault == HTTP_TIMEOUT ? policy->max_timeouts
                                                    : policy->max_attempts;
    int64_t ceiling = policy->cap_ms;
    int64_t asked = outcome->retry_after_ms;
    int64_t delay;

    if (attempts >= max)
        return (struct s3_decision){S3_GIVE_UP, 0};

    if (attempts < 32 && (policy->base_ms << (attempts - 1)) < ceiling)
        ceiling = policy->base_ms << (attempts - 1);
    delay = (int64_t)((uint64_t)random % ((uint64_t)ceiling + 1));
    if (asked > policy->retry_after_cap_ms)
        asked = policy->retry_after_cap_ms;
    return (struct s3_decision){S3_RETRY, asked > delay ? asked : delay};
}

struct s3_decision s3_retry_decide(const struct s3_outcome *outcome,
                                   const struct s3_retry_state *state,
                                   const struct s3_retry_policy *policy, uint32_t random)
{
    switch (outcome->fault) {
    case HTTP_ANSWERED:
        break;
    case HTTP_UNRESOLVED:
    case HTTP_REFUSED:
    case HTTP_TIMEOUT:
    case HTTP_BROKEN:
        return retry_or_give_up(outcome, state->attempts, policy, random);
    case HTTP_UNTRUSTED:
    case HTTP_TOO_LONG:
    case HTTP_LOCAL:
        return (struct s3_decision){S3_GIVE_UP, 0};
    }

    if (outcome->status >= 200 && outcome->status < 300 && outcome->code[0] == '\0')
        return (struct s3_decision){S3_DONE, 0};
    if (!state->clock_corrected && is_skewed(outcome))
        return (struct s3_decision){S3_RETRY_CLOCK, 0};
    if (!state->keys_renewed && has_stale_keys(outcome))
        return (struct s3_decision){S3_RETRY_KEYS, 0};
    if (is_transient_answer(outcome))
        return retry_or_give_up(outcome, state->attempts, policy, random);
    return (struct s3_decision){S3_GIVE_UP, 0};
}
