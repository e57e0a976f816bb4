/*
 * Does anything take connections at an address? Nothing is sent, so it cannot be refused, and a
 * server that is stopped, loading or busy is found as well.
 */
#ifndef REDIS_LISTENING_H
#define REDIS_LISTENING_H

#include <sys/socket.h>

#include "redis/redis_url.h"

enum listening {
    LISTENING_NOBODY,  /* refused, or there is no such socket, host or route */
    LISTENING_UNKNOWN, /* another host did not answer, or no name service */
    LISTENING_SOMEBODY,
};

struct listening_peer { /* where a host was found before */
    struct sockaddr_storage address;
    socklen_t len; /* 0: nowhere yet */
};

/* Waits at most timeout_ms for each address of a host. When the name service fails, which says
 * nothing of the host, it is looked for where it was; peer may be NULL. */
enum listening listening_at(const struct redis_address *address, const struct listening_peer *peer,
                            int timeout_ms);

#endif
