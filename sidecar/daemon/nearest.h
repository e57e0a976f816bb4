/*
 * Which known name did the operator mean? Pure.
 */
#ifndef DAEMON_NEAREST_H
#define DAEMON_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* what was written */
    const char *best; /* the nearest candidate so far; NULL before the first */
    size_t score;
};

/* word must outlive it. */
static inline struct nearest nearest_to(const char *word)
{
    return (struct nearest){.word = word};
}

/* Takes candidate when it is nearer than all before. A candidate that begins with the word is near,
 * one that holds it is a little less near; else the number of letters to insert, drop, change or
 * swap with their neighbour decides. */
void nearest_try(struct nearest *nearest, const char *candidate);

#endif
