/*
 * What programs that we start find in their environment. Pure.
 */
#ifndef BASE_ENVIRONMENT_H
#define BASE_ENVIRONMENT_H

/* The same without what is redkeep's own: REDKEEP_*, and AWS_*, the keys of its repository. For
 * servers, which have no use for them, and show them to whoever takes one over. The caller frees
 * the array alone. */
char **environment_of_others(char *const *environment);

#endif
