/*
 * A sidecar's state as tests want to see it shown: one for each thing that a person, or an alert,
 * has to tell apart. Always the same, at the same moment.
 */
#ifndef SUPPORT_STATUS_SAMPLE_H
#define SUPPORT_STATUS_SAMPLE_H

#include <stddef.h>

#include "daemon/status.h"

#define STATUS_SAMPLE_NOW_MS INT64_C(1795195800000) /* 2026-11-20T17:30:00Z */

/* "unknown", "fresh", "well", "working", "loading", "failing", "full", "hostile"; NULL behind the
 * last. Static. */
const char *status_sample_name(size_t index);
/* Fills *out, which the caller releases. -1 when there is no such state. */
int status_sample(const char *name, struct status *out);

#endif
