/*
 * What the server's files are called: from our settings, else from the server (CONFIG GET), else
 * the names that Redis has by default.
 */
#ifndef BACKUP_SERVER_FILES_H
#define BACKUP_SERVER_FILES_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "redis/redis_conn.h"

struct server_files {
    char *dir;        /* the server's own view; NULL when it did not say */
    char *dbfilename; /* the rest are names inside it */
    char *appendfilename;
    char *appenddirname;
    char *aclfile;        /* NULL: none, or outside the data directory, not ours to copy */
    char *acl_elsewhere;  /* the server's path of the one outside; NULL */
    char *cluster_config; /* "nodes.conf" */
    char *appendonly;     /* "yes", "no"; NULL when the server did not say */
};

struct server_names { /* from the settings; NULL where not set */
    const char *dbfilename;
    const char *appendfilename;
    const char *appenddirname;
    const char *aclfile;
};

/* Fills *out. redis NULL: asks nobody. ERR_CONFIG when a name is no plain file name; ERR_SERVER
 * when the connection breaks (that CONFIG is not allowed is no error). The caller releases *out; on
 * failure there is nothing to release. */
int server_files_find(struct redis *redis, const struct server_names *names,
                      struct server_files *out, struct err *err);
void server_files_release(struct server_files *files);

static inline void cleanup_server_files(struct server_files *files)
{
    server_files_release(files);
}
#define auto_server_files auto_with(cleanup_server_files)

#endif
