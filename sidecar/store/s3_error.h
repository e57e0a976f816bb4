/*
 * An answer made into words for a person: what was attempted, on what, why it failed, what can be
 * done. Pure. No secret can get into it: of the error document only the code, the message and the
 * request id are used.
 */
#ifndef STORE_S3_ERROR_H
#define STORE_S3_ERROR_H

#include <stdbool.h>

#include "base/err.h"
#include "store/s3_answer.h"
#include "store/s3_target.h"
#include "store/s3_xml.h"

struct s3_failure {
    const char *doing;
    const char *key; /* relative to the repository; NULL = the bucket itself */
    const struct s3_target *target;
    const struct s3_answer *answer;
    const struct s3_error *error;
    unsigned attempts;
    bool is_small_object; /* a whole object was asked for, which has a ceiling of its own */
    bool is_locked;       /* it was to be locked */
    bool is_past;         /* the bucket is read as it was: other permissions are needed */
};

/* Fills *err; returns -1. */
int s3_error_set(const struct s3_failure *failure, struct err *err);

#endif
