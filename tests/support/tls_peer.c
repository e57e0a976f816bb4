#include "support/tls_peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

struct tls_peer {
    const struct tls_peer_script *script;
    SSL_CTX *ctx;
    int listen_fd;
    int port;
    pthread_t thread;
};

static void pause_ms(int ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000L};

    (void)nanosleep(&pause, NULL); /* woken early, it drips faster */
}

/* By TLS where there is a connection of it. False: the other side has seen enough. */
static bool say(SSL *ssl, int fd, const char *text, size_t len, int drip_ms)
{
    while (len > 0) {
        size_t step = drip_ms > 0 ? 1 : len;
        ssize_t n =
            ssl != NULL ? SSL_write(ssl, text, (int)step) : send(fd, text, step, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
        if (drip_ms > 0)
            pause_ms(drip_ms);
    }
    return true;
}

static void speak_raw(const struct tls_peer_script *script, int fd)
{
    char taken[1024];

    if (!say(NULL, fd, script->raw, script->raw_len, script->drip_ms) || script->hang_up)
        return;
    while (recv(fd, taken, sizeof(taken), 0) > 0)
        continue;
}

static void speak_tls(const struct tls_peer *peer, int fd)
{
    const struct tls_peer_script *script = peer->script;
    SSL *ssl = SSL_new(peer->ctx);
    char taken[1024];

    ck_assert_int_eq(SSL_set_fd(ssl, fd), 1);
    if (SSL_accept(ssl) == 1) {
        const char *const *answer = script->answers;

        while ((*answer != NULL || !script->hang_up) && SSL_read(ssl, taken, sizeof(taken)) > 0 &&
               *answer != NULL && say(ssl, fd, *answer, strlen(*answer), script->drip_ms))
            answer++;
    }
    SSL_free(ssl);
}

static void *serve(void *context)
{
    struct tls_peer *peer = context;
    int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return NULL; /* nobody came */
    if (peer->ctx != NULL)
        speak_tls(peer, fd);
    else
        speak_raw(peer->script, fd);
    (void)close(fd);
    return NULL;
}

static SSL_CTX *make_ctx(const struct tls_peer_script *script)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    auto_free char *cert = xasprintf("%s/%s.crt", script->dir, script->name);
    auto_free char *key = xasprintf("%s/%s.key", script->dir, script->name);

    SSL_CTX_set_security_level(ctx, 0); /* old versions too */
    ck_assert_int_eq(SSL_CTX_set_min_proto_version(ctx, 0), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, script->max_version), 1);
    ck_assert_int_eq(SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), 1);
    return ctx;
}

struct tls_peer *tls_peer_start(const struct tls_peer_script *script)
{
    struct tls_peer *peer = xcalloc(1, sizeof(*peer));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    peer->script = script;
    peer->ctx = script->name != NULL ? make_ctx(script) : NULL;
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(peer->listen_fd, 0);
    ck_assert_int_eq(bind(peer->listen_fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(peer->listen_fd, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(peer->listen_fd, 1), 0);
    peer->port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, serve, peer), 0);
    return peer;
}

int tls_peer_port(const struct tls_peer *peer)
{
    return peer->port;
}

void tls_peer_stop(struct tls_peer *peer)
{
    (void)shutdown(peer->listen_fd, SHUT_RDWR); /* wakes an accept that nobody came to */
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->listen_fd);
    SSL_CTX_free(peer->ctx);
    free(peer);
}
