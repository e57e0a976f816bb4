/*
 * An S3 server that misbehaves on request: a bucket in memory behind a real socket on a port from
 * the kernel, with rules that say which requests meet with what. It checks payload digests but no
 * signatures (the real server in the tests does). For tests of the S3 store and of HTTP.
 */
#ifndef SUPPORT_S3_PEER_H
#define SUPPORT_S3_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum s3_peer_fault {
    PEER_OBEY,         /* nothing special */
    PEER_ANSWER,       /* the rule's text instead of doing it */
    PEER_EARLY,        /* the rule's text before the body is read, which never is */
    PEER_RESET_BODY,   /* reset in the middle of the request's body, or after the head */
    PEER_LOSE,         /* do it, then reset without an answer */
    PEER_RESET_ANSWER, /* do it, reset in the middle of the answer */
    PEER_CUT,          /* do it, close in the middle of the answer as if that were all */
    PEER_STALL,        /* read it, never answer */
    PEER_DRIP,         /* do it, a byte of the answer now and then */
};

struct s3_peer_rule {
    const char *match; /* found in "METHOD /target"; NULL = any request. Borrowed */
    unsigned skip;     /* so many matching requests pass first */
    unsigned times;    /* then so many meet with it; 0 = all */
    enum s3_peer_fault fault;
    const char *text; /* a whole HTTP answer; copied */
};

struct s3_peer;

struct s3_peer *s3_peer_new(void);
void s3_peer_free(struct s3_peer *peer);
const char *s3_peer_get_url(const struct s3_peer *peer);
/* Of the rules whose turn it is, the first one added applies. */
void s3_peer_add_rule(struct s3_peer *peer, const struct s3_peer_rule *rule);
void s3_peer_clear_rules(struct s3_peer *peer);
/* Requests seen so far in which match is found; NULL = all. */
unsigned s3_peer_count(struct s3_peer *peer, const char *match);
/* How often a rule applied. */
unsigned s3_peer_count_faults(struct s3_peer *peer);
/* Connections accepted so far. */
unsigned s3_peer_count_connections(struct s3_peer *peer);
/* What is in the bucket. The path is "/bucket/key". */
size_t s3_peer_count_objects(struct s3_peer *peer);
size_t s3_peer_count_uploads(struct s3_peer *peer);
bool s3_peer_has(struct s3_peer *peer, const char *path, const void *data, size_t len);
void s3_peer_put(struct s3_peer *peer, const char *path, const void *data, size_t len);
/* The body and the head of the last request in which match is found, as text: to be freed. */
char *s3_peer_copy_head(struct s3_peer *peer, const char *match);
char *s3_peer_copy_body(struct s3_peer *peer, const char *match);

/* Whole answers, for rules; static text, or to be freed. */
#define PEER_SLOW_DOWN                                     \
    "HTTP/1.1 503 Slow Down\r\nContent-Length: 65\r\n\r\n" \
    "<Error><Code>SlowDown</Code><Message>Slow down</Message> </Error>"
char *s3_peer_format_error(int status, const char *code, const char *more_headers);
char *s3_peer_format_answer(int status, const char *more_headers, const char *body);

#endif
