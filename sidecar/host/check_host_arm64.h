/*
 * The row of the arm64 copy-on-write bug; for the table of check_host.c.
 */
#ifndef HOST_CHECK_HOST_ARM64_H
#define HOST_CHECK_HOST_ARM64_H

#include "host/check.h"

void check_look_arm64(const struct check_facts *facts, struct check_result *result);

#endif
