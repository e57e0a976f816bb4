/*
 * The check of the server's network namespace: tcp-backlog.
 */
#ifndef HOST_CHECK_HOST_NETWORK_H
#define HOST_CHECK_HOST_NETWORK_H

#include "host/check.h"

void check_look_backlog(const struct check_facts *facts, struct check_result *result);

#endif
