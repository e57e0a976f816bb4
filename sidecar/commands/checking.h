/*
 * The facts that `redkeep check` judges, gathered: from the server at redis-url, the volume at
 * data-dir, and of the backups what the
 * sidecar says that runs beside, and the bucket. Nothing of it is waited for
 * longer than a few seconds; what does not answer stays unknown, with the reason.
 */
#ifndef COMMANDS_CHECKING_H
#define COMMANDS_CHECKING_H

#include "base/cleanup.h"
#include "commands/command.h"
#include "host/check_facts.h"
#include "host/check_read.h"
#include "redis/redis_conn.h"

struct checking {
    struct check_facts facts; /* borrows from the rest */
    struct pairs info;
    struct pairs config;
    char *server_why;
    struct err server_err; /* why facts.info is NULL */
    char *bucket_why;
    struct redis *redis; /* NULL: it cannot be asked */
    struct check_reading *volume;
    bool tried_delete; /* of a bucket, and facts.backup.may_delete is what came of it */
    bool disk_answers; /* that of a file:// repository; true for any other */
};

/* Not to know is no failure; ERR_FAILED when not even / can be opened. The caller releases *out. */
int checking_begin(const struct command_context *context, struct checking *out, struct err *err);
void checking_release(struct checking *checking);

static inline void cleanup_checking(struct checking *checking)
{
    checking_release(checking);
}
#define auto_checking auto_with(cleanup_checking)

#endif
