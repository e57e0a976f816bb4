/*
 * A certificate's names are in its extension (RFC 6125), and only where that has no host's name in
 * its common name. Whoever is at the other end has written them: they are shown, cut and printable,
 * and never compared here.
 */
#include "redis/redis_tls_cert.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define NAME_MAX_BYTES 256

DEFINE_CLEANUP(cleanup_names, GENERAL_NAMES *, GENERAL_NAMES_free);
#define auto_names auto_with(cleanup_names)

static bool is_printable(const unsigned char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return len > 0;
}

static bool take_text(const ASN1_STRING *from, char out[NAME_MAX_BYTES])
{
    size_t len = (size_t)ASN1_STRING_length(from);
    const unsigned char *text = ASN1_STRING_get0_data(from);

    if (len >= NAME_MAX_BYTES || !is_printable(text, len))
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* A host's name or an address, as text; false: of another kind. */
static bool take_name(const GENERAL_NAME *name, char out[NAME_MAX_BYTES])
{
    int type = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

    if (type == GEN_DNS)
        return take_text(value, out);
    if (type != GEN_IPADD)
        return false;
    int len = ASN1_STRING_length(value);
    int family = len == 4 ? AF_INET : AF_INET6;
    return (len == 4 || len == 16) &&
           inet_ntop(family, ASN1_STRING_get0_data(value), out, NAME_MAX_BYTES) != NULL;
}

static bool take_common_name(const X509_NAME *name, char out[NAME_MAX_BYTES])
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);

    return at >= 0 && take_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), out);
}

static GENERAL_NAMES *names_of(const X509 *cert)
{
    return X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
}

void redis_tls_cert_names(const X509 *cert, char out[REDIS_TLS_NAMES_MAX])
{
    auto_names GENERAL_NAMES *names = names_of(cert);
    char name[NAME_MAX_BYTES];
    auto_buf struct buf text = {0};
    struct err full;

    buf_init(&text, REDIS_TLS_NAMES_MAX - sizeof("..."));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) { /* -1 for none */
        if (take_name(sk_GENERAL_NAME_value(names, i), name) &&
            buf_printf(&text, &full, "%s%s", text.len > 0 ? ", " : "", name) != 0) {
            (void)snprintf(out, REDIS_TLS_NAMES_MAX, "%.190s...", buf_text(&text));
            return;
        }
    }
    if (text.len == 0 && !take_common_name(X509_get_subject_name(cert), name))
        (void)snprintf(name, sizeof(name), "nobody");
    (void)snprintf(out, REDIS_TLS_NAMES_MAX, "%.195s", text.len > 0 ? buf_text(&text) : name);
}

void redis_tls_cert_issuer(const X509 *cert, char out[REDIS_TLS_NAMES_MAX])
{
    const X509_NAME *issuer = X509_get_issuer_name(cert);
    char name[NAME_MAX_BYTES];

    if (!take_common_name(issuer, name))
        (void)X509_NAME_oneline(issuer, name, sizeof(name)); /* it escapes what is not printable */
    (void)snprintf(out, REDIS_TLS_NAMES_MAX, "%.190s", name);
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* An address among the hosts' names is text that is never compared with an address. */
static bool is_for(X509 *cert, const char *host)
{
    return is_address(host) ? X509_check_ip_asc(cert, host, 0) == 1
                            : X509_check_host(cert, host, 0, 0, NULL) == 1;
}

char *redis_tls_cert_name(X509 *cert, const char *host)
{
    auto_names GENERAL_NAMES *names = names_of(cert);
    char name[NAME_MAX_BYTES];

    if (is_for(cert, host))
        return xstrdup(host);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);

        if (!take_name(one, name) || (one->type == GEN_DNS && is_address(name)))
            continue;
        /* any name that the star stands for is one that it is for */
        return name[0] == '*' ? xasprintf("redkeep%s", name + 1) : xstrdup(name);
    }
    return take_common_name(X509_get_subject_name(cert), name) ? xstrdup(name) : NULL;
}

int64_t redis_tls_cert_time(const ASN1_TIME *time)
{
    static const int64_t day_s = 86400;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    int ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time);

    ASN1_TIME_free(epoch);
    return ok ? (days * day_s + seconds) * 1000 : -1;
}
