/*
 * Where a server listens, as a URL: redis://[user[:password]@]host[:port][/db], rediss:// for TLS,
 * and unix://[user[:password]@]/path[?db=N], percent-decoded, IPv6 hosts in brackets. Pure.
 */
#ifndef REDIS_REDIS_URL_H
#define REDIS_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

enum redis_address_kind {
    REDIS_ADDRESS_TCP,
    REDIS_ADDRESS_UNIX,
};

struct redis_address {
    enum redis_address_kind kind;
    char host[256]; /* TCP: name or address, without brackets */
    uint16_t port;
    bool is_tls;
    char path[108];         /* unix: sun_path's own size */
    struct secret username; /* as given; unset when the URL has none */
    struct secret password;
    unsigned db; /* accepted and kept, but no command of ours depends on it */
};

/* ERR_CONFIG with a message that never echoes the part before '@'. `redis://:password@host` has a
 * password and no user, as `redis://password@host` does NOT (that is a user). The caller releases
 * *out; on failure there is nothing to release. */
int redis_url_parse(const char *url, struct redis_address *out, struct err *err);
void redis_address_release(struct redis_address *address);

#define REDIS_LABEL_MAX 300
/* "redis://host:6379", "rediss://host:6379" or "unix:///path", without user and password, for
 * messages. */
void redis_address_label(const struct redis_address *address, char out[REDIS_LABEL_MAX]);

static inline void cleanup_redis_address(struct redis_address *address)
{
    redis_address_release(address);
}
#define auto_redis_address auto_with(cleanup_redis_address)

#endif
