/*
 * Who the server runs as, when we are root: the user is found, the data directory becomes theirs,
 * and all that root can is given up for good.
 */
#ifndef ENTRYPOINT_SERVER_USER_H
#define ENTRYPOINT_SERVER_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct server_user {
    uid_t uid;
    gid_t gid;
};

/* wanted: a name of the file passwd, UID or UID:GID; NULL: redis, else valkey. *out_found false:
 * neither is there. ERR_CONFIG: what was wanted is not. The file is read without the name service,
 * which small images do not have. */
int server_user_find(const char *passwd, const char *wanted, struct server_user *out,
                     bool *out_found, struct err *err);

/* Gives the directory to the user, with the files there that are a server's or ours: *.rdb, *.aof,
 * *.conf, *.acl, what an interrupted restore has left, and the append-only directory with all that
 * is in it. Other files stay whose they are; links are not followed. Nothing is done where all is
 * theirs already. ERR_FAILED names the first that could not be given. */
int server_user_give(const struct server_user *user, const char *dir, const char *appenddirname,
                     struct err *err);

/* Becomes the user, in one group only, without capabilities, and without a way to gain any
 * (no_new_privs). ERR_FAILED: not so, and the process must not go on. */
int server_user_become(const struct server_user *user, struct err *err);

#endif
