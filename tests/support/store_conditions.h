/*
 * What every store must do with puts on conditions, whatever is behind it.
 */
#ifndef SUPPORT_STORE_CONDITIONS_H
#define SUPPORT_STORE_CONDITIONS_H

#include "store/store.h"

/* All the contract says, on keys below "conditions/"; a and b are two ways to one repository. Fails
 * the test that calls it. */
void store_conditions_hold(struct store *a, struct store *b);

/* Adds one to a number kept at key, `times` times, trying again whenever another was faster; the
 * first of all makes the object. Returns how often it was not. What racers have done is lost when
 * two of them ever win at once. */
unsigned store_conditions_count(struct store *store, const char *key, unsigned times);
/* The number; 0 when there is none. */
unsigned store_conditions_read(struct store *store, const char *key);

#endif
