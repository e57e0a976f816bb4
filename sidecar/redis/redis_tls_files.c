/*
 * The files are read by us, and OpenSSL gets their bytes: so what cannot be read is said in the
 * words of the system, and no key asks for its passphrase on a terminal. Without a file of CAs the
 * system's are taken, as OpenSSL knows them, and the bundle, since a small image may have that
 * alone.
 */
#include "redis/redis_tls_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/installed.h"
#include "base/mem.h"
#include "redis/redis_tls_cert.h"

#define FILE_BYTES_MAX ((size_t)4 << 20)
#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

DEFINE_CLEANUP(cleanup_bio, BIO *, BIO_free_all);
#define auto_bio auto_with(cleanup_bio)
DEFINE_CLEANUP(cleanup_key, EVP_PKEY *, EVP_PKEY_free);
#define auto_key auto_with(cleanup_key)
DEFINE_CLEANUP(cleanup_ctx, SSL_CTX *, SSL_CTX_free);
#define auto_ctx auto_with(cleanup_ctx)
DEFINE_CLEANUP(cleanup_check, X509_STORE_CTX *, X509_STORE_CTX_free);
#define auto_check auto_with(cleanup_check)

static void wipe(struct buf *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->cap);
    buf_release(text);
}
#define auto_wiped auto_with(wipe)

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text != NULL ? text : "OpenSSL does not say why";
}

static int read_file(const char *setting, const char *path, struct buf *out, struct err *err)
{
    buf_init(out, FILE_BYTES_MAX);
    if (fs_read_file(AT_FDCWD, path, out, err) == 0)
        return 0;
    err->kind = ERR_CONFIG;
    return err_wrap(err, "%s", setting);
}

/* The next certificate of a PEM text; NULL behind the last one, and *out_is_bad when it is none. */
static X509 *next_cert(BIO *text, bool *out_is_bad)
{
    ERR_clear_error();
    X509 *cert = PEM_read_bio_X509(text, NULL, NULL, NULL);

    *out_is_bad = cert == NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
    return cert;
}

static int fail_cert(const char *setting, const char *path, bool is_bad, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "%s: %s: %s%s. HINT: it has to be PEM text, -----BEGIN "
                   "CERTIFICATE-----",
                   setting, path, is_bad ? "a certificate in it cannot be read: " : "",
                   is_bad ? reason() : "there is no certificate in it");
}

static int trust_file(SSL_CTX *ctx, const char *path, struct err *err)
{
    static const char setting[] = "redis-tls-ca-file";
    auto_buf struct buf text = {0};
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    unsigned count = 0;
    bool is_bad;
    X509 *cert;

    if (read_file(setting, path, &text, err) != 0)
        return -1;
    auto_bio BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    while ((cert = next_cert(bio, &is_bad)) != NULL) {
        (void)X509_STORE_add_cert(store, cert); /* no memory is no trust */
        X509_free(cert);
        count++;
    }
    return is_bad || count == 0 ? fail_cert(setting, path, is_bad, err) : 0;
}

static void trust_system(SSL_CTX *ctx)
{
    auto_free char *installed = installed_ca_bundle();

    /* what is not there is not trusted, and the handshake says that nobody is */
    (void)SSL_CTX_set_default_verify_paths(ctx);
    if (secure_getenv(X509_get_default_cert_file_env()) == NULL &&
        secure_getenv(X509_get_default_cert_dir_env()) == NULL)
        (void)SSL_CTX_load_verify_file(ctx, installed != NULL ? installed : SYSTEM_BUNDLE);
    ERR_clear_error();
}

static int use_cert(SSL_CTX *ctx, const char *path, struct err *err)
{
    static const char setting[] = "redis-tls-cert-file";
    auto_buf struct buf text = {0};
    bool is_bad;

    if (read_file(setting, path, &text, err) != 0)
        return -1;
    auto_bio BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    auto_cert X509 *ours = next_cert(bio, &is_bad);
    if (ours == NULL)
        return fail_cert(setting, path, is_bad, err);
    if (SSL_CTX_use_certificate(ctx, ours) != 1)
        return err_set(err, ERR_CONFIG, "%s: %s: it cannot be used: %s", setting, path, reason());
    for (;;) {
        X509 *more = next_cert(bio, &is_bad);
        if (more == NULL)
            return is_bad ? fail_cert(setting, path, is_bad, err) : 0;
        if (SSL_CTX_add0_chain_cert(ctx, more) != 1) {
            X509_free(more);
            return err_set(err, ERR_CONFIG,
                           "%s: %s: what is behind the certificate cannot be "
                           "used: %s",
                           setting, path, reason());
        }
    }
}

