/*
 * tests/support/rgw.sh from C: a real S3 server for one test. Run from the repository's root. What
 * fails here ends the process with a message: there is no test without the server.
 */
#ifndef SUPPORT_RGW_H
#define SUPPORT_RGW_H

#include "support/s3_peer_env.h"

struct rgw {
    char dir[64];
};

/* Starts it and makes the bucket; its endpoint and keys go into env. cert, key: PEM files for
 * https, or NULL. */
void rgw_start(struct rgw *rgw, const char *bucket, const char *cert, const char *key,
               struct peer_env *env);
void rgw_stop(struct rgw *rgw);
void rgw_make_bucket(const struct rgw *rgw, const char *bucket);
/* One with versions, whose objects can be locked. */
void rgw_make_locked_bucket(const struct rgw *rgw, const char *bucket);
/* Removes an empty bucket behind the back of whoever uses it. */
void rgw_remove_bucket(const struct rgw *rgw, const char *bucket);
/* Temporary keys, with a session token, into env. */
void rgw_start_session(const struct rgw *rgw, struct peer_env *env);

#endif
