/*
 * What stands in a certificate: names, dates. Pure. Not for anybody but redis_tls*.c.
 */
#ifndef REDIS_REDIS_TLS_CERT_H
#define REDIS_REDIS_TLS_CERT_H

#include <openssl/x509.h>
#include <stdint.h>

#include "base/cleanup.h"

#define REDIS_TLS_NAMES_MAX 200

/* "redis.example, 10.0.0.1": the names that it is for, printable, cut; "nobody" without any. */
void redis_tls_cert_names(const X509 *cert, char out[REDIS_TLS_NAMES_MAX]);
/* The common name of its issuer, or all of it; printable, cut. */
void redis_tls_cert_issuer(const X509 *cert, char out[REDIS_TLS_NAMES_MAX]);
/* As redis_tls_name_in. */
char *redis_tls_cert_name(X509 *cert, const char *host);
/* ms since 1970; -1: cannot be told. */
int64_t redis_tls_cert_time(const ASN1_TIME *time);

DEFINE_CLEANUP(cleanup_cert, X509 *, X509_free);
#define auto_cert auto_with(cleanup_cert)

#endif
