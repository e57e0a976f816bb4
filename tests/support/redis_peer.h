/*
 * A scripted Redis, on a unix socket, in a thread, one connection after the other. It expects
 * commands in order and gives the answers of the script, so that replies which a real server gives
 * once a year can be had in every test.
 */
#ifndef SUPPORT_REDIS_PEER_H
#define SUPPORT_REDIS_PEER_H

#include <stddef.h>

struct redis_peer_step {
    const char *expect;     /* how the command begins, words joined by blanks: "CONFIG GET dir" */
    const char *reply;      /* raw: "+OK\r\n"; "" is no answer, until the other side gives up */
    const char *bulk;       /* or the text of a bulk string */
    int drip_ms;            /* between two bytes of the answer; 0: it comes at once */
    int hang_up;            /* or: the connection is closed; as the last step, for ever */
    void (*act)(void *arg); /* done before the answer; may be NULL */
};

struct redis_peer;

/* steps must outlive the peer; arg is given to every act. A step with expect NULL ends the script:
 * whatever comes then is an error. */
struct redis_peer *redis_peer_start(const struct redis_peer_step *steps, void *arg);
/* "unix:///..." */
const char *redis_peer_url(const struct redis_peer *peer);
/* Ends the peer and frees it. The test fails when a command was not as expected, or when not all
 * steps were taken. Close the connection before. */
void redis_peer_stop(struct redis_peer *peer);

#endif
