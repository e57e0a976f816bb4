/*
 * A directory of a test's own, and a count of open descriptors for leak checks.
 */
#ifndef SUPPORT_TMPDIR_H
#define SUPPORT_TMPDIR_H

/* A new empty directory below $TMPDIR or /tmp; aborts when there can be none. */
char *tmpdir_new(void);
/* Removes it with all that is in it, read-only directories too, and frees the name. */
void tmpdir_remove(char *path);

/* How many descriptors this process has open. */
unsigned fd_count(void);

#endif
