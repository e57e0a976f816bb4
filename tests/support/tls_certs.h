/*
 * Certificates made on the spot: a CA in memory, and files NAME.crt and NAME.key of what it signs.
 */
#ifndef SUPPORT_TLS_CERTS_H
#define SUPPORT_TLS_CERTS_H

#include <stdint.h>

struct tls_ca;

struct tls_ca *tls_ca_new(const char *name);
void tls_ca_free(struct tls_ca *ca);
/* DIR/NAME.crt: its own certificate. */
void tls_ca_write(const struct tls_ca *ca, const char *dir, const char *name);

struct tls_issue {
    const char *common_name; /* NULL: "somebody" */
    const char *dns;         /* NULL: none */
    const char *ip;          /* NULL: none */
    int64_t from_s;          /* both from now on; 0: an hour ago, in an hour */
    int64_t until_s;
};

/* DIR/NAME.crt and DIR/NAME.key. */
void tls_ca_issue(const struct tls_ca *ca, const struct tls_issue *issue, const char *dir,
                  const char *name);

/* DIR/NAME with that text. */
void tls_certs_write(const char *dir, const char *name, const char *text);

#endif
