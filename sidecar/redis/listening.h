/*
 * Does anything take connections at an address? Nothing is sent, so it cannot be refused, and a
 * server that is stopped, loading or busy is found as well.
 */
#ifndef REDIS_LISTENING_H
#define REDIS_LISTENING_H

#include "redis/redis_url.h"

enum listening {
    LISTENING_NOBODY,  /* refused, or there is no such socket, host or route */
    LISTENING_UNKNOWN, /* another host did not answer */
    LISTENING_SOMEBODY,
};

/* Waits at most timeout_ms for each address of a host. */
enum listening listening_at(const struct redis_address *address, int timeout_ms);

#endif
