/*
 * What a TLS connection is set up with: the files of its options, read and checked. Not for anybody
 * but redis_tls.c.
 */
#ifndef REDIS_REDIS_TLS_FILES_H
#define REDIS_REDIS_TLS_FILES_H

#include <openssl/ssl.h>

#include "base/err.h"
#include "redis/redis_tls.h"

/* ERR_CONFIG, with the setting's name and the path. The caller frees. */
int redis_tls_files_load(const struct redis_tls_options *options, SSL_CTX **out, struct err *err);

#endif
