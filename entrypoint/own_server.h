/*
 * How the sidecar reaches the server that is started beside it, out of the server's own
 * configuration. Nothing of it is asked for where the operator has set it.
 */
#ifndef ENTRYPOINT_OWN_SERVER_H
#define ENTRYPOINT_OWN_SERVER_H

#include <stdbool.h>

#include "base/secret.h"
#include "entrypoint/server_conf.h"
#include "redis/redis_tls.h"
#include "redis/redis_url.h"

/* Where it will listen on this host: its port, else its socket, else its TLS port, which comes
 * first when wants_tls. NULL: nowhere. Heap. */
char *own_server_url(const struct server_conf *conf, bool wants_tls);

/* Is that on this host, by the address alone? What is elsewhere gets no password of this server's.
 */
bool own_server_is_here(const struct redis_address *address);

/* For its TLS port: whom it trusts as its clients is trusted where they vouch for its certificate,
 * or else that alone is; the name is one of that certificate; and where it wants one, the
 * certificate that it shows to other servers is ours. Reads its certificate. The caller releases
 * (redis_tls_options_release). */
void own_server_tls(const struct server_conf *conf, struct redis_tls_options *out);

/* The password of its default user, of requirepass, a `user` line or the ACL file, which is read.
 * False: it has none, or none that is written there in plain. The caller releases. */
bool own_server_password(const struct server_conf *conf, struct secret *out);

#endif
