/*
 * What was installed with the program, ../share beside its own directory, for when the system has
 * nothing of the kind: the program and its files are copied into images without certificates and
 * without time zones. An ordinary installation has no such folder and lives by the system's.
 */
#ifndef BASE_INSTALLED_H
#define BASE_INSTALLED_H

/* The path of share/NAME beside what the link `program` points at (which is in a bin/), or NULL
 * when it cannot be read. */
char *installed_beside(const char *program, const char *name);
/* NULL when `system` can be read, or nothing stands in for it; else the path of share/NAME that
 * came with this program. */
char *installed_unless(const char *system, const char *name);
/* The certificates to trust, where the system has none of its own; NULL: it has, use those. */
char *installed_ca_bundle(void);

#endif
