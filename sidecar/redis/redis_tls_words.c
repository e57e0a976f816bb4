/*
 * A server that refuses tells so by an alert (RFC 8446, section 6), or only closes: in TLS 1.3 our
 * side of the handshake is over before the server has looked at our certificate, and what it says
 * of it comes with the first read, or is lost when it closes at once.
 */
#include "redis/redis_tls_words.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "redis/redis_tls_cert.h"

/* A record begins with its type (RFC 8446, section 5.1). */
enum { RECORD_FIRST = 20, RECORD_LAST = 24 };

#define HEARD_MAX 24 /* of what something else has said */

struct alert {
    int number;
    const char *words;
    const char *hint;
};

#define OURS "the server does not accept our certificate: "
#define HINT_OURS                                                                      \
    "its CA has to be in the server's tls-ca-cert-file, and it has to be meant for a " \
    "client; see redis-tls-cert-file"

static const struct alert alerts[] = {
    {SSL3_AD_BAD_CERTIFICATE, OURS "bad certificate", HINT_OURS},
    {SSL3_AD_UNSUPPORTED_CERTIFICATE, OURS "not of that kind", HINT_OURS},
    {SSL3_AD_CERTIFICATE_REVOKED, OURS "it was revoked", HINT_OURS},
    {SSL3_AD_CERTIFICATE_EXPIRED, OURS "it has expired", "renew that of redis-tls-cert-file"},
    {SSL3_AD_CERTIFICATE_UNKNOWN, OURS "certificate unknown", HINT_OURS},
    {TLS1_AD_UNKNOWN_CA, OURS "it does not know the CA", HINT_OURS},
    {TLS1_AD_ACCESS_DENIED, OURS "access denied", HINT_OURS},
    {TLS1_AD_DECRYPT_ERROR, OURS "its signature is wrong", HINT_OURS},
    {TLS1_AD_PROTOCOL_VERSION, "the server speaks no TLS 1.2 and nothing newer",
     "allow it in the server's tls-protocols"},
    {TLS1_AD_INSUFFICIENT_SECURITY, "the server's ciphers are none that are safe",
     "see the server's tls-ciphers"},
    {TLS1_AD_UNRECOGNIZED_NAME, "the server does not know that name", "see redis-tls-server-name"},
};

static int fail(struct err *err, const char *words, const char *hint)
{
    (void)err_set(err, ERR_SERVER, "%s%s%s", words, hint != NULL ? ". HINT: " : "",
                  hint != NULL ? hint : "");
    err->code = EIO;
    return -1;
}

static int want_cert(const struct redis_tls_failure *failure, struct err *err)
{
    if (!failure->has_cert)
        return fail(err, "the server wants a client's certificate, and none is set",
                    "set redis-tls-cert-file and redis-tls-key-file, or let the server go without: "
                    "tls-auth-clients no");
    return fail(err, "the server closed the connection when it had seen our certificate",
                HINT_OURS);
}

/* The number of the alert that has come; -1: none. */
static int alert_of(unsigned long code)
{
    int reason = ERR_GET_REASON(code);

    return ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
                   reason <= SSL_AD_REASON_OFFSET + UINT8_MAX
               ? reason - SSL_AD_REASON_OFFSET
               : -1;
}

static int explain_alert(const struct redis_tls_failure *failure, int alert, struct err *err)
{
    if (alert == TLS13_AD_CERTIFICATE_REQUIRED ||
        (alert == SSL3_AD_HANDSHAKE_FAILURE && failure->was_asked && !failure->has_cert))
        return want_cert(failure, err);
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].number == alert)
            return fail(err, alerts[i].words, alerts[i].hint);
    }
    (void)err_set(err, ERR_SERVER, "the server ended TLS with the alert \"%s\"",
                  SSL_alert_desc_string_long(alert));
    err->code = EIO;
    return -1;
}

static int explain_stranger(const struct redis_tls_failure *failure, struct err *err)
{
    char said[HEARD_MAX * TEXT_ESCAPE_MAX + 1] = "";
    char escaped[TEXT_ESCAPE_MAX + 1];
    size_t used = 0;

    for (size_t at = 0; at < failure->heard_len && at < HEARD_MAX;) {
        at += text_escape_plain(failure->heard + at, failure->heard_len - at, escaped);
        memcpy(said + used, escaped, strlen(escaped) + 1);
        used += strlen(escaped);
    }
    (void)err_set(
        err, ERR_SERVER,
        "no TLS is spoken there: it said \"%s\". HINT: redis-url has to name the server's "
        "tls-port; its plain port is redis://, without the second s",
        said);
    err->code = EIO;
    return -1;
}

