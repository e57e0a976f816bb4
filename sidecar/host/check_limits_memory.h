/*
 * The row of the memory limit; for the table of check_limits.c.
 */
#ifndef HOST_CHECK_LIMITS_MEMORY_H
#define HOST_CHECK_LIMITS_MEMORY_H

#include "host/check.h"

void check_look_memory(const struct check_facts *facts, struct check_result *result);

#endif
