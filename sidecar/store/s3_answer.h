/*
 * What one HTTP request came to: an answer, of which only what is of use to us is kept, or a fault.
 * Pure.
 */
#ifndef STORE_S3_ANSWER_H
#define STORE_S3_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum s3_fault {
    HTTP_ANSWERED,   /* a whole answer arrived; its status may say anything */
    HTTP_UNRESOLVED, /* no address for the host's name */
    HTTP_REFUSED,    /* no connection */
    HTTP_TIMEOUT,    /* no connection, or no progress, in the time allowed */
    HTTP_BROKEN,     /* the connection broke, or what came was cut short or was not HTTP */
    HTTP_UNTRUSTED,  /* TLS: the certificate is not one we trust */
    HTTP_TOO_LONG,   /* more body than was asked for */
    HTTP_LOCAL,      /* this machine's fault */
};

/* What came back. Text fields hold printable ASCII and are cut where they are too long. */
struct s3_answer {
    enum s3_fault fault;
    char detail[256]; /* libcurl's words, when there was a fault */
    long status;
    int64_t content_length; /* -1 = not said */
    int64_t date_s;         /* -1 = not said, like the next */
    int64_t retry_after_s;
    int64_t elapsed_ms;
    char etag[128];
    char content_range[96];
    char request_id[128];
    char region[64]; /* x-amz-bucket-region */
    struct buf body;
    size_t into_len;
};

void s3_answer_init(struct s3_answer *answer, size_t body_max);
/* Keeps what is of use from one line of an answer's head; len bytes, unterminated, unproven. */
void s3_answer_add_header(struct s3_answer *answer, const char *line, size_t len);
struct s3_range { /* of an object: its bytes from..to, of total */
    uint64_t from;
    uint64_t to;
    uint64_t total;
};

/* What Content-Range says; false when it is not "bytes 5-9/1234". */
bool s3_answer_get_range(const struct s3_answer *answer, struct s3_range *out);
/* Cuts text at the size of out; what is not printable ASCII becomes '?'. */
void s3_answer_copy_text(char *out, size_t out_size, const char *text, size_t len);

#endif
