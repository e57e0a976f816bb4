/*
 * A clock that a test sets. Sleeping does not wait: it moves both times on.
 */
#ifndef SUPPORT_FAKE_CLOCK_H
#define SUPPORT_FAKE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"

struct fake_clock {
    struct clock clock; /* give &fake.clock to what is tested */
    _Atomic int64_t wall_ms;
    _Atomic int64_t mono_ms;
    _Atomic int64_t slept_ms; /* by all sleeps together */
    _Atomic unsigned sleeps;
};

/* wall_ms as given, mono_ms 1000 (not 0, which would look like "never"). The struct may not move.
 */
void fake_clock_init(struct fake_clock *fake, int64_t wall_ms);
/* Moves both times on. */
void fake_clock_advance(struct fake_clock *fake, int64_t ms);

#endif
