/*
 * Time as an argument. The only caller of clock_gettime and of sleep in the program; tests pass a
 * clock of their own.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(void *context);           /* milliseconds since 1970, UTC; may jump */
    int64_t (*mono_ms)(void *context);           /* milliseconds, never goes back */
    void (*sleep_ms)(void *context, int64_t ms); /* returns early only when a signal came */
    void *context;
};

/* The machine's clock. */
const struct clock *clock_system(void);

static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->context);
}

static inline int64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_ms(clock->context);
}

static inline void clock_sleep_ms(const struct clock *clock, int64_t ms)
{
    clock->sleep_ms(clock->context, ms);
}

#endif
