/*
 * One connection of a server on a port of 127.0.0.1, in a thread, that does what a real one does
 * not: TLS with odd certificates, or bytes that are no TLS at all.
 */
#ifndef SUPPORT_TLS_PEER_H
#define SUPPORT_TLS_PEER_H

#include <stddef.h>

struct tls_peer_script {
    const char *raw; /* instead of TLS: what it says at once, and then nothing */
    size_t raw_len;
    int drip_ms;             /* between two bytes, of raw or of an answer; 0: all at once */
    int hang_up;             /* behind raw, or the last answer; else it waits for our end */
    const char *dir;         /* with TLS: where NAME.crt and NAME.key are */
    const char *name;        /* NULL: no TLS */
    int max_version;         /* 0: the newest */
    const char *answers[16]; /* one to each request, RESP; ended by NULL */
};

struct tls_peer;

/* script must outlive the peer. */
struct tls_peer *tls_peer_start(const struct tls_peer_script *script);
int tls_peer_port(const struct tls_peer *peer);
/* When the other side has closed. */
void tls_peer_stop(struct tls_peer *peer);

#endif
