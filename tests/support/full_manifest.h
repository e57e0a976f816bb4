/*
 * Manifests to format and to read: one with every field set, one with as few as may be.
 */
#ifndef SUPPORT_FULL_MANIFEST_H
#define SUPPORT_FULL_MANIFEST_H

#include <stddef.h>

#include "backup/manifest.h"

/* Every field set, each to another value. */
void full_manifest(struct manifest *to);
/* Nothing set that need not be. */
void bare_manifest(struct manifest *to);
/* The text of the full one; heap. */
char *full_manifest_text(void);
/* The text must be refused so; why is for the reader of a failure. */
void manifest_is_refused(const char *text, size_t len, enum err_kind kind, const char *why);

#endif
