/*
 * Civil time in the one time zone of this process. The zone data is the C library's; it is set once
 * at start (and when the settings are read again), before other threads ask.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct zone_civil {
    int year;    /* 2026 */
    int month;   /* 1 to 12 */
    int day;     /* 1 to 31 */
    int hour;    /* 0 to 23 */
    int minute;  /* 0 to 59 */
    int weekday; /* 0 Sunday to 6 */
};

/* "UTC", "Europe/Berlin": a name of the zone database, or UTC, which needs none. ERR_CONFIG when
 * there is no such zone (the C library would silently take UTC), with a hint to install tzdata
 * when the whole database is missing; the zone stays what it was. Sets TZ, which children inherit.
 */
int zone_use(const char *name, struct err *err);
/* The civil time at a moment (seconds since 1970), its seconds cut off. What is outside of the
 * years 2 to 9998 is taken for the nearest moment in them. */
void zone_civil(int64_t time_s, struct zone_civil *out);
/* The first moment (a whole minute) at which the clocks of the zone show this time, or, for a time
 * that a change of the clocks leaves out, the first moment behind the gap. weekday is ignored. */
int64_t zone_moment(const struct zone_civil *civil);
/* "2026-11-20 18:30 CET" for people; out holds at least 48 bytes. */
void zone_format(int64_t time_ms, char *out, size_t out_size);

#endif
