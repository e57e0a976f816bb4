/*
 * Reading HTTP requests as far as s3_peer needs it: a head, and a body of known length.
 */
#ifndef SUPPORT_S3_PEER_HTTP_H
#define SUPPORT_S3_PEER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_HEAD_MAX = 64 * 1024 };

struct peer_incoming {
    char head[PEER_HEAD_MAX];
    size_t head_len;
    size_t extra; /* bytes of the body that came with the head, behind it */
    uint8_t *body;
    size_t body_len;
    char method[16];
    char target[PEER_HEAD_MAX / 4];
    char path[PEER_HEAD_MAX / 4];
    char query[PEER_HEAD_MAX / 4];
};

/* The head of the next request; false when the connection ends. */
bool peer_read_head(int fd, struct peer_incoming *in);
/* The first `upto` bytes of the body, into fresh memory. */
bool peer_read_body(int fd, struct peer_incoming *in, size_t upto);
/* The header's value, to be freed; NULL = there is none. */
char *peer_copy_header(const struct peer_incoming *in, const char *name);
/* Is the body what x-amz-content-sha256 says? True when the header is not there. */
bool peer_has_right_digest(const struct peer_incoming *in);

#endif
