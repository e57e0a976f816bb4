/*
 * The primary of a set that is started from one template: every member has the same settings, and
 * the one whose name it is, is it.
 */
#ifndef COMMANDS_PRIMARY_H
#define COMMANDS_PRIMARY_H

#include <stdint.h>

#include "base/err.h"
#include "daemon/settings.h"

/* Whom this host replicates by the setting `primary`: nobody (NULL) when that is off, or names this
 * host itself: by its first label (in Kubernetes the host's name is the pod's, `redis-0`, and the
 * address `redis-0.redis:6379`), or an address of its interfaces. The caller frees *out_host.
 * ERR_CONFIG: no host is named, or by a name that is every host's own, as localhost. */
int primary_find(const struct settings *settings, char **out_host, uint16_t *out_port,
                 struct err *err);

#endif
