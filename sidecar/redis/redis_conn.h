/*
 * One connection to a server (hiredis, blocking), and the commands that redkeep sends: INFO,
 * CONFIG GET, BGSAVE, and AUTH at the start; none of them blocks the server or changes it, and all
 * of them pass with the minimal ACL user of the README. The exceptions are of `check`: it asks
 * CLUSTER INFO and ACL GETUSER, which only read, and `check --fix` sends CONFIG SET, only for
 * settings that the operator has named. Replies are matched by their first word only: servers and
 * versions word the rest differently.
 *
 * Every failure is ERR_SERVER with a message that names the address (never the password), the
 * command and the server's own words, and a HINT where a person can act; only what the options say
 * and cannot be done, a file of TLS too, is ERR_CONFIG. The code of ERR_SERVER tells whether
 * asking again can help: EIO, the connection cannot be had or broke, and every further call fails
 * until redis_reconnect; EBUSY, a script blocks the server or all its connections are taken; else
 * 0.
 */
#ifndef REDIS_REDIS_CONN_H
#define REDIS_REDIS_CONN_H

#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "redis/redis_tls.h"

struct redis; /* one connection; one thread at a time */

struct redis_options {
    const char *url;               /* see redis_url.h; a bad one is ERR_CONFIG */
    const struct secret *username; /* NULL or unset: the URL's */
    const struct secret *password; /* NULL or unset: the URL's */
    struct redis_tls_options tls;  /* for rediss:// only: else ERR_CONFIG */
    int timeout_ms;                /* of the connect, of TLS' handshake and of each whole reply;
                                    * 0: 10 s */
    const char *bgsave_command;    /* its name when renamed; NULL: BGSAVE */
    const char *config_command;    /* its name when renamed; NULL: CONFIG */
};

/* Connects, authenticates when there is a password, and names the connection. The caller frees. */
int redis_connect(const struct redis_options *options, struct redis **out, struct err *err);
void redis_free(struct redis *redis); /* NULL is a no-op */
/* Gives up the connection, and does once more what redis_connect did. After a failure the object
 * is as one whose connection broke. */
int redis_reconnect(struct redis *redis, struct err *err);
/* The address for messages, without secrets. Borrowed from redis. */
const char *redis_label(const struct redis *redis);

/* The socket address of the other end; *out_len is 0 when there is no connection. */
void redis_peer(const struct redis *redis, struct sockaddr_storage *out, socklen_t *out_len);

/* Of the certificates that this connection rests on, the one that runs out first. False: it is
 * without TLS. */
bool redis_validity(const struct redis *redis, struct redis_tls_validity *out);

/* A ceiling that every INFO answer keeps to, for buf_init. */
#define REDIS_INFO_MAX ((size_t)8 << 20)

/* Appends the answer of INFO (section NULL: the default ones) to *out. While the server loads,
 * INFO works; while a script blocks it, it does not (-BUSY is a failure here). */
int redis_info(struct redis *redis, const char *section, struct buf *out, struct err *err);

/* Appends the answer of CLUSTER INFO, lines as INFO's. Needs +cluster|info, and a server that is no
 * cluster's or is loading refuses: a failure. */
int redis_cluster_info(struct redis *redis, struct buf *out, struct err *err);

enum redis_default_user {
    REDIS_DEFAULT_USER_UNKNOWN, /* no permission, or a server without ACLs */
    REDIS_DEFAULT_USER_WHOLE,   /* on, for all keys and all commands */
    REDIS_DEFAULT_USER_LIMITED, /* off, or for some of them only */
};

/* What the user `default` may. Needs +acl|getuser; not to be told is success. */
int redis_ask_default_user(struct redis *redis, enum redis_default_user *out, struct err *err);

enum redis_config_answer {
    REDIS_CONFIG_VALUE,
    REDIS_CONFIG_UNKNOWN,   /* the server has no setting of that name */
    REDIS_CONFIG_FORBIDDEN, /* no permission, or CONFIG was renamed away */
};

/* *out_value is a heap string that the caller frees, NULL unless *out_answer is
 * REDIS_CONFIG_VALUE. Both non-values are success. */
int redis_config_get(struct redis *redis, const char *name, enum redis_config_answer *out_answer,
                     char **out_value, struct err *err);

/* A setting of CONFIG GET *; the texts are borrowed for the call. */
typedef void redis_setting_fn(void *context, const char *name, const char *value);

/* Gives every setting to on_setting, and what is a password only as "***" (when it is set).
 * *out_answer is REDIS_CONFIG_VALUE, or REDIS_CONFIG_FORBIDDEN when there was none to give: both
 * are success. */
int redis_config_all(struct redis *redis, redis_setting_fn *on_setting, void *context,
                     enum redis_config_answer *out_answer, struct err *err);

/* CONFIG SET. */
int redis_config_set(struct redis *redis, const char *name, const char *value, struct err *err);

enum redis_bgsave_answer {
    REDIS_BGSAVE_ACCEPTED,    /* started, or scheduled: only the counter in INFO tells */
    REDIS_BGSAVE_BUSY,        /* -ERR with text: another child, or something to try again */
    REDIS_BGSAVE_FORK_FAILED, /* the bare -ERR of a failed fork */
};

/* Sends BGSAVE and INFO in one write, so that the server runs them back to back: *out_info (its
 * content replaced) is the dataset exactly at the fork. Permission, authentication, an unknown
 * command, -LOADING, -MISCONF and the like are failures; *out_reply holds the server's words. */
int redis_bgsave(struct redis *redis, enum redis_bgsave_answer *out_answer, struct buf *out_reply,
                 struct buf *out_info, struct err *err);

DEFINE_CLEANUP(cleanup_redis, struct redis *, redis_free);
#define auto_redis auto_with(cleanup_redis)

#endif