static bool is_closed(const struct redis_tls_failure *failure)
{
    return failure->is_end || failure->io_code == ECONNRESET || failure->io_code == EPIPE;
}

int redis_tls_explain(const struct redis_tls_failure *failure, struct err *err)
{
    int alert = alert_of(failure->code);

    if (failure->heard_len > 0 &&
        (failure->heard[0] < RECORD_FIRST || failure->heard[0] > RECORD_LAST))
        return explain_stranger(failure, err);
    if (alert >= 0)
        return explain_alert(failure, alert, err);
    if (is_closed(failure) && failure->was_asked)
        return want_cert(failure, err);
    if (is_closed(failure) && failure->heard_len == 0)
        return fail(err, "the connection was closed without a word of TLS",
                    "is that port of redis-url the server's tls-port?");
    if (is_closed(failure))
        return fail(err,
                    failure->was_spoken ? "Server closed the connection"
                                        : "the server closed the connection in the handshake",
                    failure->was_spoken ? NULL : "its log may say why (loglevel verbose)");
    if (failure->io_code != 0)
        return fail(err, strerror(failure->io_code), NULL);
    if (ERR_GET_LIB(failure->code) == ERR_LIB_SSL &&
        ERR_GET_REASON(failure->code) == SSL_R_UNSUPPORTED_PROTOCOL)
        return explain_alert(failure, TLS1_AD_PROTOCOL_VERSION, err);

    const char *reason = ERR_reason_error_string(failure->code);
    return fail(err, reason != NULL ? reason : "TLS failed", NULL);
}

static void format_date(const ASN1_TIME *time, char *out, size_t out_size)
{
    int64_t ms = redis_tls_cert_time(time);

    if (ms >= 0)
        format_rfc3339(ms, out, out_size);
    else
        (void)snprintf(out, out_size, "a time that cannot be read");
}

static int explain_issuer(const X509 *cert, const char *ca_file, struct err *err)
{
    char issuer[REDIS_TLS_NAMES_MAX];

    redis_tls_cert_issuer(cert, issuer);
    if (ca_file != NULL)
        return err_set(err, ERR_SERVER,
                       "the server's certificate is signed by \"%s\", whom nobody in %s "
                       "(redis-tls-ca-file) vouches for. HINT: it has to hold the certificate of "
                       "the server's CA; if it does, somebody else answers there",
                       issuer, ca_file);
    return err_set(err, ERR_SERVER,
                   "the server's certificate is signed by \"%s\", whom the system does not trust. "
                   "HINT: set redis-tls-ca-file to the certificate of the server's CA",
                   issuer);
}

/* Is it one of "a, b, c"? */
static bool is_among(const char *names, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(names, name); at != NULL; at = strstr(at + 1, name)) {
        if ((at == names || at[-1] == ' ') && (at[len] == '\0' || at[len] == ','))
            return true;
    }
    return false;
}

static int explain_name(const X509 *cert, const char *name, struct err *err)
{
    char names[REDIS_TLS_NAMES_MAX];

    redis_tls_cert_names(cert, names);
    if (is_among(names, name)) /* a mismatch all the same: it is an address */
        return err_set(err, ERR_SERVER,
                       "the server's certificate is for %s as the name of a host and not for that "
                       "address. HINT: an address has to be in its subjectAltName, as IP:%s",
                       names, name);
    return err_set(err, ERR_SERVER,
                   "the server's certificate is for %s and not for %s. HINT: if that is the "
                   "server that is meant, set redis-tls-server-name to a name in its certificate",
                   names, name);
}

static int explain_cert(int code, const X509 *cert, const char *name, const char *ca_file,
                        struct err *err)
{
    char text[REDIS_TLS_NAMES_MAX];

    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        format_date(X509_get0_notAfter(cert), text, sizeof(text));
        return err_set(err, ERR_SERVER,
                       "the server's certificate, or its CA's, has expired on %s. HINT: renew it "
                       "on the server",
                       text);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        format_date(X509_get0_notBefore(cert), text, sizeof(text));
        return err_set(err, ERR_SERVER,
                       "the server's certificate, or its CA's, is not valid before %s. HINT: is "
                       "the clock right here?",
                       text);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return explain_name(cert, name, err);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* another CA of that name */
    case X509_V_ERR_AKID_SKID_MISMATCH:
        return explain_issuer(cert, ca_file, err);
    default:
        return err_set(err, ERR_SERVER, "the server's certificate is not accepted: %s",
                       X509_verify_cert_error_string(code));
    }
}

int redis_tls_explain_cert(int code, const X509 *cert, const char *name, const char *ca_file,
                           struct err *err)
{
    (void)explain_cert(code, cert, name, ca_file, err);
    err->code = EIO;
    return -1;
}
