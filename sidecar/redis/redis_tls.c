/*
 * The socket does not block, and each step waits by poll(2) until the time is over: so neither a
 * peer that says nothing nor one that says a byte now and then holds us. OpenSSL reads and writes
 * through a BIO of ours, which raises no SIGPIPE and remembers what the socket said.
 *
 * INVARIANT (secrets): nothing is sent before the server has proven who it is.
 */
#include "redis/redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/redis_tls_cert.h"
#include "redis/redis_tls_files.h"
#include "redis/redis_tls_words.h"

#define HEARD_MAX 32
#define LINE_BYTES (65 * 1024)
#define PROBE_PART 4 /* of the handshake's time is kept to see what else may be there */

struct redis_tls {
    int fd;
    SSL *ssl;
    BIO_METHOD *method;
    const char *name; /* for the handshake: who is meant, whom we trust; borrowed */
    const char *ca_file;
    bool is_open;   /* the handshake was successful */
    bool is_broken; /* nothing more can be said */
    bool was_asked;
    bool has_cert;
    bool is_end;
    int io_code;
    char heard[HEARD_MAX];
    size_t heard_len;
    struct err refused; /* why the server's certificate was */
};

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

/* ---- the options ---- */

static const char *copy(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

void redis_tls_options_copy(struct redis_tls_options *to, const struct redis_tls_options *from)
{
    *to = (struct redis_tls_options){
        .ca_file = copy(from->ca_file),
        .cert_file = copy(from->cert_file),
        .key_file = copy(from->key_file),
        .server_name = copy(from->server_name),
    };
}

void redis_tls_options_release(struct redis_tls_options *options)
{
    free((void *)(uintptr_t)options->ca_file); /* a copy's text is ours */
    free((void *)(uintptr_t)options->cert_file);
    free((void *)(uintptr_t)options->key_file);
    free((void *)(uintptr_t)options->server_name);
    *options = (struct redis_tls_options){0};
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

bool redis_tls_options_are_same(const struct redis_tls_options *a,
                                const struct redis_tls_options *b)
{
    return is_same(a->ca_file, b->ca_file) && is_same(a->cert_file, b->cert_file) &&
           is_same(a->key_file, b->key_file) && is_same(a->server_name, b->server_name);
}

int redis_tls_check(const struct redis_tls_options *options, const struct redis_address *address,
                    struct err *err)
{
    const char *first = is_set(options->ca_file)       ? "redis-tls-ca-file"
                        : is_set(options->cert_file)   ? "redis-tls-cert-file"
                        : is_set(options->key_file)    ? "redis-tls-key-file"
                        : is_set(options->server_name) ? "redis-tls-server-name"
                                                       : NULL;

    if (first != NULL && !address->is_tls)
        return err_set(err, ERR_CONFIG,
                       "%s is set, and redis-url is without TLS. HINT: rediss://HOST:PORT with the "
                       "server's tls-port, or leave that setting out",
                       first);
    if (is_set(options->server_name) &&
        options->server_name[0] == '.') /* any of them, to OpenSSL */
        return err_set(err, ERR_CONFIG,
                       "redis-tls-server-name %.200s begins with a dot. HINT: give the whole name, "
                       "such as redis%.200s",
                       options->server_name, options->server_name);
    return 0;
}

/* ---- the socket ---- */

static int on_write(BIO *bio, const char *data, int len)
{
    struct redis_tls *tls = BIO_get_data(bio);
    ssize_t n = send(tls->fd, data, (size_t)len, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    else if (n < 0)
        tls->io_code = errno;
    return (int)n;
}

static int on_read(BIO *bio, char *out, int out_size)
{
    struct redis_tls *tls = BIO_get_data(bio);
    ssize_t n = recv(tls->fd, out, (size_t)out_size, 0);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    else if (n < 0)
        tls->io_code = errno;
    else if (n == 0)
        tls->is_end = true;
    for (ssize_t i = 0; i < n && tls->heard_len < sizeof(tls->heard); i++)
        tls->heard[tls->heard_len++] = out[i];
    return (int)n;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

static bool has_bio(struct redis_tls *tls)
{
    /* without an index of its own: there are 127 of them for a process that may connect for years,
     * and nobody looks for a BIO of ours by its type */
    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "redkeep socket");
    if (tls->method == NULL || BIO_meth_set_write(tls->method, on_write) != 1 ||
        BIO_meth_set_read(tls->method, on_read) != 1 ||
        BIO_meth_set_ctrl(tls->method, on_control) != 1)
        return false;

    BIO *bio = BIO_new(tls->method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio); /* it owns it */
    return true;
}

/* ---- one step after the other ---- */

enum progress { PROGRESS_AGAIN, PROGRESS_END, PROGRESS_LATE, PROGRESS_FAILED };

static bool await(const struct redis_tls *tls, short events, int64_t end_ms)
{
    struct pollfd ready = {.fd = tls->fd, .events = events};
    int rc;

    do {
        int64_t left_ms = end_ms - clock_mono_ms(clock_system());
        rc = left_ms <= 0 ? 0 : poll(&ready, 1, (int)left_ms);
    } while (rc < 0 && errno == EINTR);
    return rc != 0; /* what is wrong, the next step tells */
}

/* After a step that gave rc, which is no success. */
static enum progress go_on(const struct redis_tls *tls, int rc, int64_t end_ms)
{
    switch (SSL_get_error(tls->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return await(tls, POLLIN, end_ms) ? PROGRESS_AGAIN : PROGRESS_LATE;
    case SSL_ERROR_WANT_WRITE:
        return await(tls, POLLOUT, end_ms) ? PROGRESS_AGAIN : PROGRESS_LATE;
    case SSL_ERROR_ZERO_RETURN:
        return PROGRESS_END;
    default:
        return PROGRESS_FAILED;
    }
}

/* OpenSSL has read no more than it needed to see that it is no TLS. */
static void hear_out(struct redis_tls *tls)
{
    ssize_t n = recv(tls->fd, tls->heard + tls->heard_len, sizeof(tls->heard) - tls->heard_len, 0);

    if (n > 0)
        tls->heard_len += (size_t)n;
}

static int explain(struct redis_tls *tls, struct err *err)
{
    tls->is_broken = true;
    if (!tls->is_open && tls->heard_len > 0 && tls->heard_len < sizeof(tls->heard))
        hear_out(tls);
    if (tls->refused.kind != ERR_NONE) {
        *err = tls->refused;
        return -1;
    }
    return redis_tls_explain(&(struct redis_tls_failure){.code = ERR_peek_error(),
                                                         .io_code = tls->io_code,
                                                         .is_end = tls->is_end,
                                                         .was_spoken = tls->is_open,
                                                         .was_asked = tls->was_asked,
                                                         .has_cert = tls->has_cert,
                                                         .heard = tls->heard,
                                                         .heard_len = tls->heard_len},
                             err);
}

static int fail_late(struct err *err)
{
    (void)err_set(err, ERR_SERVER, "the time is over");
    err->code = ETIMEDOUT;
    return -1;
}

int redis_tls_send(struct redis_tls *tls, const char *data, size_t len, int64_t end_ms,
                   struct err *err)
{
    while (len > 0) {
        size_t written = 0;

        ERR_clear_error();
        int rc = SSL_write_ex(tls->ssl, data, len, &written);
        if (rc == 1) {
            data += written;
            len -= written;
            continue;
        }
        enum progress progress = go_on(tls, rc, end_ms);
        if (progress == PROGRESS_LATE)
            return fail_late(err);
        /* whoever closed may have said why first: let the reader find out */
        if (progress == PROGRESS_FAILED && (tls->io_code == EPIPE || tls->io_code == ECONNRESET)) {
            tls->io_code = 0;
            return 0;
        }
        if (progress != PROGRESS_AGAIN)
            return explain(tls, err);
    }
    return 0;
}

ssize_t redis_tls_read(struct redis_tls *tls, char *out, size_t out_size, int64_t end_ms,
                       struct err *err)
{
    for (;;) {
        size_t len = 0;

        if (clock_mono_ms(clock_system()) >= end_ms) /* what never pauses is never waited for */
            return fail_late(err);
        ERR_clear_error();
        int rc = SSL_read_ex(tls->ssl, out, out_size, &len);
        if (rc == 1) {
            tls->was_asked = false; /* it has looked at our certificate, and goes on */
            return (ssize_t)len;
        }
        switch (go_on(tls, rc, end_ms)) {
        case PROGRESS_AGAIN:
            break;
        case PROGRESS_END:
            return 0;
        case PROGRESS_LATE:
            return fail_late(err);
        case PROGRESS_FAILED:
            return explain(tls, err);
        }
    }
}

/* ---- the handshake ---- */

/* Notes why, while the certificate is there. */
static int on_verified(int is_good, X509_STORE_CTX *context)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct redis_tls *tls = SSL_get_app_data(ssl);
    const X509 *cert = X509_STORE_CTX_get_current_cert(context);

    if (!is_good && cert != NULL)
        (void)redis_tls_explain_cert(X509_STORE_CTX_get_error(context), cert, tls->name,
                                     tls->ca_file, &tls->refused);
    return is_good;
}

static int on_asked(SSL *ssl, void *context)
{
    struct redis_tls *tls = context;

    (void)ssl;
    tls->was_asked = true;
    return 1;
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Whom the certificate has to be for. */
static bool expect(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);

    if (is_address(name)) /* which is no name to ask for: RFC 6066, section 3 */
        return X509_VERIFY_PARAM_set1_ip_asc(wanted, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(wanted, name, 0) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name) == 1; /* it copies */
}

/* A plain server takes what it has got for the beginning of a line, and waits for its end for ever,
 * up to a length at which it gives up (PROTO_INLINE_MAX_SIZE in its server.h), and says so at once.
 * One that hangs, or speaks TLS, says nothing. */
static int fail_silent(struct redis_tls *tls, int timeout_ms, int64_t end_ms, struct err *err)
{
    auto_free char *line = xmalloc(LINE_BYTES);

    memset(line, '\n', LINE_BYTES);
    if (tls->heard_len == 0 && send(tls->fd, line, LINE_BYTES, MSG_NOSIGNAL) > 0 &&
        await(tls, POLLIN, end_ms)) {
        ssize_t n = recv(tls->fd, tls->heard, sizeof(tls->heard), 0);
        if (n > 0 && tls->heard[0] == '-') { /* -ERR */
            tls->heard_len = (size_t)n;
            return explain(tls, err);
        }
    }
    (void)err_set(err, ERR_SERVER,
                  "no answer within %d s in the TLS handshake. HINT: the server may be stopped or "
                  "overloaded; or is that port of redis-url not its tls-port?",
                  (timeout_ms + 999) / 1000);
    err->code = EIO;
    return -1;
}

static int shake_hands(struct redis_tls *tls, int timeout_ms, struct err *err)
{
    int64_t end_ms = clock_mono_ms(clock_system()) + timeout_ms;

    for (;;) {
        ERR_clear_error();
        int rc = SSL_connect(tls->ssl);
        if (rc == 1)
            break;
        enum progress progress = go_on(tls, rc, end_ms - timeout_ms / PROBE_PART);
        if (progress == PROGRESS_LATE)
            return fail_silent(tls, timeout_ms, end_ms, err);
        if (progress != PROGRESS_AGAIN)
            return explain(tls, err);
    }
    tls->is_open = true;
    if (SSL_version(tls->ssl) < TLS1_3_VERSION) /* it has looked at our certificate already */
        tls->was_asked = false;
    return 0;
}

static int set_up(struct redis_tls *tls, SSL_CTX *ctx, struct err *err)
{
    tls->ssl = SSL_new(ctx);
    if (tls->ssl == NULL || !has_bio(tls))
        return err_set(err, ERR_FAILED, "TLS cannot be set up");
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, on_verified);
    SSL_set_cert_cb(tls->ssl, on_asked, tls);
    if (!expect(tls->ssl, tls->name))
        return err_set(err, ERR_CONFIG, "\"%.200s\" cannot be the name in a certificate",
                       tls->name);
    (void)fcntl(tls->fd, F_SETFL, O_NONBLOCK); /* cannot fail on an open socket */
    return 0;
}

int redis_tls_open(int fd, const char *host, const struct redis_tls_options *options,
                   int timeout_ms, struct redis_tls **out, struct err *err)
{
    auto_redis_tls struct redis_tls *tls = xcalloc(1, sizeof(*tls));
    SSL_CTX *ctx = NULL;

    if (redis_tls_files_load(options, &ctx, err) != 0)
        return -1;
    tls->fd = fd;
    tls->name = is_set(options->server_name) ? options->server_name : host;
    tls->ca_file = is_set(options->ca_file) ? options->ca_file : NULL;
    tls->has_cert = is_set(options->cert_file);
    int rc = set_up(tls, ctx, err);
    SSL_CTX_free(ctx); /* the connection holds it */
    if (rc != 0 || shake_hands(tls, timeout_ms, err) != 0)
        return -1;
    tls->name = NULL;
    tls->ca_file = NULL;
    *out = TAKE_PTR(tls);
    return 0;
}

void redis_tls_free(struct redis_tls *tls)
{
    if (tls == NULL)
        return;
    ERR_clear_error();
    if (tls->is_open && !tls->is_broken)
        (void)SSL_shutdown(tls->ssl); /* if it can be said at once */
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    ERR_clear_error();
    free(tls);
}

static bool read_validity(const X509 *cert, bool is_ours, struct redis_tls_validity *out)
{
    if (cert == NULL)
        return false;
    *out = (struct redis_tls_validity){
        .from_ms = redis_tls_cert_time(X509_get0_notBefore(cert)),
        .until_ms = redis_tls_cert_time(X509_get0_notAfter(cert)),
        .is_ours = is_ours,
    };
    return out->from_ms >= 0 && out->until_ms >= 0;
}

bool redis_tls_validity(const struct redis_tls *tls, struct redis_tls_validity *out)
{
    auto_cert X509 *peer = SSL_get1_peer_certificate(tls->ssl);
    struct redis_tls_validity theirs;
    struct redis_tls_validity ours;
    bool has_theirs = read_validity(peer, false, &theirs);
    bool has_ours = read_validity(SSL_get_certificate(tls->ssl), true, &ours);

    if (!has_theirs && !has_ours)
        return false;
    *out = !has_theirs || (has_ours && ours.until_ms < theirs.until_ms) ? ours : theirs;
    return true;
}
