/*
 * What a test of backup() needs: a real server, a repository in memory, options that can be
 * changed, and the result.
 */
#ifndef SUPPORT_BACKING_UP_H
#define SUPPORT_BACKING_UP_H

#include "backup/backup.h"
#include "base/buf.h"
#include "support/fake_store.h"
#include "support/redis_server.h"

#define BACKING_UP_INSTANCE "cache-0"

struct backing_up {
    struct redis_server server;
    struct redis *redis;
    struct fake_store fake;
    struct backup_options options;
    struct manifest manifest; /* of the last run that succeeded */
    struct err err;
    struct buf events;   /* a line each */
    struct buf warnings; /* a line each: "CODE: text" */
};

/* args as those of redis_server_options. Includes the dump and the ACL file. */
void backing_up_begin(struct backing_up *run, const char *const *args);
void backing_up_end(struct backing_up *run);
/* Fifteen keys in two databases, two of them with an expiry. */
void backing_up_fill(struct backing_up *run);

/* What backup() returns. */
int backing_up_run(struct backing_up *run);
/* The same; it must succeed: one backup more is there, it is whole, and its manifest is the one
 * that was returned. */
void backing_up_must_succeed(struct backing_up *run);
/* The same; it must fail so, with nothing stored. */
void backing_up_must_fail(struct backing_up *run, enum err_kind kind);
/* Every backup that is listed is whole. Returns how many there are. */
size_t backing_up_check_all(struct backing_up *run);

#endif
