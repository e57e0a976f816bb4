/*
 * Names with values, as INFO and CONFIG GET give them. Names are case-insensitive (those of CONFIG
 * are, and INFO has none that differ in case alone); of several with one name the first counts.
 */
#ifndef HOST_PAIRS_H
#define HOST_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pairs { /* zero-initialised: empty */
    char **names;
    char **values;
    size_t count;
};

/* Adds copies. */
void pairs_add(struct pairs *pairs, const char *name, const char *value);
/* Adds each "name:value" line; comments and what is no such line are skipped. */
void pairs_add_info(struct pairs *pairs, const char *text, size_t len);
void pairs_release(struct pairs *pairs);

/* NULL when there is none (or pairs is NULL). Borrowed. */
const char *pairs_get(const struct pairs *pairs, const char *name);
/* A whole number, "-12", and nothing else; false when text is none. */
bool pairs_number(const char *text, int64_t *out);
/* False when there is none or it is no whole number. */
bool pairs_i64(const struct pairs *pairs, const char *name, int64_t *out);
/* Is there one, and is it value? */
bool pairs_is(const struct pairs *pairs, const char *name, const char *value);

#endif
