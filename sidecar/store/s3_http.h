/*
 * HTTP requests for the store, and the only user of libcurl: one engine thread per store runs a
 * curl multi loop and keeps connections alive; the owning thread submits transfers, looks or waits
 * for them to settle, reads the answer and frees them. Nothing is retried here, no redirect is
 * followed, and the engine calls nobody back.
 *
 * All functions are for the one thread that owns the engine.
 */
#ifndef STORE_S3_HTTP_H
#define STORE_S3_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/s3_answer.h"

struct s3_http;
struct s3_http_transfer;

struct s3_http_options {
    const char *ca_file; /* NULL = the system's */
    unsigned connect_timeout_ms;
    uint64_t bytes_per_second; /* of each transfer, each way; 0 = no limit */
};

struct s3_http_request {
    const char *method; /* GET, HEAD, PUT, POST, DELETE */
    const char *url;
    const char *const *headers; /* "Name: value" lines, NULL-terminated; copied */
    const void *body;           /* borrowed until the transfer is freed */
    size_t body_len;
    uint8_t *into; /* where the body of a 2xx answer goes, borrowed; NULL = answer.body */
    size_t into_size;
    size_t body_max;             /* ceiling of answer.body */
    unsigned connect_timeout_ms; /* 0 = the engine's */
    unsigned stall_s;            /* next to no bytes moved for so long is HTTP_TIMEOUT */
};

int s3_http_new(const struct s3_http_options *options, struct s3_http **out, struct err *err);
/* Every transfer must have been freed. */
void s3_http_free(struct s3_http *http);

/* Begins a transfer. What request borrows must live until s3_http_transfer_free. */
struct s3_http_transfer *s3_http_submit(struct s3_http *http,
                                        const struct s3_http_request *request);
bool s3_http_is_settled(const struct s3_http_transfer *transfer);
/* Only of a settled transfer; borrowed until it is freed. */
const struct s3_answer *s3_http_get_answer(const struct s3_http_transfer *transfer);
/* Cancels it when it has not settled; afterwards nothing that was borrowed is touched. */
void s3_http_transfer_free(struct s3_http_transfer *transfer);

/* How many transfers have settled so far; read it before looking at them, then wait for it to
 * change: at most timeout_ms, for ever when negative. */
uint64_t s3_http_get_settled(struct s3_http *http);
void s3_http_wait(struct s3_http *http, uint64_t seen, int64_t timeout_ms);

DEFINE_CLEANUP(cleanup_s3_http, struct s3_http *, s3_http_free);
#define auto_s3_http auto_with(cleanup_s3_http)

#endif
