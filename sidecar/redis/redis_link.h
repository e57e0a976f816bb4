/*
 * The bytes of one connection, plain or TLS, each operation within a time limit. hiredis connects
 * and reads replies off a plain socket; of TLS it gets the bytes. Works with hiredis 0.14 (Debian
 * 12) and 1.x. Not for anybody but redis_conn.c, whose errors these are.
 */
#ifndef REDIS_REDIS_LINK_H
#define REDIS_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "redis/redis_tls.h"
#include "redis/redis_url.h"

struct redis_link {
    const char *label; /* for messages; borrowed */
    int timeout_ms;
    redisContext *context;            /* NULL: closed */
    struct redis_tls *tls;            /* NULL: plain */
    redisReplyObjectFunctions makers; /* of replies: hiredis' own, but for arrays */
    const redisReplyObjectFunctions *hiredis;
};

/* Connects, with label and timeout_ms set. The caller closes it in any case, and does not move it
 * until then. */
int redis_link_open(struct redis_link *link, const struct redis_address *address,
                    const struct redis_tls_options *tls, struct err *err);
void redis_link_close(struct redis_link *link);
/* Is it of use still? command is for the message. */
int redis_link_check(const struct redis_link *link, const char *command, struct err *err);
int redis_link_send(struct redis_link *link, const char *data, size_t len, struct err *err);
/* The next reply, never NULL, of at most max_bytes; the caller frees it. One that does not come in
 * time breaks the connection. */
int redis_link_read(struct redis_link *link, const char *command, size_t max_bytes,
                    redisReply **out, struct err *err);
/* As redis_peer(). */
void redis_link_peer(const struct redis_link *link, struct sockaddr_storage *out,
                     socklen_t *out_len);

#endif
