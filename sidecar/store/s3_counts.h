/*
 * How many requests a store in S3 has made, by the HTTP status of their answers, and how many of
 * them were tried again. Counted from any thread.
 */
#ifndef STORE_S3_COUNTS_H
#define STORE_S3_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/json.h"
#include "store/s3_answer.h"

enum { S3_COUNTS_STATUS_MAX = 599 };

struct s3_counts {
    _Atomic uint64_t by_status[S3_COUNTS_STATUS_MAX + 1]; /* 0: no answer, or none that is HTTP */
    _Atomic uint64_t retries;
};

void s3_counts_add(struct s3_counts *counts, const struct s3_answer *answer);
void s3_counts_add_retry(struct s3_counts *counts);
/* {"requests":[{"status":200,"count":12}],"retries":1}: a root that the caller frees; NULL when
 * there was no request. */
struct json *s3_counts_to_json(const struct s3_counts *counts);

#endif
