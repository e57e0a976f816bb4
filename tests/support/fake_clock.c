/*
 * A clock that a test sets: see fake_clock.h.
 */
#include "support/fake_clock.h"

static int64_t wall_ms(void *context)
{
    struct fake_clock *fake = context;

    return fake->wall_ms;
}

static int64_t mono_ms(void *context)
{
    struct fake_clock *fake = context;

    return fake->mono_ms;
}

static void sleep_ms(void *context, int64_t ms)
{
    struct fake_clock *fake = context;

    atomic_fetch_add(&fake->sleeps, 1);
    if (ms <= 0)
        return;
    atomic_fetch_add(&fake->slept_ms, ms);
    fake_clock_advance(fake, ms);
}

void fake_clock_init(struct fake_clock *fake, int64_t wall)
{
    fake->clock = (struct clock){
        .wall_ms = wall_ms,
        .mono_ms = mono_ms,
        .sleep_ms = sleep_ms,
        .context = fake,
    };
    fake->wall_ms = wall;
    fake->mono_ms = 1000;
    fake->slept_ms = 0;
    fake->sleeps = 0;
}

void fake_clock_advance(struct fake_clock *fake, int64_t ms)
{
    atomic_fetch_add(&fake->wall_ms, ms);
    atomic_fetch_add(&fake->mono_ms, ms);
}
