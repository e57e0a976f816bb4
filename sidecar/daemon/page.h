/*
 * The page for people at `/`: what can be restored right now, the last backups, what is wrong and
 * what to do. Plain HTML and inline SVG, no script, nothing from elsewhere. Pure. Every foreign
 * text is escaped.
 */
#ifndef DAEMON_PAGE_H
#define DAEMON_PAGE_H

#include "base/buf.h"
#include "daemon/status.h"

#define PAGE_BYTES_MAX ((size_t)1 << 20)

/* Appends the whole document. Times are shown in the process's time zone (base/zone.h). */
void page_format(const struct status *status, struct buf *out);

#endif