/* OpenSSL would ask on the terminal. */
static int refuse_passphrase(char *out, int out_size, int is_new, void *context)
{
    bool *was_asked = context;

    (void)out;
    (void)out_size;
    (void)is_new;
    *was_asked = true;
    return -1;
}

static int use_key(SSL_CTX *ctx, const struct redis_tls_options *options, struct err *err)
{
    static const char setting[] = "redis-tls-key-file";
    const char *path = options->key_file;
    auto_wiped struct buf text = {0};
    bool was_asked = false;

    if (read_file(setting, path, &text, err) != 0)
        return -1;
    auto_bio BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    auto_key EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &was_asked);
    if (key == NULL && was_asked)
        return err_set(err, ERR_CONFIG,
                       "%s: %s: the key has a passphrase, and redkeep cannot be told one. HINT: "
                       "give it the key without: openssl pkey -in KEY -out PLAINKEY",
                       setting, path);
    if (key == NULL)
        return err_set(err, ERR_CONFIG,
                       "%s: %s: there is no private key in it. HINT: it has to be PEM text",
                       setting, path);
    if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1)
        return err_set(
            err, ERR_CONFIG,
            "%s: %s is not the key of the certificate in %s (redis-tls-cert-file). HINT: "
            "both have to be of the same pair; while they are exchanged, that passes",
            setting, path, options->cert_file);
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
        return err_set(err, ERR_CONFIG, "%s: %s: it cannot be used: %s", setting, path, reason());
    return 0;
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

int redis_tls_files_load(const struct redis_tls_options *options, SSL_CTX **out, struct err *err)
{
    /* a thread that waits for a server is not waited for at our end: nothing may be torn down */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    auto_ctx SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return err_set(err, ERR_FAILED, "TLS cannot be set up: %s", reason());
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    /* whoever is in the file is trusted, be it no root: a server's own certificate too */
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (!is_set(options->ca_file))
        trust_system(ctx);
    else if (trust_file(ctx, options->ca_file, err) != 0)
        return -1;
    if (is_set(options->cert_file) &&
        (use_cert(ctx, options->cert_file, err) != 0 || use_key(ctx, options, err) != 0))
        return -1;
    *out = TAKE_PTR(ctx);
    return 0;
}

char *redis_tls_name_in(const char *cert_file, const char *host)
{
    auto_buf struct buf text = {0};
    struct err ignored; /* whoever uses the file will be told */
    bool is_bad;

    buf_init(&text, FILE_BYTES_MAX);
    if (fs_read_file(AT_FDCWD, cert_file, &text, &ignored) != 0)
        return NULL;
    auto_bio BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    auto_cert X509 *cert = next_cert(bio, &is_bad);
    char *name = cert != NULL ? redis_tls_cert_name(cert, host) : NULL;
    ERR_clear_error();
    return name;
}

bool redis_tls_is_vouched(const char *cert_file, const char *ca_file)
{
    const struct redis_tls_options options = {.ca_file = ca_file};
    auto_ctx SSL_CTX *ctx = NULL;
    auto_check X509_STORE_CTX *check = X509_STORE_CTX_new();
    STACK_OF(X509) *behind = NULL;
    struct err ignored; /* as above */
    bool is_vouched;

    if (check == NULL || redis_tls_files_load(&options, &ctx, &ignored) != 0 ||
        use_cert(ctx, cert_file, &ignored) != 0)
        return false;
    (void)SSL_CTX_get0_chain_certs(ctx, &behind); /* or it stays NULL, and is not needed */
    is_vouched = X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx),
                                     SSL_CTX_get0_certificate(ctx), behind) == 1;
    X509_STORE_CTX_set_flags(check, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    is_vouched = is_vouched && X509_verify_cert(check) == 1;
    ERR_clear_error();
    return is_vouched;
}
