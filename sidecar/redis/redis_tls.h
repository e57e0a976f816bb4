/*
 * TLS 1.2 or newer over a connected socket (OpenSSL, since hiredis of Debian 12 has none, and that
 * of later ones neither checks names nor bounds a handshake). The server has to prove that it is
 * who was meant: a chain to a CA that is trusted, and the name or the address that was connected
 * to, or the one that was set instead. The files are read at each connection, so that certificates
 * can be exchanged while redkeep runs.
 *
 * Messages say what was wrong, and a HINT what to do; the caller puts the address in front.
 */
#ifndef REDIS_REDIS_TLS_H
#define REDIS_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "redis/redis_url.h"

struct redis_tls_options {   /* NULL or "": not set */
    const char *ca_file;     /* PEM; whom to trust; not set: the system's certificates */
    const char *cert_file;   /* PEM; ours, and behind it what leads to its CA; with its key */
    const char *key_file;    /* PEM, without a passphrase */
    const char *server_name; /* what the server's certificate is for; not set: the URL's host */
};

struct redis_tls;

/* Copies and frees what they point to. */
void redis_tls_options_copy(struct redis_tls_options *to, const struct redis_tls_options *from);
void redis_tls_options_release(struct redis_tls_options *options);
bool redis_tls_options_are_same(const struct redis_tls_options *a,
                                const struct redis_tls_options *b);

/* ERR_CONFIG: options for an address without TLS, which would go there unprotected; or a name that
 * is none. */
int redis_tls_check(const struct redis_tls_options *options, const struct redis_address *address,
                    struct err *err);

/* The handshake on a connected socket, which stays the caller's, becomes non-blocking, and is used
 * through the object alone from here on. ERR_CONFIG: one of the files; ERR_SERVER with the code EIO
 * all else, the end of timeout_ms too. The caller frees, before it closes fd. */
int redis_tls_open(int fd, const char *host, const struct redis_tls_options *options,
                   int timeout_ms, struct redis_tls **out, struct err *err);
/* Says goodbye without waiting. NULL is a no-op. */
void redis_tls_free(struct redis_tls *tls);

/* All of data, or -1. ERR_SERVER with the code EIO, or ETIMEDOUT; the connection is of no use then.
 */
int redis_tls_send(struct redis_tls *tls, const char *data, size_t len, int64_t end_ms,
                   struct err *err);
/* Waits for some bytes until end_ms (monotonic) and returns how many, or 0 at the end of the
 * connection. -1 as redis_tls_send; so too when that time is over and there are bytes. */
ssize_t redis_tls_read(struct redis_tls *tls, char *out, size_t out_size, int64_t end_ms,
                       struct err *err);

struct redis_tls_validity { /* ms since 1970 */
    int64_t from_ms;
    int64_t until_ms;
    bool is_ours; /* it is the client's certificate */
};

/* Of the certificate that runs out first. False: cannot be told. */
bool redis_tls_validity(const struct redis_tls *tls, struct redis_tls_validity *out);

/* A name that the certificate in a PEM file is for, as redis-tls-server-name: the host itself when
 * it is one of them, else the first. Heap; NULL: there is none, or it cannot be read. */
char *redis_tls_name_in(const char *cert_file, const char *host);

/* Does somebody in the PEM file ca_file vouch for the certificate in cert_file, with what is behind
 * it there? Whatever the time is, and whom it is for. False where one cannot be read. */
bool redis_tls_is_vouched(const char *cert_file, const char *ca_file);

DEFINE_CLEANUP(cleanup_redis_tls, struct redis_tls *, redis_tls_free);
#define auto_redis_tls auto_with(cleanup_redis_tls)

#endif
