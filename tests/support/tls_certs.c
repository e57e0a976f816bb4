#include "support/tls_certs.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define HOUR_S 3600

struct tls_ca {
    EVP_PKEY *key;
    X509 *cert;
};

static void set_name(X509_NAME *name, const char *text)
{
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
}

static void extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *make_cert(const struct tls_issue *issue, EVP_PKEY *key)
{
    static int64_t serial = 1;
    X509 *cert = X509_new();

    ck_assert_ptr_nonnull(cert);
    (void)X509_set_version(cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set_int64(X509_get_serialNumber(cert), serial++);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), issue->from_s != 0 ? issue->from_s : -HOUR_S);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), issue->until_s != 0 ? issue->until_s : HOUR_S);
    set_name(X509_get_subject_name(cert), issue->common_name ? issue->common_name : "somebody");
    ck_assert_int_eq(X509_set_pubkey(cert, key), 1);
    return cert;
}

struct tls_ca *tls_ca_new(const char *name)
{
    struct tls_ca *ca = xcalloc(1, sizeof(*ca));

    ca->key = EVP_EC_gen("P-256");
    ck_assert_ptr_nonnull(ca->key);
    ca->cert = make_cert(&(struct tls_issue){.common_name = name}, ca->key);
    (void)X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert));
    extend(ca->cert, NID_basic_constraints, "critical,CA:TRUE");
    ck_assert_int_gt(X509_sign(ca->cert, ca->key, EVP_sha256()), 0);
    return ca;
}

void tls_ca_free(struct tls_ca *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    free(ca);
}

static FILE *open_file(const char *dir, const char *name, const char *suffix)
{
    auto_free char *path = xasprintf("%s/%s%s", dir, name, suffix);
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    return file;
}

static void write_cert(X509 *cert, const char *dir, const char *name)
{
    FILE *file = open_file(dir, name, ".crt");

    ck_assert_int_eq(PEM_write_X509(file, cert), 1);
    ck_assert_int_eq(fclose(file), 0);
}

void tls_ca_write(const struct tls_ca *ca, const char *dir, const char *name)
{
    write_cert(ca->cert, dir, name);
}

void tls_ca_issue(const struct tls_ca *ca, const struct tls_issue *issue, const char *dir,
                  const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert(issue, key);
    auto_free char *dns = issue->dns ? xasprintf("DNS:%s", issue->dns) : xstrdup("");
    auto_free char *ip = issue->ip ? xasprintf("IP:%s", issue->ip) : xstrdup("");
    auto_free char *names = xasprintf("%s%s%s", dns, *dns != '\0' && *ip != '\0' ? "," : "", ip);

    if (names[0] != '\0')
        extend(cert, NID_subject_alt_name, names);
    (void)X509_set_issuer_name(cert, X509_get_subject_name(ca->cert));
    ck_assert_int_gt(X509_sign(cert, ca->key, EVP_sha256()), 0);
    write_cert(cert, dir, name);

    FILE *file = open_file(dir, name, ".key");
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_eq(fclose(file), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void tls_certs_write(const char *dir, const char *name, const char *text)
{
    FILE *file = open_file(dir, name, "");

    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}
