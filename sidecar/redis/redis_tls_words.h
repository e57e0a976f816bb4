/*
 * What to say when TLS failed, and what to do about it. Pure. Not for anybody but redis_tls.c.
 */
#ifndef REDIS_REDIS_TLS_WORDS_H
#define REDIS_REDIS_TLS_WORDS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* What is known of a connection that failed. */
struct redis_tls_failure {
    unsigned long code; /* OpenSSL's own: ERR_peek_error(); 0: none */
    int io_code;        /* errno of the socket; 0: none */
    bool is_end;        /* the other end has closed it */
    bool was_spoken;    /* the handshake was over */
    bool was_asked;     /* the server asked for our certificate */
    bool has_cert;      /* one was set */
    const char *heard;  /* the first bytes that came, as they came */
    size_t heard_len;   /* 0: nothing ever came */
};

/* Fills *err, ERR_SERVER with the code EIO. Returns -1. */
int redis_tls_explain(const struct redis_tls_failure *failure, struct err *err);

/* The same for a certificate that was refused, by the code of its verification. name is who was
 * meant, ca_file whom we trust: NULL for the system's. */
int redis_tls_explain_cert(int code, const X509 *cert, const char *name, const char *ca_file,
                           struct err *err);

#endif
