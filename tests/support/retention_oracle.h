/*
 * Retention by another hand: each rule as a sentence about all backups, in words of the C library's
 * calendar, slowly.
 */
#ifndef SUPPORT_RETENTION_ORACLE_H
#define SUPPORT_RETENTION_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/retention.h"

/* Does item i of count (oldest first) stay? In the zone of the process. */
bool retention_oracle_keeps(const struct retention_rules *rules, const struct retention_item *items,
                            size_t count, int64_t now_ms, size_t i);

#endif
