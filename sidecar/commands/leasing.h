/*
 * The lease of the setting `backup-lease`, which makes the backups of one server set take turns.
 */
#ifndef COMMANDS_LEASING_H
#define COMMANDS_LEASING_H

#include "backup/lease.h"
#include "commands/command.h"
#include "redis/redis_conn.h"

/* Waits for the lease that this server's backups need, with a store of its own; *out stays NULL
 * when they need none, or when it cannot be found out (then that is logged: a backup is worth
 * more). Fails like lease_take. */
int command_take_lease(const struct command_context *context, struct redis *redis,
                       struct lease **out, struct err *err);

#endif
