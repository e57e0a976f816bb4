/*
 * The machine's clock: see clock.h.
 */
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now))
        abort(); /* only for a clock that the kernel does not have */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *context)
{
    (void)context;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_mono_ms(void *context)
{
    (void)context;
    return read_ms(CLOCK_MONOTONIC);
}

static void system_sleep_ms(void *context, int64_t ms)
{
    (void)context;
    if (ms <= 0)
        return;

    struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&span, NULL); /* EINTR: a signal ends the sleep, as promised */
}

const struct clock *clock_system(void)
{
    static const struct clock machine = {
        .wall_ms = system_wall_ms,
        .mono_ms = system_mono_ms,
        .sleep_ms = system_sleep_ms,
    };

    return &machine;
}
