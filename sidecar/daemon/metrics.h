/*
 * What the sidecar knows as Prometheus text (exposition format 0.0.4). Pure. Every name begins with
 * redkeep_; what is not known is left out, never 0.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "base/buf.h"
#include "daemon/status.h"

#define METRICS_BYTES_MAX ((size_t)256 << 10)

/* Appends all of it. */
void metrics_format(const struct status *status, struct buf *out);

#endif
