/* A count for each status there can be: a few kilobytes, and nothing to look up. */
#include "store/s3_counts.h"

void s3_counts_add(struct s3_counts *counts, const struct s3_answer *answer)
{
    long status = answer->status;

    if (answer->fault != HTTP_ANSWERED && answer->fault != HTTP_TOO_LONG)
        status = 0;
    if (status < 0 || status > S3_COUNTS_STATUS_MAX)
        status = 0;
    atomic_fetch_add_explicit(&counts->by_status[status], 1, memory_order_relaxed);
}

void s3_counts_add_retry(struct s3_counts *counts)
{
    atomic_fetch_add_explicit(&counts->retries, 1, memory_order_relaxed);
}

struct json *s3_counts_to_json(const struct s3_counts *counts)
{
    auto_json struct json *requests = json_array();
    struct json *root;

    for (unsigned status = 0; status <= S3_COUNTS_STATUS_MAX; status++) {
        uint64_t count = atomic_load_explicit(&counts->by_status[status], memory_order_relaxed);
        struct json *row;

        if (count == 0)
            continue;
        row = json_object();
        json_set_u64(row, "status", status);
        json_set_u64(row, "count", count);
        json_push(requests, row);
    }
    if (json_size(requests) == 0)
        return NULL;
    root = json_object();
    json_set(root, "requests", TAKE_PTR(requests));
    json_set_u64(root, "retries", atomic_load_explicit(&counts->retries, memory_order_relaxed));
    return root;
}
