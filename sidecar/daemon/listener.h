/*
 * The listener over its life: as settings come and go, what still answers is kept. Probes decide
 * whether this process lives, so settings that are wrong must not take the listener away.
 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include "base/err.h"
#include "base/secret.h"
#include "daemon/endpoints.h"
#include "daemon/http.h"

struct listener {      /* zero-initialised: it listens nowhere */
    struct http *http; /* NULL: off */
    char *listen;      /* as set, where it listens; NULL: nowhere */
    struct secret token;
};

/* Listens there from now on; listen NULL: nowhere; token may be NULL. With the same settings as
 * before nothing happens, and no client is dropped. ERR_CONFIG when the address cannot be had: then
 * it listens where it did before, with the token of before. */
int listener_use(struct listener *listener, const char *listen, const struct secret *token,
                 struct endpoints *endpoints, struct err *err);
void listener_release(struct listener *listener);

#endif
