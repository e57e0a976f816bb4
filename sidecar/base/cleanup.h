/*
 * Cleanup by scope. A function-local resource is declared with one of these at the line that
 * acquires it, so that every early return releases it; ownership is given away with TAKE_PTR or
 * take_fd. No goto in a function that uses them (tests/lint/shape.sh checks).
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* Defines the cleanup function `name` for variables of type `type`, calling `release(variable)`
 * (pointers: release must accept NULL). Use: `__attribute__((cleanup(name))) type v = ...`. */
#define DEFINE_CLEANUP(name, type, release) \
    static inline void name(type *variable) \
    {                                       \
        release(*variable);                 \
    }                                       \
    struct cleanup_needs_a_semicolon

#define auto_with(name) __attribute__((cleanup(name)))

static inline void cleanup_free(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* the data was fsynced where it matters; a close error has no remedy */
}

#define auto_free auto_with(cleanup_free)
#define auto_close auto_with(cleanup_close)

/* The value of pointer variable `p`, which becomes NULL: ownership moves to the caller. */
#define TAKE_PTR(p)                 \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

/* The descriptor in *fd, which becomes -1: ownership moves to the caller. */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
